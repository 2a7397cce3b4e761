//! What identifies a record of a list.

use appsec_http::RecordKey;
use serde_json::{Map, Value};

use super::inventory::{Endpoint, Host};
use super::lenient::{present, scalar, text};
use super::list_record::ListRecord;

/// Returns the key of a cloud asset: its id. It is not known that ids are unique.
pub(crate) fn asset_key(record: &ListRecord) -> RecordKey {
    of_fields(record, |fields| text(fields, &["id"]))
}

/// Returns the key of a posture gap: its id, or its content if it has no usable id.
pub(crate) fn gap_key(record: &ListRecord) -> RecordKey {
    let id = record.value().and_then(|value| value.get("postureGapId")).and_then(scalar);
    match present(id.as_deref()) {
        Some(id) => RecordKey::Id(id.to_owned()),
        None => content(record),
    }
}

/// Returns the key of a host: its name. It is not known that names are unique.
pub(crate) fn host_record_key(record: &ListRecord) -> RecordKey {
    of_fields(record, |fields| Some(Host::from(fields.clone()).host()?.to_lowercase()))
}

/// Returns the key of an endpoint: its host, method and path. It is not known that they are unique.
pub(crate) fn endpoint_key(record: &ListRecord) -> RecordKey {
    of_fields(record, |fields| {
        let endpoint = Endpoint::from(fields.clone());
        let id = text(fields, &["id", "endpointId", "_id"]).unwrap_or_default();
        Some([endpoint.host()?, endpoint.method().unwrap_or_default(), endpoint.path()?, id].join(" "))
    })
}

/// A key from some fields: other fields, such as the time of the last traffic, may change meanwhile.
fn of_fields(record: &ListRecord, identity: impl Fn(&Map<String, Value>) -> Option<String>) -> RecordKey {
    match record.value().and_then(Value::as_object).and_then(identity) {
        Some(identity) => RecordKey::from_content(identity.as_bytes()),
        None => content(record),
    }
}

fn content(record: &ListRecord) -> RecordKey {
    match record {
        ListRecord::Value(value) => RecordKey::from_content(value.to_string().as_bytes()),
        ListRecord::Unreadable { key, .. } => key.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_without_an_id_is_identified_by_its_content() {
        let key = |record| gap_key(&ListRecord::Value(record));
        assert_eq!(key(json!({"host": "a"})), key(json!({"host": "a"})));
        assert_ne!(key(json!({"host": "a"})), key(json!({"host": "b"})));
        assert!(!key(json!("text")).is_id());
        assert!(!key(json!({"postureGapId": "N/A"})).is_id());
        assert_eq!(key(json!({"postureGapId": 7})), RecordKey::Id("7".into()));
    }

    #[test]
    fn traffic_does_not_change_the_key_of_a_host_or_an_endpoint() {
        for (key, one) in [
            (host_record_key as fn(&ListRecord) -> RecordKey, json!({"host": "a.example"})),
            (endpoint_key, json!({"host": "a.example", "method": "GET", "path": "/v1"})),
        ] {
            let mut later = one.clone();
            later["lastActivity"] = json!("2026-05-08T09:12:55Z");
            let mut other = one.clone();
            other["host"] = json!("b.example");
            let [one, later, other] = [one, later, other].map(|record| key(&ListRecord::Value(record)));
            assert!(!one.is_id(), "two records may have the same");
            assert_eq!(one, later);
            assert_ne!(one, other);
        }
    }
}
