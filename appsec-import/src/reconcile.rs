//! Reconciles what one run observed with what was known before.
//!
//! The result says which findings are new, recurrent, reopened or closed, and which stay open because their
//! absence proves nothing. Everything here is pure: nothing is stored, and the clock is an argument.

mod completeness;
mod empty_reason;
mod known_finding;
mod matching;
mod occurrence_set;
mod occurrences;
mod reconciliation;
mod rules;
mod state;
mod summary;
mod transition;

pub use completeness::Completeness;
pub use empty_reason::EmptyReason;
pub use known_finding::KnownFinding;
pub use occurrence_set::OccurrenceSet;
pub use reconciliation::{Reconciliation, reconcile};
pub use state::{Change, State};
pub use summary::{KeptOpen, Summary};
pub use transition::Transition;

pub(crate) use completeness::missing_from;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use matching::best_match;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use occurrences::{Observation, Occurrences};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use summary::SummaryBuilder;
