//! Waiting for what the service does in the background: configurations, reports, scans that are being
//! stopped.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use tokio::time::{Instant, sleep};

/// How long, and in which intervals, the client waits for what the service does in the background. Exports
/// have [options of their own](crate::ExportOptions).
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
    /// Returns the defaults, which each `with_` method documents.
    pub fn new() -> Self {
        Self {
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(15),
            patience: Duration::from_secs(10 * 60),
        }
    }

    /// Sets the pauses between two polls, from the first to the longest. Each is twice the one before.
    /// Default: 1 s to 15 s.
    pub fn with_pauses(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_pause, self.longest_pause) = (first, longest);
        self
    }

    /// Sets the maximum time to wait for one operation. Default: 10 min.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The first pause between two polls.
    pub fn first_pause(&self) -> Duration {
        self.first_pause
    }

    /// The longest pause between two polls.
    pub fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// The maximum time to wait for one operation.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.first_pause.is_zero() || self.first_pause > self.longest_pause {
            return Err(Error::new(
                ErrorKind::Config,
                "the first pause of a wait must be greater than zero and not greater than the longest",
            ));
        }
        Ok(())
    }
}

/// One wait, from its first poll to its last.
#[derive(Debug)]
pub(crate) struct Wait {
    options: WaitOptions,
    pause: Duration,
    since: Instant,
    /// The error of the last poll that failed.
    last_error: Option<Error>,
}

impl Wait {
    pub(crate) fn new(options: WaitOptions) -> Self {
        Self { pause: options.first_pause, options, since: Instant::now(), last_error: None }
    }

    /// Keeps an error whose cause may be temporary, so that the wait continues. Returns any other error.
    pub(crate) fn tolerate(&mut self, error: Error) -> Result<()> {
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::Transport | ErrorKind::Server | ErrorKind::RateLimited => {
                if let Some(wait) = error.retry_after() {
                    self.pause = self.pause.max(wait);
                }
                self.last_error = Some(error);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Pauses until the next poll. `what` describes what has not happened.
    ///
    /// # Errors
    /// `Deadline` when the time is over.
    pub(crate) async fn pause(&mut self, what: impl FnOnce() -> String) -> Result<()> {
        let left = self.options.patience.saturating_sub(self.since.elapsed());
        if left.is_zero() {
            let error =
                Error::new(ErrorKind::Deadline, format!("{} within {:?}", what(), self.options.patience));
            return Err(match self.last_error.take() {
                Some(cause) => error.with_source(cause),
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
    async fn pauses_double_up_to_the_longest_and_end_with_the_patience() {
        let started = Instant::now();
        let mut wait = Wait::new(WaitOptions::new().with_patience(Duration::from_secs(60)));
        let mut at = Vec::new();
        let error = loop {
            if let Err(error) = wait.pause(what).await {
                break error;
            }
            at.push(started.elapsed().as_secs());
        };
        assert_eq!(at, [1, 3, 7, 15, 30, 45, 60], "the last poll is at the very end");
        assert_eq!(error.kind(), ErrorKind::Deadline);
        assert_eq!(error.message(), "nothing came within 60s");
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_errors_are_tolerated_and_are_the_source_of_the_last_one() {
        let mut wait = Wait::new(WaitOptions::new().with_patience(Duration::from_secs(30)));
        let limited = Error::new(ErrorKind::RateLimited, "429").with_retry_after(Duration::from_secs(20));
        wait.tolerate(limited).unwrap();
        let started = Instant::now();
        wait.pause(what).await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 20, "the server's Retry-After");
        wait.pause(what).await.unwrap();
        let error = wait.pause(what).await.unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("429"), "{error:?}");
        let refused = wait.tolerate(Error::new(ErrorKind::Auth, "401")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Auth);
    }

    #[test]
    fn invalid_pauses_are_refused() {
        let second = Duration::from_secs(1);
        for (first, longest) in [(Duration::ZERO, second), (second * 2, second)] {
            let error = WaitOptions::new().with_pauses(first, longest).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
