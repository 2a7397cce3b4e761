//! The rules of retrying: what a failed attempt means, whether it is repeated, and after how long.

use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::options::RetryPolicy;
use crate::request::RetrySafety;
use crate::stack::throttle_signal::ThrottleSignal;
use crate::stack::transport::TransportError;

/// The class of a failed attempt, which decides about a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureClass {
    /// Nothing reached the service.
    Unsent,
    /// The service asks for fewer requests, and did nothing.
    Throttled,
    /// A fault that may be temporary: no response, such a status, or a response that is not of this API.
    Transient,
    /// A retry changes nothing.
    Permanent,
}

impl FailureClass {
    /// The class of a status that is not 2xx.
    pub(crate) fn from_status(status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            // Not implemented, version not supported: these are permanent.
            501 | 505 => Self::Permanent,
            408 | 500..=599 => Self::Transient,
            _ => Self::Permanent,
        }
    }

    fn may_retry(self, safety: RetrySafety) -> bool {
        match self {
            Self::Unsent | Self::Throttled => true,
            Self::Transient => safety == RetrySafety::Always,
            Self::Permanent => false,
        }
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) class: FailureClass,
    /// The service may have carried out the request, although no clear response confirms it.
    pub(crate) outcome_unknown: bool,
}

impl Failure {
    /// A failure that no retry changes and that had no effect.
    pub(crate) fn permanent(error: Error) -> Self {
        Self { error, class: FailureClass::Permanent, outcome_unknown: false }
    }
}

impl From<TransportError> for Failure {
    fn from(failed: TransportError) -> Self {
        let mut error = Error::new(ErrorKind::Transport, failed.message).with_retryable(!failed.permanent);
        if let Some(source) = failed.source {
            error = error.with_source(source);
        }
        let class = match (failed.permanent, failed.unsent) {
            (true, _) => FailureClass::Permanent,
            (false, true) => FailureClass::Unsent,
            (false, false) => FailureClass::Transient,
        };
        Self { error, class, outcome_unknown: !failed.unsent }
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: RetryPolicy,
    backoff: ExponentialBackoff,
    made: u32,
    signal: Option<ThrottleSignal>,
}

/// What follows a failed attempt.
#[derive(Debug)]
pub(crate) enum RetryDecision {
    /// Another attempt, after this wait.
    After(Duration),
    /// No further attempt.
    Stop(Error),
}

impl Attempts {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let backoff = ExponentialBuilder::new()
            .with_min_delay(policy.base.min(policy.cap))
            .with_max_delay(policy.cap)
            .with_jitter()
            .without_max_times()
            .build();
        Self { policy: *policy, backoff, made: 0, signal: None }
    }

    /// Sets the signal that reports a 429.
    pub(crate) fn with_signal(mut self, signal: Option<ThrottleSignal>) -> Self {
        self.signal = signal;
        self
    }

    /// Records that a request is about to be sent.
    pub(crate) fn record(&mut self) {
        self.made += 1;
    }

    /// Records that the service returned 429.
    pub(crate) fn throttled(&self) {
        if let Some(signal) = &self.signal {
            signal.set();
        }
    }

    /// The number of requests sent.
    pub(crate) fn made(&self) -> u32 {
        self.made
    }

    /// Decides what follows a failure. `remaining` is the time to the deadline; `take_token` takes a retry
    /// from the shared budget.
    pub(crate) fn decide(
        &mut self,
        failure: Failure,
        safety: RetrySafety,
        remaining: Option<Duration>,
        take_token: impl FnOnce() -> bool,
    ) -> RetryDecision {
        let Failure { error, class, outcome_unknown } = failure;
        let error = error.with_attempts(self.made);
        if outcome_unknown && safety == RetrySafety::IfUnsent {
            // An outer loop that repeats retryable errors would do it twice.
            return RetryDecision::Stop(error.with_outcome_unknown(true).with_retryable(false));
        }
        if !class.may_retry(safety) {
            return RetryDecision::Stop(error);
        }
        if self.made >= self.policy.max_attempts {
            return RetryDecision::Stop(error.with_retryable(false));
        }
        let backoff = self.backoff.next().unwrap_or(self.policy.cap);
        let requested = error.retry_after();
        let wait = requested.map_or(backoff, |requested| requested.max(backoff));
        let too_long = remaining.is_some_and(|remaining| wait >= remaining);
        match requested {
            // An earlier request would be refused again. The caller may try again when the time has passed.
            Some(requested) if requested > self.policy.max_retry_after || too_long => {
                RetryDecision::Stop(error)
            }
            None if too_long => RetryDecision::Stop(error.with_retryable(false)),
            _ if !take_token() => RetryDecision::Stop(error.with_retryable(false)),
            _ => RetryDecision::After(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Two attempts, a backoff of milliseconds, and up to a minute if the service asks for it.
    fn policy() -> RetryPolicy {
        let (base, cap) = (Duration::from_millis(1), Duration::from_millis(10));
        RetryPolicy::new().with_base(base).with_cap(cap).with_max_attempts(2).with_max_retry_after(secs(60))
    }

    fn failure(class: FailureClass, requested: Option<u64>) -> Failure {
        let error = Error::new(ErrorKind::Server, "trouble").with_retryable(true);
        let error = requested.map(secs).into_iter().fold(error, Error::with_retry_after);
        Failure { error, class, outcome_unknown: false }
    }

    /// What follows the first attempt: the wait, or whether the error is retryable.
    fn after_first(
        failure: Failure,
        safety: RetrySafety,
        left: Option<Duration>,
        has_token: bool,
    ) -> Result<Duration, bool> {
        let mut attempts = Attempts::new(&policy());
        attempts.record();
        match attempts.decide(failure, safety, left, || has_token) {
            RetryDecision::After(wait) => Ok(wait),
            RetryDecision::Stop(error) => {
                assert_eq!(error.attempts(), 1);
                Err(error.is_retryable())
            }
        }
    }

    #[test]
    fn the_service_may_request_up_to_the_longest_wait() {
        let requested = |seconds, left| {
            after_first(failure(FailureClass::Throttled, Some(seconds)), RetrySafety::IfUnsent, left, true)
        };
        assert_eq!(requested(60, None), Ok(secs(60)));
        assert_eq!(requested(61, None), Err(true), "when that time has passed");
        assert_eq!(requested(30, Some(secs(31))), Ok(secs(30)));
        assert_eq!(requested(30, Some(secs(30))), Err(true), "nothing could be sent at the deadline");
        assert_eq!(requested(0, None).map(|wait| wait > Duration::ZERO), Ok(true), "at least the backoff");
    }

    #[test]
    fn the_backoff_ends_before_the_deadline() {
        let backoff =
            |left| after_first(failure(FailureClass::Transient, None), RetrySafety::Always, left, true);
        assert!(backoff(None).unwrap() <= Duration::from_millis(20));
        assert!(backoff(Some(secs(1))).is_ok());
        assert_eq!(backoff(Some(Duration::ZERO)), Err(false));
    }

    #[test]
    fn after_the_last_attempt_the_error_is_not_retryable() {
        let mut attempts = Attempts::new(&policy());
        attempts.record();
        let next =
            attempts.decide(failure(FailureClass::Transient, None), RetrySafety::Always, None, || true);
        assert!(matches!(next, RetryDecision::After(_)));
        attempts.record();
        assert_eq!(attempts.made(), 2);
        let next = attempts.decide(failure(FailureClass::Transient, None), RetrySafety::Always, None, || {
            panic!("no token is taken")
        });
        assert!(matches!(next, RetryDecision::Stop(error) if !error.is_retryable() && error.attempts() == 2));

        assert_eq!(
            after_first(failure(FailureClass::Transient, None), RetrySafety::Always, None, false),
            Err(false)
        );
        assert_eq!(
            after_first(failure(FailureClass::Throttled, Some(1)), RetrySafety::Always, None, false),
            Err(false)
        );
        assert_eq!(
            after_first(failure(FailureClass::Permanent, None), RetrySafety::Always, None, true),
            Err(true)
        );
    }

    #[test]
    fn a_request_with_an_unknown_outcome_is_not_repeated() {
        let outcome_unknown = || Failure { outcome_unknown: true, ..failure(FailureClass::Transient, None) };
        let mut attempts = Attempts::new(&policy());
        attempts.record();
        let next = attempts.decide(outcome_unknown(), RetrySafety::IfUnsent, None, || true);
        assert!(
            matches!(next, RetryDecision::Stop(error) if error.outcome_unknown() && !error.is_retryable())
        );
        assert!(
            after_first(outcome_unknown(), RetrySafety::Always, None, true).is_ok(),
            "a read changes nothing"
        );
        assert_eq!(
            after_first(failure(FailureClass::Transient, None), RetrySafety::IfUnsent, None, true),
            Err(true)
        );
        assert!(after_first(failure(FailureClass::Unsent, None), RetrySafety::IfUnsent, None, true).is_ok());
        assert!(!Failure::permanent(Error::new(ErrorKind::Decode, "shape")).outcome_unknown);
    }

    #[test]
    fn each_status_has_a_class() {
        for (status, class) in [
            (302, FailureClass::Permanent),
            (404, FailureClass::Permanent),
            (408, FailureClass::Transient),
            (429, FailureClass::Throttled),
            (499, FailureClass::Permanent),
            (500, FailureClass::Transient),
            (501, FailureClass::Permanent),
            (505, FailureClass::Permanent),
            (599, FailureClass::Transient),
            (600, FailureClass::Permanent),
        ] {
            assert_eq!(FailureClass::from_status(status), class, "{status}");
        }
    }

    #[test]
    fn a_transport_error_has_a_class() {
        for (permanent, unsent, class) in [
            (false, false, FailureClass::Transient),
            (false, true, FailureClass::Unsent),
            (true, true, FailureClass::Permanent),
            (true, false, FailureClass::Permanent),
        ] {
            let failure =
                Failure::from(TransportError { unsent, permanent, ..TransportError::interrupted("cut") });
            assert_eq!((failure.class, failure.outcome_unknown), (class, !unsent));
            assert_eq!(
                (failure.error.kind(), failure.error.is_retryable()),
                (ErrorKind::Transport, !permanent)
            );
        }
    }
}
