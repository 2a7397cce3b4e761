//! Times on the command line and in `appsec.toml`.

use std::time::Duration;

use serde::de::{Deserialize as _, Deserializer, Error as _};

/// Parses a time: a number of minutes, or a number with a unit. 0 is no limit.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "s" => 1,
        "" | "m" | "min" => 60,
        "h" => 3600,
        _ => return Err("expected a number of minutes, or a number with s, m or h".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number first".to_owned())?;
    Ok(match number.saturating_mul(seconds) {
        0 => Duration::MAX,
        seconds => Duration::from_secs(seconds),
    })
}

/// Deserializes a time that is written as on the command line.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_unit_is_in_minutes_as_with_kdt() {
        for (text, seconds) in [("5", 300), ("5m", 300), ("90s", 90), ("2h", 7200)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_duration("0"), Ok(Duration::MAX));
        for text in ["", "m", "5d", "-1", "1.5"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
