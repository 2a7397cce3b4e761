//! Lenient deserialization of values that the service writes in more than one form.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;

/// A value that is read leniently from a response. An `Option`, a list or a map may be absent; other types
/// may not.
pub(crate) trait LenientDeserialize: Sized {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// The value of an absent member; `None` if the member is required.
    fn absent() -> Option<Self> {
        None
    }

    /// Whether the value is omitted when writing.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Implements [`Deserialize`] by [`LenientDeserialize`].
pub(crate) struct Lenient<T>(pub(crate) T);

impl<'de, T: LenientDeserialize> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Lenient)
    }
}

/// Implements [`LenientDeserialize`] by [`Deserialize`].
macro_rules! impl_lenient_by_serde {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::model::deserialize::LenientDeserialize for $type {
            fn read<'de, D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                <Self as ::serde::Deserialize>::deserialize(deserializer)
            }
        }
    )+};
}
pub(crate) use impl_lenient_by_serde;

impl_lenient_by_serde!(Value, appsec_core::Severity);

impl<E: for<'a> From<&'a str> + AsRef<str>> LenientDeserialize for appsec_core::Verbatim<E> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

impl<T: LenientDeserialize> LenientDeserialize for Option<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Lenient<T>>::deserialize(deserializer)?.map(|lenient| lenient.0))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: LenientDeserialize> LenientDeserialize for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);
        impl<'de, T: LenientDeserialize> Visitor<'de> for List<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E>(self) -> Result<Vec<T>, E> {
                Ok(Vec::new())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(Lenient(item)) = items.next_element()? {
                    list.push(item);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_any(List(PhantomData))
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T: LenientDeserialize> LenientDeserialize for BTreeMap<String, T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = Option::<BTreeMap<String, Lenient<T>>>::deserialize(deserializer)?.unwrap_or_default();
        Ok(map.into_iter().map(|(key, Lenient(value))| (key, value)).collect())
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T: LenientDeserialize> LenientDeserialize for Box<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self::new)
    }
}

impl<T: LenientDeserialize> LenientDeserialize for Arc<T> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self::new)
    }
}

/// Reads text. Numbers and booleans are read as their text.
impl LenientDeserialize for String {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E>(self, text: &str) -> Result<String, E> {
                Ok(text.to_owned())
            }

            fn visit_string<E>(self, text: String) -> Result<String, E> {
                Ok(text)
            }

            fn visit_u64<E>(self, number: u64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_i64<E>(self, number: i64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_f64<E>(self, number: f64) -> Result<String, E> {
                Ok(number.to_string())
            }

            fn visit_bool<E>(self, yes: bool) -> Result<String, E> {
                Ok(yes.to_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// Reads a boolean, a number, or the text `true` or `false` in any case.
impl LenientDeserialize for bool {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Boolean;
        impl Visitor<'_> for Boolean {
            type Value = bool;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true or false")
            }

            fn visit_bool<E>(self, yes: bool) -> Result<bool, E> {
                Ok(yes)
            }

            fn visit_u64<E>(self, number: u64) -> Result<bool, E> {
                Ok(number != 0)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
                match text.to_ascii_lowercase().as_str() {
                    "true" => Ok(true),
                    "false" => Ok(false),
                    _ => Err(E::custom("the text is neither true nor false")),
                }
            }
        }
        deserializer.deserialize_any(Boolean)
    }
}

macro_rules! numbers {
    ($($type:ty, $what:literal, $($visit:ident: $from:ty => $convert:expr),+;)+) => {$(
        /// Reads a number, or a number as text.
        impl LenientDeserialize for $type {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Number;
                impl Visitor<'_> for Number {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.trim().parse().map_err(|_| E::custom(concat!("the text is not ", $what)))
                    }

                    $(fn $visit<E: Error>(self, number: $from) -> Result<$type, E> {
                        let convert: fn($from) -> Option<$type> = $convert;
                        convert(number).ok_or_else(|| E::custom(concat!("the number is not ", $what)))
                    })+
                }
                deserializer.deserialize_any(Number)
            }
        }
    )+};
}

numbers! {
    u64, "a number from 0", visit_u64: u64 => Some, visit_i64: i64 => |n| n.try_into().ok();
    i64, "a whole number", visit_u64: u64 => |n| n.try_into().ok(), visit_i64: i64 => Some;
    f64, "a number", visit_u64: u64 => as_float, visit_i64: i64 => as_signed_float, visit_f64: f64 => Some;
}

#[expect(clippy::cast_precision_loss, reason = "scores and times are far below 2^52")]
#[expect(clippy::unnecessary_wraps, reason = "the signature that the macro needs")]
fn as_float(number: u64) -> Option<f64> {
    Some(number as f64)
}

#[expect(clippy::cast_precision_loss, reason = "scores and times are far below 2^52")]
#[expect(clippy::unnecessary_wraps, reason = "the signature that the macro needs")]
fn as_signed_float(number: i64) -> Option<f64> {
    Some(number as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: LenientDeserialize>(json: &str) -> Option<T> {
        serde_json::from_str::<Lenient<T>>(json).ok().map(|lenient| lenient.0)
    }

    #[test]
    fn numbers_are_read_from_text_and_text_from_numbers() {
        assert_eq!(read::<String>("105658"), Some("105658".to_owned()));
        assert_eq!(read::<String>("\"105658\""), Some("105658".to_owned()));
        assert_eq!(read::<u64>("\"2\""), Some(2));
        assert_eq!(read::<u64>("2"), Some(2));
        assert_eq!(read::<u64>("-2"), None);
        assert_eq!(read::<i64>("-2"), Some(-2));
        assert_eq!(read::<f64>("7"), Some(7.0));
        assert_eq!(read::<f64>("\"7.1\""), Some(7.1));
        assert_eq!(read::<u64>("\"\""), None);
        for (json, expected) in
            [("true", Some(true)), ("\"False\"", Some(false)), ("1", Some(true)), ("\"yes\"", None)]
        {
            assert_eq!(read::<bool>(json), expected, "{json}");
        }
    }

    #[test]
    fn null_is_absent_for_optional_values() {
        assert_eq!(read::<Option<u64>>("null"), Some(None));
        assert_eq!(read::<Vec<u64>>("null"), Some(Vec::new()));
        assert_eq!(read::<BTreeMap<String, u64>>("null"), Some(BTreeMap::new()));
        assert_eq!(read::<String>("null"), None);
        assert_eq!(read::<Vec<String>>("[1, \"2\"]"), Some(vec!["1".to_owned(), "2".to_owned()]));
    }
}
