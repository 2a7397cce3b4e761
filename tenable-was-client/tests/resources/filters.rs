//! Typed filters select the matching records, and invalid filters are never sent.

use appsec_core::ErrorKind;
use futures_util::TryStreamExt;
use serde_json::json;
use tenable_was_client::filter::{
    Condition, ConfigField, Date, Filter, LastScanStatusValue, ScanField, ScanStatusValue, ScheduleValue,
    TemplateNameValue, UserTemplateField,
};
use tenable_was_client::model::FilterList;
use tenable_was_client::testing::{
    FakeConfig, FakeScan, FakeTarget, FakeTenableWas, FakeUserTemplate, Route, days_ago,
};
use tenable_was_client::{PageQuery, TenableWasClient};

use crate::client;

async fn fake() -> FakeTenableWas {
    let site = |name: &str| FakeTarget::new(format!("https://{name}.example.com/"));
    let config = |name: &str| FakeConfig::new(name).with_target(site(name));
    FakeTenableWas::builder()
        .with_config(config("alpha").with_template("api").with_description("of the team"))
        .with_config(config("beta").never_run().in_folder("Drafts"))
        .with_config(config("Alphabet").with_nightly_schedule().with_user_template("house rules"))
        .with_config(config("gamma").with_scans([
            FakeScan::completed(days_ago(40)),
            FakeScan::new("aborted", days_ago(20)),
            FakeScan::new("running", days_ago(2)),
        ]))
        .start()
        .await
        .unwrap()
}

async fn names(client: &TenableWasClient, filter: impl Into<Filter<ConfigField>>) -> Vec<String> {
    let configs: Vec<_> = client.configs(filter).try_concat().await.unwrap().records;
    let mut names: Vec<_> = configs.into_iter().map(|config| config.name.unwrap()).collect();
    names.sort();
    names
}

fn date(ago: u32) -> Date {
    days_ago(ago).into()
}

#[tokio::test]
async fn configurations_are_found_by_each_field() {
    let fake = fake().await;
    let client = client(&fake);
    for (condition, expected) in [
        (ConfigField::NAME.matches("alpha"), &["Alphabet", "alpha"][..]),
        (ConfigField::NAME.is("alpha"), &["alpha"]),
        (ConfigField::DESCRIPTION.matches("team"), &["alpha"]),
        (ConfigField::TARGET.matches("beta.example.com"), &["beta"]),
        (ConfigField::FOLDER_NAME.is("Drafts"), &["beta"]),
        (ConfigField::USER_TEMPLATE_NAME.is("house rules"), &["Alphabet"]),
        (ConfigField::TEMPLATE_NAME.is(TemplateNameValue::Api), &["alpha"]),
        (ConfigField::TEMPLATE_NAME.is_not(TemplateNameValue::Scan), &["alpha"]),
        (ConfigField::SCHEDULE.is(ScheduleValue::Enabled), &["Alphabet"]),
        (ConfigField::SCANS_STATUS.is(LastScanStatusValue::NeverRun), &["beta"]),
        (
            ConfigField::SCANS_STATUS.any_of([LastScanStatusValue::Running, LastScanStatusValue::NeverRun]),
            &["beta", "gamma"],
        ),
        (ConfigField::SCANS_STARTED_AT.before(date(1)), &["gamma"]),
        (ConfigField::SCANS_FINALIZED_AT.since(date(2)), &["Alphabet", "alpha"]),
        (ConfigField::CREATED_AT.after(date(100)), &[]),
        (ConfigField::UPDATED_AT.until(date(9)), &["Alphabet", "alpha", "beta", "gamma"]),
    ] {
        let shown = format!("{condition:?}");
        assert_eq!(names(&client, condition).await, expected, "{shown}");
    }
}

#[tokio::test]
async fn the_groups_of_a_filter_are_combined() {
    let fake = fake().await;
    let client = client(&fake);
    let (alpha, api) =
        (ConfigField::NAME.matches("alpha"), ConfigField::TEMPLATE_NAME.is(TemplateNameValue::Api));
    assert_eq!(names(&client, Filter::all([alpha.clone(), api.clone()])).await, ["alpha"]);
    let beta = ConfigField::NAME.is("beta");
    assert_eq!(names(&client, Filter::any([api.clone(), beta.clone()])).await, ["alpha", "beta"]);
    assert_eq!(names(&client, Filter::both([alpha], [api, beta])).await, ["alpha"]);
    assert_eq!(names(&client, Filter::everything()).await.len(), 4);
}

#[tokio::test]
async fn scans_are_found_by_status_and_date() {
    let fake = fake().await;
    let config = fake.edit(|tenant| tenant.configs[3].id.clone()).parse().unwrap();
    let client = client(&fake);
    for (condition, expected) in [
        (ScanField::STATUS.is(ScanStatusValue::Running), &["running"][..]),
        (ScanField::STATUS.is_not(ScanStatusValue::Running), &["aborted", "completed"]),
        (
            ScanField::STATUS.any_of([ScanStatusValue::Aborted, ScanStatusValue::Completed]),
            &["aborted", "completed"],
        ),
        (ScanField::STATUS.none_of([ScanStatusValue::Aborted]), &["running", "completed"]),
        (ScanField::STATUS.matches("ed"), &["aborted", "completed"]),
        (ScanField::STATUS.matches_not("ed"), &["running"]),
        (ScanField::STARTED_AT.after(date(30)), &["running", "aborted"]),
        (ScanField::FINALIZED_AT.before(date(30)), &["completed"]),
    ] {
        let shown = format!("{condition:?}");
        let scans: Vec<_> = client.scans_of_config(config, condition).try_concat().await.unwrap().records;
        let states: Vec<_> = scans.iter().map(|scan| scan.status.as_ref().unwrap().to_string()).collect();
        assert_eq!(states, expected, "{shown}: newest first");
    }
}

#[tokio::test]
async fn user_templates_are_found_by_each_field() {
    let fake = fake().await;
    fake.edit(|tenant| {
        tenant.user_templates = vec![
            FakeUserTemplate::new("house rules").with_description("for all"),
            FakeUserTemplate::new("api rules").with_template("api").with_created_at(days_ago(5)),
        ];
    });
    let client = client(&fake);
    for (condition, expected) in [
        (UserTemplateField::NAME.is("house rules"), &["house rules"][..]),
        (UserTemplateField::NAME.matches("RULES"), &["house rules", "api rules"]),
        (UserTemplateField::DESCRIPTION.matches("all"), &["house rules"]),
        (UserTemplateField::TEMPLATE_NAME.is(TemplateNameValue::Api), &["api rules"]),
        (UserTemplateField::TEMPLATE_NAME.is_not(TemplateNameValue::Api), &["house rules"]),
        (UserTemplateField::CREATED_AT.since(date(6)), &["api rules"]),
        (UserTemplateField::UPDATED_AT.before(date(40)), &[]),
    ] {
        let shown = format!("{condition:?}");
        let found: Vec<_> = client.user_templates(condition).try_concat().await.unwrap().records;
        let names: Vec<_> = found.into_iter().map(|template| template.name.unwrap()).collect();
        assert_eq!(names, expected, "{shown}");
    }
}

#[tokio::test]
async fn a_raw_condition_is_sent_unchanged() {
    let fake = fake().await;
    let client = client(&fake);
    let odd = Condition::raw("color", "eq", "red");
    let error = client.search_configs(&odd.into(), &PageQuery::new()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("INVALID_JSON_BODY")));
    let sent = fake.calls_to(Route::SearchConfigs).remove(0).json();
    assert_eq!(sent, json!({"field": "color", "operator": "eq", "value": "red"}));
    // A timestamp, which an error message of the service suggests.
    let instant = Condition::raw("configs.updated_at", "gt", "2026-01-01T00:00:00Z");
    assert_eq!(names(&client, instant).await.len(), 4);
}

#[tokio::test]
async fn an_empty_choice_is_not_sent() {
    let fake = fake().await;
    let client = client(&fake);
    let none: [LastScanStatusValue; 0] = [];
    let error = client.configs(ConfigField::SCANS_STATUS.any_of(none)).try_concat().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::InvalidRequest, Some("tenable: search configs"))
    );
    let error = client.search_vulnerabilities(&Filter::any([]), &PageQuery::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn the_service_lists_the_fields_of_each_search() {
    let fake = fake().await;
    let config = fake.edit(|tenant| tenant.configs[0].id.clone()).parse().unwrap();
    let scan = fake.scans_of(&fake.edit(|tenant| tenant.configs[0].id.clone())).remove(0).parse().unwrap();
    let client = client(&fake);
    let fixture = |name: &str| -> FilterList {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
        serde_json::from_slice(&std::fs::read(format!("{folder}/filters_{name}.json")).unwrap()).unwrap()
    };
    for (served, known) in [
        (client.list_config_filters().await, "configs"),
        (client.list_scan_filters(config).await, "scans"),
        (client.list_user_template_filters().await, "user_templates"),
        (client.list_vulnerability_filters().await, "vulnerabilities"),
        (client.list_scan_vulnerability_filters(scan).await, "scan_vulnerabilities"),
    ] {
        let (served, known) = (served.unwrap(), fixture(known));
        assert_eq!(served.filters.len(), known.filters.len());
        for field in &known.filters {
            let found = served.get(field.name.as_deref().unwrap()).unwrap();
            let sorted = |field: &tenable_was_client::model::FilterField| {
                let mut operators = field.operators.clone();
                operators.sort();
                (operators, field.control.clone())
            };
            assert_eq!(sorted(found), sorted(field));
        }
    }
}
