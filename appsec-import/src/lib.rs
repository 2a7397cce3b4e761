#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod fold;
mod judge;
mod line;
mod reconcile;
mod summary;

pub use judge::{Change, Decision, State};
pub use line::{Environment, ScanConfiguration};
pub use reconcile::{KnownFinding, Outcome, Reconciliation, reconcile};
pub use summary::{KeptOpen, Summary};
