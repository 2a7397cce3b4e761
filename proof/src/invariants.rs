//! The three invariants that no fault may break: a read ends; it never counts as complete with a finding
//! missing, duplicated or unknown to the service; no secret is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use appsec_core::{Absence, Coverage, ErrorKind, PartitionKey};

use crate::reading::{ImportResult, Reading};
use crate::secrets::find_leak;
use crate::test_bed::TestBed;
use crate::vendor::Vendor;

/// The findings of the service: those that a read must deliver, and those that it may.
#[derive(Debug, Clone, Default)]
pub struct ExpectedFindings {
    /// The findings that exist from start to end.
    pub required: BTreeSet<String>,
    /// The findings that appear or disappear during the read.
    pub optional: BTreeSet<String>,
    /// The partitions of findings whose absence can be conclusive.
    pub partitions: BTreeMap<String, PartitionKey>,
    /// The service reports no total, so a wrongly empty list cannot be detected while it stays empty. In
    /// that case the import must close nothing.
    pub no_total: bool,
    /// The service sends some records twice, and an export does not deduplicate them.
    pub service_sends_duplicates: bool,
}

impl ExpectedFindings {
    /// The findings of a test bed without changes.
    pub fn new(bed: &TestBed) -> Self {
        let no_total = bed.vendor == Vendor::Salt;
        Self {
            required: bed.finding_ids.clone(),
            partitions: bed.partitions.clone(),
            no_total,
            ..Self::default()
        }
    }
}

/// How a read or an import ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Complete.
    Complete,
    /// Without any finding, and without a statement on absent ones.
    Empty,
    /// With gaps of these kinds.
    Gaps(BTreeSet<String>),
    /// With an error of that kind.
    Failed(ErrorKind),
    /// It did not end.
    Never,
}

impl Ending {
    fn from_coverage(coverage: &Coverage) -> Self {
        if coverage.is_complete() {
            return Self::Complete;
        }
        Self::Gaps(coverage.gaps().iter().map(|gap| gap.kind.as_str().to_owned()).collect())
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Empty => f.write_str("empty"),
            Self::Gaps(kinds) => {
                write!(f, "gaps: {}", kinds.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            Self::Failed(kind) => write!(f, "error: {}", kind.as_str()),
            Self::Never => f.write_str("never ended"),
        }
    }
}

/// How it ended, and which invariants were broken.
#[derive(Debug)]
pub struct CheckResult {
    /// How it ended.
    pub ending: Ending,
    /// The broken invariants, as sentences.
    pub violations: Vec<String>,
}

/// Checks a read.
pub fn check(expected: &ExpectedFindings, reading: &Reading) -> CheckResult {
    let mut violations = Vec::new();
    let ids: BTreeSet<_> = reading.ids.iter().cloned().collect();
    if !expected.service_sends_duplicates && ids.len() < reading.ids.len() {
        violations.push(format!("{} findings were delivered twice", reading.ids.len() - ids.len()));
    }
    check_unknown_ids(expected, &ids, &mut violations);
    let missing: Vec<_> = expected.required.difference(&ids).collect();
    let ending = match &reading.end {
        None => {
            violations.push("it did not end in time".to_owned());
            Ending::Never
        }
        Some(Err(error)) => Ending::Failed(error.kind()),
        Some(Ok(coverage)) => {
            let empty = expected.no_total && ids.is_empty();
            if coverage.is_complete() && !missing.is_empty() && !empty {
                violations.push(format!("it counts as complete, but {missing:?} are missing"));
            }
            // An import closes findings that were not delivered where their absence is conclusive.
            let would_be_closed = |id: &&&String| {
                let partition = expected.partitions.get(**id);
                partition.is_some_and(|partition| coverage.absence_of(partition) == Absence::Conclusive)
            };
            let closed: Vec<_> = missing.iter().filter(would_be_closed).collect();
            if !closed.is_empty() {
                violations.push(format!("{closed:?} were not delivered, and an import would close them"));
            }
            if empty && coverage.is_complete() { Ending::Empty } else { Ending::from_coverage(coverage) }
        }
    };
    violations.extend(find_leak(&reading.output).map(|leak| format!("a secret is printed: {leak:?}")));
    CheckResult { ending, violations }
}

/// Checks an import into a store that contained every finding before.
pub fn check_import(expected: &ExpectedFindings, imported: &ImportResult) -> CheckResult {
    let mut violations = Vec::new();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for (id, _) in &imported.findings {
        *times.entry(id).or_default() += 1;
    }
    let duplicates: Vec<_> = times.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id).collect();
    if !duplicates.is_empty() {
        violations.push(format!("{duplicates:?} are in the store twice"));
    }
    let closed: Vec<_> = imported
        .findings
        .iter()
        .filter(|(id, open)| !open && expected.required.contains(id))
        .map(|(id, _)| id)
        .collect();
    if !closed.is_empty() {
        violations.push(format!("{closed:?} were closed, but still exist"));
    }
    let ids: BTreeSet<_> = imported.findings.iter().map(|(id, _)| id.clone()).collect();
    check_unknown_ids(expected, &ids, &mut violations);
    let missing = expected.required.difference(&ids).count();
    if missing > 0 {
        violations.push(format!("{missing} findings are no longer in the store"));
    }
    let ending = match &imported.end {
        None => {
            violations.push("it did not end in time".to_owned());
            Ending::Never
        }
        Some(Err(error)) => Ending::Failed(error.kind()),
        Some(Ok(import)) if import.gaps.is_empty() && expected.no_total && import.empty.is_some() => {
            Ending::Empty
        }
        Some(Ok(import)) if import.gaps.is_empty() => {
            if import.summary.kept_open_count() > 0 {
                violations.push(format!(
                    "there is no gap, but {} findings were not observed",
                    import.summary.kept_open_count()
                ));
            }
            Ending::Complete
        }
        Some(Ok(import)) => {
            Ending::Gaps(import.gaps.iter().map(|gap| gap.kind.as_str().to_owned()).collect())
        }
    };
    violations.extend(find_leak(&imported.output).map(|leak| format!("a secret is printed: {leak:?}")));
    CheckResult { ending, violations }
}

fn check_unknown_ids(expected: &ExpectedFindings, ids: &BTreeSet<String>, violations: &mut Vec<String>) {
    let unknown: Vec<_> = ids
        .iter()
        .filter(|id| !expected.required.contains(*id) && !expected.optional.contains(*id))
        .collect();
    if !unknown.is_empty() {
        violations.push(format!("{unknown:?} do not exist in the service"));
    }
}
