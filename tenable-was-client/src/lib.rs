#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod apply;
mod bind_targets;
mod builder;
mod client;
mod connect;
mod error;
mod export;
pub mod filter;
mod findings;
mod launch;
mod map;
pub mod model;
mod scanner;
#[cfg(feature = "testing")]
pub mod testing;
mod wait;

pub use builder::{
    DEFAULT_BASE_URL, TENABLE_ACCESS_KEY, TENABLE_BASE_URL, TENABLE_SECRET_KEY, TenableWasClientBuilder,
};
pub use client::{MAX_IMPORT_BYTES, Order, PageQuery, ReportFindings, TenableWasClient, VulnerabilityPage};
pub use export::{ExportEnding, ExportJob, ExportOptions, ExportRecords, LostChunk};
pub use findings::{SavedFindings, SavedReport};
pub use launch::{Launch, OnRunning};
pub use wait::WaitOptions;

pub use appsec_core::{Error, ErrorKind, Result};
pub use appsec_http::{HttpOptions, Resolver, RetryPolicy};
