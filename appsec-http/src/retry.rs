//! The rules of repeating: what a failed attempt means, whether it may be made again, and after how long.

use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use crate::options::RetryPolicy;
use crate::request::Repeat;
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

    pub(crate) fn may_repeat(self, repeat: Repeat) -> bool {
        match self {
            Self::Unsent | Self::Throttled => true,
            Self::Passing => repeat == Repeat::Always,
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
        repeat: Repeat,
        left: Option<Duration>,
        pay: impl FnOnce() -> bool,
    ) -> Next {
        let Failure { error, fate, unclear } = failure;
        let error = error.with_attempts(self.made);
        if unclear && repeat == Repeat::IfUnsent {
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
