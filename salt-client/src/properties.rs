//! Whatever JSON comes: no panic, nothing lost, nothing invented.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::cursor::{Cursor, Mark};
use crate::map::{Identity, Mapper};
use crate::model::{CloudAsset, Endpoint, GapSeverity, GapStatus, Host, Page, PostureGap, present, scalar};
use crate::webhook::Webhook;

/// The names that records have, and some that they do not.
const KEYS: [&str; 40] = [
    "response",
    "records",
    "data",
    "endOffset",
    "postureGapId",
    "severity",
    "status",
    "categories",
    "postureGapName",
    "host",
    "hostname",
    "fqdn",
    "method",
    "endpointPath",
    "url",
    "tickets",
    "detected",
    "lastActivity",
    "discovered",
    "endpointLabels",
    "labels",
    "description",
    "remediationSuggestion",
    "parameters",
    "parameter",
    "dataSamples",
    "name",
    "id",
    "postureGapLink",
    "cweId",
    "riskScore",
    "endpoints",
    "accountId",
    "additionalData",
    "tags",
    "value",
    "reference",
    "event",
    "token",
    "somethingNew",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "[0-9T:Z. -]{0,24}".prop_map(Value::from),
        prop::sample::select(vec!["N/A", "", "unknown", "Open", "IN_PROCESS", "Critical", "CWE-79"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        let key = prop_oneof![prop::sample::select(KEYS.as_slice()).prop_map(str::to_owned), "\\PC{0,8}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..12)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map(
        prop::sample::select(KEYS.as_slice()).prop_map(str::to_owned),
        any_json(),
        0..20,
    )
    .prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn any_object_is_a_page_or_an_error_with_a_path(answer in any_object()) {
        match Page::from_answer(answer, "test") {
            Ok(page) => {
                let count = page.records.len() as u64;
                prop_assert_eq!(page.clone().typed::<PostureGap>().len(), count);
                prop_assert_eq!(page.clone().typed::<Host>().len(), count);
                prop_assert_eq!(page.typed::<Endpoint>().len(), count);
            }
            Err(error) => prop_assert!(error.path().is_some()),
        }
    }

    #[test]
    fn any_object_is_a_gap_and_a_finding(record in any_object(), unmasked in any::<bool>()) {
        let gap = PostureGap::from(record.clone());
        let labels = gap.labels();
        let _ = (gap.cwe_numbers(), gap.detected_at(), gap.last_activity_at());
        let host = gap.host.clone().unwrap_or_default();
        let id = gap.posture_gap_id.clone().unwrap_or_default();
        let identity = Identity { id: &id, host: &host, labels: &labels };
        let mut mapper = Mapper::new(unmasked);
        let finding = mapper.finding(&gap, identity, Some(Value::Object(record.clone())));
        let again = mapper.finding(&gap, identity, None);
        prop_assert_eq!(finding.fingerprint, again.fingerprint);
        prop_assert!(std::sync::Arc::ptr_eq(&finding.rule, &again.rule));
        let _ = Mark::of(&Value::Object(record));
    }

    #[test]
    fn any_json_is_read_by_each_model_or_refused(value in any_json()) {
        let is_object = value.is_object();
        prop_assert_eq!(serde_json::from_value::<PostureGap>(value.clone()).is_ok(), is_object);
        prop_assert_eq!(serde_json::from_value::<Endpoint>(value.clone()).is_ok(), is_object);
        let asset = serde_json::from_value::<CloudAsset>(value.clone());
        prop_assert_eq!(asset.is_ok(), is_object);
        if let Ok(asset) = asset {
            let _ = (asset.account(), asset.endpoint_count(), asset.first_discovered_at(), asset.additional(), asset.tag_pairs());
        }
        let host = serde_json::from_value::<Host>(value.clone());
        prop_assert_eq!(host.is_ok(), is_object);
        if let Ok(host) = host {
            let _ = (host.id(), host.host(), host.labels(), host.last_activity_at(), host.discovered_at(), host.risk_score(), host.endpoint_count());
            prop_assert_eq!(serde_json::to_value(&host).unwrap(), value);
        }
    }

    #[test]
    fn what_is_written_back_is_read_as_the_same(record in any_object()) {
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
            for (key, sent) in record.iter().filter(|(key, sent)| !is_nothing(key, sent)) {
                prop_assert!(keeps(&written[key.as_str()], sent), "{}: {} became {}", key, sent, written[key.as_str()]);
            }
        }
    }

    #[test]
    fn any_call_of_a_webhook_is_an_event_or_a_refusal_and_never_shows_the_secret(
        record in any_object(), body in "\\PC{0,60}", right in any::<bool>(),
    ) {
        let webhook = Webhook::new("canary-7f3a");
        let headers = [(Webhook::HEADER, if right { "canary-7f3a" } else { "wrong" })];
        let object = Value::Object(record).to_string();
        for body in [body, object.replace("N/A", "canary-7f3a"), object] {
            let result = webhook.verify(headers, body.as_bytes());
            prop_assert!(right || result.is_err());
            if let Ok(event) = &result {
                let _ = (event.host(), event.event(), event.target());
            }
            prop_assert!(!format!("{result:?}").contains("7f3a"), "{:?}", result);
        }
    }

    #[test]
    fn a_list_that_stands_still_is_walked_whole(count in 0_u64..60, sizes in prop::collection::vec(1_u64..9, 1..9)) {
        let mut cursor = Cursor::default();
        let mut read = Vec::new();
        for (calls, size) in sizes.iter().cycle().enumerate() {
            prop_assert!(calls < 300, "the walk does not end");
            let offset = cursor.offset();
            let records: Vec<_> =
                (offset..count.min(offset + size)).map(|id| json!({"postureGapId": id})).collect();
            let answer = json!({"response": records});
            let step = cursor.take(Page::from_answer(serde_json::from_value(answer).unwrap(), "test").unwrap());
            prop_assert!(!step.moved);
            read.extend(step.records.iter().filter_map(|record| record["postureGapId"].as_u64()));
            if step.end {
                break;
            }
        }
        prop_assert_eq!(read, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn a_record_that_is_lost_by_one_insert_or_delete_is_noticed(
        count in 4_usize..40, size in 2_usize..7, at in 0_usize..40, when in 1_usize..6, insert in any::<bool>(),
    ) {
        let mut list: Vec<usize> = (0..count).collect();
        let mut cursor = Cursor::default();
        let mut read = BTreeSet::new();
        let mut moved = false;
        for call in 0..300 {
            if call == when {
                let at = at % list.len();
                if insert { list.insert(at, 1000) } else { list.drain(at..=at); }
            }
            let offset = usize::try_from(cursor.offset()).unwrap();
            let records: Vec<_> = list.iter().skip(offset).take(size).map(|id| json!({"postureGapId": id})).collect();
            let answer = json!({"response": records});
            let step = cursor.take(Page::from_answer(serde_json::from_value(answer).unwrap(), "test").unwrap());
            moved |= step.moved;
            read.extend(step.records.iter().filter_map(|record| record["postureGapId"].as_u64()));
            if step.end {
                break;
            }
        }
        let missed = list.iter().filter(|id| **id < count && !read.contains(&(**id as u64))).count();
        prop_assert!(missed == 0 || moved, "{missed} of the old ones missed without a notice");
    }

    #[test]
    fn words_are_written_back_verbatim(word in "\\PC{1,12}") {
        let gap = PostureGap::from(Map::from_iter([("status".to_owned(), json!(word)), ("severity".to_owned(), json!(word))]));
        if let (Some(status), Some(severity)) = (&gap.status, &gap.severity) {
            prop_assert_eq!(status.to_string(), word.trim());
            prop_assert_eq!(severity.to_string(), word.trim());
        }
    }
}

/// What says nothing: null, and fillers where a word of a known list belongs.
fn is_nothing(key: &str, sent: &Value) -> bool {
    sent.is_null()
        || ["severity", "status"].contains(&key)
            && scalar(sent).is_some_and(|word| present(Some(&word)).is_none())
}

/// What was sent is there, as it was, as text, without the nulls of a list, or as a list of one.
fn keeps(written: &Value, sent: &Value) -> bool {
    let without_nulls =
        |items: &[Value]| -> Vec<Value> { items.iter().filter(|item| !item.is_null()).cloned().collect() };
    let as_text = |value: &Value| scalar(value).map(|text| Value::String(text.trim().to_owned()));
    written == sent
        || as_text(sent).is_some_and(|text| as_text(written) == Some(text))
        || *written == json!([sent])
        || match sent {
            Value::Array(items) if items.iter().all(|item| item.is_null() || scalar(item).is_some()) => {
                let words: Vec<_> = items.iter().filter_map(scalar).collect();
                *written == json!(words.join(", ")) || *written == Value::Array(without_nulls(items))
            }
            Value::Array(items) => *written == Value::Array(without_nulls(items)),
            _ => false,
        }
}

#[test]
fn known_words_round_trip() {
    for word in GapStatus::KNOWN {
        assert_eq!(GapStatus::from(*word).as_str(), *word);
    }
    for word in GapSeverity::KNOWN {
        assert_eq!(GapSeverity::from(*word).as_str(), *word);
    }
}
