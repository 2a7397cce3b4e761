//! What people decide downstream, brought back to the scanner.

use std::collections::BTreeMap;
use std::fmt;

use appsec_core::{DastApiScanner, Error, ErrorKind, FindingStatus, Fingerprint, Result, StatusChange};
use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::reconcile::KnownFinding;

/// What was decided downstream about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WriteBackOutcome {
    /// It is fixed.
    Fixed,
    /// The risk is accepted.
    RiskAccepted,
    /// It is not a weakness.
    FalsePositive,
    /// It is set aside.
    Ignored,
    /// None of these any more: there is something to do again.
    Reopened,
}

impl WriteBackOutcome {
    /// Everything that can be decided.
    pub const ALL: [Self; 5] =
        [Self::Fixed, Self::RiskAccepted, Self::FalsePositive, Self::Ignored, Self::Reopened];

    /// The decision in words.
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

/// Which word of a scanner's stands for which decision: the first that the scanner has.
///
/// | decided | written, first choice | where the scanner has no such word |
/// | --- | --- | --- |
/// | fixed | `fixed` | – |
/// | risk accepted | `risk_accepted` | `ignored` |
/// | false positive | `false_positive` | `ignored` |
/// | ignored | `ignored` | – |
/// | reopened | `open` | `reopened` |
///
/// A decision that is written by a second choice goes into the comment, for scanners that keep one.
///
/// ```
/// use appsec_core::FindingStatus;
/// use appsec_import::decision::{StatusMapping, WriteBackOutcome};
///
/// // Never call a finding ignored whose risk is accepted: be told that the scanner has no word for it.
/// let mapping = StatusMapping::new().with_words(WriteBackOutcome::RiskAccepted, [FindingStatus::RiskAccepted]);
/// assert_eq!(mapping.words(WriteBackOutcome::RiskAccepted), [FindingStatus::RiskAccepted]);
/// assert!(mapping.to_string().contains("false positive: false_positive, else ignored"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusMapping {
    words: BTreeMap<WriteBackOutcome, Vec<FindingStatus>>,
}

impl Default for StatusMapping {
    fn default() -> Self {
        Self::new()
    }
}

impl StatusMapping {
    /// The mapping of the table.
    pub fn new() -> Self {
        use FindingStatus::{FalsePositive, Fixed, Ignored, Open, Reopened, RiskAccepted};
        Self { words: BTreeMap::new() }
            .with_words(WriteBackOutcome::Fixed, [Fixed])
            .with_words(WriteBackOutcome::RiskAccepted, [RiskAccepted, Ignored])
            .with_words(WriteBackOutcome::FalsePositive, [FalsePositive, Ignored])
            .with_words(WriteBackOutcome::Ignored, [Ignored])
            .with_words(WriteBackOutcome::Reopened, [Open, Reopened])
    }

    /// Sets the words for a decision, the best first. None means that it is never written.
    pub fn with_words(
        mut self,
        decided: WriteBackOutcome,
        words: impl IntoIterator<Item = FindingStatus>,
    ) -> Self {
        self.words.insert(decided, words.into_iter().collect());
        self
    }

    /// The words for a decision, the best first.
    pub fn words(&self, decided: WriteBackOutcome) -> &[FindingStatus] {
        self.words.get(&decided).map_or(&[], Vec::as_slice)
    }
}

/// One line for each decision.
impl fmt::Display for StatusMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, decided) in WriteBackOutcome::ALL.into_iter().enumerate() {
            let words: Vec<_> = self.words(decided).iter().map(FindingStatus::as_str).collect();
            let words = if words.is_empty() { "never written".to_owned() } else { words.join(", else ") };
            write!(f, "{}{decided}: {words}", if number == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// A decision about one finding, to be written back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StateChange {
    /// Which finding.
    pub fingerprint: Fingerprint,
    /// The scanner's own ids of it. Each is written: occurrences that were folded into one finding are several for the scanner, and the
    /// most open of them would win at the next import.
    pub aliases: Vec<String>,
    /// What was decided.
    pub decided: WriteBackOutcome,
    /// Why, for scanners that keep a comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl StateChange {
    /// A decision about a finding.
    pub fn new(finding: &KnownFinding, decided: WriteBackOutcome) -> Self {
        Self { fingerprint: finding.fingerprint, aliases: finding.aliases.clone(), decided, comment: None }
    }

    /// Says why.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

/// What became of a decision at the scanner.
#[derive(Debug)]
#[non_exhaustive]
pub struct WrittenBack {
    /// About which finding.
    pub fingerprint: Fingerprint,
    /// What was decided.
    pub decided: WriteBackOutcome,
    /// The word that the scanner took, or why it took none:
    ///
    /// * `InvalidRequest`, nothing sent: the finding has no id of the scanner's own, or the scanner has none of the mapping's words;
    /// * `NotFound`: the scanner knows none of the ids;
    /// * what else the scanner answers. An error with [`outcome_unknown`](Error::outcome_unknown) may have been written, and writing
    ///   again is harmless.
    pub result: Result<FindingStatus>,
}

/// Writes decisions back to the scanner, one after the other; a result for each, in their order.
///
/// When the scanner refuses the credentials, asks to wait or does not answer, the rest is not tried, and says so.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use appsec_core::testing::MemoryScanner;
/// use appsec_core::{DastApiScannerExt, FindingQuery, FindingStatus, Severity, Timestamp};
/// use appsec_import::decision::{StateChange, StatusMapping, WriteBackOutcome, write_back};
/// use appsec_import::reconcile;
///
/// let scanner = MemoryScanner::new().with_finding(MemoryScanner::finding(
///     "app:shop", "SQL injection", Severity::High, "https://shop.example.com/search",
/// ));
/// let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await?;
/// let run = reconcile(Vec::new(), &findings, &coverage, Timestamp::now());
///
/// let change = StateChange::new(&run.transitions[0].finding, WriteBackOutcome::RiskAccepted).with_comment("behind a proxy");
/// let written = write_back(&scanner, &StatusMapping::new(), &[change]).await?;
/// assert_eq!(written[0].result.as_ref().ok(), Some(&FindingStatus::RiskAccepted));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `Unsupported`, before any request, where the scanner takes no status back.
pub async fn write_back(
    scanner: &dyn DastApiScanner,
    mapping: &StatusMapping,
    changes: &[StateChange],
) -> Result<Vec<WrittenBack>> {
    if !scanner.info().capabilities.set_finding_status {
        return Err(Error::unsupported("set_finding_status"));
    }
    let mut written = Vec::with_capacity(changes.len());
    let mut stopped: Option<(ErrorKind, String)> = None;
    for change in changes {
        let result = match &stopped {
            None => write_one(scanner, mapping, change).await,
            Some((kind, why)) => {
                Err(Error::new(*kind, format!("not tried, since an earlier one failed: {why}")))
            }
        };
        if let (None, Err(error)) = (&stopped, &result)
            && stops(error.kind())
        {
            stopped = Some((error.kind(), error.message().to_owned()));
        }
        written.push(WrittenBack { fingerprint: change.fingerprint, decided: change.decided, result });
    }
    Ok(written)
}

/// True for what the next finding would meet as well.
fn stops(kind: ErrorKind) -> bool {
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
    change: &StateChange,
) -> Result<FindingStatus> {
    if change.aliases.is_empty() {
        return Err(Error::new(ErrorKind::InvalidRequest, "the finding has no id of the scanner's own"));
    }
    let mut no_word = None;
    for (choice, word) in mapping.words(change.decided).iter().enumerate() {
        match write_word(scanner, change, word, choice > 0).await {
            // The contract: a status without a word is refused before anything is sent. What the service refuses has a status.
            Err(error) if error.kind() == ErrorKind::InvalidRequest && error.status().is_none() => {
                no_word = Some(error);
            }
            result => return result.map(|()| word.clone()),
        }
    }
    let message = format!("the scanner has no word for {}", change.decided);
    let error = Error::new(ErrorKind::InvalidRequest, message);
    Err(match no_word {
        Some(source) => error.with_source(source),
        None => error,
    })
}

/// Writes one word to every id of the finding. Ids that the scanner no longer knows do not matter, as long as it knows one.
async fn write_word(
    scanner: &dyn DastApiScanner,
    change: &StateChange,
    word: &FindingStatus,
    second_choice: bool,
) -> Result<()> {
    let comment = match (&change.comment, second_choice) {
        (Some(why), true) => Some(format!("{}: {why}", change.decided)),
        (None, true) => Some(change.decided.to_string()),
        (why, false) => why.clone(),
    };
    let (mut known, mut unknown) = (false, None);
    for alias in &change.aliases {
        let mut status = StatusChange::new(alias.as_str(), word.clone());
        status.comment.clone_from(&comment);
        match scanner.set_finding_status(&status).await {
            Ok(()) => known = true,
            Err(error) if error.kind() == ErrorKind::NotFound => unknown = Some(error),
            // Another id of the finding has the word already.
            Err(error) => return Err(if known { error.with_outcome_unknown(true) } else { error }),
        }
    }
    match unknown {
        Some(error) if !known => Err(error),
        _ => Ok(()),
    }
}
