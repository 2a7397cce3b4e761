//! Parsers that the HTTP stack keeps to itself, compiled from the same files: a socket before them would cost the fuzzer
//! most of its speed.
#![allow(dead_code, reason = "their crate uses more of them than the targets do")]

#[path = "../../../appsec-http/src/tls/certificate.rs"]
pub(crate) mod certificate;
#[path = "../../../appsec-http/src/redact.rs"]
pub(crate) mod redact;
#[path = "../../../appsec-http/src/retry_after.rs"]
pub(crate) mod retry_after;
