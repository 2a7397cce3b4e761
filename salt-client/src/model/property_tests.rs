//! Any JSON can be read: without a panic, without losing a field, without inventing one.

use appsec_http::Element;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::arbitrary::{any_json, any_object};
use super::{
    CloudAsset, Endpoint, GapSeverity, GapStatus, Host, ListRecord, PostureGap, RawPage, asset_key,
    endpoint_key, gap_key, host_record_key, present, scalar,
};

proptest! {
    #[test]
    fn a_page_of_any_records_counts_each(records in prop::collection::vec(any_json(), 0..5), extra in any_object()) {
        let count = records.len() as u64;
        let records = records.into_iter().map(ListRecord::Value).collect();
        let page = RawPage::new(records, "response", extra);
        prop_assert_eq!(page.clone().typed::<PostureGap>().len(), count);
        prop_assert_eq!(page.clone().typed::<Host>().len(), count);
        prop_assert_eq!(page.typed::<Endpoint>().len(), count);
    }

    #[test]
    fn any_json_is_decoded_as_a_record(value in any_json()) {
        let element = Element::new(0, value.to_string());
        prop_assert_eq!(ListRecord::decode(&element, "test"), ListRecord::Value(value));
    }

    #[test]
    fn any_json_has_a_record_key(record in any_json()) {
        let record = ListRecord::Value(record);
        for key in [gap_key, asset_key, host_record_key, endpoint_key] {
            prop_assert_eq!(key(&record), key(&record.clone()));
        }
    }

    #[test]
    fn any_json_is_read_by_each_model_or_refused(value in any_json()) {
        let is_object = value.is_object();
        prop_assert_eq!(serde_json::from_value::<PostureGap>(value.clone()).is_ok(), is_object);
        prop_assert_eq!(serde_json::from_value::<Endpoint>(value.clone()).is_ok(), is_object);
        let asset = serde_json::from_value::<CloudAsset>(value.clone());
        prop_assert_eq!(asset.is_ok(), is_object);
        if let Ok(asset) = asset {
            let _ = (asset.account(), asset.endpoint_count(), asset.first_discovered_at(), asset.additional_pairs(), asset.tag_pairs());
        }
        let host = serde_json::from_value::<Host>(value.clone());
        prop_assert_eq!(host.is_ok(), is_object);
        if let Ok(host) = host {
            let _ = (host.id(), host.host(), host.labels(), host.last_activity_at(), host.discovered_at(), host.risk_score(), host.endpoint_count());
            prop_assert_eq!(serde_json::to_value(&host).unwrap(), value);
        }
    }

    #[test]
    fn a_gap_that_is_serialized_is_read_as_the_same_gap(record in any_object()) {
        let gap = PostureGap::from(record);
        let written = serde_json::to_value(&gap).unwrap();
        prop_assert_eq!(serde_json::from_value::<PostureGap>(written).unwrap(), gap);
    }

    #[test]
    fn no_field_that_was_sent_is_lost(record in any_object()) {
        let written = [
            serde_json::to_value(PostureGap::from(record.clone())).unwrap(),
            serde_json::to_value(CloudAsset::from(record.clone())).unwrap(),
            serde_json::to_value(Host::from(record.clone())).unwrap(),
        ];
        for written in written {
            for (key, sent) in record.iter().filter(|(key, sent)| !is_absent(key, sent)) {
                prop_assert!(keeps(&written[key.as_str()], sent), "{}: {} became {}", key, sent, written[key.as_str()]);
            }
        }
    }

    #[test]
    fn severity_and_status_are_serialized_verbatim(text in "\\PC{1,12}") {
        let gap = PostureGap::from(Map::from_iter([("status".to_owned(), json!(text)), ("severity".to_owned(), json!(text))]));
        if let (Some(status), Some(severity)) = (&gap.status, &gap.severity) {
            prop_assert_eq!(status.to_string(), text.trim());
            prop_assert_eq!(severity.to_string(), text.trim());
        }
    }
}

/// Whether a value is read as absent: null, and fillers in place of a severity or status.
fn is_absent(key: &str, sent: &Value) -> bool {
    sent.is_null()
        || ["severity", "status"].contains(&key)
            && scalar(sent).is_some_and(|text| present(Some(&text)).is_none())
}

/// Whether the value that was sent is kept: verbatim, as text, without the nulls of a list, or as a list of
/// one.
fn keeps(written: &Value, sent: &Value) -> bool {
    let without_nulls =
        |items: &[Value]| -> Vec<Value> { items.iter().filter(|item| !item.is_null()).cloned().collect() };
    let as_text = |value: &Value| scalar(value).map(|text| Value::String(text.trim().to_owned()));
    written == sent
        || as_text(sent).is_some_and(|text| as_text(written) == Some(text))
        || *written == json!([sent])
        || match sent {
            Value::Array(items) if items.iter().all(|item| item.is_null() || scalar(item).is_some()) => {
                let texts: Vec<_> = items.iter().filter_map(scalar).collect();
                *written == json!(texts.join(", ")) || *written == Value::Array(without_nulls(items))
            }
            Value::Array(items) => *written == Value::Array(without_nulls(items)),
            _ => false,
        }
}

#[test]
fn known_values_round_trip() {
    for status in GapStatus::KNOWN {
        assert_eq!(GapStatus::from(*status).as_str(), *status);
    }
    for severity in GapSeverity::KNOWN {
        assert_eq!(GapSeverity::from(*severity).as_str(), *severity);
    }
}
