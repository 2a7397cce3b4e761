//! The lives of exports, and what their filters let through.

use std::time::Duration;

use appsec_core::Severity;
use serde_json::{Value, json};
use tenable_was_client::testing::{
    ExportEnd, ExportScript, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, days_ago,
};

use crate::http::{chunk, everything, export, export_status, get, post, request_export, send};

/// Five sites with one finding each.
fn five_sites() -> FakeConfig {
    let plugin = FakePlugin::new(98_104, "XSS", Severity::High).shared();
    (0..5).fold(FakeConfig::new("five"), |config, number| {
        let url = format!("https://s{number}.example.com/");
        config.with_target(FakeTarget::new(&url).with_finding(FakeFinding::new(&plugin, url)))
    })
}

async fn start(script: ExportScript) -> FakeTenableWas {
    let builder = FakeTenableWas::builder().with_config(five_sites()).with_assets_per_chunk(1);
    builder.with_export_script(script).start().await.unwrap()
}

async fn statuses(fake: &FakeTenableWas, id: &str, count: usize) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let status = export_status(fake, id).await;
        seen.push((status["status"].as_str().unwrap().to_owned(), status["chunks_available"].clone()));
    }
    seen
}

#[tokio::test]
async fn chunks_appear_one_by_one_and_out_of_order() {
    let fake = start(ExportScript::new().with_chunks_per_poll(2)).await;
    let id = request_export(&fake, &everything()).await;
    let seen = statuses(&fake, &id, 6).await;
    let words: Vec<_> = seen.iter().map(|(word, _)| word.as_str()).collect();
    assert_eq!(words, ["QUEUED", "PROCESSING", "PROCESSING", "PROCESSING", "FINISHED", "FINISHED"]);
    let available: Vec<_> = seen.iter().map(|(_, chunks)| chunks.clone()).collect();
    assert_eq!(available[2], json!([2, 4]));
    assert_eq!(available[4], json!([2, 4, 1, 3, 5]));
    let status = export_status(&fake, &id).await;
    assert_eq!((&status["total_chunks"], &status["finished_chunks"]), (&json!(5), &json!(5)));
    assert_eq!(status.get("reason"), None);
}

#[tokio::test]
async fn a_chunk_comes_when_it_is_ready_and_not_before() {
    let fake = start(ExportScript::new()).await;
    let id = request_export(&fake, &everything()).await;
    assert_eq!(chunk(&fake, &id, 2).await.status, 400, "not ready");
    statuses(&fake, &id, 3).await;
    let got = chunk(&fake, &id, 2).await;
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/octet-stream")));
    assert_eq!(got.json().as_array().unwrap().len(), 1);
    assert_eq!(chunk(&fake, &id, 1).await.status, 400);
    let got = chunk(&fake, &id, 99).await;
    assert_eq!((got.status, got.json()), (404, json!({"error": "Chunk does not exist"})));
    let got = get(&fake, "/was/v1/export/vulns/00000000-0000-4000-8000-000000000000/status").await;
    assert_eq!((got.status, got.json()["message"].as_str()), (404, Some("Export expired or not found")));
}

#[tokio::test]
async fn every_bad_end_can_be_scripted() {
    let ends = [
        (ExportScript::new().with_end(ExportEnd::Error(2)), "ERROR", 2, json!([1, 3, 5])),
        (ExportScript::new().with_end(ExportEnd::Cancelled(1)), "CANCELLED", 1, json!([1, 3, 4, 5])),
        (ExportScript::new().with_end(ExportEnd::Stuck(3)), "PROCESSING", 3, json!([])),
        (ExportScript::new().with_end(ExportEnd::Unknown("ARCHIVING".into())), "ARCHIVING", 5, json!([])),
        (ExportScript::new().with_failed_chunks([3]), "FINISHED", 4, json!([])),
        (ExportScript::new().with_missing_chunks(1), "FINISHED", 5, json!([])),
        (ExportScript::new().with_empty_chunks(2), "FINISHED", 5, json!([])),
    ];
    for (script, word, available, cancelled) in ends {
        let fake = start(script.clone()).await;
        let id = request_export(&fake, &everything()).await;
        let last = statuses(&fake, &id, 12).await.pop().unwrap();
        let status = export_status(&fake, &id).await;
        assert_eq!(last.0, word, "{script:?}");
        assert_eq!(last.1.as_array().unwrap().len(), available, "{script:?}");
        assert_eq!(status["chunks_cancelled"], cancelled, "{script:?}");
        assert_eq!(
            status.get("reason").is_some(),
            word == "ERROR" || !script.failed.is_empty(),
            "{script:?}"
        );
        let ready = last.1[0].as_u64().unwrap();
        assert_eq!(chunk(&fake, &id, ready).await.status, 200, "what is there can be fetched: {script:?}");
    }
}

#[tokio::test]
async fn failed_empty_and_missing_chunks_are_told_apart_by_the_counts() {
    let script = ExportScript::new().with_failed_chunks([4]).with_empty_chunks(2).with_missing_chunks(1);
    let fake = start(script).await;
    let (status, records) = export(&fake, &everything()).await;
    assert_eq!(status["total_chunks"], 8);
    assert_eq!(status["empty_chunks_count"], 2);
    assert_eq!(status["chunks_failed"], json!([4]));
    assert_eq!(status["chunks_available"], json!([5, 7, 3, 6]), "empty ones take the first ids");
    assert!(status["reason"].as_str().unwrap().starts_with("1 of 5 chunks failed"), "{}", status["reason"]);
    assert_eq!(records.len(), 4);
}

#[tokio::test]
async fn chunks_expire_after_a_day_and_those_of_a_cancelled_job_after_three() {
    let day = Duration::from_secs(24 * 60 * 60 + 1);
    let fake = start(ExportScript::new()).await;
    let id = request_export(&fake, &everything()).await;
    statuses(&fake, &id, 8).await;
    fake.advance(day);
    let got = chunk(&fake, &id, 1).await;
    assert_eq!(
        (got.status, got.json()),
        (404, json!({"status": 404, "message": "Export expired or not found"}))
    );

    let id = request_export(&fake, &everything()).await;
    statuses(&fake, &id, 3).await;
    let got = post(&fake, &format!("/was/v1/export/vulns/{id}/cancel"), &json!({})).await;
    assert_eq!((got.status, got.json()), (200, json!({"status": "CANCELLED"})));
    fake.advance(day);
    assert_eq!(chunk(&fake, &id, 2).await.status, 200, "what was complete stays");
    assert_eq!(send(&fake, "POST", &format!("/was/v1/export/vulns/{id}/cancel"), "").await.status, 400);

    let fake = start(ExportScript::new().with_expired_chunks([1])).await;
    let id = request_export(&fake, &everything()).await;
    assert_eq!(statuses(&fake, &id, 8).await.pop().unwrap().0, "FINISHED");
    assert_eq!((chunk(&fake, &id, 1).await.status, chunk(&fake, &id, 2).await.status), (404, 200));
}

#[tokio::test]
async fn an_equal_export_that_runs_is_named_and_another_one_is_not_in_the_way() {
    let fake = start(ExportScript::new()).await;
    let id = request_export(&fake, &everything()).await;
    let got = post(&fake, "/was/v1/export/vulns", &everything()).await;
    assert_eq!((got.status, &got.json()["active_job_id"]), (409, &json!(id)));
    request_export(&fake, &json!({})).await;
    statuses(&fake, &id, 12).await;
    assert_ne!(request_export(&fake, &everything()).await, id, "it has ended");
    for number in 0..8 {
        request_export(&fake, &json!({"filters": {"plugin_ids": [number]}})).await;
    }
    let got = post(&fake, "/was/v1/export/vulns", &json!({"num_assets": 60})).await;
    assert_eq!((got.status, got.header("retry-after")), (429, Some("30")), "ten at a time");
}

#[tokio::test]
async fn jobs_are_listed_without_their_chunks() {
    let fake = start(ExportScript::new()).await;
    let id = request_export(&fake, &everything()).await;
    let jobs = get(&fake, "/was/v1/export/vulns/status").await.json();
    assert_eq!(jobs["exports"][0]["uuid"], json!(id));
    assert_eq!(jobs["exports"][0].get("chunks_available"), None);
    assert_eq!(jobs["exports"][0]["total_chunks"], 5);
}

#[tokio::test]
async fn the_next_export_can_be_scripted_alone() {
    let fake = start(ExportScript::new()).await;
    fake.script_export(ExportScript::new().with_end(ExportEnd::Cancelled(0)));
    assert_eq!(export(&fake, &everything()).await.0["status"], "CANCELLED");
    assert_eq!(export(&fake, &everything()).await.0["status"], "FINISHED");
}

#[tokio::test]
async fn chunks_are_cut_by_assets_within_the_bounds() {
    let fake = FakeTenableWas::builder().with_config(five_sites()).start().await.unwrap();
    for (asked, given) in [(json!(1), 50), (json!(99_999), 5000), (json!(500), 500), (Value::Null, 50)] {
        let mut body = json!({"filters": {"state": ["OPEN"], "since": 1}});
        if !asked.is_null() {
            body["num_assets"] = asked.clone();
        }
        let (status, records) = export(&fake, &body).await;
        assert_eq!((&status["num_assets_per_chunk"], records.len()), (&json!(given), 5), "{asked}");
    }
    let (status, records) = export(&FakeTenableWas::builder().start().await.unwrap(), &json!({})).await;
    assert_eq!((&status["total_chunks"], records.len()), (&json!(0), 0), "nothing is no chunk at all");
}

/// Findings that differ in all that a filter can ask for. The number of days is when each was last seen.
fn varied() -> FakeConfig {
    let xss = FakePlugin::new(1, "XSS", Severity::High)
        .with_owasp("2021", "A3")
        .with_owasp("2019", "API8")
        .shared();
    let leak = FakePlugin::new(2, "Leak", Severity::Low).shared();
    let at = |path: &str, plugin, days: u32| {
        FakeFinding::new(plugin, format!("https://a.example.com{path}"))
            .with_found(days_ago(100), days_ago(days))
    };
    let licensed = FakeTarget::new("https://a.example.com/")
        .with_finding(at("/new", &xss, 1))
        .with_finding(at("/old", &xss, 45))
        .with_finding(at("/back", &leak, 2).reopened())
        .with_finding(at("/gone", &leak, 20).fixed(days_ago(10)))
        .with_finding(at("/recast", &leak, 3).recast(Severity::Critical, "grave here"))
        .with_finding(at("/accepted", &leak, 3).accepted("fine"));
    let unlicensed = FakeTarget::new("https://b.example.com/")
        .with_finding(FakeFinding::new(&leak, "https://b.example.com/other"))
        .unlicensed();
    FakeConfig::new("varied").with_target(licensed).with_target(unlicensed)
}

#[tokio::test]
async fn filters_let_through_what_they_should() {
    let config = varied();
    let (asset, other) = (config.targets[0].asset_id.clone(), config.targets[1].asset_id.clone());
    let fake = FakeTenableWas::builder().with_config(config).start().await.unwrap();
    let seconds = |days| days_ago(days).as_second();
    let usual = ["/accepted", "/back", "/new", "/recast"];
    let cases: Vec<(Value, &[&str])> = vec![
        // Open and reopened, seen in the last 30 days.
        (json!({}), &usual),
        (json!({"since": 0}), &usual),
        (json!({"asset_uuid": []}), &usual),
        (json!({"state": ["open", "Fixed"]}), &["/accepted", "/gone", "/new", "/recast"]),
        (json!({"since": seconds(60)}), &["/accepted", "/back", "/gone", "/new", "/old", "/recast"]),
        (json!({"since": seconds(15), "state": ["FIXED"]}), &["/gone"]),
        (json!({"since": seconds(5), "state": ["FIXED"]}), &[]),
        (json!({"last_found": seconds(60), "state": ["OPEN"]}), &["/accepted", "/new", "/old", "/recast"]),
        (json!({"first_found": seconds(60), "state": ["OPEN"]}), &[]),
        (json!({"last_fixed": seconds(12), "state": ["FIXED"]}), &["/gone"]),
        (json!({"indexed_at": seconds(2)}), &["/back", "/new"]),
        (json!({"severity": ["critical", "HIGH"]}), &["/new", "/recast"]),
        (json!({"severity_modification_type": ["RECASTED", "ACCEPTED"]}), &["/accepted", "/recast"]),
        (json!({"severity_modification_type": ["recasted"]}), &[]),
        (json!({"asset_uuid": [asset]}), &usual),
        (json!({"asset_uuid": [other]}), &[]),
        (json!({"asset_name": "a.example.com"}), &usual),
        (json!({"asset_name": "b.example.com"}), &[]),
        (json!({"plugin_ids": [1]}), &["/new"]),
        (json!({"owasp_2021": ["A3"]}), &["/new"]),
        (json!({"owasp_api_2019": ["API1"]}), &[]),
        (json!({"vpr_score": {"gte": 5.0}}), &["/new"]),
        (json!({"vpr_score": {"eq": [2.5], "neq": [9.0]}}), &["/accepted", "/back", "/recast"]),
    ];
    for (filters, expected) in cases {
        let (_, records) = export(&fake, &json!({"filters": filters})).await;
        let mut paths: Vec<_> = records
            .iter()
            .map(|record| {
                record["url"].as_str().unwrap().trim_start_matches("https://a.example.com").to_owned()
            })
            .collect();
        paths.sort();
        assert_eq!(paths, expected, "{filters}");
    }
    let (_, records) = export(&fake, &json!({"include_unlicensed": true})).await;
    assert_eq!(records.len(), 5, "unlicensed assets come when asked for");
}

#[tokio::test]
async fn requests_that_contradict_themselves_are_refused() {
    let fake = start(ExportScript::new()).await;
    for body in [
        json!({"filters": {"since": 5, "last_found": 5, "state": ["OPEN"]}}),
        json!({"filters": {"last_found": 5}}),
        json!({"filters": {"color": ["red"]}}),
        json!({"filters": {"since": "yesterday"}}),
        json!({"filters": {"vpr_score": {"eq": [1], "gt": 2}}}),
        json!({"filters": {"vpr_score": {"gte": 0}}}),
        json!({"filters": {"epss_score": {"neq": [101]}}}),
        json!({"filters": {"owasp_2021": ["A03"]}}),
        json!({"filters": {"owasp_api_2019": ["A3"]}}),
        json!({"filters": {"state": ["ACTIVE"]}}),
        json!({"properties": ["asset.name", "colour"]}),
        json!({"filters": {"state": "OPEN"}}),
        json!({"num_assets": "many"}),
        json!([]),
    ] {
        assert_eq!(post(&fake, "/was/v1/export/vulns", &body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn only_the_members_that_are_asked_for_come() {
    let fake = FakeTenableWas::builder().with_config(varied()).start().await.unwrap();
    let body =
        json!({"properties": ["finding_id", "asset.name", "plugin.id"], "filters": {"plugin_ids": [1]}});
    let (_, records) = export(&fake, &body).await;
    let [record] = records.as_slice() else { panic!("{records:?}") };
    let expected =
        json!({"finding_id": record["finding_id"], "asset": {"fqdn": "a.example.com"}, "plugin": {"id": 1}});
    assert_eq!(*record, expected);
}

#[tokio::test]
async fn unset_numbers_are_echoed_as_zero() {
    let fake = start(ExportScript::new()).await;
    let id =
        request_export(&fake, &json!({"filters": {"state": ["OPEN"], "last_found": 1_790_000_000}})).await;
    let expected = json!({"state": ["OPEN"], "since": 0, "first_found": 0, "last_found": 1_790_000_000,
        "last_fixed": 0, "indexed_at": 0});
    assert_eq!(export_status(&fake, &id).await["filters"], expected);
}

#[tokio::test]
async fn two_configurations_of_one_site_export_a_weakness_once() {
    let plugin = FakePlugin::new(1, "XSS", Severity::High).shared();
    let target = FakeTarget::new("https://a.example.com/")
        .with_finding(FakeFinding::new(&plugin, "https://a.example.com/x?page=1"));
    let again = FakeTarget::new("https://a.example.com/shop")
        .with_finding(FakeFinding::new(&plugin, "https://a.example.com/x?page=2"));
    assert_eq!(target.asset_id, again.asset_id, "one site, one asset");
    let fake = FakeTenableWas::builder()
        .with_config(FakeConfig::new("one").with_target(target))
        .with_config(FakeConfig::new("two").with_target(again))
        .start()
        .await
        .unwrap();
    assert_eq!(export(&fake, &everything()).await.1.len(), 1);
}

#[tokio::test]
async fn a_plugin_is_sent_in_the_same_bytes_each_time() {
    let fake = FakeTenableWas::builder().with_config(five_sites()).start().await.unwrap();
    let id = request_export(&fake, &everything()).await;
    statuses(&fake, &id, 4).await;
    let text = String::from_utf8(chunk(&fake, &id, 1).await.body).unwrap();
    let mut blocks: Vec<_> = text.split(r#""plugin":"#).skip(1).map(|rest| &rest[..400]).collect();
    assert_eq!(blocks.len(), 5);
    blocks.dedup();
    assert_eq!(blocks.len(), 1);
}
