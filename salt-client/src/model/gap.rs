//! A posture gap: one policy violated by one API.

use appsec_core::{Timestamp, Verbatim};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::lenient::{names, present, scalar, take_list, take_text};
use super::time;

appsec_core::open_enum! {
    /// How grave a gap is, in Salt's words.
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
    /// Where a gap stands, in Salt's words.
    pub enum GapStatus {
        /// Open.
        Open = "Open",
        /// Someone works on it; the dashboard prints "In Process".
        InProcess = "InProcess",
        /// Resolved, by a person or by Salt's own evaluation.
        Resolved = "Resolved",
        /// Set aside by a person.
        Ignored = "Ignored",
    }
}

/// A posture gap, as the service sends it.
///
/// The names are those of real answers; which of them may be absent is unknown, so all may. Null is absent, a number where
/// text belongs is text, and what has another shape than expected stays in `extra` with the fields that nobody has named
/// yet. Any JSON object is a gap; what a gap without an id is worth is for its reader to say.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct PostureGap {
    /// The id, opaque.
    pub posture_gap_id: Option<String>,
    /// How grave it is.
    pub severity: Option<Verbatim<GapSeverity>>,
    /// Where it stands.
    pub status: Option<Verbatim<GapStatus>>,
    /// The policy's categories, such as `Access Control`. Strings have been seen.
    pub categories: Vec<Value>,
    /// The violated policy's name, shared by many gaps.
    pub posture_gap_name: Option<String>,
    /// The API's host; a name such as `github.<repository>` for what was found in source code.
    pub host: Option<String>,
    /// The HTTP method.
    pub method: Option<String>,
    /// The normalised path, as in `/v1/orders/{name}/cancel`.
    pub endpoint_path: Option<String>,
    /// Linked tickets; what one looks like is unknown.
    pub tickets: Vec<Value>,
    /// When it was first detected, verbatim; see [`detected_at`](Self::detected_at).
    pub detected: Option<String>,
    /// When the API last had traffic, verbatim; see [`last_activity_at`](Self::last_activity_at).
    pub last_activity: Option<String>,
    /// The API's labels; strings or objects, see [`labels`](Self::labels).
    pub endpoint_labels: Vec<Value>,
    /// What the weakness is. With `details=true`.
    pub description: Option<String>,
    /// How to remedy it, in several lines. With `details=true`.
    pub remediation_suggestion: Option<String>,
    /// The parameters concerned, which may hold samples of real data. With `details=true`.
    pub parameters: Vec<Value>,
    /// Its page in the dashboard. With `details=true`.
    pub posture_gap_link: Option<String>,
    /// Its weaknesses in MITRE's list, verbatim; see [`cwe_numbers`](Self::cwe_numbers).
    pub cwe_id: Option<String>,
    /// Fields without a name above, and fields of another shape than the one above.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl PostureGap {
    /// The names of the API's labels.
    pub fn labels(&self) -> Vec<String> {
        names(&self.endpoint_labels)
    }

    /// When it was first detected, where the text is a date.
    pub fn detected_at(&self) -> Option<Timestamp> {
        self.detected.as_deref().and_then(time::parse)
    }

    /// When the API last had traffic, where the text is a date.
    pub fn last_activity_at(&self) -> Option<Timestamp> {
        self.last_activity.as_deref().and_then(time::parse)
    }

    /// Every number in `cweId`: of `CWE-79`, of `79`, of a list of them.
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
            // A list that holds more than words is none that anybody expects: it stays where it is.
            Some(Value::Array(items)) => {
                let words = items.iter().filter(|item| !item.is_null()).map(scalar);
                words.collect::<Option<Vec<_>>>().map(|words| words.join(", "))
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
    fn spellings_of_a_status_agree_and_are_written_back_verbatim() {
        for word in ["InProcess", "In Process", "Inprocess", "IN_PROCESS"] {
            let gap = gap(json!({"status": word}));
            assert_eq!(gap.status.as_ref().map(Verbatim::value), Some(&GapStatus::InProcess), "{word}");
            assert_eq!(serde_json::to_value(&gap).unwrap()["status"], word);
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
    fn wrong_scalars_are_read_and_wrong_shapes_are_kept() {
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
    fn weaknesses_come_in_three_forms() {
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
