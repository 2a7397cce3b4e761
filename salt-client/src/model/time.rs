//! Dates, whose format is not published.

use appsec_core::Timestamp;

/// Larger numbers are milliseconds: as seconds they would be dates after the year 5000.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Parses RFC 3339, ISO 8601 without a zone (read as UTC), or seconds or milliseconds since 1970.
///
/// Returns `None` for zero, the value of a date that was never set.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            ..=0 => None,
            FIRST_MILLISECONDS.. => Timestamp::from_millisecond(number).ok(),
            _ => Timestamp::from_second(number).ok(),
        };
    }
    text.parse().or_else(|_| format!("{text}Z").parse()).or_else(|_| format!("{text}T00:00:00Z").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_parsed_to_the_same_time() {
        for text in [
            "2026-04-18T13:43:07Z",
            "2026-04-18T13:43:07.000Z",
            "2026-04-18T15:43:07+02:00",
            "2026-04-18T13:43:07",
            "2026-04-18 13:43:07",
            "2026-04-18T13:43:07.000000",
            "1776519787",
            "1776519787000",
            " 1776519787 ",
        ] {
            assert_eq!(
                parse(text).map(|at| at.to_string()).as_deref(),
                Some("2026-04-18T13:43:07Z"),
                "{text}"
            );
        }
        assert_eq!(parse("2026-04-18").map(|at| at.to_string()).as_deref(), Some("2026-04-18T00:00:00Z"));
    }

    #[test]
    fn text_that_is_not_a_date_is_none() {
        for text in ["", "0", "-5", "yesterday", "2026-13-01", "99999999999999999999", "9223372036854775807"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
