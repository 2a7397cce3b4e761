//! The data of a fake.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The records of a tenant, as the fake sends them, in this order. Any JSON may be among them.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Tenant {
    /// The hosts of the inventory.
    pub hosts: Vec<Value>,
    /// The endpoints of the inventory.
    pub endpoints: Vec<Value>,
    /// The posture gaps.
    pub gaps: Vec<Value>,
    /// The cloud assets, each with the fields of a list and of a single asset.
    pub assets: Vec<Value>,
    /// The OpenAPI documents, by host.
    pub openapi: BTreeMap<String, Value>,
    /// Other documents, by path.
    pub documents: BTreeMap<String, Value>,
}

impl Tenant {
    /// Creates an empty tenant.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host; see [`host`].
    pub fn with_host(mut self, host: Value) -> Self {
        self.hosts.push(host);
        self
    }

    /// Adds an endpoint; see [`endpoint`].
    pub fn with_endpoint(mut self, endpoint: Value) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Adds a posture gap; see [`gap`].
    pub fn with_gap(mut self, gap: Value) -> Self {
        self.gaps.push(gap);
        self
    }

    /// Adds posture gaps.
    pub fn with_gaps(mut self, gaps: impl IntoIterator<Item = Value>) -> Self {
        self.gaps.extend(gaps);
        self
    }

    /// Adds a cloud asset; see [`asset`].
    pub fn with_asset(mut self, asset: Value) -> Self {
        self.assets.push(asset);
        self
    }

    /// Sets the OpenAPI document of a host; see [`openapi`].
    pub fn with_openapi(mut self, host: impl Into<String>, document: Value) -> Self {
        self.openapi.insert(host.into(), document);
        self
    }

    /// Sets the document at another path, such as `/v1/attackers`.
    pub fn with_document(mut self, path: impl Into<String>, document: Value) -> Self {
        self.documents.insert(path.into(), document);
        self
    }

    /// Returns the gap of that id.
    pub fn gap_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.gaps.iter_mut().find(|gap| gap["postureGapId"] == id)
    }
}

/// Creates a host as the inventory may list it. The names of its fields are assumed.
pub fn host(name: &str) -> Value {
    json!({
        "host": name,
        "labels": [],
        "discovered": "2026-04-01T00:00:00.000Z",
        "lastActivity": "2026-05-08T09:12:55.000Z",
        "riskScore": 8.4,
    })
}

/// Creates an endpoint as the inventory may list it. The names of its fields are assumed.
pub fn endpoint(host: &str, method: &str, path: &str) -> Value {
    json!({
        "host": host,
        "method": method,
        "endpointPath": path,
        "endpointLabels": [],
        "authenticationType": "Bearer",
        "exposure": "External",
        "riskScore": 9.0,
        "lastActivity": "2026-05-08T09:12:55.000Z",
    })
}

/// Creates a posture gap with every field, open and of high severity.
pub fn gap(id: &str, host: &str) -> Value {
    json!({
        "postureGapId": id,
        "severity": "High",
        "status": "Open",
        "categories": ["Access Control"],
        "postureGapName": "Shadow API Detection",
        "host": host,
        "method": "GET",
        "endpointPath": format!("/internal/{id}"),
        "tickets": [],
        "detected": "2026-05-12T06:00:00.000Z",
        "lastActivity": "2026-05-20T10:30:00.000Z",
        "endpointLabels": [],
        "description": "Traffic was seen on an API that no specification describes.",
        "remediationSuggestion": "Document the API or retire it.",
        "parameters": [],
        "postureGapLink": format!("https://acme.secured-api.com/acme-prod/govern/posture-gaps/{id}"),
        "cweId": "CWE-1059",
    })
}

/// Creates a cloud asset with every field, those of a list and those of a single asset.
pub fn asset(id: &str, name: &str) -> Value {
    json!({
        "id": id,
        "cloudAccountId": "111122223333",
        "accountId": "111122223333",
        "cloudId": "a1b2c3d4e5",
        "collectStatus": "N/A",
        "endpoints": "12",
        "provider": "AWS",
        "region": "eu-west-1",
        "resourceName": name,
        "resourceType": "AWS-APIGateway-Http",
        "firstDiscovered": "2025-09-10T15:58:16.000Z",
        "link": "https://eu-west-1.console.aws.amazon.com/apigateway",
        "additionalData": [{"key": "stage", "type": "string", "value": "prod"}],
        "availableConnectors": [],
        "installedConnectors": [],
        "tags": {"team": "orion"},
    })
}

/// Creates the OpenAPI document of a host with one operation.
pub fn openapi(host: &str) -> Value {
    json!({
        "openapi": "3.0.1",
        "info": {"title": host, "version": "1.0"},
        "paths": {"/v1/refunds": {"post": {"responses": {"200": {"description": "OK"}}}}},
    })
}
