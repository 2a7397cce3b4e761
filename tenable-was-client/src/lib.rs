#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bind_targets;
mod builder;
mod client;
mod connect;
mod error;
mod export;
pub mod filter;
mod findings;
mod map;
pub mod model;
mod scanner;
#[cfg(feature = "testing")]
pub mod testing;
mod workflows;

pub use builder::{
    DEFAULT_BASE_URL, TENABLE_ACCESS_KEY, TENABLE_BASE_URL, TENABLE_SECRET_KEY, TenableWasClientBuilder,
};
pub use client::{MAX_IMPORT_BYTES, Order, PageQuery, ReportFindings, TenableWasClient, VulnerabilityPage};
pub use export::{ChunkLoss, ExportEnding, ExportJob, ExportOptions, ExportRecords};
pub use findings::{SavedFindings, SavedReport};
pub use workflows::{Launch, OnRunning, WaitOptions};

pub use appsec_core::{Error, ErrorKind, Result};
pub use appsec_http::{HttpOptions, Resolver, RetryPolicy};
