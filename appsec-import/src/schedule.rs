//! Import lines that run by the clock: what they are, as data.

mod line;
mod recurrence;
mod when;

pub use line::{RunKind, ScheduledLine};
pub use when::Schedule;
