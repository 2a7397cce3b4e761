//! Writes decisions that users made downstream back to the scanner.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::{DastApiScanner, Error, ErrorKind, FindingStatus, Fingerprint, Result, StatusChange};
use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::reconcile::KnownFinding;

/// The decision about a finding that is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WriteBackOutcome {
    /// The finding is fixed.
    Fixed,
    /// The risk is accepted.
    RiskAccepted,
    /// The finding is not a weakness.
    FalsePositive,
    /// The finding is ignored.
    Ignored,
    /// The finding is open again.
    Reopened,
}

impl WriteBackOutcome {
    /// All decisions.
    pub const ALL: [Self; 5] =
        [Self::Fixed, Self::RiskAccepted, Self::FalsePositive, Self::Ignored, Self::Reopened];

    /// The decision as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::RiskAccepted => "risk accepted",
            Self::FalsePositive => "false positive",
            Self::Ignored => "ignored",
            Self::Reopened => "reopened",
        }
    }
}

impl fmt::Display for WriteBackOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<Decision> for WriteBackOutcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::RiskAccepted => Self::RiskAccepted,
            Decision::FalsePositive => Self::FalsePositive,
            Decision::Ignored => Self::Ignored,
        }
    }
}

/// Maps each decision to statuses of a scanner. The first status that the scanner supports is written.
///
/// | decision | status written | where the scanner does not support it |
/// | --- | --- | --- |
/// | fixed | `fixed` | – |
/// | risk accepted | `risk_accepted` | `ignored` |
/// | false positive | `false_positive` | `ignored` |
/// | ignored | `ignored` | – |
/// | reopened | `open` | `reopened` |
///
/// When a later choice is written, the comment names the decision, for scanners that keep a comment.
///
/// ```
/// use appsec_core::FindingStatus;
/// use appsec_import::decision::{StatusMapping, WriteBackOutcome};
///
/// // Fail rather than mark a finding as ignored whose risk is accepted.
/// let mapping =
///     StatusMapping::new().with_statuses(WriteBackOutcome::RiskAccepted, [FindingStatus::RiskAccepted]);
/// assert_eq!(mapping.statuses(WriteBackOutcome::RiskAccepted), [FindingStatus::RiskAccepted]);
/// assert!(mapping.to_string().contains("false positive: false_positive, else ignored"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusMapping {
    statuses: BTreeMap<WriteBackOutcome, Vec<FindingStatus>>,
}

impl Default for StatusMapping {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusMapping {
    /// The mapping of the table above.
    pub fn new() -> Self {
        use FindingStatus::{FalsePositive, Fixed, Ignored, Open, Reopened, RiskAccepted};
        Self { statuses: BTreeMap::new() }
            .with_statuses(WriteBackOutcome::Fixed, [Fixed])
            .with_statuses(WriteBackOutcome::RiskAccepted, [RiskAccepted, Ignored])
            .with_statuses(WriteBackOutcome::FalsePositive, [FalsePositive, Ignored])
            .with_statuses(WriteBackOutcome::Ignored, [Ignored])
            .with_statuses(WriteBackOutcome::Reopened, [Open, Reopened])
    }

    /// Sets the statuses for a decision, the preferred one first. Without any the decision is never
    /// written.
    pub fn with_statuses(
        mut self,
        outcome: WriteBackOutcome,
        statuses: impl IntoIterator<Item = FindingStatus>,
    ) -> Self {
        self.statuses.insert(outcome, statuses.into_iter().collect());
        self
    }

    /// The statuses for a decision, the preferred one first.
    pub fn statuses(&self, outcome: WriteBackOutcome) -> &[FindingStatus] {
        self.statuses.get(&outcome).map_or(&[], Vec::as_slice)
    }
}

/// One line for each decision.
impl fmt::Display for StatusMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, outcome) in WriteBackOutcome::ALL.into_iter().enumerate() {
            let statuses: Vec<_> = self.statuses(outcome).iter().map(FindingStatus::as_str).collect();
            let statuses =
                if statuses.is_empty() { "never written".to_owned() } else { statuses.join(", else ") };
            write!(f, "{}{outcome}: {statuses}", if number == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// A request to write back the decision about one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WriteBackRequest {
    /// The fingerprint of the finding.
    pub fingerprint: Fingerprint,
    /// The scanner's own ids of the finding. The status is written to each: the scanner has an object for
    /// each occurrence, and one that is still open would reopen the finding at the next import.
    pub aliases: Vec<String>,
    /// The decision.
    pub outcome: WriteBackOutcome,
    /// The reason, for scanners that keep a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl WriteBackRequest {
    /// A request for a known finding.
    pub fn new(finding: &KnownFinding, outcome: WriteBackOutcome) -> Self {
        Self { fingerprint: finding.fingerprint, aliases: finding.aliases.clone(), outcome, comment: None }
    }

    /// Sets the reason.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

/// The result of writing back one decision.
#[derive(Debug)]
#[non_exhaustive]
pub struct WriteBackResult {
    /// The fingerprint of the finding.
    pub fingerprint: Fingerprint,
    /// The decision.
    pub outcome: WriteBackOutcome,
    /// The status that was written, or the error:
    ///
    /// * `InvalidRequest`, before anything is sent: the finding has no id of the scanner, or the scanner
    ///   supports none of the mapped statuses;
    /// * `NotFound`: the scanner knows none of the ids;
    /// * other errors of the scanner. With [`outcome_unknown`](Error::outcome_unknown) the status may have
    ///   been written, and it is safe to write it again.
    pub result: Result<FindingStatus>,
}

/// Writes decisions back to the scanner, one after the other. Returns a result for each, in the same order.
///
/// When the scanner refuses the credentials, asks for a pause or cannot be reached, the remaining requests
/// are not sent and fail with the same kind of error.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::MemoryScanner;
/// use appsec_core::{DastApiScannerExt, FindingQuery, FindingStatus, Severity, Timestamp};
/// use appsec_import::decision::{WriteBackRequest, StatusMapping, WriteBackOutcome, write_back};
/// use appsec_import::reconcile;
///
/// let scanner = MemoryScanner::new().with_finding(MemoryScanner::finding(
///     "app:shop", "SQL injection", Severity::High, "https://shop.example.com/search",
/// ));
/// let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await?;
/// let run = reconcile(Vec::new(), &findings, &coverage, Timestamp::now());
///
/// let finding = &run.transitions[0].finding;
/// let request =
///     WriteBackRequest::new(finding, WriteBackOutcome::RiskAccepted).with_comment("behind a proxy");
/// let written = write_back(&scanner, &StatusMapping::new(), &[request]).await?;
/// assert_eq!(written[0].result.as_ref().ok(), Some(&FindingStatus::RiskAccepted));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Unsupported`, before any request, where the scanner does not support setting a status.
pub async fn write_back(
    scanner: &dyn DastApiScanner,
    mapping: &StatusMapping,
    requests: &[WriteBackRequest],
) -> Result<Vec<WriteBackResult>> {
    if !scanner.info().capabilities.set_finding_status {
        return Err(Error::unsupported("set_finding_status"));
    }
    let mut written = Vec::with_capacity(requests.len());
    let mut fatal: Option<(ErrorKind, String)> = None;
    for request in requests {
        let result = match &fatal {
            None => write_one(scanner, mapping, request).await,
            Some((kind, reason)) => {
                Err(Error::new(*kind, format!("not sent, since an earlier request failed: {reason}")))
            }
        };
        if let (None, Err(error)) = (&fatal, &result)
            && is_fatal(error.kind())
        {
            fatal = Some((error.kind(), error.message().to_owned()));
        }
        written.push(WriteBackResult { fingerprint: request.fingerprint, outcome: request.outcome, result });
    }
    Ok(written)
}

/// Whether the next request would fail in the same way.
fn is_fatal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Auth
            | ErrorKind::RateLimited
            | ErrorKind::Transport
            | ErrorKind::Server
            | ErrorKind::Deadline
            | ErrorKind::Unsupported
    )
}

async fn write_one(
    scanner: &dyn DastApiScanner,
    mapping: &StatusMapping,
    request: &WriteBackRequest,
) -> Result<FindingStatus> {
    if request.aliases.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "the finding has no id of the scanner"));
    }
    let mut unsupported = None;
    for (choice, status) in mapping.statuses(request.outcome).iter().enumerate() {
        match write_status(scanner, request, status, choice > 0).await {
            // By contract an unsupported status is refused before anything is sent; an error of the service
            // has an HTTP status.
            Err(error) if error.kind() == ErrorKind::InvalidRequest && error.status().is_none() => {
                unsupported = Some(error);
            }
            result => return result.map(|()| status.clone()),
        }
    }
    let message = format!("the scanner has no status for {}", request.outcome);
    let error = Error::new(ErrorKind::InvalidRequest, message);
    Err(match unsupported {
        Some(source) => error.with_source(source),
        None => error,
    })
}

/// Writes one status to each id of the finding. Succeeds if the scanner knows at least one of the ids.
async fn write_status(
    scanner: &dyn DastApiScanner,
    request: &WriteBackRequest,
    status: &FindingStatus,
    is_fallback: bool,
) -> Result<()> {
    let comment = match (&request.comment, is_fallback) {
        (Some(reason), true) => Some(format!("{}: {reason}", request.outcome)),
        (None, true) => Some(request.outcome.to_string()),
        (reason, false) => reason.clone(),
    };
    let (mut known, mut unknown) = (false, None);
    for alias in &request.aliases {
        let mut status_change = StatusChange::new(alias.as_str(), status.clone());
        status_change.comment.clone_from(&comment);
        match scanner.set_finding_status(&status_change).await {
            Ok(()) => known = true,
            Err(error) if error.kind() == ErrorKind::NotFound => unknown = Some(error),
            // The status was written to another id of the finding already.
            Err(error) => return Err(if known { error.with_outcome_unknown(true) } else { error }),
        }
    }
    match unknown {
        Some(error) if !known => Err(error),
        _ => Ok(()),
    }
}
