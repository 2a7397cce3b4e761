//! The table that the test prints.

use std::fmt;

use crate::openapi::Operation;
use crate::operations::Row;

/// The number of examples, and of those that were handled correctly.
#[derive(Default, Clone, Copy)]
pub(crate) struct Count {
    /// Whether there is a method, and all its requests match the document.
    pub(crate) requests_valid: bool,
    pub(crate) decoded: usize,
    pub(crate) successes: usize,
    pub(crate) mapped: usize,
    pub(crate) errors: usize,
}

impl Count {
    pub(crate) fn of(operation: &Operation<'_>) -> Self {
        let successes = operation.examples.iter().filter(|example| example.is_success()).count();
        Self { successes, errors: operation.examples.len() - successes, ..Self::default() }
    }
}

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, Option<&'static str>, Count)>,
}

impl Table {
    pub(crate) fn push(&mut self, operation: &Operation<'_>, row: Option<&Row>, count: Count) {
        self.rows.push((operation.id.to_owned(), row.map(|row| row.method), count));
    }
}

impl Table {
    /// Whether nothing is missing in any row.
    pub(crate) fn is_complete(&self) -> bool {
        let is_complete = |count: &Count| {
            count.requests_valid && count.decoded == count.successes && count.mapped == count.errors
        };
        self.rows.iter().all(|(.., count)| is_complete(count))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<38} {:<36} examples  errors", "operation", "method")?;
        for (id, method, count) in &self.rows {
            let method = method.unwrap_or("MISSING");
            let Count { decoded, successes, mapped, errors, .. } = count;
            writeln!(f, "{id:<38} {method:<36} {decoded:>3} of {successes} {mapped:>2} of {errors}")?;
        }
        let sum = |part: fn(&Count) -> usize| self.rows.iter().map(|(.., count)| part(count)).sum::<usize>();
        write!(
            f,
            "{} of {} operations, {} of {} success examples, {} of {} error examples",
            self.rows.iter().filter(|(.., count)| count.requests_valid).count(),
            self.rows.len(),
            sum(|count| count.decoded),
            sum(|count| count.successes),
            sum(|count| count.mapped),
            sum(|count| count.errors),
        )
    }
}
