//! Hosts and endpoints of the inventory, whose fields are not published.

use appsec_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::lenient::{names, text, whole};
use super::time;

const HOST: [&str; 5] = ["host", "hostname", "name", "domain", "fqdn"];
const PATH: [&str; 4] = ["endpointPath", "path", "url", "endpoint"];
const LABELS: [&str; 4] = ["labels", "endpointLabels", "hostLabels", "apiLabels"];
const LAST_ACTIVITY: [&str; 2] = ["lastActivity", "lastSeen"];
const DISCOVERED: [&str; 2] = ["discovered", "firstSeen"];
const ENDPOINTS: [&str; 3] = ["endpointCount", "endpointsCount", "endpoints"];

/// Returns the names under the first of the keys that holds a list or a single name.
fn list(fields: &Map<String, Value>, keys: &[&str]) -> Vec<String> {
    keys.iter()
        .find_map(|key| match fields.get(*key)? {
            Value::Null => None,
            Value::Array(items) => Some(names(items)),
            single => Some(names(std::slice::from_ref(single))),
        })
        .unwrap_or_default()
}

fn date(fields: &Map<String, Value>, keys: &[&str]) -> Option<Timestamp> {
    text(fields, keys).as_deref().and_then(time::parse)
}

macro_rules! record {
    ($(#[$meta:meta])* $name:ident, ids $ids:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name {
            fields: Map<String, Value>,
        }

        impl From<Map<String, Value>> for $name {
            fn from(fields: Map<String, Value>) -> Self {
                Self { fields }
            }
        }

        impl $name {
            /// Returns the record verbatim.
            pub fn fields(&self) -> &Map<String, Value> {
                &self.fields
            }

            /// Returns the id, under `id` or a longer name such as `hostId`.
            pub fn id(&self) -> Option<String> {
                text(&self.fields, &$ids)
            }

            /// Returns the host's name, verbatim.
            pub fn host(&self) -> Option<String> {
                text(&self.fields, &HOST)
            }

            /// Returns the labels.
            pub fn labels(&self) -> Vec<String> {
                list(&self.fields, &LABELS)
            }

            /// Returns when it last had traffic.
            pub fn last_activity_at(&self) -> Option<Timestamp> {
                date(&self.fields, &LAST_ACTIVITY)
            }

            /// Returns when it was first observed.
            pub fn discovered_at(&self) -> Option<Timestamp> {
                date(&self.fields, &DISCOVERED)
            }

            /// Returns Salt's risk score, 0 to 10.
            pub fn risk_score(&self) -> Option<f64> {
                let score = text(&self.fields, &["riskScore"])?.parse().ok()?;
                (0.0..=10.0).contains(&score).then_some(score)
            }
        }
    };
}

record! {
    /// A host of the inventory.
    ///
    /// That hosts have names and labels is known; the names of the fields are not. So the whole record is
    /// kept, and each method tries the likely names in order.
    Host, ids ["id", "hostId", "_id"]
}

record! {
    /// An endpoint of the inventory: a method and a normalized path of a host.
    ///
    /// The names of the fields are not known. So the whole record is kept, and each method tries the
    /// likely names in order.
    Endpoint, ids ["id", "endpointId", "_id"]
}

impl Host {
    /// Returns the number of endpoints, if the record has it.
    pub fn endpoint_count(&self) -> Option<u64> {
        ENDPOINTS.iter().find_map(|key| match self.fields.get(*key)? {
            Value::Array(items) => Some(items.len() as u64),
            value => whole(value),
        })
    }
}

impl Endpoint {
    /// Returns the HTTP method, in upper case.
    pub fn method(&self) -> Option<String> {
        text(&self.fields, &["method", "httpMethod"]).map(|method| method.to_ascii_uppercase())
    }

    /// Returns the normalized path, verbatim.
    pub fn path(&self) -> Option<String> {
        text(&self.fields, &PATH)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(value: Value) -> Host {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_host_is_named_by_the_first_usable_key() {
        for key in HOST {
            assert_eq!(host(json!({key: "a.example"})).host().as_deref(), Some("a.example"), "{key}");
        }
        let both = host(json!({"fqdn": "b.example", "host": "a.example"}));
        assert_eq!(both.host().as_deref(), Some("a.example"));
        let filler = host(json!({"host": "N/A", "hostname": null, "name": "c.example"}));
        assert_eq!(filler.host().as_deref(), Some("c.example"));
        assert_eq!(host(json!({"host": ["x"]})).host(), None);
    }

    #[test]
    fn labels_are_read_under_any_key_and_in_any_shape() {
        for key in LABELS {
            assert_eq!(host(json!({key: ["a", {"name": "b"}]})).labels(), ["a", "b"], "{key}");
        }
        assert_eq!(host(json!({"labels": null, "hostLabels": "a"})).labels(), ["a"]);
        assert!(host(json!({"labels": {"team": "orion"}})).labels().is_empty());
    }

    #[test]
    fn only_valid_numbers_and_dates_are_read() {
        let rich = host(json!({
            "id": 5, "endpoints": "12", "lastActivity": "2026-05-08T09:12:55.000Z", "discovered": 1_776_519_787, "riskScore": "8.4",
        }));
        assert_eq!(rich.id().as_deref(), Some("5"));
        assert_eq!(rich.endpoint_count(), Some(12));
        assert_eq!(rich.last_activity_at().map(Timestamp::as_second), Some(1_778_231_575));
        assert_eq!(rich.discovered_at().map(Timestamp::as_second), Some(1_776_519_787));
        assert_eq!(rich.risk_score(), Some(8.4));
        let poor = host(json!({"endpoints": ["a", "b"], "riskScore": 87, "lastActivity": null}));
        assert_eq!(poor.endpoint_count(), Some(2));
        assert_eq!((poor.risk_score(), poor.last_activity_at(), poor.id()), (None, None, None));
    }

    #[test]
    fn an_endpoint_has_a_method_and_a_path() {
        for key in PATH {
            let endpoint: Endpoint =
                serde_json::from_value(json!({"fqdn": "a.example", "method": "post", key: "/v1/{id}"}))
                    .unwrap();
            assert_eq!(endpoint.path().as_deref(), Some("/v1/{id}"), "{key}");
            assert_eq!(endpoint.method().as_deref(), Some("POST"));
        }
    }

    #[test]
    fn a_record_is_serialized_verbatim() {
        let record = json!({"host": "a.example", "somethingNew": {"x": [1, null]}});
        assert_eq!(serde_json::to_value(host(record.clone())).unwrap(), record);
    }
}
