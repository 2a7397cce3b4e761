//! What the suite found, as a table.

use std::fmt;

use super::bench::{Seen, Stop};

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckStatus {
    /// The scanner keeps the contract line.
    Passed,
    /// It breaks the line.
    Failed,
    /// The fixture or the scanner cannot do what the check needs.
    Skipped,
}

impl fmt::Display for CheckStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckOutcome {
    /// The id of the contract line, as in `findings/lazy`.
    pub id: &'static str,
    /// How it ended.
    pub status: CheckStatus,
    /// What was seen, in one line: why it failed, or why it was skipped.
    pub detail: String,
}

impl CheckOutcome {
    pub(super) fn new(id: &'static str, seen: Seen) -> Self {
        let (status, detail) = match seen {
            Ok(detail) => (CheckStatus::Passed, detail),
            Err(Stop::Failed(why)) => (CheckStatus::Failed, why),
            Err(Stop::Skipped(why)) => (CheckStatus::Skipped, why),
        };
        Self { id, status, detail }
    }
}

/// The result of the conformance suite. It prints as a table with a summary line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConformanceReport {
    scanner: String,
    outcomes: Vec<CheckOutcome>,
}

impl ConformanceReport {
    pub(super) fn new(scanner: &str) -> Self {
        Self { scanner: scanner.to_owned(), outcomes: Vec::new() }
    }

    pub(super) fn push(&mut self, outcome: CheckOutcome) {
        self.outcomes.push(outcome);
    }

    /// The result of each check, in the order of the contract lists.
    pub fn outcomes(&self) -> &[CheckOutcome] {
        &self.outcomes
    }

    /// The ids of the checks that ended so.
    pub fn ids(&self, status: CheckStatus) -> impl Iterator<Item = &'static str> {
        self.outcomes.iter().filter(move |outcome| outcome.status == status).map(|outcome| outcome.id)
    }

    /// For the last lines of a test: does nothing when no check failed. What was skipped is
    /// [`assert_skipped`](Self::assert_skipped)'s to say.
    ///
    /// # Panics
    /// With the whole table, when a check failed.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.ids(CheckStatus::Failed).next().is_none(), "the scanner breaks its contract\n{self}");
    }

    /// For the last lines of a test: does nothing when these checks were skipped, in any order, and no others. A fixture that can
    /// do less than it did skips more, and would pass all the same.
    ///
    /// # Panics
    /// With what was skipped beyond these, and what was not.
    #[track_caller]
    pub fn assert_skipped(&self, expected: &[&str]) {
        let beyond: Vec<_> = self.ids(CheckStatus::Skipped).filter(|id| !expected.contains(id)).collect();
        let tried: Vec<_> = expected
            .iter()
            .filter(|id| !self.ids(CheckStatus::Skipped).any(|skipped| skipped == **id))
            .collect();
        assert!(
            beyond.is_empty() && tried.is_empty(),
            "skipped beyond what was expected: {beyond:?}; expected to be skipped, but not: {tried:?}\n{self}"
        );
    }
}

impl fmt::Display for ConformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.outcomes.iter().map(|outcome| outcome.id.len()).max().unwrap_or_default();
        for CheckOutcome { id, status, detail } in &self.outcomes {
            writeln!(f, "{id:<width$}  {status:<7}  {}", detail.replace('\n', " "))?;
        }
        let count = |status| self.ids(status).count();
        let (passed, failed) = (count(CheckStatus::Passed), count(CheckStatus::Failed));
        write!(
            f,
            "{}: {passed} passed, {failed} failed, {} skipped",
            self.scanner,
            count(CheckStatus::Skipped)
        )
    }
}
