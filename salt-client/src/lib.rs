#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod client;
mod connect;
mod cursor;
mod error;
mod findings;
mod inventory;
mod map;
mod model;
mod owasp;
#[cfg(test)]
mod properties;
mod region;
mod request;
mod scanner;
mod scope;
#[cfg(feature = "testing")]
pub mod testing;
mod webhook;
mod write_back;

pub use builder::{SALT_API_TOKEN, SALT_BASE_URL, SaltClientBuilder};
pub use client::SaltClient;
pub use model::{BadRecord, CloudAsset, Endpoint, GapSeverity, GapStatus, Host, Page, PostureGap};
pub use region::Region;
pub use request::{GapsQuery, ListQuery};
pub use webhook::{Webhook, WebhookEvent};
pub use write_back::{GapChange, SpeculativeBody, UnverifiedChange, Verification, WriteBack};

pub use appsec_core::{Error, ErrorKind, Result};
pub use appsec_http::{HttpOptions, Resolver, RetryPolicy};
