//! One element of a list. The elements are decoded one by one, so that a bad one does not hide the others.

use std::cell::Cell;
use std::fmt;

use appsec_http::{Element, RecordKey};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The largest number of values in one record. A decoded value takes many times the bytes of a short
/// one, so the limit of bytes does not bound the memory.
const MAX_VALUES: usize = 16_384;

/// An element of a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ListRecord {
    /// A value in which no object has a member twice.
    Value(Value),
    /// An element that could not be decoded.
    Unreadable {
        /// Its key in the list.
        key: RecordKey,
        /// The place of the error, from the index of the element on, as in `[3].severity`.
        path: String,
        /// Why it could not be decoded.
        message: String,
    },
}

impl ListRecord {
    /// Decodes an element.
    pub(crate) fn decode(element: &Element<'_>, operation: &'static str) -> Self {
        match element.json::<Strict>(operation) {
            Ok(Strict(value)) => Self::Value(value),
            Err(error) => Self::Unreadable {
                key: RecordKey::from_content(&element.bytes),
                path: error.path().map_or_else(|| format!("[{}]", element.index), str::to_owned),
                message: error.message().to_owned(),
            },
        }
    }

    /// Whether two equal records are one. Nothing is kept of an element that exceeds a limit, so all such
    /// elements are equal.
    pub(crate) fn is_identifiable(&self) -> bool {
        match self {
            Self::Value(_) => true,
            Self::Unreadable { key, .. } => *key != RecordKey::from_content(&[]),
        }
    }

    /// The decoded value.
    pub(crate) fn value(&self) -> Option<&Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unreadable { .. } => None,
        }
    }
}

/// A JSON value that is refused if an object in it has a member twice, since either of the two could be
/// meant, or if it has more than [`MAX_VALUES`] values.
#[derive(Debug)]
pub(crate) struct Strict(pub(crate) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictValue { left: &Cell::new(MAX_VALUES) }.deserialize(deserializer).map(Self)
    }
}

/// Reads one value, and counts it.
#[derive(Clone, Copy)]
struct StrictValue<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(D::Error::custom(format_args!("a record with more than {MAX_VALUES} values")));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {name:?} occurs twice")));
            }
            let value = members.next_value_seed(self)?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(record: impl Into<Vec<u8>>) -> ListRecord {
        ListRecord::decode(&Element::new(3, record.into()), "test: list")
    }

    #[test]
    fn a_record_is_read_as_any_json_is() {
        for record in [
            r#"{"a":[null,true,-1,1.5,"é\n",{}],"b":{"a":1}}"#,
            "7",
            r#""text""#,
            "[[]]",
            r#"{"big":18446744073709551615,"exact":0.1}"#,
        ] {
            assert_eq!(decode(record), ListRecord::Value(serde_json::from_str(record).unwrap()), "{record}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_trusted_is_kept_apart_with_its_place() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(127), "]".repeat(127));
        let wide = format!(r#"{{"a":[{}0]}}"#, "0,".repeat(MAX_VALUES));
        for (record, place, why) in [
            (r#"{"status":"Open","status":"Resolved"}"#.as_bytes(), "[3]", "occurs twice"),
            (br#"{"a":{"b":[{"c":1,"c":1}]}}"#, "[3].a.b[0]", "occurs twice"),
            (br#"{"unused":1e999}"#, "[3].unused", "out of range"),
            (br#"{"unused":"\ud800"}"#, "[3].unused", "hex escape"),
            (b"{\"unused\":\"\xff\"}", "[3].unused", "code point"),
            (deep.as_bytes(), "[3].a", "recursion limit"),
            (wide.as_bytes(), "[3].a", "more than 16384 values"),
        ] {
            let ListRecord::Unreadable { path, message, .. } = decode(record) else {
                panic!("{:?} was read", String::from_utf8_lossy(record));
            };
            assert!(path.starts_with(place) && path.len() <= 256, "{path}");
            assert!(message.contains(why), "{message}");
        }
    }

    #[test]
    fn long_names_of_members_are_cut() {
        let name = "n".repeat(5_000);
        let record = format!(r#"{{"{name}":{{"{name}":1,"{name}":1}}}}"#);
        let ListRecord::Unreadable { path, message, .. } = decode(record) else { panic!("it was read") };
        assert!(path.len() <= 256 && message.len() <= 256, "{path} {message}");
    }
}
