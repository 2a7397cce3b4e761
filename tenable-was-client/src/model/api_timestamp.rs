//! Timestamps in the formats of the service.

use std::fmt::{self, Write as _};

use appsec_core::Timestamp;
use serde::de::{Deserializer, Visitor};
use serde::{Serialize, Serializer};

use super::LenientDeserialize;

/// A timestamp as the service wrote it: ISO 8601 with 0 to 6 fractional digits and `Z` or `+00:00`, or a
/// Unix time in seconds or milliseconds.
///
/// Text that cannot be parsed is kept verbatim, and [`ApiTimestamp::timestamp`] is `None`: an unreadable
/// time must not make a record unreadable.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiTimestamp {
    timestamp: Option<Timestamp>,
    /// The original, kept only if it differs from the usual format, which is rare.
    original: Option<Box<Original>>,
}

#[derive(Clone, PartialEq, Eq)]
enum Original {
    Text(String),
    Number(i64),
}

/// Numbers from here on are milliseconds: as seconds they would be after the year 5000.
const FIRST_MILLISECOND: i64 = 100_000_000_000;

impl ApiTimestamp {
    /// Returns the timestamp, if it could be parsed.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    fn from_text(text: &str) -> Self {
        let timestamp = text.parse::<Timestamp>().ok();
        // The common case first: writing each one out to compare costs more than parsing it.
        let usual = is_plain(text.as_bytes()) && timestamp.is_some()
            || timestamp.is_some_and(|timestamp| {
                let mut compare = Compare { rest: text };
                write!(compare, "{timestamp}").is_ok() && compare.rest.is_empty()
            });
        Self { timestamp, original: (!usual).then(|| Box::new(Original::Text(text.to_owned()))) }
    }

    fn from_number(number: i64) -> Self {
        let timestamp = if number >= FIRST_MILLISECOND {
            Timestamp::from_millisecond(number)
        } else {
            Timestamp::from_second(number)
        };
        Self { timestamp: timestamp.ok(), original: Some(Box::new(Original::Number(number))) }
    }
}

impl From<Timestamp> for ApiTimestamp {
    fn from(timestamp: Timestamp) -> Self {
        Self { timestamp: Some(timestamp), original: None }
    }
}

/// Whether a text has the format `2026-10-01T00:44:10Z`, the usual one for whole seconds. A leap second
/// parses as another time.
fn is_plain(text: &[u8]) -> bool {
    const PATTERN: &[u8; 20] = b"0000-00-00T00:00:00Z";
    let fits = |(byte, pattern): (&u8, &u8)| {
        if *pattern == b'0' { byte.is_ascii_digit() } else { byte == pattern }
    };
    text.len() == PATTERN.len()
        && text.iter().zip(PATTERN).all(fits)
        && text.get(17).is_some_and(|tens| *tens < b'6')
}

/// Compares written text with a given one, without allocating.
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
        match (self.original.as_deref(), self.timestamp) {
            (Some(Original::Text(text)), _) => f.write_str(text),
            (Some(Original::Number(number)), _) => number.fmt(f),
            (None, Some(timestamp)) => timestamp.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl Serialize for ApiTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.original.as_deref() {
            Some(Original::Number(number)) => serializer.serialize_i64(*number),
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
                f.write_str("a timestamp")
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
            let time = read(json);
            assert_eq!(time.timestamp().unwrap().as_second(), seconds, "{json}");
            assert_eq!(serde_json::to_string(&time).unwrap(), json);
        }
    }

    #[test]
    fn an_unreadable_time_is_kept() {
        for json in ["\"yesterday\"", "\"\"", "9223372036854775807"] {
            let time = read(json);
            assert_eq!(time.timestamp(), None, "{json}");
            assert_eq!(serde_json::to_string(&time).unwrap(), json);
        }
    }

    #[test]
    fn a_leap_second_is_written_back_unchanged() {
        let json = "\"2016-12-31T23:59:60Z\"";
        assert_eq!(serde_json::to_string(&read(json)).unwrap(), json);
    }

    #[test]
    fn the_usual_format_keeps_no_original() {
        assert!(read("\"2020-06-11T15:07:41Z\"").original.is_none());
        assert!(read("\"2020-06-11T15:07:41.62Z\"").original.is_none());
    }
}
