//! A store over SQL, on SQLite and on PostgreSQL.

mod bindings;
mod conclude;
mod decisions;
mod dialect;
mod errors;
mod finding_detail;
mod finding_key;
mod finding_row;
mod outbox;
mod ownership;
mod place;
mod read;
mod report_parts;
mod retirement;
mod runs;
#[cfg(feature = "schedule")]
mod schedule;
#[cfg(feature = "worker")]
mod scheduled_runs;
mod schema;
mod sql_store;
mod staging;
mod store_impl;
mod transaction;
mod wait;

pub use sql_store::SqlStore;

#[cfg(feature = "worker")]
pub(crate) use scheduled_runs::{ConnectionLimit, DueBinding, Start, StartedRun};
