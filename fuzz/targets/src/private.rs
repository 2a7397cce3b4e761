//! Private parsers of the HTTP stack, compiled from the same files. Fuzzing them through a socket would
//! cost most of the speed.
#![allow(dead_code, reason = "their crate uses more of them than the targets do")]

#[path = "../../../appsec-http/src/tls/certificate.rs"]
pub(crate) mod certificate;
#[path = "../../../appsec-http/src/redact.rs"]
pub(crate) mod redact;
#[path = "../../../appsec-http/src/stack/retry_after.rs"]
pub(crate) mod retry_after;
