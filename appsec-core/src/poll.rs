//! Watching a scan until it ends: await the end, or stream the changes.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep_until};

use crate::duration::duration_text;
use crate::error::{Error, ErrorKind, ErrorOrigin, Result};
use crate::scan::{Scan, ScanId, ScanStatus};
use crate::scanner::DastApiScanner;

/// A watch over one scan, made by [`DastApiScannerExt::watch`](crate::DastApiScannerExt::watch).
///
/// Await it for the finished scan, or stream its changes with [`Watch::updates`]. There are three endings:
///
/// * the scan completed: `Ok`;
/// * it was cancelled or aborted: `ScanFailed`, whose [`Error::scan`] is its last state;
/// * the deadline passed: `Deadline`, whose [`Error::scan`] is the last state seen, and whose source says
///   why the last poll failed, if it did. The scan continues.
///
/// A failed poll is not a failed scan: the watch tolerates network faults, server faults and rate limits,
/// up to [`Watch::max_failed_polls`] in a row. An unknown status is not an end.
///
/// A scan that does not exist is not an end at once either. A service may not show a new scan immediately,
/// so until the scan has been read once, `NotFound` is tolerated for the time of [`Watch::visible_within`];
/// then the watch ends with `Deadline`, without a scan, since the scan may still appear. After it has been
/// read, three `NotFound` in a row end the watch with `NotFound`: the scan was deleted. Errors of the watch
/// itself have the origin [`ErrorOrigin::Watch`].
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
    visible_within: Duration,
    poll_limit: Duration,
    max_failed_polls: u32,
}

impl<'a, S: DastApiScanner + ?Sized> Watch<'a, S> {
    /// The shortest pause between two polls.
    pub const MIN_EVERY: Duration = Duration::from_secs(1);

    /// How long a scan may take to become visible, unless it is set.
    pub const VISIBLE_WITHIN: Duration = Duration::from_secs(120);

    pub(crate) fn new(scanner: &'a S, id: ScanId) -> Self {
        Self {
            scanner,
            id,
            every: Duration::from_secs(30),
            deadline: Duration::from_secs(24 * 60 * 60),
            visible_within: Self::VISIBLE_WITHIN,
            poll_limit: Duration::MAX,
            max_failed_polls: 10,
        }
    }

    /// Sets the pause between two polls; default 30 s, at least 1 s. A longer `Retry-After` of the server
    /// wins.
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause.max(Self::MIN_EVERY);
        self
    }

    /// Sets how long to watch in all; default 24 h.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// Sets how long the service may answer that the scan does not exist, from the begin of the watch until
    /// the scan is read for the first time; default 2 min. Zero for a scan that was visible before: then
    /// three such answers in a row mean that it was deleted.
    pub fn visible_within(mut self, limit: Duration) -> Self {
        self.visible_within = limit;
        self
    }

    /// Sets how long to wait for the answer to one poll; by default as long as the deadline. A poll that is not
    /// answered ends the watch with `Deadline`.
    pub fn poll_limit(mut self, limit: Duration) -> Self {
        self.poll_limit = limit;
        self
    }

    /// Sets how many failed polls in a row are tolerated; default 10. Answers that the scan does not exist
    /// are not counted.
    pub fn max_failed_polls(mut self, polls: u32) -> Self {
        self.max_failed_polls = polls;
        self
    }

    /// Streams the scan each time that it changes, beginning with its current state.
    ///
    /// The stream ends after the completed scan, or with one of the errors that awaiting gives.
    pub fn updates(self) -> BoxStream<'a, Result<Scan>> {
        let now = Instant::now();
        let state = Polling {
            next: now,
            end: after(now, self.deadline),
            started: now,
            last: None,
            last_failure: None,
            polls: 0,
            failures: 0,
            missing: 0,
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

/// The number of polls in a row with `NotFound` after which a scan that was read before is gone.
const GONE_AFTER: u32 = 3;

struct Polling<'a, S: ?Sized> {
    watch: Watch<'a, S>,
    started: Instant,
    end: Instant,
    next: Instant,
    last: Option<Scan>,
    /// Why the last poll failed, where it did.
    last_failure: Option<Error>,
    polls: u32,
    failures: u32,
    /// The number of `NotFound` in a row.
    missing: u32,
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
            let limit = after(Instant::now(), self.watch.poll_limit);
            let polled =
                match tokio::time::timeout_at(limit.min(self.end), self.watch.scanner.scan(&self.watch.id))
                    .await
                {
                    Ok(polled) => polled,
                    Err(_elapsed) if limit < self.end => return Err(self.not_answered()),
                    Err(_elapsed) => return Err(self.deadline_passed()),
                };
            match polled {
                Ok(scan) => {
                    (self.failures, self.missing) = (0, 0);
                    self.last_failure = None;
                    self.next = after(Instant::now(), self.watch.every);
                    self.warn_of_unknown_status(&scan);
                    if self.last.as_ref() != Some(&scan) {
                        self.last = Some(scan.clone());
                        return Ok(scan);
                    }
                }
                Err(error) => {
                    if error.kind() == ErrorKind::NotFound {
                        self.missing += 1;
                        if let Some(ended) = self.missing(&error) {
                            return Err(ended.with_source(error));
                        }
                    } else {
                        self.failures += 1;
                        if !self.tolerates(&error) {
                            return Err(error);
                        }
                    }
                    let pause =
                        error.retry_after().map_or(self.watch.every, |hint| hint.max(self.watch.every));
                    tracing::debug!(scan = %self.watch.id, %error, failures = self.failures, "poll failed");
                    self.next = after(Instant::now(), pause);
                    self.last_failure = Some(error);
                }
            }
        }
    }

    fn tolerates(&self, error: &Error) -> bool {
        let passing =
            matches!(error.kind(), ErrorKind::Transport | ErrorKind::Server | ErrorKind::RateLimited);
        passing && self.failures <= self.watch.max_failed_polls
    }

    /// Returns the end of the watch if the scan has not existed for too long.
    fn missing(&self, error: &Error) -> Option<Error> {
        let id = &self.watch.id;
        let (limit, elapsed) = (self.watch.visible_within, self.started.elapsed());
        let ended = if self.last.is_none() && !limit.is_zero() {
            let text = not_visible(id, &duration_text(elapsed));
            (elapsed >= limit).then(|| Error::new(ErrorKind::Deadline, text))
        } else {
            // A gateway may answer 404 for a short time.
            let text = format!("scan {id} does not exist any more");
            let gone = || Error::new(ErrorKind::NotFound, text).with_retryable(false);
            (self.missing >= GONE_AFTER).then(gone)
        };
        ended.map(|ended| {
            let ended = ended.with_operation("watch scan").with_origin(ErrorOrigin::Watch);
            error.status().into_iter().fold(ended, Error::with_status)
        })
    }

    fn warn_of_unknown_status(&mut self, scan: &Scan) {
        if let (ScanStatus::Unknown(word), false) = (&scan.status, self.warned) {
            self.warned = true;
            tracing::warn!(scan = %scan.id, status = %word, "unknown scan status; continuing to wait");
        }
    }

    fn not_answered(&self) -> Error {
        let (id, limit) = (&self.watch.id, self.watch.poll_limit.as_secs());
        let message = format!("the scanner did not answer for {limit} s when asked for scan {id}");
        Error::new(ErrorKind::Deadline, message).with_operation("watch scan")
    }

    fn deadline_passed(&mut self) -> Error {
        let (id, elapsed) = (&self.watch.id, duration_text(self.started.elapsed()));
        let message = if self.missing > 0 && self.last.is_none() {
            not_visible(id, &elapsed)
        } else {
            format!("scan {id} had not ended after {elapsed} and {} polls; it is still running", self.polls)
        };
        let mut error = Error::new(ErrorKind::Deadline, message)
            .with_operation("watch scan")
            .with_origin(ErrorOrigin::Watch);
        if let Some(scan) = self.last.take() {
            error = error.with_scan(scan);
        }
        match self.last_failure.take() {
            Some(last_failure) => error.with_source(last_failure),
            None => error,
        }
    }
}

fn not_visible(id: &ScanId, elapsed: &str) -> String {
    format!("scan {id} was launched and is not visible after {elapsed}; it may still start")
}

/// Adds the pause without overflowing the clock, however long it is.
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
