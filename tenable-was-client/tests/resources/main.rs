//! The operations on all resources and the typed filters, tested against the fake.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod attachments;
mod filters;
mod folders;
mod listings;
mod tenant;
mod user_templates;
mod vulnerabilities;

use std::time::Duration;

use appsec_http::RetryPolicy;
use tenable_was_client::testing::FakeTenableWas;
use tenable_was_client::{HttpOptions, TenableWasClient};

/// A client that retries immediately.
fn client(fake: &FakeTenableWas) -> TenableWasClient {
    fake.client().unwrap()
}

/// A client of another server, with its own options.
fn client_of(base_url: String, options: HttpOptions) -> TenableWasClient {
    let short = Duration::from_millis(1);
    let retry = RetryPolicy::new().with_max_attempts(2).with_base(short).with_cap(short);
    let builder = TenableWasClient::builder("access-marker", "secret-marker");
    builder.with_base_url(base_url).with_http(options.with_retry(retry)).build().unwrap()
}
