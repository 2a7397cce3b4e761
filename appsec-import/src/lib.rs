#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod binding;
pub mod decision;
pub mod gate;
mod importer;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod metrics;
pub mod outbox;
#[cfg(feature = "push")]
pub mod push;
pub mod reconcile;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "schedule")]
pub mod schedule;
pub mod store;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "webhook")]
pub mod webhook;

pub use binding::{Binding, Environment, ScanConfiguration};
pub use importer::{Import, ImportOptions, Importer, TARGET_MOVED};
pub use reconcile::{Completeness, EmptyReason, Summary, reconcile};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use store::SqlStore;
pub use store::Store;
pub use target::{known_target, resolve_target};
