//! When a message that could not be delivered is tried again.

use std::time::Duration;

use crate::outbox::Message;

/// The longest wait that a receiver's `Retry-After` is believed.
const MAX_ASKED: Duration = Duration::from_hours(24);

/// The waits between attempts. After the last of them a message is dead.
///
/// Each wait is lengthened by up to a fifth, differently for each message, so that an endpoint which comes back does not meet all of
/// them at once. Where the receiver asks for a longer wait by `Retry-After`, it gets it, up to a day.
///
/// ```
/// use std::time::Duration;
/// use appsec_import::webhook::RetrySchedule;
///
/// assert_eq!(RetrySchedule::new().attempts(), 10);
/// assert_eq!(RetrySchedule::of([Duration::from_secs(1)]).attempts(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    waits: Vec<Duration>,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self::new()
    }
}

impl RetrySchedule {
    /// The example schedule of the Standard Webhooks specification: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h; ten attempts in
    /// a little more than three days.
    pub fn new() -> Self {
        Self::of([5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400].map(Duration::from_secs))
    }

    /// These waits; none of them means one attempt.
    pub fn of(waits: impl IntoIterator<Item = Duration>) -> Self {
        Self { waits: waits.into_iter().collect() }
    }

    /// How many attempts there are in all.
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.waits.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The wait after a failed attempt; `None` after the last.
    pub(crate) fn wait_after(&self, message: &Message, asked: Option<Duration>) -> Option<Duration> {
        let made = usize::try_from(message.attempts).unwrap_or(usize::MAX);
        let own = *self.waits.get(made.saturating_sub(1))?;
        // The end of the id is as good as a random number, and the same message needs no new one for each attempt.
        let end = message.id.as_str().bytes().rev().take(2);
        let share = end.fold(0_u32, |sum, byte| sum * 256 + u32::from(byte)) % 100;
        let own = own.saturating_add(own / 500 * share);
        Some(own.max(asked.unwrap_or_default().min(MAX_ASKED)))
    }
}

#[cfg(test)]
mod tests {
    use appsec_core::Timestamp;

    use super::*;
    use crate::outbox::EventKind;

    fn message(id: &str, attempts: u32) -> Message {
        let mut message = Message::restore(id, "e", EventKind::FindingNew, "{}", Timestamp::UNIX_EPOCH);
        message.attempts = attempts;
        message
    }

    #[test]
    fn waits_grow_and_end_and_are_spread() {
        let schedule = RetrySchedule::new();
        let mut before = Duration::ZERO;
        for attempt in 1..schedule.attempts() {
            let wait = schedule.wait_after(&message("msg_ab", attempt), None).unwrap();
            assert!(wait > before, "attempt {attempt}: {wait:?}");
            before = wait;
        }
        assert_eq!(schedule.wait_after(&message("msg_ab", schedule.attempts()), None), None);
        assert_eq!(schedule.wait_after(&message("msg_ab", u32::MAX), None), None);

        let of = |id| schedule.wait_after(&message(id, 1), None).unwrap();
        let waits: std::collections::BTreeSet<_> = ["msg_00", "msg_3f", "msg_a1", "msg_e7"].map(of).into();
        assert!(waits.len() > 1, "{waits:?}");
        let (five, six) = (Duration::from_secs(5), Duration::from_secs(6));
        assert!(waits.iter().all(|wait| (five..=six).contains(wait)), "{waits:?}");
    }

    #[test]
    fn a_receiver_that_asks_for_a_longer_wait_gets_it_up_to_a_day() {
        let schedule = RetrySchedule::new();
        let wait = |asked| schedule.wait_after(&message("msg_ab", 1), Some(Duration::from_secs(asked)));
        assert!(wait(1).unwrap() >= Duration::from_secs(5), "a shorter one does not hurry");
        assert_eq!(wait(600), Some(Duration::from_mins(10)));
        assert_eq!(wait(u64::MAX), Some(MAX_ASKED));
    }
}
