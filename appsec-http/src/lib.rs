#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod body;
mod client;
mod elements;
mod options;
mod paginate;
mod redact;
mod request;
mod resolve;
mod service;
#[cfg(feature = "testing")]
pub mod testing;

pub use answer::Answer;
pub use body::Body;
pub use client::HttpClient;
pub use elements::{At, Element, ElementStream};
pub use options::{HttpOptions, RetryPolicy};
pub use paginate::{MAX_PAGES, paginate};
pub use request::{Path, Repeat, Request};
pub use resolve::{Resolver, SystemResolver};
pub use service::{AuthHeader, Service};

pub use appsec_core::{Error, ErrorKind, Result};
