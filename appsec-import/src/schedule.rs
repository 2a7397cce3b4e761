//! Bindings that run by the clock: what they are, as data, and who runs them.

mod binding;
mod entry;
#[cfg(feature = "worker")]
mod options;
#[cfg(feature = "worker")]
mod queue;
mod recurrence;
#[cfg(feature = "worker")]
mod runner;
mod when;
#[cfg(feature = "worker")]
mod worker;

pub use binding::{RunKind, ScheduledBinding};
pub use entry::{ScheduleChanges, ScheduleEntry, ScheduleState};
#[cfg(feature = "worker")]
pub use options::WorkerOptions;
#[cfg(feature = "worker")]
pub use runner::Connections;
pub use when::Schedule;
#[cfg(feature = "worker")]
pub use worker::Worker;
