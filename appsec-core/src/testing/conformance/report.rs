//! The report of the suite.

use std::fmt;

use super::check::{CheckResult, NotPassed};

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
    /// A remark in one line; for a check that did not pass, the reason.
    pub detail: String,
}

impl CheckOutcome {
    pub(super) fn new(id: &'static str, seen: CheckResult) -> Self {
        let (status, detail) = match seen {
            Ok(detail) => (CheckStatus::Passed, detail),
            Err(NotPassed::Failed(why)) => (CheckStatus::Failed, why),
            Err(NotPassed::Skipped(why)) => (CheckStatus::Skipped, why),
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

    /// Asserts that no check failed. See [`assert_skipped`](Self::assert_skipped) for the checks that were
    /// skipped.
    ///
    /// # Panics
    /// With the whole table, when a check failed.
    #[track_caller]
    pub fn assert_passed(&self) {
        assert!(self.ids(CheckStatus::Failed).next().is_none(), "the scanner breaks its contract\n{self}");
    }

    /// Asserts that exactly these checks were skipped, in any order. Without it, a fixture that loses an
    /// ability skips more checks and still passes.
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
            "unexpectedly skipped: {beyond:?}; expected to be skipped, but ran: {tried:?}\n{self}"
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
