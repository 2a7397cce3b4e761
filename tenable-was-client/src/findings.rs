//! Findings, by the two routes of the service: the results of one scan, and the export.

mod attribution;
mod by_export;
mod by_scan;
mod child_scans;
mod chunk_failures;
mod event_sender;
mod finding_filter;
mod record_reader;
mod refusal;
mod rule_cache;
mod saved_report;
mod stream;
mod target_assets;
mod unknown_values;

pub use saved_report::{SavedFindings, SavedReport};

pub(crate) use child_scans::{ChildScan, ChildScans, child_scans};
pub(crate) use stream::findings;
