//! Queries for findings, and the events and batches of their stream.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bind::BindTargetId;
use crate::coverage::{Coverage, CoverageGap};
use crate::error::{Error, ErrorKind, Result};
use crate::finding::{Finding, FindingStatus};
use crate::scan::ScanId;
use crate::severity::Severity;

/// The scope of a query for findings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingScope {
    /// Those of one scan, children included.
    Scan(ScanId),
    /// Those of some bind targets; one read serves them all. An empty list is refused, not read as
    /// everything.
    Targets(Vec<BindTargetId>),
    /// Those of the whole tenant.
    All,
}

/// A query for findings.
///
/// A query with a filter or a resume point makes absence inconclusive: its coverage closes no finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingQuery {
    /// The scope.
    pub scope: FindingScope,
    /// Only these severities; empty means all. Unknown ones always pass.
    pub severities: Vec<Severity>,
    /// Only these states; empty means all. Unknown ones, and findings without one, always pass.
    pub statuses: Vec<FindingStatus>,
    /// Only findings seen at or after this time; those without a time pass.
    pub seen_since: Option<Timestamp>,
    /// Where to continue.
    pub resume: Option<ResumePoint>,
    /// Whether each finding carries the scanner's own record.
    pub raw: bool,
    /// Whether evidence stays as it is. Default: it is masked.
    pub unmasked: bool,
    /// Whether findings of other bind targets that come with the answer are returned too; see
    /// [`FindingQuery::with_other_targets`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub other_targets: bool,
}

impl FindingQuery {
    /// All findings of the scope.
    pub fn new(scope: FindingScope) -> Self {
        Self {
            scope,
            severities: Vec::new(),
            statuses: Vec::new(),
            seen_since: None,
            resume: None,
            raw: false,
            unmasked: false,
            other_targets: false,
        }
    }

    /// All findings of the tenant.
    pub fn all() -> Self {
        Self::new(FindingScope::All)
    }

    /// All findings of one target.
    pub fn target(id: impl Into<BindTargetId>) -> Self {
        Self::new(FindingScope::Targets(vec![id.into()]))
    }

    /// All findings of one scan.
    pub fn scan(id: impl Into<ScanId>) -> Self {
        Self::new(FindingScope::Scan(id.into()))
    }

    /// Only these severities. Unknown ones always pass.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        self.severities = severities.into_iter().collect();
        self
    }

    /// Only these states. Unknown ones, and findings without one, always pass.
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = FindingStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Only findings seen, or fixed, at or after this time. A finding without times always passes.
    pub fn with_seen_since(mut self, since: Timestamp) -> Self {
        self.seen_since = Some(since);
        self
    }

    /// Continues from the resume point of a batch.
    pub fn with_resume(mut self, point: ResumePoint) -> Self {
        self.resume = Some(point);
        self
    }

    /// Sets whether each finding carries the scanner's own record, masked like the rest.
    pub fn with_raw(mut self, raw: bool) -> Self {
        self.raw = raw;
        self
    }

    /// Sets whether evidence stays unmasked. It may then hold credentials and personal data from recorded
    /// traffic.
    pub fn with_unmasked_evidence(mut self, unmasked: bool) -> Self {
        self.unmasked = unmasked;
        self
    }

    /// Sets whether a query by targets also returns the findings that come with the answer and belong to other
    /// bind targets, or to none that is known. Such a finding names only its own targets, or none, so that it
    /// can be told apart.
    ///
    /// A scanner that can be asked by something coarser than a bind target receives such findings anyway. The
    /// caller may know one of them by its alias.
    pub fn with_other_targets(mut self, yes: bool) -> Self {
        self.other_targets = yes;
        self
    }

    /// Whether the finding belongs to the scope by the targets that it names, ignoring case. A query by scan, or of
    /// everything, has no such condition.
    pub fn asks_for(&self, finding: &Finding) -> bool {
        match &self.scope {
            FindingScope::Targets(asked) => finding
                .targets
                .iter()
                .any(|target| asked.iter().any(|asked| asked.as_str().eq_ignore_ascii_case(target.as_str()))),
            FindingScope::Scan(_) | FindingScope::All => true,
        }
    }

    /// Whether the finding passes the filters.
    pub fn matches(&self, finding: &Finding) -> bool {
        let severity = self.severities.is_empty()
            || finding.severity.is_unknown()
            || self.severities.contains(&finding.severity);
        let status = self.statuses.is_empty()
            || finding
                .status
                .as_ref()
                .is_none_or(|status| status.is_unknown() || self.statuses.contains(status));
        // A finding that was fixed has an older last-seen time.
        let latest = finding.last_seen.max(finding.first_seen).max(finding.fixed_at);
        let time = match (self.seen_since, latest) {
            (Some(since), Some(latest)) => latest >= since,
            _ => true,
        };
        severity && status && time
    }

    /// Why the query makes absence inconclusive for any scanner, or `None` where the scanner decides.
    pub fn inconclusive_reason(&self) -> Option<&'static str> {
        if self.resume.is_some() {
            Some("the import was resumed")
        } else if !self.severities.is_empty() {
            Some("the query was filtered by severity")
        } else if !self.statuses.is_empty() {
            Some("the query was filtered by status")
        } else if self.seen_since.is_some() {
            Some("the query was filtered by time")
        } else {
            None
        }
    }

    /// Checks the query.
    ///
    /// # Errors
    /// `InvalidRequest` for an empty list of targets.
    pub fn validate(&self) -> Result<()> {
        match &self.scope {
            FindingScope::Targets(targets) if targets.is_empty() => Err(Error::new(
                ErrorKind::InvalidRequest,
                "an empty list of targets is not a scope; use FindingScope::All for the whole tenant",
            )),
            _ => Ok(()),
        }
    }
}

/// A point from which a stream of findings can be resumed. It is serializable, and opaque to all but its
/// scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumePoint {
    scanner: String,
    state: serde_json::Value,
}

impl ResumePoint {
    /// A point of the given scanner.
    ///
    /// # Errors
    /// `Unexpected` when the state cannot be written as JSON.
    pub fn new(scanner: &str, state: &impl Serialize) -> Result<Self> {
        let state = serde_json::to_value(state).map_err(|cause| {
            Error::new(ErrorKind::Unexpected, "the resume point cannot be written").with_source(cause)
        })?;
        Ok(Self { scanner: scanner.to_owned(), state })
    }

    /// The state, for the scanner that made it.
    ///
    /// # Errors
    /// `ResumeExpired` when another scanner made the point, or another version of this one.
    pub fn state<T: DeserializeOwned>(&self, scanner: &str) -> Result<T> {
        if self.scanner != scanner {
            return Err(Error::new(
                ErrorKind::ResumeExpired,
                format!("the resume point was made by {}, not by {scanner}", self.scanner),
            ));
        }
        T::deserialize(&self.state).map_err(|cause| {
            Error::new(ErrorKind::ResumeExpired, "the resume point was made by another version")
                .with_source(cause)
        })
    }
}

/// The progress of a stream of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Records read so far.
    pub done: u64,
    /// Records in all, where the scanner says so. May change under way.
    pub total: Option<u64>,
}

impl Progress {
    /// A progress of `done` records, of `total` where known.
    pub fn new(done: u64, total: Option<u64>) -> Self {
        Self { done, total }
    }
}

/// Some findings, with the point to resume after them and the gaps so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingBatch {
    /// The findings, at most [`FindingBatch::MAX_FINDINGS`] or about [`FindingBatch::MAX_BYTES`] of them.
    /// May be empty.
    pub findings: Vec<Finding>,
    /// Where to resume after this batch.
    pub resume: ResumePoint,
    /// The gaps so far.
    pub gaps: Vec<CoverageGap>,
    /// How far the stream is.
    pub progress: Option<Progress>,
}

impl FindingBatch {
    /// The largest number of findings in one batch.
    pub const MAX_FINDINGS: usize = 256;
    /// The approximate limit of bytes in one batch. A single larger finding is a batch of its own.
    pub const MAX_BYTES: usize = 1 << 20;

    /// A batch.
    pub fn new(findings: Vec<Finding>, resume: ResumePoint) -> Self {
        Self { findings, resume, gaps: Vec::new(), progress: None }
    }

    /// Sets the gaps so far.
    pub fn with_gaps(mut self, gaps: Vec<CoverageGap>) -> Self {
        self.gaps = gaps;
        self
    }

    /// Sets how far the stream is.
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// An item of a stream of findings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FindingEvent {
    /// Some findings.
    Batch(FindingBatch),
    /// The end, with the coverage. A stream that stops without it is incomplete.
    End(Coverage),
}

/// Collects findings until a batch is full.
///
/// ```
/// # use appsec_core::Batcher;
/// let mut batcher = Batcher::new();
/// assert!(batcher.take().is_empty());
/// ```
#[derive(Debug, Default)]
pub struct Batcher {
    findings: Vec<Finding>,
    bytes: usize,
}

impl Batcher {
    /// An empty batcher.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the finding would overfill the batch. If so, call [`Batcher::take`] first.
    pub fn is_full_for(&self, finding: &Finding) -> bool {
        !self.findings.is_empty()
            && (self.findings.len() >= FindingBatch::MAX_FINDINGS
                || self.bytes + finding.approximate_size() > FindingBatch::MAX_BYTES)
    }

    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.bytes += finding.approximate_size();
        self.findings.push(finding);
    }

    /// Whether nothing is collected.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// Takes the collected findings out.
    pub fn take(&mut self) -> Vec<Finding> {
        self.bytes = 0;
        std::mem::take(&mut self.findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fingerprint, Location, PartitionKey, Rule};

    fn finding(severity: &str) -> Finding {
        let place = Location::from_url("https://shop.example.com/");
        Finding::new(
            "memory".into(),
            Fingerprint::v1("memory", "r", &place, &[]),
            Rule::new("r", "r").into(),
            severity.into(),
            place,
            PartitionKey::from("p"),
        )
    }

    #[test]
    fn an_unknown_severity_passes_every_filter() {
        let query = FindingQuery::all().with_severities([Severity::Critical]);
        assert!(query.matches(&finding("critical")));
        assert!(query.matches(&finding("BLOCKER")));
        assert!(!query.matches(&finding("high")));
    }

    #[test]
    fn a_finding_without_a_status_passes_a_status_filter() {
        let query = FindingQuery::all().with_statuses([FindingStatus::Open]);
        let mut fixed = finding("high");
        assert!(query.matches(&fixed));
        fixed.status = Some(FindingStatus::Fixed);
        assert!(!query.matches(&fixed));
        fixed.status = Some(FindingStatus::Unknown("SNOOZED".into()));
        assert!(query.matches(&fixed));
    }

    #[test]
    fn every_filter_makes_absence_inconclusive() {
        assert_eq!(FindingQuery::all().inconclusive_reason(), None);
        let point = ResumePoint::new("memory", &1).unwrap();
        for query in [
            FindingQuery::all().with_severities([Severity::Low]),
            FindingQuery::all().with_statuses([FindingStatus::Open]),
            FindingQuery::all().with_seen_since(Timestamp::UNIX_EPOCH),
            FindingQuery::all().with_resume(point),
        ] {
            assert!(query.inconclusive_reason().is_some(), "{query:?}");
        }
    }

    #[test]
    fn a_query_by_targets_asks_for_findings_that_name_one_of_them() {
        let mut finding = finding("low");
        assert!(FindingQuery::all().asks_for(&finding) && FindingQuery::scan("s").asks_for(&finding));
        let query = FindingQuery::target("host:Shop.example.com");
        assert!(!query.asks_for(&finding), "it names none");
        finding.targets = vec!["app:other".into(), "host:shop.example.com".into()];
        assert!(query.asks_for(&finding) && !FindingQuery::target("app:shop").asks_for(&finding));
    }

    #[test]
    fn an_empty_list_of_targets_is_refused() {
        let error = FindingQuery::new(FindingScope::Targets(Vec::new())).validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }

    #[test]
    fn a_resume_point_serves_its_own_scanner_only() {
        let point = ResumePoint::new("memory", &7_u32).unwrap();
        let text = serde_json::to_string(&point).unwrap();
        let point: ResumePoint = serde_json::from_str(&text).unwrap();
        assert_eq!(point.state::<u32>("memory").unwrap(), 7);
        assert_eq!(point.state::<u32>("other").unwrap_err().kind(), ErrorKind::ResumeExpired);
        assert_eq!(point.state::<String>("memory").unwrap_err().kind(), ErrorKind::ResumeExpired);
    }

    #[test]
    fn batches_are_bounded_in_number_and_in_bytes() {
        let mut batcher = Batcher::new();
        for _ in 0..FindingBatch::MAX_FINDINGS {
            assert!(!batcher.is_full_for(&finding("low")));
            batcher.push(finding("low"));
        }
        assert!(batcher.is_full_for(&finding("low")));
        assert_eq!(batcher.take().len(), FindingBatch::MAX_FINDINGS);

        let mut big = finding("low");
        big.push_evidence(crate::EvidenceKind::Output, Some(&"x".repeat(FindingBatch::MAX_BYTES)));
        assert!(!batcher.is_full_for(&big), "a single large finding comes alone");
        batcher.push(big);
        assert!(batcher.is_full_for(&finding("low")));
    }
}
