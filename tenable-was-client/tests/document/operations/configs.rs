//! Scan configurations.

use serde_json::{from_value, json};
use tenable_was_client::filter::{
    ConfigField, Filter, LastScanStatusValue, ScheduleValue, TemplateNameValue,
};
use tenable_was_client::model::{
    AcceptedConfig, ApiSpec, ConfigDetails, ConfigTracking, LaunchInterval, Permission, PermissionLevel,
    RemediationConfig, ScanConfig, ScannerId, Schedule, ScheduleWindows, TrackingStatus, Weekday, WindowKind,
};

use super::settings::settings;
use super::{ID, Output, Row, Sample, done, id, json, page, rows};
use crate::openapi::Document;

/// A configuration with all its members.
fn all() -> ScanConfig {
    let schedule = Schedule::weekly([Weekday::Monday], "20260301T020000", "Europe/Paris");
    let windows = ScheduleWindows::new("Europe/Paris")
        .with_window(WindowKind::Scan, (Weekday::Monday, "01:00"), (Weekday::Monday, "05:00"))
        .with_window(WindowKind::Pause, (Weekday::Monday, "02:00"), (Weekday::Monday, "02:30"));
    let days = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    let pauses: serde_json::Map<_, _> =
        days.map(|day| (day.to_owned(), json!({"start": "09:00", "end": "17:00"}))).into_iter().collect();
    let mut config = ScanConfig::for_url("https://shop.example.com")
        .with_name("shop, every week")
        .with_description("the shop")
        .with_target("https://pay.example.com/checkout")
        .with_tag(id())
        .with_application(id())
        .with_folder(id())
        .with_owner(ID)
        .with_template_id(id())
        .with_user_template(id())
        .with_scanner(ScannerId(36_960_339))
        .with_schedule(schedule.with_launch(LaunchInterval::Weekly))
        .with_schedule_windows(windows)
        .with_email("appsec@example.com")
        .with_permission(Permission::user(ID, PermissionLevel::Configure))
        .with_permission(Permission::group(ID, PermissionLevel::View));
    config.pause_window = Some(
        from_value(json!({"enabled": true, "timezone": "UTC", "pause_window_schedule": pauses})).unwrap(),
    );
    config.settings = settings();
    config
}

/// A configuration with API descriptions by URL, which excludes files.
fn by_url() -> ScanConfig {
    let specs = [
        ApiSpec::openapi_url("https://shop.example.com/openapi.json"),
        ApiSpec::graphql_url("https://shop.example.com/shop.graphql"),
        ApiSpec::wsdl_url("https://shop.example.com/shop.wsdl"),
    ];
    let config = ScanConfig::for_url("https://shop.example.com").with_owner(ID).with_template_id(id());
    specs.into_iter().fold(config, |config, spec| config.with_api_spec(spec.unwrap()))
}

/// The document's example of a configuration, written back.
fn of_details() -> ScanConfig {
    let example = Document::get().unwrap().success("was-v2-config-details");
    ScanConfig::from_details(from_value::<ConfigDetails>(example.clone()).unwrap())
}

/// The document's example of a remediation configuration, unchanged.
fn remediation() -> RemediationConfig {
    serde_json::from_str(&Document::get().unwrap().success("was-v3-config-remediation").to_string()).unwrap()
}

fn accepted(accepted: &AcceptedConfig) -> Output {
    let tracking = accepted.tracking.expect("the response has the ids of the change");
    assert_eq!(tracking.tracking_id.to_string(), "0f0e0d0c-0b0a-4908-8706-050403020100");
    Output::Json(serde_json::to_value(&accepted.config).unwrap())
}

rows! {
    "was-v2-config-create" as create_config {
        |client| accepted(&client.create_config(&all()).await?),
        |client| accepted(&client.create_config(&by_url()).await?),
        |client| accepted(&client.create_remediation_config(&remediation()).await?),
    }
    "was-v3-config-remediation" as get_remediation_config {
        |client| json(&client.get_remediation_config(id()).await?.details()?),
    }
    "was-v2-config-search" as search_configs {
        |client| json(&client.search_configs(&Filter::everything(), &page()).await?),
        |client| json(&client.search_configs(&ConfigField::NAME.matches("shop").into(), &page()).await?),
        |client| {
            let filter = Filter::both(
                [ConfigField::SCHEDULE.is(ScheduleValue::OnDemand), ConfigField::TEMPLATE_NAME.is_not(TemplateNameValue::Pci)],
                [ConfigField::SCANS_STATUS.is(LastScanStatusValue::NeverRun)],
            );
            json(&client.search_configs(&filter, &page()).await?)
        },
        |client| {
            let ended = ConfigField::SCANS_STATUS.any_of([LastScanStatusValue::Completed, LastScanStatusValue::Canceled]);
            json(&client.search_configs(&Filter::all([ended]), &page()).await?)
        },
    }
    "was-v2-config-details" as get_config { |client| json(&client.get_config(id()).await?) }
    "was-v2-config-upsert" as upsert_config {
        |client| accepted(&client.upsert_config(id(), &all()).await?),
        |client| accepted(&client.upsert_config(id(), &by_url()).await?),
        |client| accepted(&client.upsert_config(id(), &of_details()).await?),
    }
    "was-v2-config-move" as move_config { |client| { client.move_config(id(), "Team shop").await?; done() } }
    "was-v2-config-delete" as delete_config { |client| { client.delete_config(id()).await?; done() } }
    "was-v2-config-status" as get_config_status {
        |client| {
            let tracking = ConfigTracking { config_id: id(), tracking_id: id() };
            let status: TrackingStatus = client.get_config_status(&tracking).await?;
            json(&json!({"tracking_status": status}))
        },
    }
    "was-v3-config-export-cicd" as download_cicd_config {
        |client| {
            let mut file = Vec::new();
            client.download_cicd_config(id(), &mut file).await?;
            Output::Bytes(file)
        },
    }
}
