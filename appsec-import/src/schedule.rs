//! Schedules: when each binding runs, as data, and the workers that run what is due.

#[cfg(feature = "worker")]
mod connections;
mod due_time;
mod error;
#[cfg(feature = "worker")]
mod job_queue;
#[cfg(feature = "worker")]
mod job_runner;
mod recurrence;
mod scheduled_binding;
mod state;
#[cfg(feature = "worker")]
mod worker;
#[cfg(feature = "worker")]
mod worker_options;

#[cfg(feature = "worker")]
pub use connections::{Connections, OpenConnection};
pub use due_time::Schedule;
pub use scheduled_binding::{RunKind, ScheduledBinding};
pub use state::{ScheduleChanges, ScheduleEntry, ScheduleState};
#[cfg(feature = "worker")]
pub use worker::Worker;
#[cfg(feature = "worker")]
pub use worker_options::WorkerOptions;
