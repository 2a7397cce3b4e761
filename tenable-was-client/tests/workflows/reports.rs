//! Reports in all formats, saved and imported again.

use std::time::Duration;

use appsec_core::ErrorKind;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tenable_was_client::WaitOptions;
use tenable_was_client::filter::Filter;
use tenable_was_client::model::{ReportFormat, TenableScanId};
use tenable_was_client::testing::{FakeTenableWas, Reply, Route, When};

use crate::{shop, start, with_shop};

#[tokio::test]
async fn every_format_is_requested_waited_for_and_saved() {
    for format in ReportFormat::ALL {
        let fake = FakeTenableWas::builder().with_report_polls(2).with_config(shop());
        let (fake, client) = start(fake).await;
        let config = shop().id.parse().unwrap();
        let scan = client.launch_scan(config).await.unwrap();
        while !client.get_scan(scan).await.unwrap().has_ended() {}
        let mut file = Vec::new();
        let length = client.save_report(scan, format, &mut file).await.unwrap();
        assert_eq!(length, file.len() as u64);
        let text = String::from_utf8(file).unwrap();
        let begins = match format {
            ReportFormat::Json => "{",
            ReportFormat::Pdf => "%PDF-",
            ReportFormat::Csv => "Plugin ID,CVE,CVSS,",
            ReportFormat::Html => "<!doctype html>",
            _ => "<?xml",
        };
        assert!(text.starts_with(begins), "{format:?}: {text}");
        for route in [Route::RequestReport, Route::GetReport] {
            let calls = fake.calls_to(route);
            assert_eq!(calls.len(), 3, "{format:?}: not ready, not ready, ready");
            let types = calls.iter().map(|call| call.header("content-type"));
            assert!(types.into_iter().all(|kind| kind == Some(format.content_type())), "{format:?}");
        }
    }
}

#[tokio::test]
async fn a_report_is_downloaded_even_if_the_service_never_announces_it() {
    let (fake, client, _, scan) = with_shop().await;
    assert!(client.request_report(scan, ReportFormat::Csv).await.unwrap(), "ready");
    assert!(
        !client.request_report(scan, ReportFormat::Pdf).await.unwrap(),
        "never announced for this format"
    );
    let mut file = Vec::new();
    client.save_report(scan, ReportFormat::Pdf, &mut file).await.unwrap();
    assert!(file.starts_with(b"%PDF"));
    assert_eq!(fake.calls_to(Route::GetReport).len(), 1);
}

#[tokio::test]
async fn the_wait_for_a_report_is_bounded() {
    let (fake, _, _, scan) = with_shop().await;
    let short = Duration::from_millis(2);
    let waits = WaitOptions::new().with_pauses(short, short).with_patience(Duration::from_millis(40));
    let client = fake.client_builder().with_waits(waits).build().unwrap();
    fake.script(Route::GetReport, When::Always, Reply::Json(404, json!({})));
    let mut file = Vec::new();
    let error = client.save_report(scan, ReportFormat::Html, &mut file).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(file.is_empty());
}

#[tokio::test]
async fn the_report_of_a_running_scan_is_a_conflict_and_is_not_waited_for() {
    let (fake, client, config, _) = with_shop().await;
    let running = client.launch_scan(config).await.unwrap();
    let error = client.save_report(running, ReportFormat::Csv, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(fake.calls_to(Route::GetReport).len(), 0);
    let unknown: TenableScanId = "00000000-0000-4000-8000-000000000001".parse().unwrap();
    let error = client.save_report(unknown, ReportFormat::Csv, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_login_page_is_not_a_report() {
    let (fake, client, _, scan) = with_shop().await;
    fake.script(Route::GetReport, When::Always, Reply::HtmlPage);
    for format in [ReportFormat::Json, ReportFormat::Pdf, ReportFormat::Csv, ReportFormat::Xml] {
        let mut file = Vec::new();
        let error = client.download_report(scan, format, &mut file).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{format:?}");
        assert!(file.is_empty());
    }
}

#[tokio::test]
async fn the_debug_log_of_a_scan_is_downloaded_if_there_is_one() {
    let config = shop().with_debug_mode();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let scan = fake.scans_of(&config.id).pop().unwrap().parse().unwrap();
    let mut file = Vec::new();
    assert_eq!(client.download_scan_debug_zip(scan, &mut file).await.unwrap(), 22);
    assert!(file.starts_with(b"PK"));
    fake.edit(|tenant| tenant.configs[0].settings["debug_mode"] = json!(false));
    let error = client.download_scan_debug_zip(scan, &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_saved_report_is_imported_into_another_tenant() {
    let (_there, client, _, scan) = with_shop().await;
    let mut file = Vec::new();
    client.save_report(scan, ReportFormat::Json, &mut file).await.unwrap();
    let (fake, elsewhere) = start(FakeTenableWas::builder()).await;
    elsewhere.import_report(&file).await.unwrap();
    let configs = elsewhere.configs(Filter::everything()).try_concat().await.unwrap().records;
    assert_eq!((configs.len(), configs[0].imported), (1, Some(true)));
    let sent = fake.calls_to(Route::ImportReport).pop().unwrap();
    assert!(sent.header("content-type").unwrap().starts_with("multipart/form-data; boundary="));
    let mut broken: Value = serde_json::from_slice(&file).unwrap();
    broken["scan"]["scan_id"] = json!("10-ABC");
    let error = elsewhere.import_report(broken.to_string().as_bytes()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("INVALID_ID_FORMAT")));
    let before = fake.requests();
    assert_eq!(elsewhere.import_report(b"no report").await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(fake.requests(), before);
}
