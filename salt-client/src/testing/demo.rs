//! A realistic tenant: the APIs of a shop after months of traffic, with the irregularities of real data.

use serde_json::{Value, json};

use super::tenant::{Tenant, endpoint, gap, host};

const HOSTS: [(&str, &[&str]); 9] = [
    ("api.shop.example", &["storefront", "team-orion"]),
    ("billing.shop.example", &["payments", "pci"]),
    ("identity.shop.example", &["payments", "team-lyra"]),
    ("partners.shop.example", &["partners"]),
    ("mcp.shop.example", &["agents"]),
    ("search.shop.example:8443", &["storefront"]),
    ("legacy.shop.example", &[]),
    ("github.shop.platform-tools", &["team-orion"]),
    ("idle.shop.example", &[]),
];

const ENDPOINTS: [(&str, &str); 10] = [
    ("GET", "/v1/orders/{id}"),
    ("POST", "/v1/orders"),
    ("DELETE", "/v1/orders/{id}/cancel"),
    ("GET", "/v1/customers/{id}/statements"),
    ("POST", "/v1/refunds"),
    ("GET", "/v2/catalog/{name}"),
    ("PUT", "/v1/users/me"),
    ("GET", "/internal/export/{name}"),
    ("POST", "/mcp/tools/call"),
    ("GET", "/healthz"),
];

/// Policy, severity, category, weakness.
const POLICIES: [(&str, &str, &str, &str); 12] = [
    ("Sensitive data exposed without authentication", "Critical", "Data Security and Privacy", "CWE-306"),
    ("PII Exposed Without Authentication", "Critical", "GDPR", "CWE-359"),
    ("Unauthenticated MCP server is exposed externally", "Critical", "Agentic AI", "CWE-306"),
    ("Shadow API Detection", "High", "Access Control", "1059"),
    ("Exposed hardcoded secret in GitHub code", "High", "Access Control", "CWE-798"),
    ("Zombie API detected from traffic", "Medium", "Operational Security", ""),
    ("Prohibition of Social Security Numbers in API responses", "Medium", "GDPR", "CWE-359, CWE-200"),
    ("API is configured with wildcard route", "Medium", "Operational Security", "N/A"),
    ("Sensitive data transmitted in the URL", "Medium", "Data Security and Privacy", "CWE-598"),
    ("Strict-Transport-Security header missing in response", "Low", "Operational Security", "CWE-319"),
    ("MCP server detected", "Info", "Agentic AI", ""),
    ("API without a rate limit", "Info", "Operational Security", "CWE-770"),
];

/// Creates a tenant with nine hosts and 336 posture gaps, the same in each run.
///
/// One host has no gap, the host of one gap is not in the inventory, and one host is known only from source
/// code. Gaps have all four statuses. A few records have nulls, fillers, labels that are objects, dates as
/// numbers, and unknown values.
pub fn demo_tenant() -> Tenant {
    let mut tenant = Tenant::new();
    for (number, (name, labels)) in HOSTS.into_iter().enumerate() {
        let mut record = host(name);
        record["labels"] = json!(labels);
        record["endpointCount"] = json!(ENDPOINTS.len() - number);
        tenant.hosts.push(record);
        let endpoints = ENDPOINTS.iter().skip(number);
        tenant.endpoints.extend(endpoints.map(|(method, path)| endpoint(name, method, path)));
    }
    tenant.gaps = (0..336).map(demo_gap).collect();
    for (index, change) in [
        (3, json!({"severity": "Blocker"})),
        (17, json!({"status": "Snoozed"})),
        (29, json!({"lastActivity": null, "cweId": null, "parameters": null, "endpointLabels": null})),
        (41, json!({"detected": 1_776_519_787_000_u64, "lastActivity": "1778231575"})),
        (53, json!({"endpointLabels": [{"name": "payments"}, {"key": "pci"}]})),
        (67, json!({"status": "In Process", "severity": "INFO"})),
        (79, json!({"host": "forgotten.shop.example"})),
        (97, json!({"businessImpact": "high"})),
        (113, json!({"description": "N/A", "method": "unknown", "remediationSuggestion": ""})),
    ] {
        if let (Some(Value::Object(gap)), Value::Object(change)) = (tenant.gaps.get_mut(index), change) {
            gap.extend(change);
        }
    }
    tenant
}

fn demo_gap(number: usize) -> Value {
    // The last host has no gaps. The strides are coprime to the lengths, so that all combinations occur.
    let (name, labels) = HOSTS[number % (HOSTS.len() - 1)];
    let (method, path) = ENDPOINTS[(number * 7 + number / 8) % ENDPOINTS.len()];
    let (policy, severity, category, weakness) = POLICIES[(number * 5 + number / 80) % POLICIES.len()];
    let status = match number % 11 {
        3 | 8 => "Resolved",
        5 => "InProcess",
        9 => "Ignored",
        _ => "Open",
    };
    let id = format!("6810f2c4a1b2c3d4e5f6{number:04x}");
    let mut record = gap(&id, name);
    record["postureGapName"] = json!(policy);
    record["severity"] = json!(severity);
    record["status"] = json!(status);
    record["categories"] = json!([category]);
    record["cweId"] = json!(weakness);
    record["method"] = json!(method);
    record["endpointPath"] = json!(path);
    record["endpointLabels"] = json!(labels);
    record["detected"] = json!(format!("2026-04-{:02}T13:43:07.000Z", 1 + number % 28));
    record["lastActivity"] = json!(format!("2026-05-{:02}T09:12:55.000Z", 1 + number % 28));
    record["description"] = json!(format!("The policy \"{policy}\" is violated."));
    record["remediationSuggestion"] =
        json!("Change the API, or retire it.\nThen let the policy be evaluated again.");
    if matches!(category, "GDPR" | "Data Security and Privacy") {
        record["parameters"] = json!([{
            "parameter": "result.accounts[i].number",
            "dataType": "Account number",
            "dataCategory": "PII",
            "parameterType": "String",
            "location": "Response Content",
            "dataSamples": ["4111 1111 1111 1111"],
        }]);
    }
    record
}
