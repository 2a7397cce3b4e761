//! The fuzz targets, one function each. A target panics when a guarantee is broken.
//!
//! The fuzzer runs them (`fuzz_targets/`), and so does an ordinary test over the seeds (`tests/seeds.rs`).
#![forbid(unsafe_code)]
// The unit tests in the files of the parsers run in the crates of the parsers.
#![cfg(not(test))]
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a target fails by panicking")]

mod decoders;
mod http;
mod identity;
mod input;
mod loopback;
mod masking;
mod private;
mod salt;
mod split;
mod stored;
mod tenable;
mod webhooks;

pub use decoders::{tenable_models, tenable_report};
pub use http::{certificate, retry_after};
pub use identity::location;
pub use masking::{mask, redact};
pub use salt::{salt_findings, salt_responses};
pub use split::splitter;
pub use stored::{reconcile, stored};
pub use tenable::{tenable_export, tenable_findings};
pub use webhooks::{salt_webhook, signed_webhook};

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets, sorted by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("certificate", certificate),
    ("location", location),
    ("mask", mask),
    ("reconcile", reconcile),
    ("redact", redact),
    ("retry_after", retry_after),
    ("salt_findings", salt_findings),
    ("salt_responses", salt_responses),
    ("salt_webhook", salt_webhook),
    ("signed_webhook", signed_webhook),
    ("splitter", splitter),
    ("stored", stored),
    ("tenable_export", tenable_export),
    ("tenable_findings", tenable_findings),
    ("tenable_models", tenable_models),
    ("tenable_report", tenable_report),
];
