//! Records of a list that the service sends in a broken form, or over which it fails.

use serde_json::{Value, json};

/// The field of a record that is sent as these bytes.
const RAW: &str = "$raw";

/// The field of a record over which the service fails with this status.
const FAILS: &str = "$fails";

/// A record that is sent as these bytes, which need not be JSON.
pub fn raw_record(bytes: impl AsRef<[u8]>) -> Value {
    json!({ RAW: bytes.as_ref() })
}

/// A record over which the service fails: every page that should hold it has this status.
pub fn failing_record(status: u16) -> Value {
    json!({ FAILS: status })
}

/// Whether the record has no fields of its own.
pub(super) fn is_raw(record: &Value) -> bool {
    record.get(RAW).is_some() || record.get(FAILS).is_some()
}

/// The status with which the service fails over the record.
pub(super) fn failure_status(record: &Value) -> Option<u16> {
    record.get(FAILS)?.as_u64()?.try_into().ok()
}

/// The record as it is sent.
pub(super) fn record_bytes(record: &Value) -> Vec<u8> {
    match record.get(RAW).and_then(Value::as_array) {
        Some(bytes) => bytes.iter().filter_map(|byte| byte.as_u64()?.try_into().ok()).collect(),
        None => record.to_string().into_bytes(),
    }
}
