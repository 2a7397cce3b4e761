//! Searching, paging, and the filter language.

use serde_json::{Value, json};
use tenable_was_client::testing::{FakeConfig, FakeTarget, FakeTenableWas, days_ago};

use crate::http::{Got, exchange, get, keys, post, send};

const SEARCH: &str = "/was/v2/configs/search";

async fn fake() -> FakeTenableWas {
    let site = |name: &str| FakeTarget::new(format!("https://{name}.example.com/"));
    let config =
        |name: &str, days| FakeConfig::new(name).with_updated_at(days_ago(days)).with_target(site(name));
    FakeTenableWas::builder()
        .with_config(config("alpha", 30).with_template("api"))
        .with_config(config("beta", 20).never_run())
        .with_config(config("Alphabet", 10).with_nightly_schedule())
        .start()
        .await
        .unwrap()
}

async fn names(fake: &FakeTenableWas, body: Value) -> Vec<String> {
    post(fake, SEARCH, &body).await.column("name")
}

fn condition(field: &str, operator: &str, value: &str) -> Value {
    json!({"field": field, "operator": operator, "value": value})
}

#[tokio::test]
async fn pages_are_cut_sorted_and_echoed() {
    let fake = fake().await;
    let got = get_page(&fake, "").await;
    let pagination = json!({"total": 3, "offset": 0, "limit": 10,
        "sort": [{"name": "configs.updated_at", "order": "desc"}]});
    assert_eq!(got.json()["pagination"], pagination);
    assert_eq!(got.column("name"), ["Alphabet", "beta", "alpha"]);

    let got = get_page(&fake, "?limit=2&offset=2&sort=name:asc,created_at:desc").await;
    assert_eq!(got.column("name"), ["beta"], "upper case sorts first");
    let sort = json!([{"name": "name", "order": "asc"}, {"name": "created_at", "order": "desc"}]);
    assert_eq!(got.json()["pagination"], json!({"total": 3, "offset": 2, "limit": 2, "sort": sort}));

    assert!(get_page(&fake, "?offset=99").await.items().is_empty(), "past the end is an empty page");
    let got = get_page(&fake, "?limit=0").await;
    assert_eq!((got.items().len(), &got.json()["pagination"]["total"]), (0, &json!(3)));
    for query in ["?limit=201", "?limit=-1", "?offset=x", "?sort=name", "?sort=name:up"] {
        assert_eq!(get_page(&fake, query).await.reason().1, "INVALID_PARAMETER", "{query}");
    }
}

async fn get_page(fake: &FakeTenableWas, query: &str) -> Got {
    post(fake, &format!("{SEARCH}{query}"), &json!({})).await
}

#[tokio::test]
async fn nothing_null_and_an_empty_object_are_no_filter() {
    let fake = fake().await;
    for body in ["", "null", "{}", r#"{"AND": []}"#] {
        assert_eq!(send(&fake, "POST", SEARCH, body).await.items().len(), 3, "{body:?}");
    }
    let header = [("x-apikeys", &*keys(&fake))];
    assert_eq!(exchange(&fake, "POST", SEARCH, &header, "").await.status, 200, "no content type is fine too");
}

#[tokio::test]
async fn filters_filter() {
    let fake = fake().await;
    assert_eq!(names(&fake, condition("configs.name", "match", "alpha")).await, ["Alphabet", "alpha"]);
    assert_eq!(names(&fake, condition("configs.name", "eq", "alpha")).await, ["alpha"]);
    assert_eq!(names(&fake, condition("scans_status", "eq", "Never Run")).await, ["beta"]);
    assert_eq!(names(&fake, condition("templates.name", "neq", "api")).await, ["Alphabet", "beta"]);
    assert_eq!(names(&fake, condition("configs.schedule", "eq", "Enabled")).await, ["Alphabet"]);
    assert_eq!(names(&fake, condition("target", "match", "beta.example")).await, ["beta"]);
    assert_eq!(names(&fake, condition("configs.updated_at", "gt", "2026/09/20")).await, ["Alphabet", "beta"]);
    let instant = condition("configs.updated_at", "lte", "2026-09-25T12:00:00Z");
    assert_eq!(names(&fake, instant).await, ["beta", "alpha"]);
    let any = [condition("configs.name", "eq", "alpha"), condition("configs.name", "eq", "beta")];
    assert_eq!(names(&fake, json!({"OR": any})).await, ["beta", "alpha"]);
    let both = json!({"AND": [condition("scans_status", "eq", "completed")], "OR": any});
    assert_eq!(names(&fake, both).await, ["alpha"], "both groups must hold");

    // The composed request: an array goes with `contains`.
    let request = include_str!("../../fixtures/fake/config_search_request.json");
    let got = send(&fake, "POST", SEARCH, &request.replace("storefront", "ALPHA")).await;
    assert_eq!(got.column("name"), ["Alphabet", "alpha"]);
}

#[tokio::test]
async fn filters_that_are_not_understood_are_refused() {
    let fake = fake().await;
    for (body, words) in [
        (condition("configs.updated_at", "gt", "2026-09-20T00:00:00"), "could not be parsed at index 19"),
        (condition("configs.updated_at", "gt", "yesterday"), "could not be parsed at index 0"),
        (condition("configs.updated_at", "eq", "2026/09/20"), "Unsupported operator"),
        (condition("color", "eq", "red"), "Unknown filter field"),
        (json!({"field": "configs.name", "operator": "eq", "value": 7}), "Could not decode JSON"),
        (json!({"and": []}), "Could not decode JSON"),
        (json!(["x"]), "Could not decode JSON"),
    ] {
        let (status, code, reason) = post(&fake, SEARCH, &body).await.reason();
        assert_eq!((status, &*code), (400, "INVALID_JSON_BODY"), "{body}");
        assert!(reason.contains(words), "{body}: {reason}");
    }
    assert_eq!(send(&fake, "POST", SEARCH, "{").await.reason().1, "INVALID_JSON_BODY");
}

#[tokio::test]
async fn ids_are_checked_before_they_are_looked_for() {
    let fake = fake().await;
    let (status, code, reason) = get(&fake, "/was/v2/configs/10-ABC").await.reason();
    assert_eq!((status, &*code), (400, "INVALID_ID_FORMAT"));
    assert_eq!(reason, "The provided ID of '10-ABC' must be UUID type");
    let unknown = "00000000-0000-4000-8000-000000000000";
    for path in ["configs", "scans", "templates", "user-templates", "vulnerabilities", "attachments"] {
        let (status, code, reason) = get(&fake, &format!("/was/v2/{path}/{unknown}")).await.reason();
        assert_eq!((status, &*code), (404, "NOT_FOUND"), "{path}");
        assert_eq!(reason, format!("Resource with ID '{unknown}' not found"));
    }
    // A plugin's number is asked for in the same words.
    let (status, code, reason) = get(&fake, "/was/v2/plugins/abc").await.reason();
    assert_eq!((status, &*code), (400, "INVALID_ID_FORMAT"));
    assert!(reason.ends_with("must be UUID type"), "{reason}");
    assert_eq!(get(&fake, "/was/v2/plugins/7").await.status, 404);
}

#[tokio::test]
async fn scanner_ids_come_in_three_forms() {
    let fake = fake().await;
    for (form, name) in [(json!(36_960_339), "a"), (json!("36960339"), "b"), (Value::Null, "c")] {
        let config = FakeConfig::new(name).with_scanner_id(form.clone());
        let id = config.id.clone();
        fake.edit(|tenant| tenant.configs.push(config));
        assert_eq!(get(&fake, &format!("/was/v2/configs/{id}")).await.json()["scanner_id"], form);
    }
}

#[tokio::test]
async fn without_templates_there_is_an_empty_page() {
    let fake = FakeTenableWas::builder().without_templates().start().await.unwrap();
    assert!(get(&fake, "/was/v2/templates").await.items().is_empty());
    let usual = fake_with_templates().await;
    let got = get(&usual, "/was/v2/templates?limit=200").await;
    assert_eq!(got.column("name"), ["api", "config_audit", "overview", "pci", "quick", "scan", "ssl_tls"]);
    assert!(got.items().iter().all(|template| template["scanner_types"].is_array()));
}

async fn fake_with_templates() -> FakeTenableWas {
    FakeTenableWas::builder().start().await.unwrap()
}
