//! Where bindings, their runs and their findings are stored.

mod contract;
mod explanation;
mod finding;
mod known_binding;
mod partition;
mod report_parts;
mod run;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;

pub use contract::{BINDING_HELD, Store};
pub use explanation::{Explanation, HistoryEntry};
pub use finding::{FindingNumber, Page, StoredFinding};
pub use known_binding::KnownBinding;
pub use partition::KnownPartition;
pub use report_parts::ReportParts;
pub use run::{EndedRun, Run, RunRequest, ScheduledRun, Staged};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::SqlStore;

#[cfg(feature = "worker")]
pub(crate) use sql::{ConnectionLimit, DueBinding, Start, StartedRun};
