//! The dates that fakes use unless a test sets others.

use appsec_core::Timestamp;

/// The default start of a fake's clock: 15 October 2026, 12:00 UTC, in Unix seconds.
pub const DEFAULT_NOW: i64 = 1_792_065_600;

/// The time that many days before [`DEFAULT_NOW`].
pub fn days_ago(days: u32) -> Timestamp {
    hours_ago(days.saturating_mul(24))
}

/// The time that many hours before [`DEFAULT_NOW`].
pub fn hours_ago(hours: u32) -> Timestamp {
    Timestamp::from_second(DEFAULT_NOW - i64::from(hours) * 3600).unwrap_or(Timestamp::UNIX_EPOCH)
}
