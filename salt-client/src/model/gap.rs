//! A posture gap: one policy that one API violates.

use appsec_core::{Timestamp, Verbatim};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::lenient::{names, present, scalar, take_list, take_text};
use super::time;

appsec_core::open_enum! {
    /// The severity of a gap.
    pub enum GapSeverity {
        /// Info.
        Info = "Info",
        /// Low.
        Low = "Low",
        /// Medium.
        Medium = "Medium",
        /// High.
        High = "High",
        /// Critical.
        Critical = "Critical",
    }
}

appsec_core::open_enum! {
    /// The status of a gap.
    pub enum GapStatus {
        /// Open.
        Open = "Open",
        /// Being worked on; the dashboard shows "In Process".
        InProcess = "InProcess",
        /// Resolved, by a user or by Salt's own evaluation.
        Resolved = "Resolved",
        /// Ignored by a user.
        Ignored = "Ignored",
    }
}

/// A posture gap, as the service sends it.
///
/// The names of the fields were observed in real responses. It is unknown which fields may be absent, so
/// all may. Null is read as absent, and a number as text where text is expected. A field of an unexpected
/// shape is kept in `extra`, as are unknown fields. Any JSON object can be read as a gap, even one without
/// an id.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PostureGap {
    /// The id, opaque.
    pub posture_gap_id: Option<String>,
    /// The severity.
    pub severity: Option<Verbatim<GapSeverity>>,
    /// The status.
    pub status: Option<Verbatim<GapStatus>>,
    /// The policy's categories, such as `Access Control`. Strings have been observed.
    pub categories: Vec<Value>,
    /// The name of the violated policy, shared by many gaps.
    pub posture_gap_name: Option<String>,
    /// The API's host; a name such as `github.<repository>` for a gap that was found in source code.
    pub host: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The normalized path, as in `/v1/orders/{name}/cancel`.
    pub endpoint_path: Option<String>,
    /// Linked tickets; their shape is unknown.
    pub tickets: Vec<Value>,
    /// When it was first detected, verbatim; see [`detected_at`](Self::detected_at).
    pub detected: Option<String>,
    /// When the API last had traffic, verbatim; see [`last_activity_at`](Self::last_activity_at).
    pub last_activity: Option<String>,
    /// The API's labels; strings or objects, see [`labels`](Self::labels).
    pub endpoint_labels: Vec<Value>,
    /// A description of the weakness. Only with `details=true`.
    pub description: Option<String>,
    /// The remediation, in several lines. Only with `details=true`.
    pub remediation_suggestion: Option<String>,
    /// The affected parameters, which may hold samples of real data. Only with `details=true`.
    pub parameters: Vec<Value>,
    /// The gap's page in the dashboard. Only with `details=true`.
    pub posture_gap_link: Option<String>,
    /// The CWE ids, verbatim; see [`cwe_numbers`](Self::cwe_numbers).
    pub cwe_id: Option<String>,
    /// Unknown fields, and known fields of an unexpected shape.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl PostureGap {
    /// Returns the names of the API's labels.
    pub fn labels(&self) -> Vec<String> {
        names(&self.endpoint_labels)
    }

    /// Returns when it was first detected; `None` if the text is not a date.
    pub fn detected_at(&self) -> Option<Timestamp> {
        self.detected.as_deref().and_then(time::parse)
    }

    /// Returns when the API last had traffic; `None` if the text is not a date.
    pub fn last_activity_at(&self) -> Option<Timestamp> {
        self.last_activity.as_deref().and_then(time::parse)
    }

    /// Returns every number in `cweId`, which may be `CWE-79`, `79`, or a list of them.
    pub fn cwe_numbers(&self) -> Vec<u32> {
        let mut numbers = Vec::new();
        for digits in self.cwe_id.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_digit())) {
            if let Ok(number @ 1..) = digits.parse()
                && !numbers.contains(&number)
            {
                numbers.push(number);
            }
        }
        numbers
    }
}

impl From<Map<String, Value>> for PostureGap {
    fn from(mut map: Map<String, Value>) -> Self {
        let cwe_id = match map.get("cweId") {
            // A list with an element that is not a scalar is of an unexpected shape and goes to `extra`.
            Some(Value::Array(items)) => {
                let ids = items.iter().filter(|item| !item.is_null()).map(scalar);
                ids.collect::<Option<Vec<_>>>().map(|ids| ids.join(", "))
            }
            _ => None,
        };
        if cwe_id.is_some() {
            map.remove("cweId");
        }
        let map = &mut map;
        Self {
            posture_gap_id: take_text(map, "postureGapId"),
            severity: present(take_text(map, "severity").as_deref()).map(Verbatim::new),
            status: present(take_text(map, "status").as_deref()).map(Verbatim::new),
            categories: take_list(map, "categories"),
            posture_gap_name: take_text(map, "postureGapName"),
            host: take_text(map, "host"),
            method: take_text(map, "method"),
            endpoint_path: take_text(map, "endpointPath"),
            tickets: take_list(map, "tickets"),
            detected: take_text(map, "detected"),
            last_activity: take_text(map, "lastActivity"),
            endpoint_labels: take_list(map, "endpointLabels"),
            description: take_text(map, "description"),
            remediation_suggestion: take_text(map, "remediationSuggestion"),
            parameters: take_list(map, "parameters"),
            posture_gap_link: take_text(map, "postureGapLink"),
            cwe_id: cwe_id.or_else(|| take_text(map, "cweId")),
            extra: std::mem::take(map),
        }
    }
}

impl<'de> Deserialize<'de> for PostureGap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn gap(value: Value) -> PostureGap {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn spellings_of_a_status_are_equal_and_are_serialized_verbatim() {
        for text in ["InProcess", "In Process", "Inprocess", "IN_PROCESS"] {
            let gap = gap(json!({"status": text}));
            assert_eq!(gap.status.as_ref().map(Verbatim::value), Some(&GapStatus::InProcess), "{text}");
            assert_eq!(serde_json::to_value(&gap).unwrap()["status"], text);
        }
        let gap = gap(json!({"status": "Snoozed", "severity": "INFO"}));
        assert_eq!(gap.status, Some(GapStatus::Unknown("Snoozed".into()).into()));
        assert_eq!(gap.severity.as_ref().map(Verbatim::value), Some(&GapSeverity::Info));
        assert_eq!(serde_json::to_value(&gap).unwrap()["severity"], "INFO");
    }

    #[test]
    fn null_is_absent_in_every_field() {
        let all = serde_json::to_value(PostureGap::default()).unwrap();
        let nulls: Map<String, Value> =
            all.as_object().unwrap().keys().map(|key| (key.clone(), Value::Null)).collect();
        assert_eq!(nulls.len(), 17);
        assert_eq!(gap(Value::Object(nulls)), PostureGap::default());
        assert_eq!(gap(json!({})), PostureGap::default());
    }

    #[test]
    fn unexpected_scalars_are_read_and_unexpected_shapes_are_kept() {
        let gap = gap(json!({
            "postureGapId": 17, "detected": 1_776_519_787_000_u64, "categories": "GDPR",
            "host": {"fqdn": "a.example"}, "owner": "jo",
        }));
        assert_eq!(gap.posture_gap_id.as_deref(), Some("17"));
        assert_eq!(gap.detected_at().map(Timestamp::as_second), Some(1_776_519_787));
        assert_eq!(gap.categories, [json!("GDPR")]);
        assert_eq!(gap.host, None);
        assert_eq!(Value::Object(gap.extra), json!({"host": {"fqdn": "a.example"}, "owner": "jo"}));
    }

    #[test]
    fn weaknesses_are_read_in_each_form() {
        for (form, expected) in [
            (json!("CWE-79"), vec![79]),
            (json!("79"), vec![79]),
            (json!(79), vec![79]),
            (json!("CWE-79, CWE-306 and 79"), vec![79, 306]),
            (json!(["CWE-79", null, 306]), vec![79, 306]),
            (json!([{"id": "CWE-79"}]), vec![]),
            (json!(""), vec![]),
            (json!("N/A"), vec![]),
            (json!("CWE-0"), vec![]),
            (json!("99999999999999"), vec![]),
            (json!(null), vec![]),
        ] {
            assert_eq!(gap(json!({"cweId": form})).cwe_numbers(), expected, "{form}");
        }
    }

    #[test]
    fn labels_are_strings_or_objects() {
        assert_eq!(
            gap(json!({"endpointLabels": ["payments", {"name": "team-orion"}]})).labels(),
            ["payments", "team-orion"]
        );
    }
}
