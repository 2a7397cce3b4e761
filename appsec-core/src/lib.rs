#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bind;
mod connection;
mod coverage;
mod duration;
mod error;
mod ext;
mod finding;
mod fingerprint;
mod ids;
mod in_memory;
mod location;
mod mask;
mod occurrence;
mod poll;
mod printable;
mod query;
mod scan;
mod scanner;
mod severity;
mod stream;
#[cfg(feature = "testing")]
pub mod testing;

pub use async_trait::async_trait;
pub use futures_core::stream::BoxStream;

pub use bind::{BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery};
pub use connection::{Cause, ConnectionReport, ConnectionStep, StepKind, StepOutcome};
pub use coverage::{
    Absence, Coverage, CoverageGap, GapKind, PartitionCoverage, PartitionKey, ProfileKey, UnknownValues,
};
pub use duration::duration_text;
pub use error::{Error, ErrorKind, ErrorOrigin, Result};
pub use ext::{BindTargetItems, DastApiScannerExt, FindingItems};
pub use finding::{Cvss, Evidence, EvidenceKind, Finding, FindingStatus, Recast, Rule, StatusChange};
pub use fingerprint::Fingerprint;
pub use ids::{Verbatim, eq_ignore_case_and_separators};
pub use in_memory::{stream_bind_targets, stream_findings};
pub use location::{Input, Location};
pub use mask::{is_secret_name, mask, mask_json};
pub use occurrence::OccurrenceKey;
pub use poll::Watch;
pub use printable::{Printable, printable_json, truncate, write_printable_json};
pub use query::{Batcher, FindingBatch, FindingEvent, FindingQuery, FindingScope, Progress, ResumePoint};
pub use scan::{Scan, ScanId, ScanProblem, ScanProblemKind, ScanRequest, ScanStatus, StartedScan};
pub use scanner::{Capabilities, DastApiScanner, ScanMode, ScannerInfo};
pub use severity::Severity;
pub use stream::{StreamSender, stream_error, stream_from};

/// A point in time. The type is jiff's, and nothing else of jiff is in this crate's API.
pub use jiff::Timestamp;
