//! The rules of repeating: what a failed attempt means, whether it may be made again, and after how long.

use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::options::RetryPolicy;
use crate::request::RetrySafety;
use crate::transport::Broken;

/// What is known after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing reached the service.
    Unsent,
    /// The service asks for fewer requests, and did nothing.
    Throttled,
    /// A fault that may pass: no answer, or one that says so, or one that is no answer of this API.
    Passing,
    /// Repetition changes nothing.
    Final,
}

impl Fate {
    /// What a status that is not 2xx means.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            // Not implemented, version not supported: these do not pass.
            501 | 505 => Self::Final,
            408 | 500..=599 => Self::Passing,
            _ => Self::Final,
        }
    }

    pub(crate) fn may_repeat(self, repeat: RetrySafety) -> bool {
        match self {
            Self::Unsent | Self::Throttled => true,
            Self::Passing => repeat == RetrySafety::Always,
            Self::Final => false,
        }
    }
}

/// An attempt that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) fate: Fate,
    /// The service may have done what was asked, although no clear answer says so.
    pub(crate) unclear: bool,
}

impl Failure {
    /// A failure that no repetition changes and that had no effect.
    pub(crate) fn last(error: Error) -> Self {
        Self { error, fate: Fate::Final, unclear: false }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        let mut error = Error::new(ErrorKind::Transport, broken.message).with_retryable(!broken.lasting);
        if let Some(source) = broken.source {
            error = error.with_source(source);
        }
        let fate = match (broken.lasting, broken.unsent) {
            (true, _) => Fate::Final,
            (false, true) => Fate::Unsent,
            (false, false) => Fate::Passing,
        };
        Self { error, fate, unclear: !broken.unsent }
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Tries {
    policy: RetryPolicy,
    backoff: ExponentialBackoff,
    made: u32,
}

/// What follows a failed attempt.
#[derive(Debug)]
pub(crate) enum Next {
    /// Another one, after this wait.
    After(Duration),
    /// None.
    Stop(Error),
}

impl Tries {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(policy.base.min(policy.cap))
            .with_max_delay(policy.cap)
            .with_jitter()
            .without_max_times()
            .build();
        Self { policy: *policy, backoff, made: 0 }
    }

    /// Counts a request that is about to be sent.
    pub(crate) fn count(&mut self) {
        self.made += 1;
    }

    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Decides. `left` is the time to the deadline; `pay` takes a retry from the shared budget.
    pub(crate) fn next(
        &mut self,
        failure: Failure,
        repeat: RetrySafety,
        left: Option<Duration>,
        pay: impl FnOnce() -> bool,
    ) -> Next {
        let Failure { error, fate, unclear } = failure;
        let error = error.with_attempts(self.made);
        if unclear && repeat == RetrySafety::IfUnsent {
            // An outer loop that repeats what is retryable would do it twice.
            return Next::Stop(error.with_outcome_unknown(true).with_retryable(false));
        }
        if !fate.may_repeat(repeat) {
            return Next::Stop(error);
        }
        if self.made >= self.policy.max_attempts {
            return Next::Stop(error.with_retryable(false));
        }
        let own = self.backoff.next().unwrap_or(self.policy.cap);
        let asked = error.retry_after();
        let wait = asked.map_or(own, |asked| asked.max(own));
        let too_long = left.is_some_and(|left| wait >= left);
        match asked {
            // Asking early would be refused again. The caller may come back when the time has passed.
            Some(asked) if asked > self.policy.max_retry_after || too_long => Next::Stop(error),
            None if too_long => Next::Stop(error.with_retryable(false)),
            _ if !pay() => Next::Stop(error.with_retryable(false)),
            _ => Next::After(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Two attempts, own waits of milliseconds, and a minute where the service asks for it.
    fn policy() -> RetryPolicy {
        let (base, cap) = (Duration::from_millis(1), Duration::from_millis(10));
        RetryPolicy::new().with_base(base).with_cap(cap).with_max_attempts(2).with_max_retry_after(secs(60))
    }

    fn failure(fate: Fate, asked: Option<u64>) -> Failure {
        let error = Error::new(ErrorKind::Server, "trouble").with_retryable(true);
        let error = asked.map(secs).into_iter().fold(error, Error::with_retry_after);
        Failure { error, fate, unclear: false }
    }

    /// What follows the first attempt; the wait, or whether an outer loop may try again.
    fn after_one(
        failure: Failure,
        repeat: RetrySafety,
        left: Option<Duration>,
        pays: bool,
    ) -> Result<Duration, bool> {
        let mut tries = Tries::new(&policy());
        tries.count();
        match tries.next(failure, repeat, left, || pays) {
            Next::After(wait) => Ok(wait),
            Next::Stop(error) => {
                assert_eq!(error.attempts(), 1);
                Err(error.is_retryable())
            }
        }
    }

    #[test]
    fn the_longest_wait_that_is_granted_is_granted_and_no_longer_one() {
        let asked = |seconds, left| {
            after_one(failure(Fate::Throttled, Some(seconds)), RetrySafety::IfUnsent, left, true)
        };
        assert_eq!(asked(60, None), Ok(secs(60)));
        assert_eq!(asked(61, None), Err(true), "when that time has passed");
        assert_eq!(asked(30, Some(secs(31))), Ok(secs(30)));
        assert_eq!(asked(30, Some(secs(30))), Err(true), "nothing could be sent at the deadline");
        assert_eq!(asked(0, None).map(|wait| wait > Duration::ZERO), Ok(true), "one's own wait at least");
    }

    #[test]
    fn a_wait_of_ones_own_ends_before_the_deadline_or_is_not_begun() {
        let own = |left| after_one(failure(Fate::Passing, None), RetrySafety::Always, left, true);
        assert!(own(None).unwrap() <= Duration::from_millis(20));
        assert!(own(Some(secs(1))).is_ok());
        assert_eq!(own(Some(Duration::ZERO)), Err(false));
    }

    #[test]
    fn attempts_and_the_budget_end_it_for_an_outer_loop_too() {
        let mut tries = Tries::new(&policy());
        tries.count();
        let next = tries.next(failure(Fate::Passing, None), RetrySafety::Always, None, || true);
        assert!(matches!(next, Next::After(_)));
        tries.count();
        assert_eq!(tries.made(), 2);
        let next =
            tries.next(failure(Fate::Passing, None), RetrySafety::Always, None, || panic!("nothing to pay"));
        assert!(matches!(next, Next::Stop(error) if !error.is_retryable() && error.attempts() == 2));

        assert_eq!(after_one(failure(Fate::Passing, None), RetrySafety::Always, None, false), Err(false));
        assert_eq!(
            after_one(failure(Fate::Throttled, Some(1)), RetrySafety::Always, None, false),
            Err(false)
        );
        assert_eq!(after_one(failure(Fate::Final, None), RetrySafety::Always, None, true), Err(true));
    }

    #[test]
    fn what_may_have_taken_effect_is_not_done_twice() {
        let unclear = || Failure { unclear: true, ..failure(Fate::Passing, None) };
        let mut tries = Tries::new(&policy());
        tries.count();
        let next = tries.next(unclear(), RetrySafety::IfUnsent, None, || true);
        assert!(matches!(next, Next::Stop(error) if error.outcome_unknown() && !error.is_retryable()));
        assert!(after_one(unclear(), RetrySafety::Always, None, true).is_ok(), "a read changes nothing");
        assert_eq!(after_one(failure(Fate::Passing, None), RetrySafety::IfUnsent, None, true), Err(true));
        assert!(after_one(failure(Fate::Unsent, None), RetrySafety::IfUnsent, None, true).is_ok());
        assert!(!Failure::last(Error::new(ErrorKind::Decode, "shape")).unclear);
    }

    #[test]
    fn a_status_says_whether_it_passes() {
        for (status, fate) in [
            (302, Fate::Final),
            (404, Fate::Final),
            (408, Fate::Passing),
            (429, Fate::Throttled),
            (499, Fate::Final),
            (500, Fate::Passing),
            (501, Fate::Final),
            (505, Fate::Final),
            (599, Fate::Passing),
            (600, Fate::Final),
        ] {
            assert_eq!(Fate::of_status(status), fate, "{status}");
        }
    }

    #[test]
    fn a_broken_connection_says_whether_it_lasts_and_what_was_sent() {
        for (lasting, unsent, fate) in [
            (false, false, Fate::Passing),
            (false, true, Fate::Unsent),
            (true, true, Fate::Final),
            (true, false, Fate::Final),
        ] {
            let failure = Failure::from(Broken { unsent, lasting, ..Broken::midway("cut") });
            assert_eq!((failure.fate, failure.unclear), (fate, !unsent));
            assert_eq!(
                (failure.error.kind(), failure.error.is_retryable()),
                (ErrorKind::Transport, !lasting)
            );
        }
    }
}
