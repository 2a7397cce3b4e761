//! One world, seen by each route in that route's shape.

use appsec_core::Severity;
use serde_json::{Value, json};
use tenable_was_client::testing::{
    FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, days_ago, hours_ago,
};

use crate::http::{everything, exchange, export, get, keys, launch, post, scan, send};

fn world() -> FakeConfig {
    let xss = FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", Severity::High)
        .with_cwe(79)
        .with_wasc("Cross-Site Scripting")
        .with_owasp("2021", "A3")
        .with_owasp("2019", "API8")
        .shared();
    let header = FakePlugin::new(98_527, "Missing Referrer Policy", Severity::Info).shared();
    let target = FakeTarget::new("https://shop.example.com/")
        .with_finding(
            FakeFinding::new(&xss, "https://shop.example.com/search?q=x")
                .with_input("link", "q")
                .with_proof("<probe/>", "<probe/>")
                .with_exchange("GET /search?q=x HTTP/1.1\r\n", "HTTP/1.1 200 OK\r\n")
                .with_attachment("GET /search HTTP/1.1")
                .reopened()
                .recast(Severity::Low, "behind a firewall"),
        )
        .with_finding(FakeFinding::new(&header, "https://shop.example.com/"))
        .with_finding(
            FakeFinding::new(&xss, "https://shop.example.com/old")
                .with_found(days_ago(80), days_ago(6))
                .fixed(days_ago(5)),
        );
    FakeConfig::new("shop").with_target(target)
}

async fn fake() -> (FakeTenableWas, String) {
    let config = world();
    let fake = FakeTenableWas::builder().with_config(config.clone()).start().await.unwrap();
    let scan = fake.scans_of(&config.id).remove(0);
    (fake, scan)
}

async fn report(fake: &FakeTenableWas, scan: &str) -> Value {
    get(fake, &format!("/was/v2/scans/{scan}/report")).await.json()
}

fn by<'a>(records: &'a [Value], field: &str, value: &Value) -> &'a Value {
    records.iter().find(|record| record[field] == *value).unwrap()
}

#[tokio::test]
async fn the_report_has_integers_lower_case_and_nulls_and_knows_no_state() {
    let (fake, scan) = fake().await;
    let report = report(&fake, &scan).await;
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 2, "what is fixed is not in it");
    let xss = by(findings, "plugin_id", &json!(98_104));
    assert_eq!(xss["cwe"], json!([79]));
    assert_eq!(xss["risk_factor"], "high", "before the recast");
    assert_eq!(xss["uri"], "https://shop.example.com/search?q=x");
    assert_eq!(xss["owasp"][1], json!({"year": "2019", "category": "API8"}));
    assert_eq!(xss["xrefs"][0], json!({"xref_name": "CWE", "xref_value": "79"}));
    assert_eq!((xss.get("state"), xss.get("severity_modification_type")), (None, None));
    let header = by(findings, "plugin_id", &json!(98_527));
    for null in ["cvss", "cvssv3_vector", "input_name", "proof", "request_headers"] {
        assert_eq!(header[null], Value::Null, "{null}");
    }
    assert!(report["scan"]["finalized_at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(report["scan"]["asset_id"], json!(world().targets[0].asset_id));
}

#[tokio::test]
async fn the_vulnerability_search_has_neither_name_nor_severity() {
    let (fake, scan) = fake().await;
    let path = format!("/was/v2/scans/{scan}/vulnerabilities/search");
    let items = post(&fake, &path, &json!({})).await.items();
    let xss = by(&items, "plugin_id", &json!(98_104));
    for absent in ["name", "severity", "risk_factor", "state"] {
        assert_eq!(xss.get(absent), None, "{absent}");
    }
    assert_eq!(xss["details"]["input_name"], "q");
    assert_eq!(xss["details"]["request"], Value::Null, "only the details have the exchange");
    assert_eq!(by(&items, "plugin_id", &json!(98_527))["details"]["input_name"], Value::Null);
    for (field, value) in
        [("plugin_id", "98104"), ("input_name", "q"), ("uri", "https://shop.example.com/search?q=x")]
    {
        let filter = json!({"field": field, "operator": "eq", "value": value});
        assert_eq!(post(&fake, &path, &filter).await.items().len(), 1, "{field}");
    }
    let plugin = get(&fake, "/was/v2/plugins/98104").await.json();
    assert_eq!((&plugin["risk_factor"], &plugin["cwe"]), (&json!("high"), &json!(["79"])));
}

#[tokio::test]
async fn the_export_has_texts_upper_case_and_leaves_out_what_is_not_there() {
    let (fake, scan) = fake().await;
    let (_, records) = export(&fake, &everything()).await;
    assert_eq!(records.len(), 3);
    let xss = by(&records, "url", &json!("https://shop.example.com/search"));
    assert_eq!(xss["plugin"]["cwe"], json!(["79"]));
    assert_eq!(
        (&xss["severity"], &xss["severity_id"], &xss["severity_default_id"]),
        (&json!("LOW"), &json!(1), &json!(3))
    );
    assert_eq!((&xss["state"], &xss["severity_modification_type"]), (&json!("REOPENED"), &json!("RECASTED")));
    assert_eq!(xss["plugin"]["owasp_api_2019"], json!(["API8"]));
    assert_eq!(xss["plugin"]["cvss3_temporal_vector"], json!({}));
    assert_eq!(xss["plugin"]["original_risk_factor_num"], 3);
    assert!(xss["indexed_at"].as_str().unwrap().ends_with('Z'), "a text, where a number is documented");
    assert_eq!(xss["scan"]["uuid"], json!(scan));
    let header = by(&records, "url", &json!("https://shop.example.com/"));
    for absent in ["input_name", "input_type", "proof", "payload", "last_fixed", "recast_reason"] {
        assert_eq!(header.get(absent), None, "{absent}");
    }
    assert_eq!(header["plugin"].get("cvss3_base_score"), None);
    let fixed = by(&records, "url", &json!("https://shop.example.com/old"));
    assert_eq!(
        (&fixed["state"], fixed["last_fixed"].is_string(), fixed.get("scan")),
        (&json!("FIXED"), true, None)
    );
}

#[tokio::test]
async fn a_weakness_has_one_long_lived_id_and_one_per_scan() {
    let (fake, first) = fake().await;
    let vulnerability = async |scan: &str| {
        let path = format!("/was/v2/scans/{scan}/vulnerabilities/search?sort=plugin_id:asc");
        post(&fake, &path, &json!({})).await.column("vuln_id").remove(0)
    };
    let id = |(_, records): (Value, Vec<Value>)| {
        by(&records, "url", &json!("https://shop.example.com/search"))["finding_id"].clone()
    };
    let before = (id(export(&fake, &everything()).await), vulnerability(&first).await);
    let second = launch(&fake, &world().id).await;
    for _ in 0..6 {
        scan(&fake, &second).await;
    }
    let after = (id(export(&fake, &json!({"include_unlicensed": true})).await), vulnerability(&second).await);
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
}

#[tokio::test]
async fn a_scan_that_completes_has_seen_what_was_there_at_its_end() {
    let (fake, first) = fake().await;
    let second = launch(&fake, &world().id).await;
    fake.edit(|tenant| {
        let target = &mut tenant.configs[0].targets[0];
        target.findings.retain(|finding| finding.plugin.id == 98_104);
    });
    for _ in 0..6 {
        scan(&fake, &second).await;
    }
    assert_eq!(
        report(&fake, &first).await["findings"].as_array().unwrap().len(),
        2,
        "an ended scan stays as it is"
    );
    assert_eq!(report(&fake, &second).await["findings"].as_array().unwrap().len(), 1);
    let (_, records) = export(&fake, &everything()).await;
    let xss = by(&records, "url", &json!("https://shop.example.com/search"));
    assert_eq!(xss["scan"]["uuid"], json!(second));
    let last: appsec_core::Timestamp = xss["last_found"].as_str().unwrap().parse().unwrap();
    assert!(last > hours_ago(1), "the new scan saw it: {last}");
}

#[tokio::test]
async fn a_report_is_there_once_the_scan_has_ended() {
    let config = world();
    let fake =
        FakeTenableWas::builder().with_config(config.clone()).with_report_polls(1).start().await.unwrap();
    let id = launch(&fake, &config.id).await;
    let path = format!("/was/v2/scans/{id}/report");
    let got = get(&fake, &path).await;
    assert_eq!((got.status, got.json()), (404, json!({})));
    let got = send(&fake, "PUT", &path, "").await;
    assert_eq!((got.status, got.json()), (400, json!({"reasons": [{"reason": "scan not finalized"}]})));
    for _ in 0..6 {
        scan(&fake, &id).await;
    }
    assert_eq!(send(&fake, "PUT", &path, "").await.status, 202, "being made");
    assert_eq!(get(&fake, &path).await.status, 404);
    assert_eq!(send(&fake, "PUT", &path, "").await.status, 200, "there");
    assert_eq!(get(&fake, &path).await.status, 200);
}

#[tokio::test]
async fn the_content_type_of_the_request_names_the_format() {
    let (fake, scan) = fake().await;
    let path = format!("/was/v2/scans/{scan}/report");
    let keys = keys(&fake);
    for (content_type, status) in [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("text/csv", 404),
        ("image/png", 415),
    ] {
        let headers = [("x-apikeys", &*keys), ("content-type", content_type)];
        assert_eq!(exchange(&fake, "GET", &path, &headers, "").await.status, status, "{content_type}");
    }
    let headers = [("x-apikeys", &*keys), ("accept", "application/json")];
    assert_eq!(exchange(&fake, "GET", &path, &headers, "").await.status, 415, "accept is not asked");
}

#[tokio::test]
async fn attachments_are_served_raw_where_the_report_says() {
    let (fake, scan) = fake().await;
    let report = report(&fake, &scan).await;
    let url =
        by(report["findings"].as_array().unwrap(), "plugin_id", &json!(98_104))["attachments"][0].clone();
    let path = url.as_str().unwrap().strip_prefix(&fake.base_url()).unwrap().to_owned();
    let got = get(&fake, &path).await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("text/plain")));
    assert_eq!(got.body, b"GET /search HTTP/1.1");
}

#[tokio::test]
async fn rows_by_target_leave_info_out_of_the_count_and_can_be_switched_off() {
    let (fake, scan) = fake().await;
    let path = format!("/was/v2/scans/{scan}/vulnerabilities/by-targets/search");
    let rows = send(&fake, "POST", &path, "").await.items();
    let expected = json!({"finding_count": 1, "info_vulns": 1, "low_vulns": 0, "medium_vulns": 0,
        "high_vulns": 1, "critical_vulns": 0});
    assert_eq!((rows.len(), &rows[0]["findings"]), (1, &expected));
    assert_eq!(rows[0]["scan"]["scan_id"], json!(scan), "a scan of one target is its own row");
    let off = FakeTenableWas::builder().with_config(world()).with_by_targets(false).start().await.unwrap();
    assert_eq!(post(&off, &path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn a_broken_record_stands_in_every_route() {
    let mut config = world();
    config.targets[0].broken_records = 1;
    let fake = FakeTenableWas::builder().with_config(config.clone()).start().await.unwrap();
    let scan = fake.scans_of(&config.id).remove(0);
    let report = report(&fake, &scan).await;
    assert_eq!(report["findings"].as_array().unwrap().len(), 3);
    assert!(report["findings"][1]["plugin_id"].is_object());
    let items =
        post(&fake, &format!("/was/v2/scans/{scan}/vulnerabilities/search"), &json!({})).await.items();
    assert_eq!(items.iter().filter(|item| item["plugin_id"].is_object()).count(), 1);
    let (_, records) = export(&fake, &everything()).await;
    assert_eq!(records.iter().filter(|record| record["url"].is_array()).count(), 1);
}
