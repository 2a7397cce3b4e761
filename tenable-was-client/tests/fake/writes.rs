//! What changes the service: configurations written, scans deleted, reports asked for and imported, as
//! the fake takes it.

use serde_json::{Value, json};
use tenable_was_client::testing::{FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Route};

use crate::http::{Got, exchange, get, keys, launch, post, scan, send};

const USER: &str = "0a1b2c3d-1111-4222-8333-444455556666";
const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

fn shop() -> FakeConfig {
    let plugin = FakePlugin::new(98_104, "XSS", appsec_core::Severity::High).shared();
    let finding =
        FakeFinding::new(&plugin, "https://shop.example.com/a,b?q=\"x\"").with_output("a\nb, \"c\"");
    FakeConfig::new("shop").with_target(FakeTarget::new("https://shop.example.com/").with_finding(finding))
}

async fn fake() -> FakeTenableWas {
    FakeTenableWas::builder().with_config(shop()).start().await.unwrap()
}

async fn body(fake: &FakeTenableWas) -> Value {
    let templates = get(fake, "/was/v2/templates?limit=200").await.items();
    let scan = templates.iter().find(|template| template["name"] == "scan").unwrap();
    json!({"name": "new", "owner_id": USER, "template_id": scan["template_id"], "targets": ["https://new.example.com"],
        "settings": {"timeout": "01:00:00", "later": 1}, "notifications": {"emails": ["a@example.com"]}})
}

#[tokio::test]
async fn a_body_is_checked_field_by_field() {
    let fake = fake().await;
    let got = post(&fake, "/was/v2/configs", &json!({})).await;
    assert_eq!(got.status, 400);
    let all = got.json();
    assert_eq!(all["code"], "INPUT_FORM_VIOLATION");
    let missing = json!({"field": ".name", "message_type": "VALUE_MUST_BE_SPECIFIED",
        "value": {"message": "the value must be specified"}});
    assert_eq!(all["fields"][0], missing, "as documented");
    let fields: Vec<_> =
        all["fields"].as_array().unwrap().iter().map(|field| field["field"].clone()).collect();
    assert_eq!(fields, [".name", ".owner_id", ".template_id", ".settings", ".targets"]);
    for (path, value, field) in [
        ("/targets", json!(["new.example.com"]), ".targets"),
        ("/targets", json!([]), ".targets"),
        ("/template_id", json!(UNKNOWN), ".template_id"),
        ("/settings/timeout", json!("1 hour"), ".settings.timeout"),
    ] {
        let mut body = body(&fake).await;
        *body.pointer_mut(path).unwrap() = value;
        let got = post(&fake, "/was/v2/configs", &body).await;
        assert_eq!((got.status, &got.json()["fields"][0]["field"]), (400, &json!(field)), "{path}");
    }
    for (name, value, field) in [
        ("schedule", json!({"rrule": "FREQ=DAILY"}), ".schedule.starttime"),
        ("schedule_windows", json!({"enabled": true}), ".schedule_windows"),
        ("scanner_id", json!("cloud"), ".scanner_id"),
        ("folder_id", json!(UNKNOWN), ".folder_id"),
        ("settings", json!({"scope": {"page_limit": 0}}), ".settings.scope.page_limit"),
        ("settings", json!({"scope": {"soap_file": "AAAA"}}), ".settings.scope.soap_filename"),
        (
            "settings",
            json!({"scope": {"openapi_file": "A".repeat(1_500_000), "openapi_filename": "a.json"}}),
            ".settings.scope.openapi_file",
        ),
    ] {
        let mut body = body(&fake).await;
        body[name] = value;
        let got = post(&fake, "/was/v2/configs", &body).await;
        assert_eq!((got.status, &got.json()["fields"][0]["field"]), (400, &json!(field)));
    }
    let mut foreign = body(&fake).await;
    foreign["owner_id"] = json!(UNKNOWN);
    let got = post(&fake, "/was/v2/configs", &foreign).await;
    assert_eq!((got.status, got.json()), (403, json!({})));
    let (status, code, _) = send(&fake, "POST", "/was/v2/configs", "[]").await.reason();
    assert_eq!((status, &*code), (400, "INVALID_JSON_BODY"));
}

#[tokio::test]
async fn a_configuration_is_there_once_it_was_written() {
    let fake = fake().await;
    let got = post(&fake, "/was/v2/configs", &body(&fake).await).await;
    assert_eq!(got.status, 202);
    let location = got.header("location").unwrap().to_owned();
    let made = got.json();
    let id = made["config_id"].as_str().unwrap();
    assert!(location.starts_with(&format!("/configs/{id}/status/")), "{location}: relative to /was/v2");
    assert_eq!(made["settings"]["timeout"], "01:00:00");
    assert_eq!(made["settings"]["later"], 1, "what it does not know is kept");
    assert_eq!(made["settings"]["queue_timeout"], "08:00:00", "what was not said is usual");
    let status = |got: Got| got.json()["tracking_status"].clone();
    let place = format!("/was/v2{location}");
    assert_eq!(send(&fake, "POST", &format!("/was/v2/configs/{id}/scans"), "").await.status, 404, "not yet");
    assert_eq!(status(get(&fake, &place).await), "processing");
    assert_eq!(status(get(&fake, &place).await), "completed");
    assert_eq!(status(get(&fake, &place).await), "completed");
    assert_eq!(
        get(&fake, &format!("/was/v2/configs/{id}")).await.json()["notifications"]["emails"][0],
        "a@example.com"
    );
    launch(&fake, id).await;
    let got = post(&fake, "/was/v2/configs", &body(&fake).await).await;
    assert_eq!(got.reason().1, "DUPLICATE_ENTITY", "names are unique");
}

#[tokio::test]
async fn how_long_the_old_state_shows_is_set() {
    let fake = FakeTenableWas::builder().with_write_looks(0).start().await.unwrap();
    let made = post(&fake, "/was/v2/configs", &body(&fake).await).await.json();
    let path = format!("/was/v2/configs/{}", made["config_id"].as_str().unwrap());
    assert_eq!(get(&fake, &path).await.status, 200);
}

#[tokio::test]
async fn refusals_of_changes_have_their_words() {
    let fake = fake().await;
    let config = shop().id;
    let path = format!("/was/v2/configs/{config}");
    let running = launch(&fake, &config).await;
    for (method, path, body, expected) in [
        (
            "DELETE",
            path.clone(),
            "",
            (409, "NOT_ALLOWED", format!("Can't delete config due to scan '{running}' with status 'Queued'")),
        ),
        (
            "DELETE",
            format!("/was/v2/configs/{UNKNOWN}"),
            "",
            (404, "NOT_FOUND", format!("Resource with ID '{UNKNOWN}' not found")),
        ),
        (
            "PATCH",
            format!("/was/v2/configs/{UNKNOWN}"),
            r#"{"folder_name":"x"}"#,
            (404, "NOT_FOUND", format!("Resource with id '{UNKNOWN}' not found")),
        ),
        (
            "DELETE",
            format!("/was/v2/scans/{running}"),
            "",
            (409, "NOT_ALLOWED", format!("Can't delete scan '{running}' with status 'Queued'")),
        ),
        (
            "DELETE",
            "/was/v2/scans/10-ABC".to_owned(),
            "",
            (400, "INVALID_ID_FORMAT", "The provided ID of '10-ABC' must be UUID type".to_owned()),
        ),
        (
            "PUT",
            "/was/v2/configs/10-ABC".to_owned(),
            "{}",
            (400, "INVALID_ID_FORMAT", "The provided ID of '10-ABC' must be UUID type".to_owned()),
        ),
    ] {
        let (status, code, reason) = send(&fake, method, &path, body).await.reason();
        assert_eq!((status, &*code, reason), expected, "{method} {path}");
    }
    for (route, permissions, method, path) in
        [(Route::UpsertConfig, "control", "PUT", &path), (Route::DeleteConfig, "control", "DELETE", &path)]
    {
        fake.edit(|tenant| tenant.configs[0].user_permissions = permissions.to_owned());
        assert_eq!(send(&fake, method, path, "{}").await.status, 403, "{route:?}");
    }
}

#[tokio::test]
async fn each_form_of_a_report_has_its_type_and_must_be_asked_for() {
    let fake = fake().await;
    let id = launch(&fake, &shop().id).await;
    while scan(&fake, &id).await["status"] != "completed" {}
    let path = format!("/was/v2/scans/{id}/report");
    let ask = async |method: &str, content_type: &str| {
        let headers = [("X-ApiKeys", &*keys(&fake)), ("content-type", content_type)];
        exchange(&fake, method, &path, &headers, "").await
    };
    for (content_type, asked) in [
        ("text/csv", 200),
        ("text/xml", 200),
        ("text/html", 202),
        ("application/pdf", 202),
        ("application/json", 200),
    ] {
        let before = ask("GET", content_type).await;
        let expected = if content_type == "application/json" { 200 } else { 404 };
        assert_eq!(before.status, expected, "{content_type}");
        assert_eq!(ask("PUT", content_type).await.status, asked, "{content_type}");
        let got = ask("GET", content_type).await;
        assert_eq!((got.status, got.header("content-type").unwrap()), (200, content_type));
    }
    let csv = String::from_utf8(ask("GET", "text/csv").await.body).unwrap();
    assert!(csv.starts_with("Plugin ID,CVE,CVSS,CVSSv3,Risk,Host,"), "{csv}");
    assert!(csv.contains("\"a\nb, \"\"c\"\"\""), "cells are quoted: {csv}");
    let xml = String::from_utf8(ask("GET", "text/xml").await.body).unwrap();
    assert!(xml.contains("severity=\"3\"") && xml.contains("&quot;c&quot;"), "{xml}");
    assert_eq!(ask("GET", "text/plain").await.status, 415);
    assert_eq!(ask("PUT", "").await.status, 415);
}

#[tokio::test]
async fn an_import_is_a_form_with_a_file_of_that_name() {
    let fake = fake().await;
    let report = json!({"config": {"config_id": UNKNOWN, "name": "elsewhere"},
        "scan": {"scan_id": UNKNOWN, "asset_id": UNKNOWN, "target": "https://x.example.com/", "status": "completed",
            "created_at": "2026-10-01T00:00:00+00:00", "finalized_at": "2026-10-01T01:00:00+00:00"},
        "findings": [{"plugin_id": 98_104, "name": "XSS", "risk_factor": "high", "uri": "https://x.example.com/"}]});
    let form = |name: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"r.json\"\r\n\r\n{report}\r\n--b--\r\n"
        )
    };
    let import = async |content_type: &str, body: &str| {
        let headers = [("X-ApiKeys", &*keys(&fake)), ("content-type", content_type)];
        exchange(&fake, "POST", "/api/v3/was/import", &headers, body).await
    };
    let multipart = "multipart/form-data; boundary=b";
    let got = import(multipart, &form("Filedata")).await;
    assert_eq!((got.status, got.json()), (202, json!({})), "it does not say which configuration");
    let configs = post(&fake, "/was/v2/configs/search", &json!({})).await.items();
    let imported = configs.iter().find(|config| config["imported"] == true).unwrap();
    assert_eq!(
        (&imported["name"], &imported["last_scan"]["status"]),
        (&json!("elsewhere"), &json!("completed"))
    );
    for (content_type, body) in [
        (multipart, form("file")),
        ("application/json", report.to_string()),
        ("multipart/form-data; boundary=c", form("Filedata")),
        (multipart, form("Filedata").replace("--b--", "--b")),
    ] {
        assert_eq!(import(content_type, &body).await.status, 400, "{body}");
    }
    let bad = form("Filedata").replacen(UNKNOWN, "10-ABC", 1);
    assert_eq!(import(multipart, &bad).await.reason().1, "INVALID_ID_FORMAT");
}
