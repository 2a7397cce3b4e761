//! One run: resolve the target, scan where asked, stage what comes, and give the verdict.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{
    Coverage, CoverageGap, DastApiScanner, DastApiScannerExt, Error, ErrorKind, FindingEvent, FindingQuery,
    FindingScope, GapKind, Result, ScanId, ScanRequest, Severity, Timestamp,
};
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tracing::Instrument as _;

use crate::binding::Binding;
use crate::completeness::Completeness;
use crate::empty::EmptyReason;
use crate::outbox::{ConnectionFailed, Event, EventData, EventKind, Subscription, messages_of};
use crate::store::{Claim, Run, ScheduledRun, Store};
use crate::summary::Summary;

/// How often a list that changes under way is read from its beginning before the run gives up.
const MAX_RESTARTS: u32 = 3;

/// For how long after a run began another process may go on with it. Later it begins anew: what the first half saw is too old to be
/// told beside the second.
const MAX_AGE: Duration = Duration::from_hours(6);

/// How one run is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Starts a scan first, where the scanner can, and waits for it. A dry run starts none.
    pub scan: bool,
    /// The pause between two looks at the scan; default 30 s.
    pub poll_every: Duration,
    /// How long to wait for the scan; default 24 h. A later run goes on waiting for the same scan.
    pub scan_deadline: Duration,
    /// Only these severities; empty means all. With a filter nothing closes by absence.
    pub severities: Vec<Severity>,
    /// Computes the summary and leaves nothing behind.
    pub dry_run: bool,
    /// Takes over a run of this binding whose process is known to be dead, without waiting for its lease to end.
    pub take_over: bool,
    /// How long the claim on the binding holds without a sign of life; default two minutes, at least a second.
    pub lease: Duration,
    /// The time at which the run counts as made; default: when it begins.
    pub at: Option<Timestamp>,
    /// Who is told what the run meant.
    pub subscriptions: Vec<Subscription>,
    /// Only what was seen or fixed at or after this time. With it nothing closes by absence. A scanner that does not tell such times is
    /// read whole.
    pub since: Option<Timestamp>,
    /// The turn of a schedule that the run is.
    pub turn: Option<ScheduledRun>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            scan: false,
            poll_every: Duration::from_secs(30),
            scan_deadline: Duration::from_hours(24),
            severities: Vec::new(),
            dry_run: false,
            take_over: false,
            lease: Duration::from_mins(2),
            at: None,
            subscriptions: Vec::new(),
            since: None,
            turn: None,
        }
    }
}

impl ImportOptions {
    /// Reads what there is: no scan, no filter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a scan first and waits for it.
    pub fn with_scan(mut self) -> Self {
        self.scan = true;
        self
    }

    /// Sets the pause between two looks at the scan, and how long to wait for it.
    pub fn with_scan_wait(mut self, poll_every: Duration, deadline: Duration) -> Self {
        (self.poll_every, self.scan_deadline) = (poll_every, deadline);
        self
    }

    /// Imports only these severities.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Computes the summary and leaves nothing behind.
    pub fn with_dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Takes over a run of this binding whose process is known to be dead.
    pub fn with_take_over(mut self) -> Self {
        self.take_over = true;
        self
    }

    /// Sets how long the claim on the binding holds without a sign of life.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// Sets the time at which the run counts as made.
    pub fn with_time(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// Imports only what was seen or fixed at or after this time, where the scanner tells.
    pub fn with_since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Makes the run a turn of a schedule.
    pub fn with_turn(mut self, turn: ScheduledRun) -> Self {
        self.turn = Some(turn);
        self
    }

    /// Sets who is told what the run meant.
    pub fn with_subscriptions(mut self, to: impl IntoIterator<Item = Subscription>) -> Self {
        self.subscriptions = to.into_iter().collect();
        self
    }
}

/// What a run did. Prints as its summary; that of a dry run says what would happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Import {
    /// The run's number among those of its binding.
    pub run: i64,
    /// The time at which the run counts as made; that of its first process where another went on with it.
    pub started_at: Timestamp,
    /// The counts, and what stays open unseen.
    pub summary: Summary,
    /// What is missing from what was seen.
    pub gaps: Vec<CoverageGap>,
    /// Whether what the run did not report is gone. Asked before anything is closed elsewhere.
    #[serde(default)]
    pub completeness: Completeness,
    /// How many findings this process received; more than the summary counts where occurrences were folded.
    pub received: u64,
    /// Why nothing came.
    pub empty: Option<EmptyReason>,
    /// The scan that was started or joined.
    pub scan: Option<ScanId>,
    /// True when the run went on where a dead process had left off.
    pub resumed: bool,
    /// True when nothing was written.
    pub dry_run: bool,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            let Summary { new, closed, reopened, recurrent, .. } = &self.summary;
            write!(f, "would open {new}, close {closed}, reopen {reopened}, see {recurrent} again")?;
            for kept in &self.summary.kept_open {
                write!(f, "\nwould not close {} of {}: {}", kept.count, kept.place(), kept.reason)?;
            }
        } else {
            write!(f, "{}", self.summary)?;
        }
        match &self.empty {
            Some(reason) => write!(f, "\nnothing came: {reason}"),
            None => Ok(()),
        }
    }
}

/// Imports the findings of a scanner, whatever its kind, into a store.
///
/// A run that ends in an error has closed nothing and opened nothing, and tells nobody but of a scanner that cannot be read
/// (`connection.failed`). What it staged stays, and the next run of the binding goes on from there, within six hours; the end is the same as
/// if nothing had happened. A process that was taken for dead and wakes up
/// finds its run taken, and writes nothing.
#[derive(Debug, Clone)]
pub struct Importer {
    scanner: Arc<dyn DastApiScanner>,
    store: Arc<dyn Store>,
    connection: Option<String>,
}

impl Importer {
    /// An importer from the scanner into the store.
    pub fn new(scanner: Arc<dyn DastApiScanner>, store: Arc<dyn Store>) -> Self {
        Self { scanner, store, connection: None }
    }

    /// Imports bindings of this connection: where there are several of one scanner, a binding names one of them in place of the
    /// scanner's key.
    pub fn with_connection(mut self, name: impl Into<String>) -> Self {
        self.connection = Some(name.into());
        self
    }

    /// Makes one run of the binding.
    ///
    /// # Errors
    /// `InvalidRequest` when the binding is of another scanner; `Conflict` while another process imports the binding, or when one took
    /// this run over; `Unsupported` when the scanner cannot read findings of such a target; `Deadline` when the scan has not ended
    /// in time; those of the scanner and of the store. `Unexpected` when the scanner stops without proving its end.
    pub async fn run(&self, binding: &Binding, options: &ImportOptions) -> Result<Import> {
        self.run_until(binding, options, std::future::pending()).await
    }

    /// Makes one run of the binding, or as much of it as there is time for: when `stop` ends first, the run is let go, and the next one
    /// goes on from there at once. A scan that is just being launched is kept first, and a verdict that is being given is given.
    ///
    /// # Errors
    /// Those of [`run`](Self::run); `Deadline` when it was stopped.
    pub async fn run_until(
        &self,
        binding: &Binding,
        options: &ImportOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Import> {
        let span = tracing::info_span!(
            "import",
            project = binding.project,
            scanner = binding.scanner,
            target = %binding.configuration.bind_target,
            run = tracing::field::Empty,
            received = tracing::field::Empty,
        );
        self.run_in_span(binding, options, stop).instrument(span).await
    }

    async fn run_in_span(
        &self,
        binding: &Binding,
        options: &ImportOptions,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<Import> {
        let key = self.scanner.info().key;
        if binding.scanner != key && self.connection.as_deref() != Some(binding.scanner.as_str()) {
            let message = format!("the binding is of the scanner {}, this is {key}", binding.scanner);
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_operation("import"));
        }
        let claim = Claim {
            at: options.at.unwrap_or_else(Timestamp::now),
            lease: options.lease,
            take_over: options.take_over,
            dry_run: options.dry_run,
            turn: options.turn.clone(),
        };
        let run = self.store.begin(binding, &claim).await?;
        tracing::Span::current().record("run", run.number);
        let critical_section = Mutex::new(());
        let stop = async {
            stop.await;
            let _done = critical_section.lock().await;
        };
        let mut running = Running {
            importer: self,
            binding,
            options,
            run: run.clone(),
            at: claim.at,
            received: 0,
            critical_section: &critical_section,
        };
        let result = tokio::select! {
            result = running.import() => result,
            () = stop => {
                let stopped = Error::new(ErrorKind::Deadline, "the import was stopped");
                Err(Failure::Other(stopped.with_operation("import")))
            }
        };
        if let Err(Failure::Scanner(error)) = &result
            && !options.dry_run
            && cannot_be_read(error)
            && let Err(error) = running.tell_of(error).await
        {
            // The error of the run counts. Whoever makes the run again, tells of it again.
            tracing::warn!(%error, "nobody is told that the scanner cannot be read");
        }
        if result.is_err() || options.dry_run {
            // The error of the run counts; a lease that cannot be given back ends by itself.
            if let Err(error) = self.store.release(&run).await {
                tracing::warn!(%error, "the binding stays claimed until its lease ends");
            }
        }
        let result = result.map_err(|(Failure::Scanner(error) | Failure::Other(error))| error);
        match &result {
            Ok(import) => {
                let Summary { new, closed, reopened, recurrent, .. } = &import.summary;
                let (received, gaps, kept_open) =
                    (import.received, import.gaps.len(), import.summary.kept_open_count());
                tracing::Span::current().record("received", received);
                tracing::info!(received, new, closed, reopened, recurrent, kept_open, gaps, "imported");
            }
            Err(error) => tracing::info!(%error, "the import ended early"),
        }
        result
    }
}

/// What ended a run.
#[derive(Debug)]
enum Failure {
    /// The scanner did not answer, or not with what was asked for.
    Scanner(Error),
    /// The store, or what the scanner's answer meant.
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// True for an error of the connection, and not of one question.
fn cannot_be_read(error: &Error) -> bool {
    use ErrorKind::{Auth, Deadline, Decode, PermissionDenied, RateLimited, Server, Transport};
    matches!(error.kind(), Auth | PermissionDenied | Transport | Server | RateLimited | Deadline | Decode)
}

struct Running<'a> {
    importer: &'a Importer,
    binding: &'a Binding,
    options: &'a ImportOptions,
    run: Run,
    /// When this process counts as having begun.
    at: Timestamp,
    received: u64,
    /// Held while something is done that no stop may divide: a scan is launched and its id kept, or the verdict is given and told.
    critical_section: &'a Mutex<()>,
}

/// A walk that proved its end.
struct Walk {
    coverage: Coverage,
    resumed: bool,
}

impl Running<'_> {
    async fn import(&mut self) -> Result<Import, Failure> {
        let (query, gaps) = self.prepare().await?;
        let age = Duration::try_from(self.at.duration_since(self.run.started_at)).unwrap_or_default();
        let mut resumed =
            self.run.resume.is_some() && self.run.query.as_ref() == Some(&query) && age <= MAX_AGE;
        if !resumed {
            self.start_over(&query).await?;
        }
        let missing_before = !self.run.gaps.is_empty();
        let mut walk = self.walk(&query).await?;
        resumed &= walk.resumed;
        self.note_gaps(&mut walk.coverage, &gaps);
        if walk.resumed {
            let preview = self.importer.store.preview(&self.run, &walk.coverage).await?;
            // A walk in two halves proves nothing by absence, and what the first half missed may be there by now. Where that
            // matters, one in a whole tells what an undisturbed run would have told.
            if missing_before || preview.kept_open_count() > 0 {
                resumed = false;
                self.start_over(&query).await?;
                walk = self.walk(&query).await?;
                self.note_gaps(&mut walk.coverage, &gaps);
            }
        }
        let (store, coverage) = (&self.importer.store, &walk.coverage);
        let summary = if self.options.dry_run {
            store.preview(&self.run, coverage).await?
        } else {
            let _undivided = self.critical_section.lock().await;
            store.conclude(&self.run, coverage, &self.options.subscriptions).await?
        };
        let nothing = self.received == 0 && !resumed;
        Ok(Import {
            run: self.run.number,
            started_at: self.run.started_at,
            completeness: Completeness::of_import(coverage, &summary),
            summary,
            gaps: walk.coverage.gaps().to_vec(),
            received: self.received,
            empty: nothing.then(|| EmptyReason::of(&query, &walk.coverage)),
            scan: self.run.scan.clone(),
            resumed,
            dry_run: self.options.dry_run,
        })
    }

    /// What to ask the scanner for, after a scan where one is wanted; and what is known to be missing from the answer.
    async fn prepare(&mut self) -> Result<(FindingQuery, Vec<CoverageGap>), Failure> {
        let (scanner, mut gaps) = (&self.importer.scanner, Vec::new());
        let can = scanner.info().capabilities;
        let mut target = self.binding.configuration.bind_target.clone();
        let everything = target == appsec_core::BindTargetId::all();
        if !everything {
            match self.with_heartbeat(scanner.find_target(target.as_str())).await {
                Ok(found) => target = found.id,
                Err(Failure::Scanner(error)) if error.kind() == ErrorKind::NotFound => {
                    let message = format!("the scanner does not list {target}, or not to these credentials");
                    gaps.push(CoverageGap::new(GapKind::TargetMissing, message));
                }
                Err(error) => return Err(error),
            }
        }
        let wanted = self.options.scan || self.run.scan.is_some();
        if wanted && can.start_scan && !self.options.dry_run {
            gaps.extend(self.scan(&ScanRequest::new(target.clone())).await?);
        }
        let scope = match &self.run.scan {
            Some(scan) if can.findings_by_scan => FindingScope::Scan(scan.clone()),
            _ if everything && can.findings_all => FindingScope::All,
            _ if can.findings_by_target => FindingScope::Targets(vec![target]),
            _ => return Err(Error::unsupported("findings by target").into()),
        };
        let mut query = FindingQuery::new(scope).with_severities(self.options.severities.iter().cloned());
        query.seen_since = self.options.since.filter(|_| can.findings_since);
        Ok((query, gaps))
    }

    /// Starts a scan, or goes on with that of a process that died, and waits for its end. A scan that failed is a gap: what it
    /// found counts, its silence does not.
    async fn scan(&mut self, request: &ScanRequest) -> Result<Option<CoverageGap>, Failure> {
        let (scanner, store) = (&self.importer.scanner, &self.importer.store);
        if self.run.scan.is_none() {
            let _undivided = self.critical_section.lock().await;
            let scan = self.with_heartbeat(scanner.start_scan(request)).await?.into_scan();
            store.keep_scan(&self.run, Some(&scan.id)).await?;
            self.run.scan = Some(scan.id);
        }
        let Some(id) = &self.run.scan else { return Ok(None) };
        let watch = scanner.watch(id).every(self.options.poll_every).deadline(self.options.scan_deadline);
        match self.with_heartbeat(watch.into_future()).await {
            Ok(_) => Ok(None),
            Err(Failure::Scanner(error)) => match error.kind() {
                ErrorKind::ScanFailed => Ok(Some(CoverageGap::new(GapKind::ScanLimited, error.message()))),
                // It takes its time; the scanner can be read.
                ErrorKind::Deadline => Err(Failure::Other(error)),
                ErrorKind::NotFound => Err(self.forget_scan(error).await),
                _ => Err(Failure::Scanner(error)),
            },
            Err(other) => Err(other),
        }
    }

    /// A scan that someone deleted at the scanner is waited for no more, or every later run of the binding would end as this one does.
    async fn forget_scan(&mut self, error: Error) -> Failure {
        match self.importer.store.keep_scan(&self.run, None).await {
            Ok(()) => Failure::Scanner(error),
            Err(error) => Failure::Other(error),
        }
    }

    /// Adds what was missing under way, in this process or the one before, and what was found missing before the walk.
    fn note_gaps(&self, coverage: &mut Coverage, gaps: &[CoverageGap]) {
        for gap in self.run.gaps.iter().chain(gaps) {
            coverage.add_gap(gap.clone());
        }
    }

    async fn start_over(&mut self, query: &FindingQuery) -> Result<()> {
        self.importer.store.start_over(&self.run, query).await?;
        (self.run.resume, self.run.gaps, self.received) = (None, Vec::new(), 0);
        self.run.query = Some(query.clone());
        Ok(())
    }

    /// Stages all that comes, from where the run stands to the proof that it ended.
    async fn walk(&mut self, query: &FindingQuery) -> Result<Walk, Failure> {
        let mut restarts = 0;
        loop {
            let resumed = self.run.resume.is_some();
            let asked = match self.run.resume.take() {
                Some(point) => query.clone().with_resume(point),
                None => query.clone(),
            };
            match self.stage_all(asked).await {
                Ok(coverage) => return Ok(Walk { coverage, resumed }),
                Err(Failure::Scanner(error))
                    if error.kind() == ErrorKind::ResumeExpired && restarts < MAX_RESTARTS =>
                {
                    tracing::info!(%error, "the walk starts over");
                    restarts += 1;
                    self.start_over(query).await?;
                }
                Err(Failure::Scanner(error))
                    if error.kind() == ErrorKind::NotFound
                        && matches!(query.scope, FindingScope::Scan(_)) =>
                {
                    return Err(self.forget_scan(error).await);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn stage_all(&mut self, query: FindingQuery) -> Result<Coverage, Failure> {
        let (scanner, store) = (&self.importer.scanner, &self.importer.store);
        // A walk that goes on knows nothing of what was missing before it.
        let missing = self.run.gaps.clone();
        let mut events = scanner.findings(query);
        for page in 0_u64.. {
            let span = tracing::debug_span!(
                "page",
                page,
                findings = tracing::field::Empty,
                done = tracing::field::Empty,
                total = tracing::field::Empty,
            );
            let Some(event) = self.with_heartbeat(events.try_next()).instrument(span.clone()).await? else {
                break;
            };
            match event {
                FindingEvent::Batch(mut batch) => {
                    let before: Vec<_> =
                        missing.iter().filter(|gap| !batch.gaps.contains(gap)).cloned().collect();
                    batch.gaps.splice(..0, before);
                    self.received += batch.findings.len() as u64;
                    span.record("findings", batch.findings.len());
                    if let Some(progress) = batch.progress {
                        span.record("done", progress.done).record("total", progress.total);
                    }
                    store.stage(&self.run, &batch).instrument(span).await?;
                    self.run.gaps = batch.gaps;
                }
                FindingEvent::End(coverage) => return Ok(coverage),
                other => tracing::warn!(?other, "an event that this version does not know"),
            }
        }
        let message = "the stream of findings stopped without proving its end";
        Err(Error::new(ErrorKind::Unexpected, message).with_operation("import").into())
    }

    /// Tells the endpoints that want to know it that the scanner cannot be read: what a connection test says, else the error.
    ///
    /// The message is of the run, so that a run which is gone on with and fails in the same way tells nothing new.
    async fn tell_of(&self, error: &Error) -> Result<()> {
        let to: Vec<_> = (self.options.subscriptions.iter())
            .filter(|subscription| subscription.wants(EventKind::ConnectionFailed))
            .cloned()
            .collect();
        if to.is_empty() {
            return Ok(());
        }
        let test = async { Ok(self.importer.scanner.test_connection().await) };
        let report = match self.with_heartbeat(test).await {
            Ok(report) => report,
            Err(Failure::Scanner(error) | Failure::Other(error)) => return Err(error),
        };
        let binding = self.run.note.binding.clone();
        let failed = ConnectionFailed::of_report(binding.clone(), &report)
            .unwrap_or_else(|| ConnectionFailed::of_error(binding, error));
        let event = Event::new(self.run.started_at, EventData::ConnectionFailed(failed));
        self.importer.store.tell(&messages_of(&event, &to)).await
    }

    /// Waits for the scanner, and gives signs of life meanwhile. Not for work that holds a transaction: a store with one writer would wait
    /// for itself.
    async fn with_heartbeat<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done.map_err(Failure::Scanner),
                () = tokio::time::sleep(self.options.lease / 3) => {
                    self.importer.store.renew(&self.run).await?;
                }
            }
        }
    }
}
