//! Watching a scan until it ends: await the end, or stream the changes.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, ErrorKind, ErrorOrigin, Result};
use crate::scan::{Scan, ScanId, ScanStatus};
use crate::scanner::DastApiScanner;

/// A watch over one scan, made by [`DastApiScannerExt::watch`](crate::DastApiScannerExt::watch).
///
/// Await it for the finished scan, or stream its changes with [`Watch::updates`]. Three ends are told apart:
///
/// * the scan completed: `Ok`;
/// * it was cancelled or aborted: `ScanFailed`, whose [`Error::scan`] is its last state;
/// * the deadline passed: `Deadline`, whose [`Error::scan`] is the last state seen, and whose source says why the last poll failed
///   where it did. The scan goes on.
///
/// A failed poll is not a failed scan: network faults, server faults and rate limits are ridden out, as many in a row as
/// [`Watch::max_failed_polls`] says. `NotFound` is ridden out in the same way until the scan has been seen once, since a service may
/// not show a scan at once; after that, three in a row say that it is gone. A status this version does not know is not an end.
///
/// ```no_run
/// # async fn run(scanner: &dyn appsec_core::DastApiScanner, id: appsec_core::ScanId) -> appsec_core::Result<()> {
/// use std::time::Duration;
/// use appsec_core::DastApiScannerExt;
///
/// let scan = scanner.watch(&id).every(Duration::from_secs(30)).deadline(Duration::from_secs(7200)).await?;
/// println!("{} ended as {}", scan.id, scan.status);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a watch does nothing until it is awaited or streamed"]
pub struct Watch<'a, S: ?Sized> {
    scanner: &'a S,
    id: ScanId,
    every: Duration,
    deadline: Duration,
    max_failed_polls: u32,
}

impl<'a, S: DastApiScanner + ?Sized> Watch<'a, S> {
    /// The shortest pause between two polls.
    pub const MIN_EVERY: Duration = Duration::from_secs(1);

    pub(crate) fn new(scanner: &'a S, id: ScanId) -> Self {
        Self {
            scanner,
            id,
            every: Duration::from_secs(30),
            deadline: Duration::from_secs(24 * 60 * 60),
            max_failed_polls: 10,
        }
    }

    /// The pause between two polls; default 30 s, at least 1 s. A server that asks for more gets it.
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause.max(Self::MIN_EVERY);
        self
    }

    /// How long to watch in all; default 24 h.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// How many failed polls in a row are ridden out; default 10.
    pub fn max_failed_polls(mut self, polls: u32) -> Self {
        self.max_failed_polls = polls;
        self
    }

    /// The scan each time that it changed, beginning with its present state.
    ///
    /// The stream ends after the completed scan, or with one of the errors that awaiting gives.
    pub fn updates(self) -> BoxStream<'a, Result<Scan>> {
        let now = Instant::now();
        let state = Polling {
            next: now,
            end: after(now, self.deadline),
            started: now,
            last: None,
            trouble: None,
            polls: 0,
            failures: 0,
            warned: false,
            watch: self,
        };
        stream::unfold(Some(state), |state| async move {
            let mut state = state?;
            match state.change().await {
                Ok(scan) if scan.is_ended() => Some((ended(scan), None)),
                Ok(scan) => Some((Ok(scan), Some(state))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

impl<'a, S: DastApiScanner + ?Sized> IntoFuture for Watch<'a, S> {
    type Output = Result<Scan>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Scan>> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut updates = self.updates();
            let mut last = None;
            while let Some(update) = updates.next().await {
                last = Some(update?);
            }
            last.ok_or_else(|| Error::new(ErrorKind::Unexpected, "the watch ended without a state"))
        })
    }
}

/// A scan that was seen is gone after so many polls in a row that say so.
const GONE_AFTER: u32 = 3;

struct Polling<'a, S: ?Sized> {
    watch: Watch<'a, S>,
    started: Instant,
    end: Instant,
    next: Instant,
    last: Option<Scan>,
    /// Why the last poll failed, where it did.
    trouble: Option<Error>,
    polls: u32,
    failures: u32,
    warned: bool,
}

impl<S: DastApiScanner + ?Sized> Polling<'_, S> {
    /// Waits for a state that differs from the last one.
    async fn change(&mut self) -> Result<Scan> {
        loop {
            sleep_until(self.next.min(self.end)).await;
            if self.next > self.end {
                return Err(self.deadline_passed());
            }
            self.polls += 1;
            let polled =
                match tokio::time::timeout_at(self.end, self.watch.scanner.scan(&self.watch.id)).await {
                    Ok(polled) => polled,
                    Err(_elapsed) => return Err(self.deadline_passed()),
                };
            match polled {
                Ok(scan) => {
                    self.failures = 0;
                    self.trouble = None;
                    self.next = after(Instant::now(), self.watch.every);
                    self.note_unknown(&scan);
                    if self.last.as_ref() != Some(&scan) {
                        self.last = Some(scan.clone());
                        return Ok(scan);
                    }
                }
                Err(error) => {
                    self.failures += 1;
                    if !self.rides_out(&error) {
                        return Err(error);
                    }
                    let pause =
                        error.retry_after().map_or(self.watch.every, |hint| hint.max(self.watch.every));
                    tracing::debug!(scan = %self.watch.id, %error, failures = self.failures, "poll failed");
                    self.next = after(Instant::now(), pause);
                    self.trouble = Some(error);
                }
            }
        }
    }

    fn rides_out(&self, error: &Error) -> bool {
        let passing = match error.kind() {
            ErrorKind::Transport | ErrorKind::Server | ErrorKind::RateLimited => true,
            // It may not be listed yet; and once it was, a gateway may say so that knows of nothing.
            ErrorKind::NotFound => self.last.is_none() || self.failures < GONE_AFTER,
            _ => false,
        };
        passing && self.failures <= self.watch.max_failed_polls
    }

    fn note_unknown(&mut self, scan: &Scan) {
        if let (ScanStatus::Unknown(word), false) = (&scan.status, self.warned) {
            self.warned = true;
            tracing::warn!(scan = %scan.id, status = %word, "unknown scan status; waiting on");
        }
    }

    fn deadline_passed(&mut self) -> Error {
        let mut error = Error::new(
            ErrorKind::Deadline,
            format!(
                "scan {} had not ended after {} s and {} polls; it goes on",
                self.watch.id,
                self.started.elapsed().as_secs(),
                self.polls
            ),
        )
        .with_operation("watch scan")
        .with_origin(ErrorOrigin::Watch);
        if let Some(scan) = self.last.take() {
            error = error.with_scan(scan);
        }
        match self.trouble.take() {
            Some(trouble) => error.with_source(trouble),
            None => error,
        }
    }
}

/// A caller's "never", and a server's absurd hint, must not overflow the clock.
fn after(start: Instant, pause: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + pause.min(FAR)
}

fn ended(scan: Scan) -> Result<Scan> {
    if scan.status == ScanStatus::Completed {
        return Ok(scan);
    }
    let why = scan.all_problems().map(|problem| problem.message.as_str()).next().unwrap_or("no reason given");
    Err(Error::new(ErrorKind::ScanFailed, format!("scan {} ended as {}: {why}", scan.id, scan.status))
        .with_operation("watch scan")
        .with_origin(ErrorOrigin::Watch)
        .with_scan(scan))
}
