//! Parses `Retry-After`, in seconds or as a date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Returns how long the service asks to wait; `None` if the value cannot be parsed.
///
/// A date counts from the response's own `Date`, so that a wrong clock on either side does not matter, and
/// from `now` only if the response has none. A date in the past is no wait.
pub(crate) fn parse(retry_after: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let text = retry_after.trim();
    if let Some(seconds) = seconds(text) {
        return Some(seconds);
    }
    let until = http_date(text)?;
    let from = date.and_then(http_date).unwrap_or(now);
    Some(Duration::try_from(until.duration_since(from)).unwrap_or(Duration::ZERO))
}

/// Whole seconds, or decimal ones as some gateways send. More digits than fit mean the longest wait.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let begun = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    Some(Duration::from_secs(whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(begun)))
}

/// The preferred date form of HTTP is one of RFC 2822.
fn http_date(text: &str) -> Option<Timestamp> {
    const PARSER: DateTimeParser = DateTimeParser::new();
    PARSER.parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: &str = "Wed, 21 Oct 2015 07:28:00 GMT";

    #[test]
    fn both_forms_are_parsed_and_invalid_values_are_not() {
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let minute = Some(Duration::from_secs(60));
        for (value, date, expected) in [
            ("60", None, minute),
            (" 60 ", None, minute),
            ("59.1", None, minute),
            ("0", None, Some(Duration::ZERO)),
            ("86400", None, Some(Duration::from_secs(86_400))),
            ("99999999999999999999999", None, Some(Duration::from_secs(u64::MAX))),
            // Ten years between the clocks, one minute between the dates of one response.
            ("Wed, 21 Oct 2015 07:29:00 GMT", Some(SERVER), minute),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(SERVER), Some(Duration::ZERO)),
            ("Tue, 01 Jan 2030 00:01:00 GMT", None, minute),
            ("Tue, 01 Jan 2030 00:01:00 GMT", Some("yesterday"), minute),
            ("-5", None, None),
            ("+5", None, None),
            ("1e9", None, None),
            ("inf", None, None),
            ("soon", None, None),
            ("", None, None),
            (".", None, None),
            ("Wed, 99 Oct 2015 07:28:00 GMT", None, None),
        ] {
            assert_eq!(parse(value, date, now), expected, "{value:?} {date:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC{0,40}", date in proptest::option::of("\\PC{0,40}")) {
            let _ = parse(&value, date.as_deref(), Timestamp::MAX);
        }
    }
}
