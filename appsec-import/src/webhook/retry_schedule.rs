//! When a failed delivery is attempted again.

use std::time::Duration;

use crate::outbox::Message;

/// The longest `Retry-After` of a receiver that is honoured.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);

/// The delays between the attempts to deliver a message. After the last attempt a message is dead.
///
/// Each delay is lengthened by up to a fifth, differently for each message, so that an endpoint which
/// recovers does not receive all messages at once. A longer `Retry-After` of the receiver is honoured, up
/// to a day.
///
/// ```
/// use std::time::Duration;
/// use appsec_import::webhook::RetrySchedule;
///
/// assert_eq!(RetrySchedule::new().attempts(), 10);
/// assert_eq!(RetrySchedule::from_delays([Duration::from_secs(1)]).attempts(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    delays: Vec<Duration>,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self::new()
    }
}

impl RetrySchedule {
    /// The example schedule of the Standard Webhooks specification: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14
    /// h, 20 h, 24 h. That is ten attempts in a little more than three days.
    pub fn new() -> Self {
        Self::from_delays(
            [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(Duration::from_secs),
        )
    }

    /// A schedule with these delays. Without any there is one attempt.
    pub fn from_delays(delays: impl IntoIterator<Item = Duration>) -> Self {
        Self { delays: delays.into_iter().collect() }
    }

    /// The number of attempts, including the first.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.delays.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The delay after a failed attempt; `None` after the last.
    pub(crate) fn delay_after(&self, message: &Message, retry_after: Option<Duration>) -> Option<Duration> {
        let attempts = usize::try_from(message.attempts).unwrap_or(usize::MAX);
        let delay = *self.delays.get(attempts.saturating_sub(1))?;
        // The id is a hash, so its end serves as a random number. It may be the same for all attempts of a
        // message.
        let end = message.id.as_str().bytes().rev().take(2);
        let jitter = end.fold(0_u32, |sum, byte| sum * 256 + u32::from(byte)) % 100;
        let delay = delay.saturating_add(delay / 500 * jitter);
        Some(delay.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER)))
    }
}

#[cfg(test)]
mod tests {
    use appsec_core::Timestamp;

    use super::*;
    use crate::outbox::EventKind;

    fn message(id: &str, attempts: u32) -> Message {
        let mut message = Message::from_stored(id, "e", EventKind::FindingNew, "{}", Timestamp::UNIX_EPOCH);
        message.attempts = attempts;
        message
    }

    #[test]
    fn delays_grow_and_end_and_are_spread() {
        let schedule = RetrySchedule::new();
        let mut before = Duration::ZERO;
        for attempt in 1..schedule.attempts() {
            let wait = schedule.delay_after(&message("msg_ab", attempt), None).unwrap();
            assert!(wait > before, "attempt {attempt}: {wait:?}");
            before = wait;
        }
        assert_eq!(schedule.delay_after(&message("msg_ab", schedule.attempts()), None), None);
        assert_eq!(schedule.delay_after(&message("msg_ab", u32::MAX), None), None);

        let delay = |id| schedule.delay_after(&message(id, 1), None).unwrap();
        let delays: std::collections::BTreeSet<_> =
            ["msg_00", "msg_3f", "msg_a1", "msg_e7"].map(delay).into();
        assert!(delays.len() > 1, "{delays:?}");
        let (five, six) = (Duration::from_secs(5), Duration::from_secs(6));
        assert!(delays.iter().all(|delay| (five..=six).contains(delay)), "{delays:?}");
    }

    #[test]
    fn a_longer_retry_after_is_honoured_up_to_a_day() {
        let schedule = RetrySchedule::new();
        let delay = |asked| schedule.delay_after(&message("msg_ab", 1), Some(Duration::from_secs(asked)));
        assert!(delay(1).unwrap() >= Duration::from_secs(5), "a shorter one is ignored");
        assert_eq!(delay(600), Some(Duration::from_mins(10)));
        assert_eq!(delay(u64::MAX), Some(MAX_RETRY_AFTER));
    }
}
