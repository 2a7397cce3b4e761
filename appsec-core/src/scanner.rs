//! The trait that every scanner implements, and the description of one.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::bind::{BindTargetBatch, BindTargetId, BindTargetQuery};
use crate::connection::ConnectionReport;
use crate::error::{Error, Result};
use crate::finding::StatusChange;
use crate::query::{FindingEvent, FindingQuery};
use crate::scan::{Scan, ScanId, ScanRequest, StartedScan};
use crate::stream::stream_error;

/// How a scanner produces findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScanMode {
    /// The scanner observes traffic; there is nothing to start.
    Passive,
    /// The scanner scans on demand.
    Active,
}

/// The capabilities of a scanner. Each name is a method of [`DastApiScanner`], with its variant.
///
/// A call that the scanner does not support returns `Unsupported` before any request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "a flat list of abilities is what callers match on")]
pub struct Capabilities {
    /// `findings` with `FindingScope::Scan`.
    pub findings_by_scan: bool,
    /// `findings` with `FindingScope::Targets`.
    pub findings_by_target: bool,
    /// `findings` with `FindingScope::All`.
    pub findings_all: bool,
    /// `findings` with `seen_since`, without leaving out a finding that is new or was fixed since. The
    /// times of the findings must be those of detections and fixes. Where they mean something else,
    /// such as the last traffic of an API, the filter works but the import is not complete.
    pub findings_since: bool,
    /// `start_scan`.
    pub start_scan: bool,
    /// `stop_scan`.
    pub stop_scan: bool,
    /// `scan` and `scans`.
    pub scans: bool,
    /// `set_finding_status`.
    pub set_finding_status: bool,
}

impl Capabilities {
    /// No capabilities.
    pub const fn none() -> Self {
        Self {
            findings_by_scan: false,
            findings_by_target: false,
            findings_all: false,
            findings_since: false,
            start_scan: false,
            stop_scan: false,
            scans: false,
            set_finding_status: false,
        }
    }

    /// Sets whether findings can be read by scan.
    pub const fn with_findings_by_scan(mut self, yes: bool) -> Self {
        self.findings_by_scan = yes;
        self
    }

    /// Sets whether findings can be read by target.
    pub const fn with_findings_by_target(mut self, yes: bool) -> Self {
        self.findings_by_target = yes;
        self
    }

    /// Sets whether the findings of the whole tenant can be read.
    pub const fn with_findings_all(mut self, yes: bool) -> Self {
        self.findings_all = yes;
        self
    }

    /// Sets whether a filter by time keeps everything new.
    pub const fn with_findings_since(mut self, yes: bool) -> Self {
        self.findings_since = yes;
        self
    }

    /// Sets whether scans can be started.
    pub const fn with_start_scan(mut self, yes: bool) -> Self {
        self.start_scan = yes;
        self
    }

    /// Sets whether scans can be stopped.
    pub const fn with_stop_scan(mut self, yes: bool) -> Self {
        self.stop_scan = yes;
        self
    }

    /// Sets whether scans can be read and listed.
    pub const fn with_scans(mut self, yes: bool) -> Self {
        self.scans = yes;
        self
    }

    /// Sets whether a finding's status can be written back.
    pub const fn with_set_finding_status(mut self, yes: bool) -> Self {
        self.set_finding_status = yes;
        self
    }
}

/// The description of a scanner.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct ScannerInfo {
    /// The stable key of its kind: lower-case letters and digits, as in `saltsecurity` or `tenableiowas`.
    pub key: &'static str,
    /// The display name.
    pub name: &'static str,
    /// How it produces findings.
    pub mode: ScanMode,
    /// Its capabilities.
    pub capabilities: Capabilities,
}

impl ScannerInfo {
    /// A description.
    pub const fn new(
        key: &'static str,
        name: &'static str,
        mode: ScanMode,
        capabilities: Capabilities,
    ) -> Self {
        Self { key, name, mode, capabilities }
    }
}

/// A scanner of web applications or APIs: test the connection, list what can be bound, read findings, and
/// start scans where the scanner scans.
///
/// Implement the four required methods, and those of the capabilities that the scanner has. Callers find
/// more methods in [`DastApiScannerExt`](crate::DastApiScannerExt). Each method has a *Contract*. Every
/// line of it is a check of the conformance suite (feature `testing`), named in brackets.
///
/// The trait is and stays usable as `dyn DastApiScanner`. Adding a required method is a major version.
#[async_trait]
pub trait DastApiScanner: fmt::Debug + Send + Sync {
    /// Returns the description of the scanner.
    ///
    /// # Contract
    /// * The same value on each call. `[info/stable]`
    /// * The key is made of lower-case letters and digits; the name is not empty. `[info/well-formed]`
    fn info(&self) -> &ScannerInfo;

    /// Tests the connection step by step. A failed test is a result, not an error.
    ///
    /// # Contract
    /// * With a working service and good credentials steps are taken and none fails. `[connection/ok]`
    /// * When the service refuses the credentials, the credentials step fails with a cause and a remedy,
    ///   and later steps are skipped. `[connection/refused]`
    /// * When the service is down, a step fails with a cause and a remedy; nothing hangs and nothing
    ///   panics. `[connection/down]`
    async fn test_connection(&self) -> ConnectionReport;

    /// Lists what a project can be bound to, in batches. What the listing may lack is a gap in a batch.
    ///
    /// # Contract
    /// * Nothing is sent before the stream is polled. `[targets/lazy]`
    /// * Every target that exists is listed once. `[targets/complete]`
    /// * A name filter lists exactly the targets that match, ignoring case. `[targets/filter]`
    /// * A service that is down is an error, never an empty listing; an error is the last item.
    ///   `[targets/error-ends]`
    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>>;

    /// Reads findings, in batches, ended by a coverage.
    ///
    /// A stream that has to wait for its service, for instance for an export, sends a batch without findings
    /// and with progress each time that the service answers. An importer takes a stream that sends nothing
    /// for half an hour for one that will never answer.
    ///
    /// # Contract
    /// * Nothing is sent before the stream is polled. `[findings/lazy]`
    /// * A stream that succeeds ends with exactly one `End`, its last item. `[findings/end-last]`
    /// * A service that is down is an error; an error is the last item, and no `End` comes with it.
    ///   `[findings/error-ends]`
    /// * A batch holds at most 256 findings. `[findings/batch-size]`
    /// * Every finding that exists in the scope comes exactly once, and no other. `[findings/complete]`
    /// * Every finding names the scanner by its key. `[findings/scanner-key]`
    /// * The partition of every finding is in the coverage. `[findings/partition-covered]`
    /// * A finding has the same fingerprint in every run and by every scope; at another place it has
    ///   another. `[findings/stable-fingerprint]`
    /// * With `Targets`, every finding names at least one of the targets asked for.
    ///   `[findings/names-target]`
    /// * With `Targets` and `other_targets`, the same findings come, and perhaps others, which name none of the
    ///   targets asked for. `[findings/other-targets]`
    /// * With `Targets` of several, or of one named twice, each finding still comes once.
    ///   `[findings/targets-once]`
    /// * An empty list of targets is `InvalidRequest`, and nothing is sent. `[findings/empty-targets]`
    /// * An unknown target, alone or beside a known one, is an error or a gap. `[findings/unknown-target]`
    /// * A scope that the capabilities lack is `Unsupported`, and nothing is sent.
    ///   `[findings/unsupported-scope]`
    /// * A filter passes exactly what [`FindingQuery::matches`], unknown values included.
    ///   `[findings/filter]`
    /// * The coverage of a filtered query is inconclusive, by
    ///   [`mark_all_inconclusive`](crate::Coverage::mark_all_inconclusive).
    ///   `[findings/filter-inconclusive]`
    /// * From the resume point of any batch, stored as JSON and given to another handle, the
    ///   remaining findings are delivered. Earlier ones may be delivered again; none is lost.
    ///   `[findings/resume]`
    /// * The coverage of a resumed stream is inconclusive. `[findings/resume-inconclusive]`
    /// * Another scanner's resume point is `ResumeExpired`. `[findings/foreign-resume]`
    /// * When the service breaks during the read, the stream ends in an error, or with a coverage that is
    ///   inconclusive for every finding that did not come. `[findings/broken-inconclusive]`
    /// * A record that cannot be decoded is a gap of kind `Record`, the others still come, and absence is
    ///   inconclusive in its partition. `[findings/bad-record]`
    /// * Evidence is masked, in the raw record too, unless the query asks otherwise. `[findings/masked]`
    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>>;

    /// Starts a scan.
    ///
    /// # Contract
    /// * Without the capability: `Unsupported`, and nothing is sent. `[start/unsupported]`
    /// * The scan that is returned can be read with `scan`, immediately or after some seconds of
    ///   `NotFound`. `[start/visible]`
    /// * While it runs, a second request returns `AlreadyRunning` with the same scan.
    ///   `[start/already-running]`
    /// * An unknown target is `NotFound` or `InvalidRequest`. `[start/unknown-target]`
    ///
    /// # Errors
    /// As above; `PermissionDenied` where the role is too low. An error with
    /// [`outcome_unknown`](crate::Error::outcome_unknown) may have started a scan.
    async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
        let _ = request;
        Err(Error::unsupported("start_scan"))
    }

    /// Reads a scan, its children and its problems.
    ///
    /// # Contract
    /// * Without the capability: `Unsupported`, and nothing is sent. `[scan/unsupported]`
    /// * An unknown id is `NotFound` or `InvalidRequest`. `[scan/unknown]`
    /// * The scan has the id that was asked for. `[scan/same-id]`
    ///
    /// # Errors
    /// As above.
    async fn scan(&self, id: &ScanId) -> Result<Scan> {
        let _ = id;
        Err(Error::unsupported("scan"))
    }

    /// Asks a scan to stop. It may take a while until it has; watch it.
    ///
    /// # Contract
    /// * Without the capability: `Unsupported`, and nothing is sent. `[stop/unsupported]`
    /// * A running scan ends as `Canceled`. `[stop/cancels]`
    /// * Stopping a scan that has ended is no error. `[stop/ended-is-ok]`
    /// * An unknown id is `NotFound` or `InvalidRequest`. `[stop/unknown]`
    ///
    /// # Errors
    /// As above; `Conflict` where the scan's state does not allow it.
    async fn stop_scan(&self, id: &ScanId) -> Result<()> {
        let _ = id;
        Err(Error::unsupported("stop_scan"))
    }

    /// Lists the scans of a target, newest first, in batches.
    ///
    /// # Contract
    /// * Without the capability: `Unsupported`, and nothing is sent. `[scans/unsupported]`
    /// * A scan that was started is listed, immediately or after some seconds, and names its target.
    ///   `[scans/lists-started]`
    /// * Newest first. `[scans/newest-first]`
    fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
        let _ = target;
        stream_error(Error::unsupported("scans"))
    }

    /// Writes the status of a finding back to the scanner.
    ///
    /// # Contract
    /// * Without the capability: `Unsupported`, and nothing is sent. `[status/unsupported]`
    /// * A status that the scanner does not have is `InvalidRequest`, and nothing is sent.
    ///   `[status/unsupported-status]`
    /// * After it succeeds, the finding is read with the new status. `[status/read-back]`
    ///
    /// # Errors
    /// As above; `NotFound` where the scanner says that there is no such finding.
    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        let _ = change;
        Err(Error::unsupported("set_finding_status"))
    }
}

macro_rules! forward {
    ($($pointer:ty),+) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: DastApiScanner + ?Sized> DastApiScanner for $pointer {
            fn info(&self) -> &ScannerInfo {
                (**self).info()
            }
            async fn test_connection(&self) -> ConnectionReport {
                (**self).test_connection().await
            }
            fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
                (**self).bind_targets(query)
            }
            fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
                (**self).findings(query)
            }
            async fn start_scan(&self, request: &ScanRequest) -> Result<StartedScan> {
                (**self).start_scan(request).await
            }
            async fn scan(&self, id: &ScanId) -> Result<Scan> {
                (**self).scan(id).await
            }
            async fn stop_scan(&self, id: &ScanId) -> Result<()> {
                (**self).stop_scan(id).await
            }
            fn scans(&self, target: &BindTargetId) -> BoxStream<'static, Result<Vec<Scan>>> {
                (**self).scans(target)
            }
            async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
                (**self).set_finding_status(change).await
            }
        }
    )+};
}

forward!(Arc<T>, Box<T>);
