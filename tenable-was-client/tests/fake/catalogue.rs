//! Folders, applications, filters, users' templates and detections, as the fake serves them.

use serde_json::{Value, json};
use tenable_was_client::testing::{FakeConfig, FakeFolder, FakeTenableWas, FakeUserTemplate, demo_tenant};

use crate::http::{get, post, send};

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

async fn fake() -> FakeTenableWas {
    let tenant = demo_tenant()
        .with_folder(FakeFolder::new("Team shop"))
        .with_folder(FakeFolder::new("My Scans").provided())
        .with_user_template(FakeUserTemplate::new("house rules"))
        .with_user_template(FakeUserTemplate::new("unused"));
    FakeTenableWas::builder().with_tenant(tenant).start().await.unwrap()
}

#[tokio::test]
async fn folders_come_all_at_once_and_each_user_changes_only_their_own() {
    let fake = fake().await;
    let folders = get(&fake, "/was/v2/folders").await.json();
    assert_eq!(folders.as_array().unwrap().len(), 2, "a list, not a page");
    let provided = folders[1]["folder_id"].as_str().unwrap();
    for (method, path, body, status, code) in [
        ("PUT", provided, r#"{"name":"Mine"}"#, 403, "OPERATION_FORBIDDEN"),
        ("DELETE", provided, "", 403, "OPERATION_FORBIDDEN"),
        // Neither operation documents a 404.
        ("PUT", UNKNOWN, r#"{"name":"Mine"}"#, 403, "OPERATION_FORBIDDEN"),
        ("DELETE", "10-ABC", "", 400, "INVALID_ID_FORMAT"),
    ] {
        let got = send(&fake, method, &format!("/was/v2/folders/{path}"), body).await;
        assert_eq!((got.status, got.reason().1.as_str()), (status, code), "{method} {path}");
    }
    for body in [r#"{"name":"asdf$#"}"#, r#"{"name":""}"#, "{}", "[]", ""] {
        let (status, code, reason) = send(&fake, "POST", "/was/v2/folders", body).await.reason();
        assert_eq!((status, &*code), (400, "INVALID_JSON_BODY"), "{body}");
        assert!(reason.starts_with("Invalid message body: Could not decode JSON"), "{reason}");
    }
}

#[tokio::test]
async fn a_configuration_shows_the_folder_that_it_lies_in() {
    let fake = fake().await;
    fake.edit(|tenant| tenant.configs.push(FakeConfig::new("filed").in_folder("Team shop")));
    let id = fake.edit(|tenant| tenant.configs.last().unwrap().id.clone());
    let folder = get(&fake, &format!("/was/v2/configs/{id}")).await.json()["folder"].clone();
    assert_eq!(folder["name"], "Team shop");
    send(&fake, "DELETE", &format!("/was/v2/folders/{}", folder["folder_id"].as_str().unwrap()), "").await;
    let config = get(&fake, &format!("/was/v2/configs/{id}")).await.json();
    assert_eq!((&config["folder"], &config["in_trash"]), (&Value::Null, &json!(true)));
}

#[tokio::test]
async fn an_application_names_the_member_that_it_lacks() {
    let fake = fake().await;
    for (body, field) in [
        (json!([{"user_defined_name": "a"}]), ".url"),
        (json!([{"url": "https://a.example.com"}]), ".user_defined_name"),
        (
            json!([{"user_defined_name": "a", "url": "https://a.example.com"}, {"user_defined_name": "b"}]),
            ".url",
        ),
    ] {
        let got = post(&fake, "/api/v2/was/applications", &body).await;
        assert_eq!((got.status, got.json()["code"].as_str()), (400, Some("INPUT_FORM_VIOLATION")));
        assert_eq!(got.json()["fields"][0]["field"], field);
    }
    assert!(fake.edit(|tenant| tenant.applications.is_empty()), "none is taken where one is refused");
    assert_eq!(post(&fake, "/api/v2/was/applications", &json!({})).await.reason().1, "INVALID_JSON_BODY");
    assert_eq!(post(&fake, "/api/v2/was/applications", &json!([])).await.json(), json!({}));
}

#[tokio::test]
async fn users_templates_keep_the_rules_of_the_service() {
    let fake = fake().await;
    let used = fake.edit(|tenant| tenant.user_templates[0].id.clone());
    let path = format!("/was/v2/user-templates/{used}");
    let config = fake.edit(|tenant| {
        tenant.configs.iter().find(|config| config.user_template.is_some()).unwrap().id.clone()
    });
    let (status, code, reason) = send(&fake, "DELETE", &path, "").await.reason();
    assert_eq!((status, &*code), (409, "NOT_ALLOWED"));
    assert_eq!(reason, format!("Can't delete template due to config '{config}'"));
    let full = json!({"name": "x", "owner_id": UNKNOWN, "default_permissions": "view", "results_visibility": "private",
        "permissions": [], "template_id": UNKNOWN, "settings": {}});
    assert_eq!(send(&fake, "PUT", &path, &full.to_string()).await.status, 202);
    for field in [
        "name",
        "owner_id",
        "default_permissions",
        "results_visibility",
        "permissions",
        "template_id",
        "settings",
    ] {
        let mut body = full.clone();
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(
            send(&fake, "PUT", &path, &body.to_string()).await.reason().1,
            "INVALID_JSON_BODY",
            "{field}"
        );
    }
    let unused = fake.edit(|tenant| tenant.user_templates[1].id.clone());
    let path = format!("/was/v2/user-templates/{unused}");
    assert_eq!(send(&fake, "DELETE", &path, "").await.status, 202);
    assert_eq!(get(&fake, &path).await.status, 404);
}

#[tokio::test]
async fn the_search_of_all_detections_spans_scans_and_the_asset_is_a_field_there_only() {
    let fake = fake().await;
    let all = post(&fake, "/was/v2/vulnerabilities/search?limit=1", &json!({})).await.json();
    let total = all["pagination"]["total"].as_u64().unwrap();
    assert!(total > 400, "{total}");
    let asset = fake.edit(|tenant| tenant.configs[0].targets[0].asset_id.clone());
    let filter = json!({"field": "asset_id", "operator": "eq", "value": asset});
    let found = post(&fake, "/was/v2/vulnerabilities/search?limit=1", &filter).await.json();
    assert!((1..total).contains(&found["pagination"]["total"].as_u64().unwrap()));
    let scan = fake.scans_of(&fake.edit(|tenant| tenant.configs[0].id.clone())).remove(0);
    let got = post(&fake, &format!("/was/v2/scans/{scan}/vulnerabilities/search"), &filter).await;
    assert_eq!(got.reason().1, "INVALID_JSON_BODY");
    let id = all["items"][0]["vuln_id"].as_str().unwrap();
    let one = get(&fake, &format!("/was/v2/vulnerabilities/{id}")).await.json();
    assert!(one["details"]["response"]["time"].is_number());
    assert_eq!(get(&fake, &format!("/was/v2/vulnerabilities/{UNKNOWN}")).await.status, 404);
    assert_eq!(get(&fake, "/was/v2/vulnerabilities/1234567").await.reason().1, "INVALID_ID_FORMAT");
}

#[tokio::test]
async fn the_lists_of_fields_leave_out_an_operator_that_works() {
    let fake = fake().await;
    let fields = get(&fake, "/was/v2/configs/filters").await.json()["filters"].clone();
    let status = fields.as_array().unwrap().iter().find(|field| field["name"] == "scans_status").unwrap();
    assert_eq!(status["operators"], json!(["eq"]));
    let filter = json!({"field": "scans_status", "operator": "contains", "value": ["completed"]});
    assert_eq!(post(&fake, "/was/v2/configs/search", &filter).await.status, 200);
}
