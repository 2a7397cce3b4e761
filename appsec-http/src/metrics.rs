//! Counters through the `metrics` facade. Without that feature they do nothing.

/// Counts a request by the status of its response, `none` without one.
#[cfg(feature = "metrics")]
pub(crate) fn request(service: &'static str, operation: &'static str, status: Option<u16>) {
    let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    metrics::counter!("appsec_http_requests_total", "service" => service, "operation" => operation, "status" => status)
        .increment(1);
}

/// Counts a retry.
#[cfg(feature = "metrics")]
pub(crate) fn retry(service: &'static str, operation: &'static str) {
    metrics::counter!("appsec_http_retries_total", "service" => service, "operation" => operation)
        .increment(1);
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn request(_: &'static str, _: &'static str, _: Option<u16>) {}

#[cfg(not(feature = "metrics"))]
pub(crate) fn retry(_: &'static str, _: &'static str) {}
