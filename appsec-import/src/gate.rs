//! The gate: whether what was found may pass.

use std::fmt;

use appsec_core::{Result, Severity};
use serde::{Deserialize, Serialize};

use crate::binding::Binding;
use crate::reconcile::{Change, State};
use crate::store::{Page, Store};

/// Findings read from a store at a time.
const PAGE: u32 = 64;

/// How many findings of each severity may pass; `None` is no bound. A bound is broken by more than it says, as in KDT: 0 lets none pass.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Thresholds {
    /// Critical ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<u64>,
    /// High ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<u64>,
    /// Medium ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<u64>,
    /// Low ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<u64>,
    /// Those whose severity is a word that this version does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<u64>,
}

impl Thresholds {
    /// No bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many of a severity may pass; every word that is not known counts as one. There is no bound for `Info`, and one
    /// that is set for it is ignored.
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

    fn bounds(&self) -> [Option<u64>; 5] {
        [self.critical, self.high, self.medium, self.low, self.unknown]
    }
}

/// Open findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Critical ones.
    pub critical: u64,
    /// High ones.
    pub high: u64,
    /// Medium ones.
    pub medium: u64,
    /// Low ones.
    pub low: u64,
    /// Those worth knowing.
    pub info: u64,
    /// Those whose severity is a word that this version does not know.
    pub unknown: u64,
}

impl Counts {
    fn add(&mut self, severity: &Severity) {
        *match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
            Severity::Info => &mut self.info,
            _ => &mut self.unknown,
        } += 1;
    }

    fn bounded(&self) -> [u64; 5] {
        [self.critical, self.high, self.medium, self.low, self.unknown]
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { critical, high, medium, low, info, unknown } = self;
        write!(f, "{critical} critical, {high} high, {medium} medium, {low} low, {info} info")?;
        if *unknown > 0 { write!(f, ", {unknown} of unknown severity") } else { Ok(()) }
    }
}

/// What a gate looks at: what is open, and what of it the last run brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateCounts {
    /// Everything open. What is closed, accepted, set aside or no weakness does not count.
    pub total: Counts,
    /// What of it was not known before the last run, or was closed and is back.
    pub new: Counts,
}

impl GateCounts {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding: its severity, where it stands, and what the last run meant for it.
    pub fn add(&mut self, severity: &Severity, state: State, change: Option<Change>) {
        if state != State::Open {
            return;
        }
        self.total.add(severity);
        if matches!(change, Some(Change::New | Change::Reopened)) {
            self.new.add(severity);
        }
    }

    /// Those of a store's binding, as its last run left them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of_binding(store: &dyn Store, binding: &Binding) -> Result<Self> {
        let (mut counts, mut after) = (Self::new(), 0);
        loop {
            let page = store.stored_findings(binding, Page { after, limit: PAGE }).await?;
            let Some(last) = page.last() else { return Ok(counts) };
            after = last.number;
            for stored in &page {
                counts.add(&stored.known.severity, stored.known.state, Some(stored.change));
            }
        }
    }
}

/// Bounds on what is open, and on what is new. The form of a file of it:
///
/// ```
/// let gate: appsec_import::gate::Gate = serde_json::from_str(r#"{"total": {"critical": 0, "high": 5}, "new": {"medium": 0}}"#)?;
/// assert_eq!((gate.total.high, gate.new.medium), (Some(5), Some(0)));
/// assert!(serde_json::from_str::<appsec_import::gate::Gate>(r#"{"total": {"critcal": 0}}"#).is_err(), "a bound with a typing error is not lost");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Gate {
    /// Bounds on everything open.
    #[serde(default)]
    pub total: Thresholds,
    /// Bounds on what of it is new.
    #[serde(default)]
    pub new: Thresholds,
}

impl Gate {
    /// A gate that everything passes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bounds on everything open.
    pub fn with_total(mut self, bounds: Thresholds) -> Self {
        self.total = bounds;
        self
    }

    /// Sets the bounds on what is new.
    pub fn with_new(mut self, bounds: Thresholds) -> Self {
        self.new = bounds;
        self
    }

    /// The verdict over the counts. `missing` says what the counts do not see, as [`Import::missing`] does; empty means nothing.
    pub fn judge(&self, counts: &GateCounts, missing: impl IntoIterator<Item = String>) -> GateVerdict {
        let sides =
            [(GateScope::Total, &self.total, &counts.total), (GateScope::New, &self.new, &counts.new)];
        let mut breaches = Vec::new();
        for (scope, bounds, found) in sides {
            for ((max, count), severity) in bounds.bounds().into_iter().zip(found.bounded()).zip(SEVERITIES) {
                if let Some(max) = max.filter(|max| count > *max) {
                    breaches.push(Breach { scope, severity: severity.to_owned(), count, max });
                }
            }
        }
        GateVerdict { counts: *counts, breaches, missing: missing.into_iter().collect() }
    }
}

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "unknown"];

/// Which findings a bound is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateScope {
    /// Everything open.
    Total,
    /// What of it is new.
    New,
}

/// A bound that was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Breach {
    /// What it is about.
    pub scope: GateScope,
    /// `critical`, `high`, `medium`, `low`, or `unknown` for all words that are not known.
    pub severity: String,
    /// How many there are.
    pub count: u64,
    /// How many may pass.
    pub max: u64,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, severity, count, max } = self;
        let severity = if severity == "unknown" { "of unknown severity" } else { severity.as_str() };
        let scope = if *scope == GateScope::New { "new" } else { "open" };
        write!(f, "{count} {scope} {severity}, at most {max} may pass")
    }
}

/// How a gate ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateOutcome {
    /// No bound is broken, and nothing is missing.
    Passed,
    /// A bound is broken, and nothing is missing.
    Failed,
    /// Something is missing: whether a bound is broken or not, the counts are not the whole truth.
    Partial,
}

/// A gate's verdict. Prints as a line for each broken bound and each thing that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GateVerdict {
    /// What it looked at.
    pub counts: GateCounts,
    /// The bounds that were broken.
    pub breaches: Vec<Breach>,
    /// What the counts do not see, a sentence each.
    pub missing: Vec<String>,
}

impl GateVerdict {
    /// How it ends. Over partial data nothing passes, and a failure is none either.
    pub fn outcome(&self) -> GateOutcome {
        match (self.missing.is_empty(), self.breaches.is_empty()) {
            (false, _) => GateOutcome::Partial,
            (true, true) => GateOutcome::Passed,
            (true, false) => GateOutcome::Failed,
        }
    }

    /// True when no bound is broken and nothing is missing.
    pub fn is_passed(&self) -> bool {
        self.outcome() == GateOutcome::Passed
    }
}

impl fmt::Display for GateVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.outcome() {
            GateOutcome::Passed => "the gate is passed",
            GateOutcome::Failed => "the gate is not passed",
            GateOutcome::Partial => "the gate cannot be judged, something is missing",
        })?;
        write!(f, ": {}", self.counts.total)?;
        self.breaches.iter().try_for_each(|breach| write!(f, "\n{breach}"))?;
        self.missing.iter().try_for_each(|missing| write!(f, "\nmissing: {missing}"))
    }
}
