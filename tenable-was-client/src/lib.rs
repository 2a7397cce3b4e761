#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bind_targets;
mod builder;
pub mod client;
mod connect;
mod error;
pub mod export;
pub mod filter;
pub mod findings;
mod map;
pub mod model;
mod scanner;
#[cfg(feature = "testing")]
pub mod testing;
pub mod workflows;

pub use builder::{
    DEFAULT_BASE_URL, TENABLE_ACCESS_KEY, TENABLE_BASE_URL, TENABLE_SECRET_KEY, TenableWasClientBuilder,
};
pub use client::{Order, PageQuery, TenableWasClient};
pub use export::ExportOptions;
pub use workflows::WaitOptions;

pub use appsec_core::{Error, ErrorKind, Result};
pub use appsec_http::{HttpOptions, Resolver, RetryPolicy};
