//! Durations in words.

use std::time::Duration;

/// Writes a duration for a message: in the largest unit that it has a whole number of, but at least two, or
/// at least ten of, rounded up.
///
/// ```
/// use std::time::Duration;
/// use appsec_core::duration_text;
///
/// assert_eq!(duration_text(Duration::from_millis(300)), "1 s");
/// assert_eq!(duration_text(Duration::from_secs(90)), "90 s");
/// assert_eq!(duration_text(Duration::from_secs(300)), "5 min");
/// assert_eq!(duration_text(Duration::from_secs(301)), "301 s");
/// assert_eq!(duration_text(Duration::from_secs(1_799)), "30 min");
/// assert_eq!(duration_text(Duration::from_secs(86_400)), "24 h");
/// assert_eq!(duration_text(Duration::from_secs(3 * 86_400)), "3 days");
/// ```
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    for (unit, name) in [(86_400, "days"), (3_600, "h"), (60, "min")] {
        if seconds >= 10 * unit || (seconds >= 2 * unit && seconds.is_multiple_of(unit)) {
            return format!("{} {name}", seconds.div_ceil(unit));
        }
    }
    format!("{seconds} s")
}
