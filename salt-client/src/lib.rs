#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bind_targets;
mod builder;
mod client;
mod connect;
mod error;
mod findings;
mod map;
mod model;
mod scanner;
#[cfg(feature = "testing")]
pub mod testing;
mod webhook;

pub use builder::{SALT_API_TOKEN, SALT_BASE_URL, SaltClientBuilder};
pub use client::{GapsQuery, ListQuery, Region, SaltClient, UnverifiedChange, Verification};
pub use model::{
    BadRecord, CloudAsset, Endpoint, GapChange, GapSeverity, GapStatus, Host, Page, PostureGap,
    SpeculativeBody, WriteBack,
};
pub use webhook::{Webhook, WebhookEvent};

pub use appsec_core::{Error, ErrorKind, Result};
pub use appsec_http::{HttpOptions, Resolver, RetryPolicy};
