//! The three invariants that no fault may break: a reading ends; it never counts as complete with a finding
//! missing, duplicated or unknown to the service; no secret is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use appsec_core::{Absence, Coverage, ErrorKind, PartitionKey};

use crate::reading::{Imported, Seen, error_of};
use crate::secrets::leak;
use crate::test_bed::{TestBed, Vendor};

/// The findings of the service: those that a reading must deliver, and those that it may.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// The findings that exist from start to end.
    pub must: BTreeSet<String>,
    /// The findings that appear or disappear during the reading.
    pub may: BTreeSet<String>,
    /// The partitions of findings whose absence can be conclusive.
    pub partitions: BTreeMap<String, PartitionKey>,
    /// The service reports no total, so a wrongly empty list cannot be detected while it stays empty. In
    /// that case the import must close nothing.
    pub no_total: bool,
    /// The service sends some records twice, and an export does not deduplicate them.
    pub service_repeats: bool,
}

impl Truth {
    /// The findings of an unchanged test bed.
    pub fn of(bed: &TestBed) -> Self {
        let no_total = bed.vendor == Vendor::Salt;
        Self { must: bed.truth.clone(), partitions: bed.partitions.clone(), no_total, ..Self::default() }
    }
}

/// How a reading or an import ended.
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
    fn of_coverage(coverage: &Coverage) -> Self {
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
    pub breaches: Vec<String>,
}

/// Checks a reading.
pub fn check(truth: &Truth, seen: &Seen) -> CheckResult {
    let mut breaches = Vec::new();
    let ids: BTreeSet<_> = seen.ids.iter().cloned().collect();
    if !truth.service_repeats && ids.len() < seen.ids.len() {
        breaches.push(format!("{} findings came twice", seen.ids.len() - ids.len()));
    }
    foreign(truth, &ids, &mut breaches);
    let missing: Vec<_> = truth.must.difference(&ids).collect();
    let ending = match &seen.end {
        None => {
            breaches.push("it did not end".to_owned());
            Ending::Never
        }
        Some(Err(error)) => Ending::Failed(error.kind()),
        Some(Ok(coverage)) => {
            let empty = truth.no_total && ids.is_empty();
            if coverage.is_complete() && !missing.is_empty() && !empty {
                breaches.push(format!("it is complete, and {missing:?} are missing"));
            }
            // An import closes findings that were not delivered where their absence is conclusive.
            let gone = |id: &&&String| {
                let place = truth.partitions.get(**id);
                place.is_some_and(|place| coverage.absence_of(place) == Absence::Conclusive)
            };
            let closed: Vec<_> = missing.iter().filter(gone).collect();
            if !closed.is_empty() {
                breaches.push(format!("{closed:?} did not come, and silence would close them"));
            }
            if empty && coverage.is_complete() { Ending::Empty } else { Ending::of_coverage(coverage) }
        }
    };
    breaches.extend(leak(&seen.shown).map(|leak| format!("a secret shows: {leak:?}")));
    CheckResult { ending, breaches }
}

/// Checks an import into a store that contained every finding before.
pub fn check_import(truth: &Truth, imported: &Imported) -> CheckResult {
    let mut breaches = Vec::new();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for (id, _) in &imported.known {
        *times.entry(id).or_default() += 1;
    }
    let doubled: Vec<_> = times.iter().filter(|(_, times)| **times > 1).map(|(id, _)| id).collect();
    if !doubled.is_empty() {
        breaches.push(format!("{doubled:?} are in the store twice"));
    }
    let closed: Vec<_> = imported
        .known
        .iter()
        .filter(|(id, open)| !open && truth.must.contains(id))
        .map(|(id, _)| id)
        .collect();
    if !closed.is_empty() {
        breaches.push(format!("{closed:?} were closed, and are there"));
    }
    let ids: BTreeSet<_> = imported.known.iter().map(|(id, _)| id.clone()).collect();
    foreign(truth, &ids, &mut breaches);
    let lost = truth.must.difference(&ids).count();
    if lost > 0 {
        breaches.push(format!("{lost} findings are in the store no more"));
    }
    let ending = match &imported.end {
        None => {
            breaches.push("it did not end".to_owned());
            Ending::Never
        }
        Some(Err(_)) => Ending::Failed(
            error_of(imported.end.as_ref()).map_or(ErrorKind::Unexpected, appsec_core::Error::kind),
        ),
        Some(Ok(import)) if import.gaps.is_empty() && truth.no_total && import.empty.is_some() => {
            Ending::Empty
        }
        Some(Ok(import)) if import.gaps.is_empty() => {
            if import.summary.kept_open_count() > 0 {
                breaches.push(format!(
                    "without a gap {} findings were not seen",
                    import.summary.kept_open_count()
                ));
            }
            Ending::Complete
        }
        Some(Ok(import)) => {
            Ending::Gaps(import.gaps.iter().map(|gap| gap.kind.as_str().to_owned()).collect())
        }
    };
    breaches.extend(leak(&imported.shown).map(|leak| format!("a secret shows: {leak:?}")));
    CheckResult { ending, breaches }
}

fn foreign(truth: &Truth, ids: &BTreeSet<String>, breaches: &mut Vec<String>) {
    let foreign: Vec<_> =
        ids.iter().filter(|id| !truth.must.contains(*id) && !truth.may.contains(*id)).collect();
    if !foreign.is_empty() {
        breaches.push(format!("{foreign:?} are nothing that the service has"));
    }
}
