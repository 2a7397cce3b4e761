#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base_url;
mod client;
pub mod json;
mod metrics;
mod options;
mod overlap_cursor;
mod paginate;
mod paginate_overlapping;
mod probe;
mod record_key;
mod redact;
mod request;
mod request_body;
mod resolve;
mod response;
mod service;
mod stack;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod webhook_sender;

pub use client::HttpClient;
pub use json::{ArrayPath, Element, ElementStream};
pub use options::{HttpOptions, RetryPolicy};
pub use overlap_cursor::{ListPosition, Narrowed, OverlapCursor, PageRange, PageStep};
pub use paginate::{MAX_PAGES, paginate};
pub use paginate_overlapping::{ListedPage, OffsetPage, PageRead, lost_record, paginate_overlapping};
pub use record_key::RecordKey;
pub use request::{Path, Request, RetrySafety};
pub use request_body::BodySource;
pub use resolve::{Resolver, SystemResolver};
pub use response::Response;
pub use service::{AuthHeader, Service};
pub use stack::body::Body;
pub use stack::throttle_signal::ThrottleSignal;
pub use webhook_sender::WebhookSender;

pub use appsec_core::{Error, ErrorKind, Result};
