//! Waiting for what the service does in the background: configurations, reports, scans that are to stop.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

/// How the client waits for what the service does in the background. Exports have [options of their own](crate::ExportOptions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitOptions {
    first_pause: Duration,
    longest_pause: Duration,
    patience: Duration,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl WaitOptions {
    /// The defaults, as each `with_` method states them.
    pub fn new() -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(15),
            patience: Duration::from_secs(10 * 60),
        }
    }

    /// The pauses between two looks, from the first to the longest; each is twice the one before. Default: 1 s to 15 s.
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// How long to wait for one thing. Default: 10 min.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.first_pause.is_zero() || self.first_pause > self.longest_pause {
            return Err(Error::new(
                ErrorKind::Config,
                "the first pause of a wait must be above zero and not above the longest",
            ));
        }
        Ok(())
    }
}

/// One wait, from its first look to its last.
#[derive(Debug)]
pub(crate) struct Wait {
    options: WaitOptions,
    pause: Duration,
    since: Instant,
    /// Why the last look failed, where it did.
    trouble: Option<Error>,
}

impl Wait {
    pub(crate) fn new(options: WaitOptions) -> Self {
        Self { pause: options.first_pause, options, since: Instant::now(), trouble: None }
    }

    /// Takes a failed look for one that saw nothing yet, where its cause may pass.
    pub(crate) fn ride_out(&mut self, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Transport | ErrorKind::Server | ErrorKind::RateLimited => {
                if let Some(wait) = error.retry_after() {
                    self.pause = self.pause.max(wait);
                }
                self.trouble = Some(error);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Pauses until the next look; an error once patience is over. `what` says what has not happened.
    pub(crate) async fn pause(&mut self, what: impl FnOnce() -> String) -> Result<()> {
        let left = self.options.patience.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            let error =
                Error::new(ErrorKind::Deadline, format!("{} within {:?}", what(), self.options.patience));
            return Err(match self.trouble.take() {
                Some(trouble) => error.with_source(trouble),
                None => error,
            });
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(self.options.longest_pause);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what() -> String {
        "nothing came".to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_to_their_bound_and_end_with_patience() {
        let started = Instant::now();
        let mut wait = Wait::new(WaitOptions::new().with_patience(Duration::from_secs(60)));
        let mut at = Vec::new();
        let error = loop {
            if let Err(error) = wait.pause(what).await {
                break error;
            }
            at.push(started.elapsed().as_secs());
        };
        assert_eq!(at, [1, 3, 7, 15, 30, 45, 60], "a last look at the very end");
        assert_eq!(error.kind(), ErrorKind::Deadline);
        assert_eq!(error.message(), "nothing came within 60s");
    }

    #[tokio::test(start_paused = true)]
    async fn passing_troubles_are_ridden_out_and_named_in_the_end() {
        let mut wait = Wait::new(WaitOptions::new().with_patience(Duration::from_secs(30)));
        let limited = Error::new(ErrorKind::RateLimited, "429").with_retry_after(Duration::from_secs(20));
        wait.ride_out(limited).unwrap();
        let started = Instant::now();
        wait.pause(what).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 20, "as long as the service asks");
        wait.pause(what).await.unwrap();
        let error = wait.pause(what).await.unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("429"), "{error:?}");
        let refused = wait.ride_out(Error::new(ErrorKind::Auth, "401")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Auth);
    }

    #[test]
    fn pauses_that_cannot_work_are_refused() {
        let second = Duration::from_secs(1);
        for (first, longest) in [(Duration::ZERO, second), (second * 2, second)] {
            let error = WaitOptions::new().with_pauses(first, longest).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
