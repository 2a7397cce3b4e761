//! The quality gate: whether a build may pass with the findings that are open.

use std::fmt;

use appsec_core::{Printable, Result, Severity};
use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::reconcile::{Change, State};
use crate::store::{Page, Store};

/// The number of findings that are read from a store at a time.
const PAGE: u32 = 64;

/// The maximum number of findings of each severity; `None` is no limit. As in KDT, 0 allows no finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// The limit for critical findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<u64>,
    /// The limit for high findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<u64>,
    /// The limit for medium findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<u64>,
    /// The limit for low findings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<u64>,
    /// The limit for findings whose severity this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u64>,
}

impl Thresholds {
    /// Creates thresholds without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the maximum for a severity. All unknown severities share one limit. A limit for `Info` is
    /// ignored.
    pub fn with_max(mut self, severity: &Severity, max: u64) -> Self {
        match severity {
            Severity::Critical => self.critical = Some(max),
            Severity::High => self.high = Some(max),
            Severity::Medium => self.medium = Some(max),
            Severity::Low => self.low = Some(max),
            Severity::Unknown(_) => self.unknown = Some(max),
            _ => {}
        }
        self
    }

    fn limits(&self) -> [Option<u64>; 5] {
        [self.critical, self.high, self.medium, self.low, self.unknown]
    }
}

/// The number of open findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeverityCounts {
    /// Critical findings.
    pub critical: u64,
    /// High findings.
    pub high: u64,
    /// Medium findings.
    pub medium: u64,
    /// Low findings.
    pub low: u64,
    /// Informational findings.
    pub info: u64,
    /// Findings whose severity this version does not know.
    pub unknown: u64,
}

impl SeverityCounts {
    fn add(&mut self, severity: &Severity, count: u64) {
        let counted = match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
            _ => &mut self.unknown,
        };
        *counted = counted.saturating_add(count);
    }

    /// Returns the sum over all severities.
    pub fn sum(&self) -> u64 {
        let Self { critical, high, medium, low, info, unknown } = self;
        [critical, high, medium, low, info, unknown]
            .into_iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn limited(&self) -> [u64; 5] {
        [self.critical, self.high, self.medium, self.low, self.unknown]
    }
}

impl fmt::Display for SeverityCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { critical, high, medium, low, info, unknown } = self;
        write!(f, "{critical} critical, {high} high, {medium} medium, {low} low, {info} info")?;
        if *unknown > 0 { write!(f, ", {unknown} of unknown severity") } else { Ok(()) }
    }
}

/// The counts that a gate checks: all open findings, and those of them that are new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateCounts {
    /// All open findings. Closed, accepted, ignored and false positive findings do not count.
    pub total: SeverityCounts,
    /// The open findings that the last run found for the first time, or reopened.
    pub new: SeverityCounts,
    /// The occurrences of the findings in `total`, each with the severity of its finding.
    #[serde(default)]
    pub total_occurrences: SeverityCounts,
    /// The occurrences of the findings in `new`.
    #[serde(default)]
    pub new_occurrences: SeverityCounts,
}

/// What a gate counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateCount {
    /// Findings: one rule broken at one place, whatever the query of its URL.
    #[default]
    Findings,
    /// Occurrences: the distinct URLs and inputs of the findings.
    Occurrences,
}

impl GateCounts {
    /// Creates counts of zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding by its severity, its state, how the last run changed it, and the number of its
    /// occurrences.
    pub fn add(&mut self, severity: &Severity, state: State, change: Option<Change>, occurrences: u64) {
        if state != State::Open {
            return;
        }
        self.total.add(severity, 1);
        self.total_occurrences.add(severity, occurrences.max(1));
        if matches!(change, Some(Change::New | Change::Reopened)) {
            self.new.add(severity, 1);
            self.new_occurrences.add(severity, occurrences.max(1));
        }
    }

    /// Returns all and the new ones of what a gate counts.
    fn counted(&self, count: GateCount) -> (&SeverityCounts, &SeverityCounts) {
        match count {
            GateCount::Findings => (&self.total, &self.new),
            GateCount::Occurrences => (&self.total_occurrences, &self.new_occurrences),
        }
    }

    /// Counts the findings of a binding in a store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn from_store(store: &dyn Store, binding: &Binding) -> Result<Self> {
        let (mut counts, mut after) = (Self::new(), 0);
        loop {
            let page = store.stored_findings(binding, Page { after, limit: PAGE }).await?;
            let Some(last) = page.last() else { return Ok(counts) };
            after = last.number;
            for stored in &page {
                let known = &stored.known;
                counts.add(&known.severity, known.state, Some(stored.change), known.occurrences);
            }
        }
    }
}

/// A quality gate: limits on all open findings and on new ones. In JSON it looks like this:
///
/// ```
/// use appsec_import::gate::GateCount;
///
/// let text = r#"{"total": {"critical": 0, "high": 5}, "new": {"medium": 0}, "count": "occurrences"}"#;
/// let gate: appsec_import::gate::Gate = serde_json::from_str(text)?;
/// assert_eq!((gate.total.high, gate.new.medium, gate.count), (Some(5), Some(0), GateCount::Occurrences));
/// assert!(serde_json::from_str::<appsec_import::gate::Gate>(r#"{"total": {"critcal": 0}}"#).is_err(), "a misspelt limit is not ignored");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Gate {
    /// The limits on all open findings.
    #[serde(default)]
    pub total: Thresholds,
    /// The limits on new findings.
    #[serde(default)]
    pub new: Thresholds,
    /// Whether the limits are on findings, which is the default, or on their occurrences.
    #[serde(default)]
    pub count: GateCount,
}

impl Gate {
    /// Creates a gate without limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits on all open findings.
    pub fn with_total(mut self, thresholds: Thresholds) -> Self {
        self.total = thresholds;
        self
    }

    /// Sets the limits on new findings.
    pub fn with_new(mut self, thresholds: Thresholds) -> Self {
        self.new = thresholds;
        self
    }

    /// Sets what the limits are on.
    pub fn with_count(mut self, count: GateCount) -> Self {
        self.count = count;
        self
    }

    /// Whether there is no limit, so that every complete import passes.
    pub fn is_unlimited(&self) -> bool {
        self.total == Thresholds::new() && self.new == Thresholds::new()
    }

    /// Checks the counts. `missing` says what the counts do not include, as
    /// [`Import::missing`](crate::Import::missing) does; an empty list means that they include
    /// everything.
    pub fn check(&self, counts: &GateCounts, missing: impl IntoIterator<Item = String>) -> GateReport {
        let (total, new) = counts.counted(self.count);
        let sides = [(GateScope::Total, &self.total, total), (GateScope::New, &self.new, new)];
        let mut breaches = Vec::new();
        for (scope, thresholds, found) in sides {
            for ((max, count), severity) in
                thresholds.limits().into_iter().zip(found.limited()).zip(SEVERITIES)
            {
                if let Some(max) = max.filter(|max| count > *max) {
                    breaches.push(Breach { scope, severity: severity.to_owned(), count, max });
                }
            }
        }
        let missing = missing.into_iter().collect();
        GateReport { counted: self.count, counts: *counts, breaches, missing }
    }
}

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "unknown"];

/// Which findings a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateScope {
    /// All open findings.
    Total,
    /// New findings.
    New,
}

/// A limit that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Breach {
    /// Which findings it is for.
    pub scope: GateScope,
    /// `critical`, `high`, `medium`, `low`, or `unknown` for all severities that are not known.
    pub severity: String,
    /// The number of findings or occurrences, whichever the gate counts.
    pub count: u64,
    /// The maximum number.
    pub max: u64,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, severity, count, max } = self;
        let severity = if severity == "unknown" { "of unknown severity" } else { severity.as_str() };
        let scope = if *scope == GateScope::New { "new" } else { "open" };
        write!(f, "{count} {scope} {severity}, the limit is {max}")
    }
}

/// The outcome of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateOutcome {
    /// No limit is exceeded, and nothing is missing.
    Passed,
    /// A limit is exceeded, and nothing is missing.
    Failed,
    /// Something is missing, so the counts prove neither that the gate is passed nor that it failed.
    Partial,
}

/// What a gate found. Displays as one line for each exceeded limit and each thing that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateReport {
    /// What was counted.
    #[serde(default)]
    pub counted: GateCount,
    /// The counts that were checked.
    pub counts: GateCounts,
    /// The limits that were exceeded.
    pub breaches: Vec<Breach>,
    /// What the counts do not include, one sentence each.
    pub missing: Vec<String>,
}

impl GateReport {
    /// Returns the outcome. Partial data neither passes nor fails.
    pub fn outcome(&self) -> GateOutcome {
        match (self.missing.is_empty(), self.breaches.is_empty()) {
            (false, _) => GateOutcome::Partial,
            (true, true) => GateOutcome::Passed,
            (true, false) => GateOutcome::Failed,
        }
    }

    /// Whether no limit is exceeded and nothing is missing.
    pub fn is_passed(&self) -> bool {
        self.outcome() == GateOutcome::Passed
    }
}

impl fmt::Display for GateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.outcome() {
            GateOutcome::Passed => "the gate is passed",
            GateOutcome::Failed => "the gate failed",
            GateOutcome::Partial => "the gate is undecided, since data is missing",
        })?;
        let (total, _) = self.counts.counted(self.counted);
        let (findings, occurrences) = (self.counts.total.sum(), self.counts.total_occurrences.sum());
        match self.counted {
            GateCount::Findings if occurrences > findings => {
                let (noun, verb) = if findings == 1 { ("finding", "stands") } else { ("findings", "stand") };
                write!(f, ": {total}; {findings} {noun} {verb} for {occurrences} occurrences")?;
            }
            GateCount::Findings => write!(f, ": {total}")?,
            GateCount::Occurrences => {
                let noun = if findings == 1 { "finding" } else { "findings" };
                write!(f, ", counting occurrences: {total}; of {findings} {noun}")?;
            }
        }
        self.breaches.iter().try_for_each(|breach| write!(f, "\n{breach}"))?;
        self.missing.iter().try_for_each(|missing| write!(f, "\nmissing: {}", Printable(missing)))
    }
}
