#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base_url;
mod body;
mod budget;
mod client;
mod digest;
mod elements;
mod figures;
mod gate;
mod known;
mod options;
mod outline;
mod pace;
mod paginate;
mod parts;
mod probe;
mod redact;
mod request;
mod request_body;
mod resolve;
mod response;
mod retry;
mod retry_after;
mod scan;
#[cfg(test)]
mod script;
mod service;
pub mod splitter;
mod stack;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod transport;
mod webhook_sender;

pub use body::Body;
pub use client::HttpClient;
pub use elements::{At, Element, ElementStream};
pub use known::KnownBlocks;
pub use options::{HttpOptions, RetryPolicy};
pub use outline::{Member, MemberKind};
pub use paginate::{MAX_PAGES, paginate};
pub use request::{Path, Request, RetrySafety};
pub use request_body::BodySource;
pub use resolve::{Resolver, SystemResolver};
pub use response::Response;
pub use service::{AuthHeader, Service};
pub use webhook_sender::WebhookSender;

pub use appsec_core::{Error, ErrorKind, Result};
