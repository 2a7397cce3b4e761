//! What users decide about findings, and how such a decision is written back to the scanner.

mod entry;
mod kind;
mod retirement;
mod write_back;

pub use entry::DecisionEntry;
pub use kind::Decision;
pub use retirement::{Retirement, RetirementEntry};
pub use write_back::{StatusMapping, WriteBackOutcome, WriteBackRequest, WriteBackResult, write_back};
