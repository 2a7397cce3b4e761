//! Durations in words.

use std::time::Duration;

/// Writes a duration for a message: in the largest unit that it has at least two of, rounded up, as in
/// `90 s`, `5 min`, `24 h` or `3 days`.
///
/// ```
/// use std::time::Duration;
/// use appsec_core::duration_text;
///
/// assert_eq!(duration_text(Duration::from_millis(300)), "1 s");
/// assert_eq!(duration_text(Duration::from_secs(90)), "90 s");
/// assert_eq!(duration_text(Duration::from_secs(121)), "3 min");
/// assert_eq!(duration_text(Duration::from_secs(86_400)), "24 h");
/// assert_eq!(duration_text(Duration::from_secs(3 * 86_400)), "3 days");
/// ```
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    for (unit, name) in [(86_400, "days"), (3_600, "h"), (60, "min")] {
        if seconds >= 2 * unit {
            return format!("{} {name}", seconds.div_ceil(unit));
        }
    }
    format!("{seconds} s")
}
