//! What the fake sends has the shapes of the composed answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tenable_was_client::testing::{
    ExportScript, FakeFolder, FakeTenableWas, FakeUserTemplate, Route, demo_tenant,
};

use crate::http::{export_status, get, launch, post, request_export, scan};

const GROUP: &str = "12121212-3434-4565-8787-909090909090";

/// The JSON types seen at each place; list members share one place.
type Places = BTreeMap<String, BTreeSet<&'static str>>;

fn places(value: &Value, at: &str, found: &mut Places) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    found.entry(at.to_owned()).or_default().insert(kind);
    match value {
        Value::Array(all) => all.iter().for_each(|one| places(one, &format!("{at}[]"), found)),
        Value::Object(map) => map.iter().for_each(|(key, one)| places(one, &format!("{at}.{key}"), found)),
        _ => {}
    }
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/fixtures/fake/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Fields that a table of the facts has and the composed answer has not.
const FURTHER: [&str; 43] = [
    // Deliberately unknown.
    "business_context",
    "tier",
    "queue_position",
    "risk_context",
    "exposure",
    "exposure_class",
    // Scans.
    "config_metadata",
    "application_uri",
    "parent_id",
    "target_scans",
    "completed",
    "aborted",
    "finalized_children",
    "total_children",
    "crawled_urls",
    "reason",
    // Plugins.
    "family",
    "solution",
    "synopsis",
    "description",
    "exploitability_ease",
    "public_display",
    "in_the_news",
    "exploited_by_malware",
    "see_also",
    "cvss2_base_score",
    "cvss2_vector",
    "cvss2_temporal_vector",
    "cvss4_base_score",
    "cvss4_vector",
    "cvss4_threat_vector",
    "epss_score",
    "modification_date",
    "owasp_2013",
    "owasp_2017",
    "cvss_impact_score_predicted",
    "cvss3_impact_score",
    "threat_sources_last28",
    "product_coverage",
    "last_fixed",
    // Settings and starting values, which are long.
    "settings",
    "defaults",
    "policy",
];

/// Every documented place is served with a type that was documented or `null`, and nothing else is served
/// but what tables name besides.
fn assert_same_shape(name: &str, served: &[Value]) {
    let (mut documented, mut found) = (Places::new(), Places::new());
    places(&fixture(name), "", &mut documented);
    for value in served {
        places(value, "", &mut found);
    }
    for (place, kinds) in &documented {
        let Some(served) = found.get(place) else { panic!("{name}: {place:?} is never served") };
        let fits = kinds.iter().any(|kind| *kind == "null" || served.contains(kind));
        assert!(fits, "{name}: {place:?} is documented as {kinds:?} and served as {served:?}");
    }
    for (place, kinds) in &found {
        if FURTHER.iter().any(|field| place.split(['.', '[']).any(|part| part == *field)) {
            continue;
        }
        // A list that is empty in the composed answer does not say what it would hold.
        let unsaid = |(end, _): (usize, &str)| {
            documented.contains_key(&place[..end]) && !documented.contains_key(&place[..end + 2])
        };
        if place.match_indices("[]").any(unsaid) {
            continue;
        }
        let known = documented.get(place);
        let Some(known) = known else { panic!("{name}: {place:?} is served and not documented") };
        // A documented null says nothing about the type; a null is possible nearly everywhere.
        let fits = known.contains("null") || kinds.iter().all(|kind| *kind == "null" || known.contains(kind));
        assert!(fits, "{name}: {place:?} is documented as {known:?} and served as {kinds:?}");
    }
}

async fn fake() -> FakeTenableWas {
    FakeTenableWas::builder().with_tenant(demo_tenant()).start().await.unwrap()
}

/// The id of the last scan of the demonstration's n-th configuration.
fn last_scan(fake: &FakeTenableWas, config: usize) -> String {
    fake.scans_of(&demo_tenant().configs[config].id).pop().unwrap()
}

#[tokio::test]
async fn configurations_and_scans() {
    let fake = fake().await;
    assert_same_shape(
        "config_search",
        &[post(&fake, "/was/v2/configs/search?limit=200", &json!({})).await.json()],
    );
    let config = demo_tenant().configs[0].id.clone();
    let launched = post(&fake, &format!("/was/v2/configs/{config}/scans"), &Value::Null).await;
    assert_same_shape("launch", &[launched.json()]);
    let conflict = post(&fake, &format!("/was/v2/configs/{config}/scans"), &Value::Null).await;
    assert_same_shape("launch_conflict", &[conflict.json()]);
    let waiting = scan(&fake, launched.json()["scan_id"].as_str().unwrap()).await;
    assert_same_shape("scan_waiting", &[waiting]);
    let notes = get(&fake, &format!("/was/v2/scans/{}/notes", last_scan(&fake, 2))).await;
    assert_same_shape("notes", &[notes.json()]);
    assert_same_shape("templates", &[get(&fake, "/was/v2/templates").await.json()]);
}

#[tokio::test]
async fn findings_of_a_scan() {
    let fake = fake().await;
    let mut reports = Vec::new();
    let mut vulnerabilities = Vec::new();
    for config in [0, 2, 3, 5] {
        let scan = last_scan(&fake, config);
        reports.push(get(&fake, &format!("/was/v2/scans/{scan}/report")).await.json());
        let search = format!("/was/v2/scans/{scan}/vulnerabilities/search?limit=200");
        vulnerabilities.push(post(&fake, &search, &json!({})).await.json());
    }
    assert_same_shape("report", &reports);
    assert_same_shape("vulnerability_search", &vulnerabilities);
    let rows = format!("/was/v2/scans/{}/vulnerabilities/by-targets/search?limit=200", last_scan(&fake, 1));
    assert_same_shape("by_targets", &[post(&fake, &rows, &json!({})).await.json()]);
    assert_same_shape("plugin", &[get(&fake, "/was/v2/plugins/98115").await.json()]);
}

#[tokio::test]
async fn the_catalogue() {
    let tenant = demo_tenant()
        .with_folder(FakeFolder::new("Team shop"))
        .with_user_template(FakeUserTemplate::new("house rules").shared_with_group(GROUP, "view"))
        .with_user_template(FakeUserTemplate::new("plain").with_description("for all"));
    let fake = FakeTenableWas::builder().with_tenant(tenant).start().await.unwrap();
    assert_same_shape("folders", &[get(&fake, "/was/v2/folders").await.json()]);
    let application = json!([{"user_defined_name": "shop", "url": "https://shop.example.com"}]);
    assert_same_shape("applications", &[post(&fake, "/api/v2/was/applications", &application).await.json()]);
    let templates = post(&fake, "/was/v2/user-templates/search", &json!({})).await.json();
    assert_same_shape("user_template_search", &[templates]);
    assert_same_shape("plugin_list", &[get(&fake, "/was/v2/plugins").await.json()]);
    let mut lists = Vec::new();
    for path in ["configs", "user-templates", "vulnerabilities"] {
        lists.push(get(&fake, &format!("/was/v2/{path}/filters")).await.json());
    }
    assert_same_shape("filters", &lists);
    let search = "/was/v2/vulnerabilities/search?limit=200&sort=plugin_id:desc";
    let found = post(&fake, search, &json!({})).await;
    let mut full = Vec::new();
    for item in found.items().iter().take(60) {
        let id = item["vuln_id"].as_str().unwrap();
        full.push(get(&fake, &format!("/was/v2/vulnerabilities/{id}")).await.json());
    }
    assert_same_shape("vulnerability", &full);
}

#[tokio::test]
async fn exports() {
    let fake = fake().await;
    fake.script_export(ExportScript::new().with_failed_chunks([7]));
    let request = json!({"include_unlicensed": true,
        "filters": {"state": ["OPEN", "REOPENED", "FIXED"], "severity": ["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"], "since": 1}});
    let accepted = post(&fake, "/was/v1/export/vulns", &request).await.json();
    assert_same_shape("export_accepted", std::slice::from_ref(&accepted));
    assert_same_shape("export_conflict", &[post(&fake, "/was/v1/export/vulns", &request).await.json()]);
    let id = accepted["export_uuid"].as_str().unwrap();
    for _ in 0..3 {
        export_status(&fake, id).await;
    }
    let chunk = get(&fake, &format!("/was/v1/export/vulns/{id}/chunks/1")).await.json();
    assert_same_shape("export_chunk", &[chunk]);

    let id = request_export(&fake, &json!({"filters": {"state": ["OPEN"]}})).await;
    let cancelled = post(&fake, &format!("/was/v1/export/vulns/{id}/cancel"), &Value::Null).await;
    assert_same_shape("export_cancelled", &[cancelled.json()]);
    assert_eq!(post(&fake, "/was/v1/export/vulns", &fixture("export_request")).await.status, 200);
}

#[tokio::test]
async fn a_partial_export() {
    let fake =
        FakeTenableWas::builder().with_tenant(demo_tenant()).with_assets_per_chunk(2).start().await.unwrap();
    fake.script_export(ExportScript::new().with_failed_chunks([3]).with_chunks_per_poll(9));
    let request =
        json!({"include_unlicensed": true, "filters": {"state": ["OPEN"], "severity": ["HIGH"], "since": 1}});
    let id = request_export(&fake, &request).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(export_status(&fake, &id).await);
    }
    assert_same_shape("export_status", &statuses);
    assert_eq!(fake.calls_to(Route::GetExport).len(), 3);
}

#[tokio::test]
async fn refusals() {
    let fake = fake().await;
    let config = demo_tenant().configs[4].id.clone();
    assert_eq!(get(&fake, &format!("/was/v2/configs/{config}")).await.json(), fixture("error_empty"));
    let mut other = launch(&fake, &demo_tenant().configs[0].id).await;
    other.replace_range(0..1, if other.starts_with('0') { "1" } else { "0" });
    assert_eq!(get(&fake, &format!("/was/v2/scans/{other}")).await.reason().1, "NOT_FOUND");
}
