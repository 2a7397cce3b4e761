//! A cloud asset: a gateway, cluster or function that Cloud Connect has discovered in an account.

use appsec_core::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::lenient::{pairs, present, take_list, take_text, whole};
use super::time;

/// A cloud asset, as the service sends it.
///
/// The names of the fields are those in code of the vendor's own staff, which was adjusted to real
/// responses. It is unknown which fields may be absent, so all may, including the id. A list and a single
/// asset have different fields. Strings may be fillers such as `N/A`. A field of an unexpected shape is
/// kept in `extra`, as are unknown fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CloudAsset {
    /// The id, opaque; 24 hexadecimal digits have been observed.
    pub id: Option<String>,
    /// The cloud's id of the account. Only in lists; see [`account`](Self::account).
    pub cloud_account_id: Option<String>,
    /// The cloud's id of the account. Only of a single asset; see [`account`](Self::account).
    pub account_id: Option<String>,
    /// The cloud's id of the asset. Only in lists.
    pub cloud_id: Option<String>,
    /// The status of the collection; `N/A` has been observed. Only in lists.
    pub collect_status: Option<String>,
    /// The number of endpoints, as text; see [`endpoint_count`](Self::endpoint_count). Only in lists.
    pub endpoints: Option<String>,
    /// The cloud, as in `AWS`.
    pub provider: Option<String>,
    /// The cloud's region.
    pub region: Option<String>,
    /// The name.
    pub resource_name: Option<String>,
    /// The type, as in `AWS-APIGateway-Http`.
    pub resource_type: Option<String>,
    /// When it was discovered, verbatim; see [`first_discovered_at`](Self::first_discovered_at). Only of a
    /// single asset.
    pub first_discovered: Option<String>,
    /// The asset's page in the cloud's console. Only of a single asset.
    pub link: Option<String>,
    /// Objects of key, type and value; see [`additional_pairs`](Self::additional_pairs). Only of a single
    /// asset.
    pub additional_data: Vec<Value>,
    /// The connectors that can be installed; their shape is unknown. Only of a single asset.
    pub available_connectors: Vec<Value>,
    /// The connectors that are installed; their shape is unknown. Only of a single asset.
    pub installed_connectors: Vec<Value>,
    /// The tags, an object or a list; see [`tag_pairs`](Self::tag_pairs). Only of a single asset.
    pub tags: Option<Value>,
    /// Unknown fields, and known fields of an unexpected shape.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl CloudAsset {
    /// Returns the cloud's id of the account, in a list or of a single asset.
    pub fn account(&self) -> Option<&str> {
        [&self.cloud_account_id, &self.account_id].into_iter().find_map(|id| present(id.as_deref()))
    }

    /// Returns the number of endpoints; `None` if the text is not a number.
    pub fn endpoint_count(&self) -> Option<u64> {
        self.endpoints.clone().and_then(|text| whole(&Value::String(text)))
    }

    /// Returns when it was discovered; `None` if the text is not a date.
    pub fn first_discovered_at(&self) -> Option<Timestamp> {
        self.first_discovered.as_deref().and_then(time::parse)
    }

    /// Returns key and value of each element of the additional data.
    pub fn additional_pairs(&self) -> Vec<(String, String)> {
        self.additional_data.iter().filter_map(pairs).collect()
    }

    /// Returns key and value of each tag. The value of a tag that is a string is empty.
    pub fn tag_pairs(&self) -> Vec<(String, String)> {
        match &self.tags {
            Some(Value::Array(tags)) => tags.iter().filter_map(pairs).collect(),
            Some(Value::Object(tags)) => {
                let value = |value: &Value| super::scalar(value).unwrap_or_default();
                tags.iter().map(|(key, tag)| (key.clone(), value(tag))).collect()
            }
            other => other.iter().filter_map(pairs).collect(),
        }
    }
}

impl From<Map<String, Value>> for CloudAsset {
    fn from(mut map: Map<String, Value>) -> Self {
        let map = &mut map;
        Self {
            id: take_text(map, "id"),
            cloud_account_id: take_text(map, "cloudAccountId"),
            account_id: take_text(map, "accountId"),
            cloud_id: take_text(map, "cloudId"),
            collect_status: take_text(map, "collectStatus"),
            endpoints: take_text(map, "endpoints"),
            provider: take_text(map, "provider"),
            region: take_text(map, "region"),
            resource_name: take_text(map, "resourceName"),
            resource_type: take_text(map, "resourceType"),
            first_discovered: take_text(map, "firstDiscovered"),
            link: take_text(map, "link"),
            additional_data: take_list(map, "additionalData"),
            available_connectors: take_list(map, "availableConnectors"),
            installed_connectors: take_list(map, "installedConnectors"),
            tags: map.remove("tags").filter(|tags| !tags.is_null()),
            extra: std::mem::take(map),
        }
    }
}

impl<'de> Deserialize<'de> for CloudAsset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Map::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asset(value: Value) -> CloudAsset {
        serde_json::from_value(value).unwrap()
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn tags_are_an_object_or_a_list_of_anything() {
        for (tags, expected) in [
            (json!({"team": "orion", "tier": 1}), vec![pair("team", "orion"), pair("tier", "1")]),
            (json!([{"key": "team", "value": "orion"}, "pci"]), vec![pair("team", "orion"), pair("pci", "")]),
            (json!([{"name": "team"}, {"x": "y"}, null, "N/A"]), vec![pair("team", "")]),
            (json!("pci"), vec![pair("pci", "")]),
            (json!({"team": ["a"]}), vec![pair("team", "")]),
            (json!(null), vec![]),
        ] {
            let asset = asset(json!({"tags": tags}));
            assert_eq!(asset.tag_pairs(), expected, "{tags}");
            assert_eq!(serde_json::to_value(&asset).unwrap()["tags"], tags, "kept as it came");
        }
    }

    #[test]
    fn a_listed_and_a_single_asset_have_the_same_accessors() {
        let listed = asset(json!({"cloudAccountId": "1111", "accountId": "N/A", "endpoints": "12"}));
        let single = asset(json!({
            "accountId": 1111, "firstDiscovered": 1_757_519_896, "additionalData": [{"key": "stage", "type": "string", "value": "prod"}],
        }));
        assert_eq!((listed.account(), single.account()), (Some("1111"), Some("1111")));
        assert_eq!((listed.endpoint_count(), single.endpoint_count()), (Some(12), None));
        assert_eq!(single.first_discovered_at().map(Timestamp::as_second), Some(1_757_519_896));
        assert_eq!(single.additional_pairs(), [pair("stage", "prod")]);
        assert_eq!(asset(json!({"endpoints": "N/A"})).endpoint_count(), None);
    }

    #[test]
    fn null_is_absent_and_an_unexpected_shape_is_kept() {
        let all = serde_json::to_value(CloudAsset::default()).unwrap();
        let nulls: Map<String, Value> =
            all.as_object().unwrap().keys().map(|key| (key.clone(), Value::Null)).collect();
        assert_eq!(nulls.len(), 16);
        assert_eq!(asset(Value::Object(nulls)), CloudAsset::default());
        let odd = asset(json!({"region": ["eu-west-1"], "owner": "jo"}));
        assert_eq!(odd.region, None);
        assert_eq!(Value::Object(odd.extra), json!({"region": ["eu-west-1"], "owner": "jo"}));
    }
}
