//! Points in time, in the several forms that the service writes.

use std::fmt::{self, Write as _};

use appsec_core::Timestamp;
use serde::de::{Deserializer, Visitor};
use serde::{Serialize, Serializer};

use super::LenientDeserialize;

/// A point in time as the service wrote it: ISO-8601 with 0 to 6 digits of fraction and `Z` or `+00:00`, or a Unix number of seconds
/// or milliseconds.
///
/// What cannot be read is kept verbatim and has no [`ApiTimestamp::timestamp`]: a time nobody can read is no reason to lose a record.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiTimestamp {
    at: Option<Timestamp>,
    /// Kept only where it differs from the usual spelling, which is nearly never.
    spelled: Option<Box<Form>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Text(String),
    Number(i64),
}

/// Numbers from here on are milliseconds: as seconds they would lie beyond the year 5000.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

impl ApiTimestamp {
    /// The point in time, where the text could be read.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.at
    }

    fn from_text(text: &str) -> Self {
        let at = text.parse::<Timestamp>().ok();
        // Nearly all; to write each one out and compare costs more than to read it.
        let usual = is_plain(text.as_bytes()) && at.is_some()
            || at.is_some_and(|at| {
                let mut compare = Compare { rest: text };
                write!(compare, "{at}").is_ok() && compare.rest.is_empty()
            });
        Self { at, spelled: (!usual).then(|| Box::new(Form::Text(text.to_owned()))) }
    }

    fn from_number(number: i64) -> Self {
        let at = if number >= FIRST_MILLISECOND {
            Timestamp::from_millisecond(number)
        } else {
            Timestamp::from_second(number)
        };
        Self { at: at.ok(), spelled: Some(Box::new(Form::Number(number))) }
    }
}

impl From<Timestamp> for ApiTimestamp {
    fn from(at: Timestamp) -> Self {
        Self { at: Some(at), spelled: None }
    }
}

/// True for `2026-10-01T00:44:10Z`, which is how a time of whole seconds is written. A leap second is read as another time.
fn is_plain(text: &[u8]) -> bool {
    const FORM: &[u8; 20] = b"0000-00-00T00:00:00Z";
    let alike = |(byte, form): (&u8, &u8)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form };
    text.len() == FORM.len()
        && text.iter().zip(FORM).all(alike)
        && text.get(17).is_some_and(|tens| *tens < b'6')
}

/// Compares what is written with a text, without an allocation.
struct Compare<'a> {
    rest: &'a str,
}

impl fmt::Write for Compare<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.rest = self.rest.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

impl fmt::Debug for ApiTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ApiTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.spelled.as_deref(), self.at) {
            (Some(Form::Text(text)), _) => f.write_str(text),
            (Some(Form::Number(number)), _) => number.fmt(f),
            (None, Some(at)) => at.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl Serialize for ApiTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.spelled.as_deref() {
            Some(Form::Number(number)) => serializer.serialize_i64(*number),
            _ => serializer.collect_str(self),
        }
    }
}

impl LenientDeserialize for ApiTimestamp {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = ApiTimestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a point in time")
            }

            fn visit_str<E>(self, text: &str) -> Result<ApiTimestamp, E> {
                Ok(ApiTimestamp::from_text(text))
            }

            fn visit_i64<E>(self, number: i64) -> Result<ApiTimestamp, E> {
                Ok(ApiTimestamp::from_number(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<ApiTimestamp, E> {
                Ok(ApiTimestamp::from_number(i64::try_from(number).unwrap_or(i64::MAX)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::deserialize::Lenient;

    fn read(json: &str) -> ApiTimestamp {
        serde_json::from_str::<Lenient<ApiTimestamp>>(json).unwrap().0
    }

    #[test]
    fn every_form_is_read_and_written_back_verbatim() {
        for (json, seconds) in [
            ("\"2020-06-11T15:07:41Z\"", 1_591_888_061),
            ("\"2020-06-11T15:07:41.620Z\"", 1_591_888_061),
            ("\"2020-06-11T15:07:41.319827Z\"", 1_591_888_061),
            ("\"2023-03-31T11:36:24.45629+00:00\"", 1_680_262_584),
            ("1540350772", 1_540_350_772),
            ("1732582685595", 1_732_582_685),
        ] {
            let moment = read(json);
            assert_eq!(moment.timestamp().unwrap().as_second(), seconds, "{json}");
            assert_eq!(serde_json::to_string(&moment).unwrap(), json);
        }
    }

    #[test]
    fn a_time_that_cannot_be_read_is_kept() {
        for json in ["\"yesterday\"", "\"\"", "9223372036854775807"] {
            let moment = read(json);
            assert_eq!(moment.timestamp(), None, "{json}");
            assert_eq!(serde_json::to_string(&moment).unwrap(), json);
        }
    }

    #[test]
    fn a_leap_second_is_written_back_as_it_came() {
        let json = "\"2016-12-31T23:59:60Z\"";
        assert_eq!(serde_json::to_string(&read(json)).unwrap(), json);
    }

    #[test]
    fn the_usual_spelling_costs_no_text() {
        assert!(read("\"2020-06-11T15:07:41Z\"").spelled.is_none());
        assert!(read("\"2020-06-11T15:07:41.62Z\"").spelled.is_none());
    }
}
