#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod client;
mod connect;
mod error;
mod export;
mod findings;
mod map;
pub mod model;
mod scanner;
#[cfg(feature = "testing")]
pub mod testing;

pub use builder::{
    ACCESS_KEY_VARIABLE, BASE_URL_VARIABLE, DEFAULT_BASE_URL, SECRET_KEY_VARIABLE, TenableWasClientBuilder,
};
pub use client::{MAX_PAGE, PageQuery, ReportFindings, TenableWasClient, VulnerabilityPage};
pub use export::{Ending, ExportJob, ExportOptions, ExportRecords, Lost};

pub use appsec_core::{Error, ErrorKind, Result};
pub use appsec_http::HttpOptions;
