//! Parsers of the HTTP stack: headers and certificates.

use std::time::Duration;

use jiff::Timestamp;

use crate::private::certificate::Certificate;
use crate::private::retry_after::parse;

/// `Retry-After` in the first line, the response's `Date` in the second.
pub fn retry_after(lines: &[u8]) {
    let text = String::from_utf8_lossy(lines);
    let (value, date) = text.split_once('\n').map_or((&*text, None), |(value, date)| (value, Some(date)));
    let (now, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let wait = parse(value, date, now);
    assert_eq!(parse(&format!(" {value}\t"), date, now), wait, "space around a value is ignored");
    let Some(wait) = wait else { return };
    if is_number(value) {
        let expected = value.trim().parse().unwrap_or(u64::MAX);
        assert!(value.contains('.') || wait == Duration::from_secs(expected));
        assert_eq!(parse(value, date, later), Some(wait), "seconds do not depend on the clock");
        assert_eq!(wait.subsec_nanos(), 0, "never shorter than requested");
    } else {
        // A date: the wait does not grow with time, and with the service's `Date` our clock does not matter.
        assert!(parse(value, None, later) <= parse(value, None, now));
        assert_eq!(parse(value, Some(value), now), Some(Duration::ZERO));
        if date.is_some_and(|date| !is_number(date) && parse(date, None, now).is_some()) {
            assert_eq!(parse(value, date, later), Some(wait));
        }
    }
}

fn is_number(text: &str) -> bool {
    text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// A certificate in DER, as a server may send it.
pub fn certificate(der: &[u8]) {
    let Some(read) = Certificate::read(der) else { return };
    assert!(read.names.len() <= 8, "the number of names is limited");
    for text in [&read.subject, &read.issuer].into_iter().chain(&read.names) {
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    assert!(!read.self_issued || read.subject == read.issuer);
}
