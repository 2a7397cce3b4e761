//! Configurations, created and changed.

use std::time::Duration;

use appsec_core::ErrorKind;
use serde_json::{Value, json};
use tenable_was_client::filter::Filter;
use tenable_was_client::model::{
    ApiSpec, ConfigTracking, Permission, PermissionLevel, ScanConfig, ScannerId, Schedule, ScheduleWindows,
    TrackingStatus, VulnId, Weekday, WindowKind,
};
use tenable_was_client::testing::{FakeFolder, FakeTenableWas, Reply, Route, Tenant, When};
use tenable_was_client::{PageQuery, WaitOptions};

use crate::{SHOP, shop, start, with_shop};

const USER: &str = "0a1b2c3d-1111-4222-8333-444455556666";

#[tokio::test]
async fn a_url_is_enough_for_a_configuration() {
    let (fake, client) = start(FakeTenableWas::builder()).await;
    let id = client.create_scan_config(ScanConfig::for_url("https://shop.example.com")).await.unwrap();
    let made = client.get_config(id).await.unwrap();
    assert_eq!(made.name.as_deref(), Some("shop.example.com"));
    assert_eq!(made.targets, ["https://shop.example.com"]);
    let sent = fake.calls_to(Route::CreateConfig).pop().unwrap().json();
    assert_eq!(sent["owner_id"], USER, "the user whose keys are used");
    let templates = client.list_templates(&PageQuery::new()).await.unwrap().items;
    let scan = templates.iter().find(|template| template.name.as_deref() == Some("scan")).unwrap();
    assert_eq!(made.template_id, Some(scan.template_id), "the usual template, by its name");
    assert_eq!(fake.calls_to(Route::GetConfigStatus).len(), 2, "it is processed, then done");
}

#[tokio::test]
async fn every_setting_is_returned_by_the_service() {
    let tenant = Tenant::new();
    let (fake, client) = start(FakeTenableWas::builder().with_tenant(tenant)).await;
    fake.edit(|tenant| tenant.folders.push(FakeFolder::new("Team")));
    let folder = fake.edit(|tenant| tenant.folders[0].id.parse().unwrap());
    let spec = ApiSpec::openapi("shop.yaml", "openapi: 3.0.0\npaths: {}\n").unwrap();
    let config = ScanConfig::for_url("https://shop.example.com")
        .with_name("shop, every night")
        .with_description("nightly")
        .with_api_spec(spec)
        .with_schedule(Schedule::daily("20260301T020000", "Europe/Paris"))
        .with_schedule_windows(ScheduleWindows::new("Europe/Paris").with_window(
            WindowKind::Pause,
            (Weekday::Monday, "08:00"),
            (Weekday::Monday, "18:00"),
        ))
        .with_timeout(Duration::from_secs(3600))
        .with_scanner(ScannerId(36_973_541))
        .with_folder(folder)
        .with_permission(Permission::user(USER, PermissionLevel::View))
        .with_email("appsec@example.com")
        .with_settings(|settings| settings.audit.get_or_insert_default().cookies = Some(false));
    let id = client.create_scan_config(config.clone()).await.unwrap();
    let made = client.get_config(id).await.unwrap();
    assert_eq!(made.scanner_id, Some(ScannerId(36_973_541)));
    assert_eq!(made.schedule_windows, config.schedule_windows);
    assert_eq!(made.schedule.as_ref().unwrap().rrule.as_deref(), Some("FREQ=DAILY;INTERVAL=1"));
    assert_eq!(made.permissions, config.permissions);
    assert_eq!(made.notifications, config.notifications);
    assert_eq!(made.folder.unwrap().name.as_deref(), Some("Team"));
    let settings = made.settings.unwrap();
    assert_eq!(settings.timeout.as_deref(), Some("01:00:00"));
    let scope = settings.scope.unwrap();
    assert_eq!(scope.openapi_filename.as_deref(), Some("shop.yaml"));
    let audit = settings.audit.unwrap();
    assert_eq!(
        (audit.cookies, audit.forms),
        (Some(false), Some(true)),
        "a setting that was not given keeps its default"
    );
    let template = fake.edit(|tenant| tenant.config(&id.to_string()).unwrap().template.clone());
    assert_eq!(template, "api", "the template for the description of an API");
}

#[tokio::test]
async fn only_missing_parts_of_a_configuration_are_requested() {
    let (fake, client) = start(FakeTenableWas::builder().with_config(shop())).await;
    let known = client.complete_config(ScanConfig::for_url(SHOP)).await.unwrap();
    let before = fake.requests();
    assert_eq!(client.complete_config(known.clone()).await.unwrap(), known);
    assert_eq!(fake.requests(), before, "nothing is missing");
    let error = client.complete_config(known.clone().with_template("everything")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.message().contains("overview"), "{error}: the known templates");
    let by_likeness = client.complete_config(known.with_template("SSL-TLS")).await.unwrap();
    assert_eq!(fake.calls_to(Route::GetSession).len(), 1);
    assert!(by_likeness.check().is_ok());
}

#[tokio::test]
async fn an_invalid_configuration_is_not_sent() {
    let (fake, client) = start(FakeTenableWas::builder()).await;
    let config = ScanConfig::for_url("shop.example.com");
    assert_eq!(client.create_scan_config(config).await.unwrap_err().path(), Some("targets"));
    let open = ScanConfig::for_url(SHOP);
    assert_eq!(client.create_config(&open).await.unwrap_err().path(), Some("owner_id"));
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn a_change_becomes_visible_later_and_keeps_the_rest() {
    let (fake, client, id, _) = with_shop().await;
    let read = client.get_config(id).await.unwrap();
    let mut changed = ScanConfig::from_details(read.clone());
    changed.description = Some("changed".to_owned());
    let accepted = client.upsert_config(id, &changed).await.unwrap();
    let change = accepted.tracking.unwrap();
    assert_eq!(change.config_id, id);
    assert_eq!(client.get_config(id).await.unwrap().description, None, "the old state is visible");
    assert_eq!(client.get_config_status(&change).await.unwrap(), TrackingStatus::Completed);
    let after = client.get_config(id).await.unwrap();
    assert_eq!(after.description.as_deref(), Some("changed"));
    assert_eq!((after.settings, after.targets), (read.settings, read.targets));
    assert_eq!(fake.scans_of(&id.to_string()).len(), 1, "its scans stay");
    changed.description = None;
    client.update_scan_config(id, changed).await.unwrap();
    assert_eq!(client.get_config(id).await.unwrap().description, None, "a change replaces the whole");
}

#[tokio::test]
async fn an_update_with_a_new_id_creates_a_configuration() {
    let (_fake, client) = start(FakeTenableWas::builder()).await;
    let id = "5b1f2a34-0c1d-11ef-8a9b-101112131415".parse().unwrap();
    client.update_scan_config(id, ScanConfig::for_url(SHOP)).await.unwrap();
    assert_eq!(client.get_config(id).await.unwrap().config_id, Some(id));
}

#[tokio::test]
async fn refusals_have_the_field_and_the_code() {
    let (fake, client) = start(FakeTenableWas::builder().with_config(shop())).await;
    let taken = ScanConfig::for_url(SHOP).with_name("shop");
    let error = client.create_scan_config(taken).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("DUPLICATE_ENTITY")));
    let foreign = ScanConfig::for_url(SHOP).with_owner("00000000-0000-4000-8000-000000000001");
    assert_eq!(client.create_scan_config(foreign).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let unknown = ScanConfig::for_url(SHOP).with_template_id(USER.parse().unwrap());
    let error = client.create_scan_config(unknown).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("INPUT_FORM_VIOLATION")));
    assert!(error.message().contains(".template_id"), "{error}");
    assert_eq!(fake.calls_to(Route::GetConfigStatus).len(), 0);
}

#[tokio::test]
async fn a_write_that_fails_or_never_ends_is_an_error() {
    let (fake, _) = start(FakeTenableWas::builder()).await;
    let patience = WaitOptions::new()
        .with_pauses(Duration::from_millis(1), Duration::from_millis(5))
        .with_patience(Duration::from_millis(60));
    let client = fake.client_builder().with_waits(patience).build().unwrap();
    for (status, kind) in
        [("failed", ErrorKind::Server), ("processing", ErrorKind::Deadline), ("brewing", ErrorKind::Deadline)]
    {
        let reply = Reply::Json(200, json!({"tracking_status": status}));
        fake.script(Route::GetConfigStatus, When::Always, reply);
        let config = ScanConfig::for_url(SHOP).with_name(status);
        let error = client.create_scan_config(config).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}: {error}");
        assert!(!error.is_retryable(), "{status}");
        fake.recover();
    }
    // The vendor's text spells it this way, its schema another.
    fake.script(
        Route::GetConfigStatus,
        When::Always,
        Reply::Json(200, json!({"tracking_status": "complete"})),
    );
    client.create_scan_config(ScanConfig::for_url(SHOP)).await.unwrap();
}

#[tokio::test]
async fn temporary_errors_while_waiting_are_tolerated() {
    let (fake, client) = start(FakeTenableWas::builder()).await;
    // More failures than one call retries.
    fake.script(Route::GetConfigStatus, When::Next(9), Reply::Unavailable);
    client.create_scan_config(ScanConfig::for_url(SHOP)).await.unwrap();
    fake.script(Route::GetConfigStatus, When::Always, Reply::Forbidden);
    let error = client.create_scan_config(ScanConfig::for_url(SHOP).with_name("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "any other error is returned");
}

#[tokio::test]
async fn a_configuration_moves_to_a_folder_and_to_the_trash() {
    let (fake, client, id, _) = with_shop().await;
    fake.edit(|tenant| tenant.folders.push(FakeFolder::new("Team shop")));
    assert_eq!(client.move_config(id, "Team shop").await.unwrap(), None, "done at once");
    assert_eq!(client.get_config(id).await.unwrap().folder.unwrap().name.as_deref(), Some("Team shop"));
    let change: ConfigTracking =
        client.move_config(id, "Trash").await.unwrap().expect("done in the background");
    client.wait_for_config(&change).await.unwrap();
    assert_eq!(client.get_config(id).await.unwrap().in_trash, Some(true));
    let error = client.move_config(id, "Team @#$").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("INVALID_JSON_BODY")));
    let unknown = client.move_config(USER.parse().unwrap(), "Team shop").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_configuration_is_deleted_unless_its_scan_is_running() {
    let (fake, client, id, scan) = with_shop().await;
    let running = client.launch_scan(id).await.unwrap();
    let error = client.delete_config(id).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("NOT_ALLOWED")));
    assert!(error.message().contains(&running.to_string()), "{error}");
    while !client.get_scan(running).await.unwrap().has_ended() {}
    client.delete_config(id).await.unwrap();
    assert!(client.get_config(id).await.is_ok(), "for a moment");
    assert_eq!(client.get_config(id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.get_scan(scan).await.unwrap_err().kind(), ErrorKind::NotFound, "its scans go with it");
    assert_eq!(fake.calls_to(Route::DeleteConfig).len(), 2);
}

#[tokio::test]
async fn a_proposed_remediation_scan_is_posted_back_unchanged() {
    let (fake, client, _, scan) = with_shop().await;
    let mut page = client.search_vulnerabilities(&Filter::everything(), &PageQuery::new()).unwrap();
    let mut found = Vec::new();
    while let Some(detection) = page.next().await {
        found.push(detection.unwrap());
    }
    let of = |plugin: u64| found.iter().find(|found| found.plugin_id.0 == plugin).unwrap().vuln_id;
    let proposed = client.get_remediation_config(of(98_104)).await.unwrap();
    let details = proposed.details().unwrap();
    let finding = &details.settings.unwrap().remediation.unwrap().findings.unwrap()[0];
    assert_eq!(finding.scan_id, Some(scan));
    let accepted = client.create_remediation_config(&proposed).await.unwrap();
    client.wait_for_config(&accepted.tracking.unwrap()).await.unwrap();
    let sent = fake.calls_to(Route::CreateConfig).pop().unwrap();
    assert_eq!(sent.body, proposed.json().as_bytes());
    let sent: Value = sent.json();
    assert_eq!((&sent["in_remediation"], &sent["scanner_id"]), (&json!(true), &json!("36960339")));
    let error = client.get_remediation_config(of(98_000)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, Some(422)));
    let unknown: VulnId = USER.parse().unwrap();
    assert_eq!(client.get_remediation_config(unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_configuration_is_downloaded_for_ci() {
    let (fake, client, id, _) = with_shop().await;
    let mut file = Vec::new();
    let length = client.download_cicd_config(id, &mut file).await.unwrap();
    let text = String::from_utf8(file).unwrap();
    assert_eq!(length, text.len() as u64);
    assert!(text.contains(&format!("\"config_id\"=\"{id}\"")) && text.contains("scan {"), "{text}");
    fake.edit(|tenant| tenant.configs[0].user_permissions = "control".to_owned());
    let mut nothing = Vec::new();
    let error = client.download_cicd_config(id, &mut nothing).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(nothing.is_empty());
}
