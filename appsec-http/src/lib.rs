#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
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
mod postbox;
mod probe;
mod redact;
mod request;
mod request_body;
mod resolve;
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

pub use answer::Answer;
pub use body::Body;
pub use client::HttpClient;
pub use elements::{At, Element, ElementStream};
pub use known::KnownBlocks;
pub use options::{HttpOptions, RetryPolicy};
pub use outline::{Member, MemberKind};
pub use paginate::{MAX_PAGES, paginate};
pub use postbox::Postbox;
pub use request::{Path, Repeat, Request};
pub use request_body::BodySource;
pub use resolve::{Resolver, SystemResolver};
pub use service::{AuthHeader, Service};

pub use appsec_core::{Error, ErrorKind, Result};
