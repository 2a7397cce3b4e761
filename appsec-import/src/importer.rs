//! One run of a binding: resolve the target, scan if asked, stage the findings, and conclude.

mod import;
mod options;
mod scanner_call;

pub use import::Import;
pub use options::ImportOptions;
#[cfg(feature = "worker")]
pub(crate) use scanner_call::catch_panic_of;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{
    BindTarget, BindTargetId, Coverage, CoverageGap, DastApiScanner, DastApiScannerExt, Error, ErrorKind,
    ErrorOrigin, FindingEvent, FindingQuery, FindingScope, GapKind, Result, ScanRequest, Timestamp,
};
use futures_util::TryStreamExt;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::binding::Binding;
use crate::outbox::{ConnectionFailed, Event, EventData, EventKind, ImportFailed, messages_for};
use crate::reconcile::{Completeness, EmptyReason, Summary};
use crate::store::{Run, RunRequest, Store};

/// How often the findings are read again from the beginning, because the resume point expired, before the
/// run fails.
const MAX_RESTARTS: u32 = 3;

/// How long after its start another process may resume a run. A later one starts over, since the findings
/// that are staged are too old to be combined with new ones.
const MAX_AGE: Duration = Duration::from_hours(6);

/// The longest connection test after a failure. The run holds its binding meanwhile.
const MAX_CONNECTION_TEST: Duration = Duration::from_mins(2);

/// Imports the findings of any scanner into a store.
///
/// A run that ends in an error changes no finding. Every such error is told by the event `import.failed`,
/// except that the run was stopped, or that another process took it over. Where the scanner cannot be read,
/// `connection.failed` says in addition what to repair. A panic in the code of a scanner is an error like
/// any other, and so is a scanner that does not answer
/// ([`with_stall_limit`](ImportOptions::with_stall_limit)). What it staged is kept for six hours, and the next run of the binding
/// resumes from there; the result is that of an undisturbed run. A stalled process that wakes up after
/// another one took its run over writes nothing.
#[derive(Debug, Clone)]
pub struct Importer {
    scanner: Arc<dyn DastApiScanner>,
    store: Arc<dyn Store>,
    connection: Option<String>,
}

/// The [code](Error::code) of the error for a bind target that is gone while its name leads to another id.
/// [`Error::conflicting_id`] is that id; [`Store::move_binding`] gives the binding its new target.
pub const TARGET_MOVED: &str = "target_moved";

impl Importer {
    /// Creates an importer from the scanner into the store.
    pub fn new(scanner: Arc<dyn DastApiScanner>, store: Arc<dyn Store>) -> Self {
        Self { scanner, store, connection: None }
    }

    /// Sets the name of the connection. The store keeps it with the binding, for people; it is not part of
    /// the binding's identity.
    pub fn with_connection(mut self, name: impl Into<String>) -> Self {
        self.connection = Some(name.into());
        self
    }

    /// Runs the binding once.
    ///
    /// # Errors
    /// `InvalidRequest` when the binding is of another scanner, names its bind target by its name instead of
    /// its id, or names a target that is gone while its name has another id ([`TARGET_MOVED`]); `Conflict` while another process imports
    /// the binding, or when one took this run over; `Unsupported` when the scanner cannot read findings
    /// of such a target; `Deadline` when the scan has not ended in time, or when the scanner did not answer
    /// for the stall limit; `Unexpected` when the scanner's stream ends without a coverage, or when its code
    /// panics; those of the scanner and of the store.
    pub async fn run(&self, binding: &Binding, options: &ImportOptions) -> Result<Import> {
        self.run_until(binding, options, std::future::pending()).await
    }

    /// Runs the binding once, or until `stop` completes. Then the run is released, and the next one can
    /// resume it immediately.
    ///
    /// A launch of a scan that is in progress is finished and its id is stored; so is the final
    /// transaction.
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
        if binding.scanner != key {
            let message = format!("the binding names the scanner {}, but this is {key}", binding.scanner);
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_operation("import"));
        }
        let started_at = options.started_at().unwrap_or_else(Timestamp::now);
        let request = RunRequest::new(started_at)
            .with_lease(options.lease())
            .with_take_over(options.take_over())
            .with_dry_run(options.dry_run())
            .with_scheduled_run(options.scheduled_run().cloned())
            .with_connection(self.connection.clone());
        let run = self.store.begin_run(binding, &request).await?;
        tracing::Span::current().record("run", run.number);
        let critical_section = Mutex::new(());
        let stop = async {
            stop.await;
            let _guard = critical_section.lock().await;
        };
        let mut running = Running {
            importer: self,
            binding,
            options,
            run: run.clone(),
            started_at,
            received: 0,
            left_out: 0,
            left_out_gap: None,
            critical_section: &critical_section,
        };
        let result = tokio::select! {
            result = running.import() => result,
            () = stop => {
                let stopped = Error::new(ErrorKind::Deadline, "the import was stopped");
                Err(Failure::Stopped(stopped.with_operation("import")))
            }
        };
        if let Err(failure) = &result
            && !options.dry_run()
            && let Err(error) = running.notify_failure(failure).await
        {
            // The caller gets the error of the run. The next run notifies again.
            tracing::warn!(%error, "the endpoints were not notified of the failure");
        }
        if result.is_err() || options.dry_run() {
            // The caller gets the error of the run. A lease that cannot be released ends by itself.
            if let Err(error) = self.store.release_run(&run).await {
                tracing::warn!(%error, "the binding is held until its lease ends");
            }
        }
        let result = result.map_err(Failure::into_error);
        match &result {
            Ok(import) => {
                let Summary { new, closed, reopened, recurrent, .. } = &import.summary;
                let (received, gaps, kept_open) =
                    (import.received, import.gaps.len(), import.summary.kept_open_count());
                tracing::Span::current().record("received", received);
                tracing::info!(received, new, closed, reopened, recurrent, kept_open, gaps, "imported");
            }
            Err(error) => tracing::info!(%error, "the import failed"),
        }
        result
    }
}

/// What ended a run.
#[derive(Debug)]
enum Failure {
    /// The scanner did not respond, or its response is an error.
    Scanner(Error),
    /// The store failed, or the run cannot continue for another reason.
    Other(Error),
    /// The caller stopped the run.
    Stopped(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        match self {
            Self::Scanner(error) | Self::Other(error) | Self::Stopped(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Whether an error concerns the connection and not one request.
fn is_connection_error(error: &Error) -> bool {
    use ErrorKind::{Auth, Deadline, Decode, PermissionDenied, RateLimited, Server, Transport};
    matches!(error.kind(), Auth | PermissionDenied | Transport | Server | RateLimited | Deadline | Decode)
}

struct Running<'a> {
    importer: &'a Importer,
    binding: &'a Binding,
    options: &'a ImportOptions,
    run: Run,
    /// The start time of this process's part of the run.
    started_at: Timestamp,
    received: u64,
    /// The number of received findings that belong to other bind targets and that the binding does not know.
    left_out: u64,
    /// The gap for those of them of which nothing tells whose they are.
    left_out_gap: Option<CoverageGap>,
    /// Held while something is done that a stop may not interrupt: a scan is launched and its id stored, or
    /// the run is concluded.
    critical_section: &'a Mutex<()>,
}

/// The result of reading all findings.
struct FindingsRead {
    coverage: Coverage,
    resumed: bool,
}

impl Running<'_> {
    async fn import(&mut self) -> Result<Import, Failure> {
        let (query, gaps) = self.prepare().await?;
        let age = Duration::try_from(self.started_at.duration_since(self.run.started_at)).unwrap_or_default();
        let mut resumed =
            self.run.resume.is_some() && self.run.query.as_ref() == Some(&query) && age <= MAX_AGE;
        if !resumed {
            self.restart_staging(&query).await?;
        }
        let had_gaps = !self.run.gaps.is_empty();
        let mut read = self.read_findings(&query).await?;
        resumed &= read.resumed;
        self.add_gaps(&mut read.coverage, &gaps);
        if read.resumed {
            let preview = self.importer.store.preview(&self.run, &read.coverage).await?;
            // Findings that were read in two parts prove nothing by absence, and what the first part missed
            // may be readable by now. Where that matters, they are read once more from the
            // beginning, so that the result is that of an undisturbed run.
            if had_gaps || preview.kept_open_count() > 0 {
                resumed = false;
                self.restart_staging(&query).await?;
                read = self.read_findings(&query).await?;
                self.add_gaps(&mut read.coverage, &gaps);
            }
        }
        let (store, coverage) = (&self.importer.store, &read.coverage);
        let summary = if self.options.dry_run() {
            store.preview(&self.run, coverage).await?
        } else {
            let _guard = self.critical_section.lock().await;
            store.conclude(&self.run, coverage, self.options.subscriptions()).await?
        };
        let is_empty = self.received == self.left_out && !resumed;
        Ok(Import {
            run: self.run.number.max(0),
            started_at: self.run.started_at,
            completeness: Completeness::from_run(coverage, Some(&query), self.run.number),
            summary,
            gaps: read.coverage.gaps().to_vec(),
            received: self.received,
            empty: is_empty.then(|| EmptyReason::new(&query, &read.coverage)),
            scan: self.run.scan.clone(),
            resumed,
            dry_run: self.options.dry_run(),
            remarks: self.run.remarks.clone(),
        })
    }

    /// Returns the query for the scanner, after a scan where one is wanted, and the gaps that are known
    /// before the findings are read.
    async fn prepare(&mut self) -> Result<(FindingQuery, Vec<CoverageGap>), Failure> {
        let (scanner, mut gaps) = (&self.importer.scanner, Vec::new());
        let capabilities = scanner.info().capabilities;
        let target = self.binding.configuration.bind_target.clone();
        let everything = target == BindTargetId::all();
        if !everything {
            gaps.extend(self.check_target(&target).await?);
        }
        let wants_scan = self.options.scan() || self.run.scan.is_some();
        if wants_scan && !capabilities.start_scan {
            let name = &scanner.info().name;
            self.run
                .remarks
                .push(format!("no scan was started: {name} cannot start scans; its findings were imported"));
        } else if wants_scan && !self.options.dry_run() {
            gaps.extend(self.scan(&ScanRequest::new(target.clone())).await?);
        }
        let scope = match &self.run.scan {
            Some(scan) if capabilities.findings_by_scan => FindingScope::Scan(scan.clone()),
            _ if everything && capabilities.findings_all => FindingScope::All,
            _ if capabilities.findings_by_target => FindingScope::Targets(vec![target]),
            _ => return Err(Error::unsupported("findings by target").into()),
        };
        let by_target = matches!(scope, FindingScope::Targets(_));
        let mut query = FindingQuery::new(scope)
            .with_severities(self.options.severities().iter().cloned())
            .with_other_targets(by_target);
        query.seen_since = self.options.since().filter(|_| capabilities.findings_since);
        Ok((query, gaps))
    }

    /// Checks that the scanner lists the bind target, and stores its name, which later leads to its id. Returns
    /// a gap where it does not, or where the listing may lack it.
    ///
    /// A target that is gone while its name leads to another id ends the run: its findings would be those of
    /// a target that no longer exists.
    async fn check_target(&mut self, target: &BindTargetId) -> Result<Option<CoverageGap>, Failure> {
        let found = match self.find_target(target.as_str()).await? {
            Ok(found) => found,
            Err(gap) if gap.kind != GapKind::TargetMissing => return Ok(Some(gap)),
            Err(gap) => {
                let Some(name) = self.run.target_name.clone() else { return Ok(Some(gap)) };
                let Ok(found) = self.find_target(&name).await? else { return Ok(Some(gap)) };
                let message = format!(
                    "the bind target {target}, named \"{name}\", is gone, and {} has its name now: move the binding to it",
                    found.id
                );
                let error = Error::new(ErrorKind::InvalidRequest, message).with_operation("import");
                return Err(error.with_code(TARGET_MOVED).with_conflicting_id(found.id.as_str()).into());
            }
        };
        if found.id != *target {
            let message = format!("\"{target}\" is the name of a bind target; its id is {}", found.id);
            return Err(Error::new(ErrorKind::InvalidRequest, message).with_operation("import").into());
        }
        if !self.options.dry_run() && self.run.target_name.as_ref() != Some(&found.name) {
            self.importer.store.set_target_name(&self.run, &found.name).await?;
            self.run.target_name = Some(found.name);
        }
        Ok(None)
    }

    /// Finds the bind target with this id or name. A gap says that there is none, or that the listing may lack
    /// it, so that its findings can still be asked for.
    async fn find_target(&self, name: &str) -> Result<Result<BindTarget, CoverageGap>, Failure> {
        match self.with_heartbeat(self.importer.scanner.find_target(name)).await {
            Ok(found) => Ok(Ok(found)),
            Err(Failure::Scanner(error)) if error.kind() == ErrorKind::NotFound => {
                let message = format!("the scanner does not list {name}, or not to these credentials");
                Ok(Err(CoverageGap::new(GapKind::TargetMissing, message)))
            }
            Err(Failure::Scanner(error)) => match error.gap() {
                Some(gap) => Ok(Err(gap.clone())),
                None => Err(Failure::Scanner(error)),
            },
            Err(error) => Err(error),
        }
    }

    /// Starts a scan, or continues with that of a process that died, and waits for its end.
    ///
    /// A scan that failed is a gap: the findings that it has count, and their absence proves nothing.
    async fn scan(&mut self, request: &ScanRequest) -> Result<Option<CoverageGap>, Failure> {
        let (scanner, store) = (&self.importer.scanner, &self.importer.store);
        let mut visible_within = Duration::ZERO;
        if self.run.scan.is_none() {
            visible_within = self.options.scan_visible_within();
            let _guard = self.critical_section.lock().await;
            let scan = self.with_heartbeat(scanner.start_scan(request)).await?.into_scan();
            store.set_scan(&self.run, Some(&scan.id)).await?;
            self.run.scan = Some(scan.id);
        }
        let Some(id) = &self.run.scan else { return Ok(None) };
        let watch = scanner
            .watch(id)
            .every(self.options.scan_poll_interval())
            .deadline(self.options.scan_deadline())
            .visible_within(visible_within)
            .poll_limit(self.options.stall_limit());
        match self.call(watch.into_future(), Duration::MAX).await {
            Ok(_) => Ok(None),
            Err(Failure::Scanner(error)) => match error.kind() {
                ErrorKind::ScanFailed => Ok(Some(CoverageGap::new(GapKind::ScanLimited, error.message()))),
                // The scan takes longer than the deadline, or to become visible, but the scanner can be read.
                ErrorKind::Deadline if error.origin() == ErrorOrigin::Watch => Err(Failure::Other(error)),
                ErrorKind::NotFound => Err(self.remove_scan(error).await),
                _ => Err(Failure::Scanner(error)),
            },
            Err(other) => Err(other),
        }
    }

    /// Removes a scan that was deleted at the scanner, so that later runs do not wait for it and fail as
    /// this one does.
    async fn remove_scan(&mut self, error: Error) -> Failure {
        match self.importer.store.set_scan(&self.run, None).await {
            Ok(()) => Failure::Scanner(error),
            Err(error) => Failure::Other(error),
        }
    }

    /// Adds the gaps of this process and of the one before, and those that were known before the findings
    /// were read.
    fn add_gaps(&self, coverage: &mut Coverage, gaps: &[CoverageGap]) {
        for gap in self.run.gaps.iter().chain(gaps) {
            coverage.add_gap(gap.clone());
        }
    }

    async fn restart_staging(&mut self, query: &FindingQuery) -> Result<()> {
        self.importer.store.restart_staging(&self.run, query).await?;
        (self.run.resume, self.run.gaps) = (None, Vec::new());
        (self.received, self.left_out, self.left_out_gap) = (0, 0, None);
        self.run.query = Some(query.clone());
        Ok(())
    }

    /// Stages all findings, from the run's resume point to the end of the stream.
    async fn read_findings(&mut self, query: &FindingQuery) -> Result<FindingsRead, Failure> {
        let mut restarts = 0;
        loop {
            let resumed = self.run.resume.is_some();
            let query_now = match self.run.resume.take() {
                Some(point) => query.clone().with_resume(point),
                None => query.clone(),
            };
            match self.stage_stream(query_now).await {
                Ok(coverage) => return Ok(FindingsRead { coverage, resumed }),
                Err(Failure::Scanner(error))
                    if error.kind() == ErrorKind::ResumeExpired && restarts < MAX_RESTARTS =>
                {
                    tracing::info!(%error, "the resume point expired; the findings are read from the beginning");
                    restarts += 1;
                    self.restart_staging(query).await?;
                }
                Err(Failure::Scanner(error))
                    if error.kind() == ErrorKind::NotFound
                        && matches!(query.scope, FindingScope::Scan(_)) =>
                {
                    return Err(self.remove_scan(error).await);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn stage_stream(&mut self, query: FindingQuery) -> Result<Coverage, Failure> {
        let (scanner, store) = (&self.importer.scanner, &self.importer.store);
        // A resumed stream does not repeat the gaps of the part before it.
        let gaps_before = self.run.gaps.clone();
        let mut events = scanner_call::catch_panic(|| scanner.findings(query)).map_err(Failure::Scanner)?;
        let mut heard_at = Instant::now();
        for page in 0_u64.. {
            let span = tracing::debug_span!(
                "page",
                page,
                findings = tracing::field::Empty,
                done = tracing::field::Empty,
                total = tracing::field::Empty,
            );
            let patience = self.options.stall_limit().saturating_sub(heard_at.elapsed());
            let next = self.call(events.try_next(), patience).instrument(span.clone());
            let Some(event) = next.await? else { break };
            match event {
                FindingEvent::Batch(mut batch) => {
                    let before: Vec<_> =
                        gaps_before.iter().filter(|gap| !batch.gaps.contains(gap)).cloned().collect();
                    batch.gaps.splice(..0, before);
                    self.received += batch.findings.len() as u64;
                    span.record("findings", batch.findings.len());
                    batch.gaps.extend(self.left_out_gap.clone());
                    if let Some(progress) = batch.progress {
                        span.record("done", progress.done).record("total", progress.total);
                    }
                    let is_sign_of_life = !batch.findings.is_empty() || batch.progress.is_some();
                    let staged = store.stage(&self.run, &batch).instrument(span).await?;
                    self.left_out += staged.left_out;
                    if self.left_out_gap.is_none() {
                        batch.gaps.extend(staged.gap.clone());
                        self.left_out_gap = staged.gap;
                    }
                    self.run.gaps = batch.gaps;
                    if is_sign_of_life {
                        heard_at = Instant::now();
                    }
                }
                FindingEvent::End(coverage) => return Ok(coverage),
                other => tracing::warn!(?other, "an event that this version does not know was ignored"),
            }
        }
        let message = "the stream of findings ended without a coverage";
        Err(Error::new(ErrorKind::Unexpected, message).with_operation("import").into())
    }

    /// Notifies the subscribed endpoints of what ended the run. The message belongs to the run, so that a
    /// resumed run which fails in the same way notifies only once.
    async fn notify_failure(&self, failure: &Failure) -> Result<()> {
        let error = match failure {
            Failure::Stopped(_) => return Ok(()),
            // Another process has taken the run over, and it has not failed there.
            Failure::Other(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
            Failure::Scanner(error) | Failure::Other(error) => error,
        };
        // A process that stalled may have lost the run without knowing it.
        match self.importer.store.renew_lease(&self.run).await {
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(()),
            held => held?,
        }
        let run = &self.run.reference;
        let failed = ImportFailed::from_error(run.binding.clone(), error).with_run(run.run.as_str());
        let event = Event::new(self.run.started_at, EventData::ImportFailed(failed));
        let messages = messages_for(&event, self.options.subscriptions());
        if !messages.is_empty() {
            self.importer.store.enqueue_messages(&messages).await?;
        }
        match failure {
            Failure::Scanner(error) if is_connection_error(error) => {
                self.notify_connection_failed(error).await
            }
            _ => Ok(()),
        }
    }

    /// Notifies the subscribed endpoints that the scanner cannot be read: with the result of a connection
    /// test, else with the error.
    ///
    /// The message belongs to the run, so that a resumed run which fails in the same way notifies only
    /// once.
    async fn notify_connection_failed(&self, error: &Error) -> Result<()> {
        let subscriptions: Vec<_> = (self.options.subscriptions().iter())
            .filter(|subscription| subscription.wants(EventKind::ConnectionFailed))
            .cloned()
            .collect();
        if subscriptions.is_empty() {
            return Ok(());
        }
        let test = async { Ok(self.importer.scanner.test_connection().await) };
        let binding = self.run.reference.binding.clone();
        let from_test = match self.call(test, self.options.stall_limit().min(MAX_CONNECTION_TEST)).await {
            Ok(report) => ConnectionFailed::from_report(binding.clone(), &report),
            // The test says no more than the error does.
            Err(Failure::Scanner(_)) => None,
            Err(failure) => return Err(failure.into_error()),
        };
        let failed = from_test.unwrap_or_else(|| ConnectionFailed::from_error(binding, error));
        let event = Event::new(self.run.started_at, EventData::ConnectionFailed(failed));
        self.importer.store.enqueue_messages(&messages_for(&event, &subscriptions)).await
    }

    /// Calls the scanner for at most the stall limit.
    async fn with_heartbeat<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T, Failure> {
        self.call(work, self.options.stall_limit()).await
    }

    /// Calls the scanner for at most `patience`, and renews the run's lease meanwhile. A panic of the
    /// scanner is an error.
    ///
    /// Not for work that holds a transaction: a store with one writer would wait for itself.
    async fn call<T>(
        &self,
        work: impl Future<Output = Result<T>> + Send,
        patience: Duration,
    ) -> Result<T, Failure> {
        let mut work = std::pin::pin!(scanner_call::catch_panic_of(work));
        let mut stalled = std::pin::pin!(tokio::time::sleep(patience));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done.map_err(Failure::Scanner),
                () = &mut stalled => {
                    let minutes = self.options.stall_limit().as_secs().div_ceil(60);
                    let message = format!(
                        "the scanner did not answer for {minutes} min; the next run of the binding continues from here"
                    );
                    let error = Error::new(ErrorKind::Deadline, message).with_operation("import");
                    return Err(Failure::Scanner(error));
                }
                () = tokio::time::sleep(self.options.lease() / 3) => {
                    self.importer.store.renew_lease(&self.run).await?;
                }
            }
        }
    }
}
