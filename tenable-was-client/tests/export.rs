//! Findings from the export: whatever happens to the job and its chunks, each finding is read once or is part
//! of a gap.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{
    Absence, BindTargetId, BoxStream, Coverage, DastApiScanner, DastApiScannerExt, Error, ErrorKind, Finding,
    FindingEvent, FindingQuery, FindingScope, FindingStatus, GapKind, PartitionKey, ResumePoint, Severity,
};
use appsec_http::{HttpOptions, RetryPolicy};
use futures_util::StreamExt;
use serde_json::json;
use tenable_was_client::model::{AssetId, ExportRequest};
use tenable_was_client::testing::{
    ExportEnd, ExportScript, FakeBuilder, FakeConfig, FakeFinding, FakePlugin, FakeScan, FakeTarget,
    FakeTenableWas, Reply, Route, When, days_ago,
};
use tenable_was_client::{ExportOptions, TenableWasClient, export::ExportEnding};

fn target(host: &str, findings: usize) -> FakeTarget {
    let plugin = FakePlugin::new(98104, "Cross-Site Scripting (XSS)", Severity::High).shared();
    let found = (0..findings).map(|n| FakeFinding::new(&plugin, format!("https://{host}/{n}?q=x")));
    FakeTarget::new(format!("https://{host}/")).with_findings(found)
}

/// A tenant with `configs` configurations of one target with `findings` findings. Each asset has a chunk of
/// its own.
fn tenant(configs: usize, findings: usize) -> FakeBuilder {
    let mut fake = FakeTenableWas::builder().with_assets_per_chunk(1);
    for n in 0..configs {
        let host = format!("t{n}.example.com");
        fake = fake.with_config(FakeConfig::new(&host).with_target(target(&host, findings)));
    }
    fake
}

async fn start(fake: FakeBuilder) -> (FakeTenableWas, TenableWasClient) {
    let fake = fake.start().await.unwrap();
    let client = fake.client().unwrap();
    (fake, client)
}

/// What a stream returned, and how it ended.
#[derive(Default)]
struct Read {
    findings: Vec<Finding>,
    points: Vec<ResumePoint>,
    end: Option<Coverage>,
    error: Option<Error>,
}

async fn read(client: &TenableWasClient, query: FindingQuery) -> Read {
    let mut read = Read::default();
    let mut events = client.findings(query);
    while let Some(event) = events.next().await {
        match event {
            // A batch without findings tells that the read goes on.
            Ok(FindingEvent::Batch(batch)) if batch.findings.is_empty() => {}
            Ok(FindingEvent::Batch(batch)) => {
                read.findings.extend(batch.findings);
                read.points.push(batch.resume);
            }
            Ok(FindingEvent::End(coverage)) => read.end = Some(coverage),
            Ok(other) => panic!("{other:?}"),
            Err(error) => read.error = Some(error),
        }
    }
    read
}

/// The findings of the next batch that has any.
async fn next_findings(events: &mut BoxStream<'static, Result<FindingEvent, Error>>) -> Vec<Finding> {
    loop {
        match events.next().await {
            Some(Ok(FindingEvent::Batch(batch))) if batch.findings.is_empty() => {}
            Some(Ok(FindingEvent::Batch(batch))) => return batch.findings,
            other => panic!("{other:?}"),
        }
    }
}

fn kinds(coverage: &Coverage) -> Vec<GapKind> {
    coverage.gaps().iter().map(|gap| gap.kind.clone()).collect()
}

fn places(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding.location.text.clone()).collect()
}

#[tokio::test]
async fn each_finding_is_read_once_and_absence_is_inconclusive() {
    let (fake, client) = start(tenant(3, 300)).await;
    let Read { findings, end, .. } = read(&client, FindingQuery::all()).await;
    assert_eq!((findings.len(), places(&findings).len()), (900, 900));
    let coverage = end.unwrap();
    assert!(coverage.is_complete(), "{:?}", coverage.gaps());
    assert_eq!(coverage.partitions().len(), 3);
    assert!(findings.iter().all(|finding| coverage.absence_of(&finding.partition) == Absence::Inconclusive));
    let first = &findings[0];
    assert!(findings.iter().filter(|finding| finding.partition == first.partition).count() == 300);
    assert!(findings.iter().all(|finding| finding.targets.len() == 1 && finding.aliases.len() == 1));
    assert_eq!(fake.calls_to(Route::CancelExport).len(), 0);
}

#[tokio::test]
async fn findings_of_one_plugin_share_its_rule() {
    let (_fake, client) = start(tenant(1, 20)).await;
    let (findings, _) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert!(findings.iter().all(|finding| Arc::ptr_eq(&finding.rule, &findings[0].rule)));
}

#[tokio::test]
async fn the_request_is_explicit_and_names_the_assets_of_the_targets_only() {
    let (fake, client) = start(tenant(3, 2)).await;
    let (id, asset) =
        fake.edit(|tenant| (tenant.configs[1].id.clone(), tenant.configs[1].targets[0].asset_id.clone()));
    let query = FindingQuery::target(BindTargetId::from_parts("config", &id));
    let (findings, coverage) = client.collect_findings(query).await.unwrap();
    assert_eq!(findings.len(), 2);
    assert!(coverage.is_complete());
    let calls = fake.calls_to(Route::RequestExport);
    assert_eq!(calls.len(), 1);
    assert_eq!(
        calls[0].json(),
        json!({"num_assets": 500, "include_unlicensed": true,
            "filters": {"state": ["OPEN", "REOPENED", "FIXED"], "since": 1_000_000_000, "asset_uuid": [asset]}})
    );
}

#[tokio::test]
async fn old_fixed_and_unlicensed_findings_are_read() {
    let plugin = FakePlugin::new(1, "Old", Severity::Low).shared();
    let old = FakeFinding::new(&plugin, "https://a.example.com/old").with_found(days_ago(400), days_ago(300));
    let fixed = FakeFinding::new(&plugin, "https://a.example.com/fixed").fixed(days_ago(200));
    let target = FakeTarget::new("https://a.example.com/").with_findings([old, fixed]).unlicensed();
    let (_fake, client) =
        start(FakeTenableWas::builder().with_config(FakeConfig::new("a").with_target(target))).await;
    let (findings, _) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 2);
    let fixed = findings.iter().find(|finding| finding.status == Some(FindingStatus::Fixed)).unwrap();
    assert!(fixed.fixed_at.is_some());
}

#[tokio::test]
async fn missing_chunks_are_gaps_and_read_chunks_are_kept() {
    let end = |end| ExportScript::new().with_end(end);
    let rows: Vec<(&str, ExportScript, usize, Vec<GapKind>)> = vec![
        ("a failed chunk", ExportScript::new().with_failed_chunks([2]), 3, vec![GapKind::Chunk]),
        ("expired chunks", ExportScript::new().with_expired_chunks([1, 4]), 2, vec![GapKind::Chunk; 2]),
        (
            "a failed job",
            end(ExportEnd::Error(1)),
            1,
            [vec![GapKind::ExportIncomplete], vec![GapKind::Chunk; 3]].concat(),
        ),
        ("cancelled", end(ExportEnd::Cancelled(3)), 3, vec![GapKind::ExportIncomplete, GapKind::Chunk]),
        ("an unknown state", end(ExportEnd::Unknown("SNOOZED".into())), 4, vec![GapKind::ExportIncomplete]),
        ("empty chunks", ExportScript::new().with_empty_chunks(2), 4, vec![]),
        (
            "chunks that are never listed",
            ExportScript::new().with_missing_chunks(1),
            4,
            vec![GapKind::ExportIncomplete],
        ),
        ("all at once", ExportScript::new().with_chunks_per_poll(9).with_queued_polls(0), 4, vec![]),
    ];
    for (name, script, chunks, gaps) in rows {
        let fake = tenant(4, 5).with_export_script(script).start().await.unwrap();
        let options = ExportOptions::new()
            .with_pauses(Duration::from_millis(1), Duration::from_millis(5))
            .with_patience(Duration::from_millis(300));
        let client = fake.client_builder().with_export(options).build().unwrap();
        let Read { findings, end, error, .. } = read(&client, FindingQuery::all()).await;
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!((findings.len(), places(&findings).len()), (chunks * 5, chunks * 5), "{name}");
        assert_eq!(kinds(&end.unwrap()), gaps, "{name}");
    }
}

#[tokio::test]
async fn a_batch_without_findings_is_sent_with_each_poll_that_shows_no_chunk() {
    let script = ExportScript::new().with_queued_polls(7);
    let (fake, client) = start(tenant(1, 1).with_export_script(script)).await;
    let events: Vec<_> = client.findings(FindingQuery::all()).collect().await;
    let batches = events.iter().filter_map(|event| match event {
        Ok(FindingEvent::Batch(batch)) => Some((batch.findings.len(), batch.progress.unwrap().done)),
        _ => None,
    });
    let (empty, full): (Vec<_>, Vec<_>) = batches.partition(|(findings, _)| *findings == 0);
    assert_eq!(full, [(1, 1)]);
    assert!(empty.len() >= 7 && empty.len() < fake.calls_to(Route::GetExport).len(), "{empty:?}");
    // A read that is interrupted before the first chunk is resumed without a new export.
    let Some(Ok(FindingEvent::Batch(batch))) = events.into_iter().next() else { panic!("no batch") };
    let rest = read(&client, FindingQuery::all().with_resume(batch.resume)).await;
    assert_eq!((rest.findings.len(), fake.calls_to(Route::RequestExport).len()), (1, 1));
}

#[tokio::test]
async fn a_stalled_export_ends_in_every_state() {
    for (name, script, came) in [
        ("queued", ExportScript::new().with_queued_polls(1_000_000), 0),
        ("processing", ExportScript::new().with_end(ExportEnd::Stuck(2)), 10),
    ] {
        let fake = tenant(4, 5).with_export_script(script).start().await.unwrap();
        let options = ExportOptions::new()
            .with_pauses(Duration::from_millis(1), Duration::from_millis(5))
            .with_patience(Duration::from_millis(200));
        let client = fake.client_builder().with_export(options).build().unwrap();
        let Read { findings, end, error, .. } = read(&client, FindingQuery::all()).await;
        assert!(error.is_none(), "{name}: {error:?}");
        let coverage = end.unwrap();
        assert_eq!(findings.len(), came, "{name}: what was read is kept");
        assert!(kinds(&coverage).iter().all(|kind| *kind == GapKind::ExportIncomplete), "{name}");
        let message = &coverage.gaps()[0].message;
        assert!(message.contains("no progress for 1 s; it continues"), "{name}: {message}");
        assert!(fake.calls_to(Route::CancelExport).is_empty(), "{name}: it may be resumed");
    }
}

#[tokio::test]
async fn a_chunk_that_takes_longer_than_the_patience_is_not_a_stall() {
    let fake = tenant(3, 4).start().await.unwrap();
    fake.script(Route::GetChunk, When::Always, Reply::Late(Duration::from_millis(250)));
    let options = ExportOptions::new()
        .with_pauses(Duration::from_millis(1), Duration::from_millis(5))
        .with_patience(Duration::from_millis(150));
    let client = fake.client_builder().with_export(options).build().unwrap();
    // The job is in an unknown state while its chunks are being read. It counts as stalled only after that.
    fake.script_export(
        ExportScript::new().with_chunks_per_poll(1).with_end(ExportEnd::Unknown("RESTING".into())),
    );
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 12);
    assert_eq!(kinds(&coverage), [GapKind::ExportIncomplete]);
}

#[tokio::test]
async fn a_running_export_of_an_equal_request_is_adopted() {
    let (fake, client) = start(tenant(3, 4)).await;
    let running = client.request_export(&ExportRequest::everything()).await.unwrap();
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 12);
    assert!(coverage.is_complete());
    let asked: BTreeSet<String> =
        fake.calls_to(Route::GetChunk).iter().map(|call| call.path.clone()).collect();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|path| path.contains(&running.to_string())), "{asked:?}");

    let job = client.start_export(&ExportRequest::everything()).await.unwrap();
    assert!(!job.is_adopted(), "the earlier job has ended");
    let second = client.start_export(&ExportRequest::everything()).await.unwrap();
    assert!(second.is_adopted());
    assert_eq!(second.id(), job.id());
}

#[tokio::test]
async fn an_export_whose_request_was_not_answered_is_adopted() {
    let fake = tenant(2, 3).start().await.unwrap();
    fake.script(Route::RequestExport, When::Next(1), Reply::Silence);
    let http =
        HttpOptions::new().with_head_timeout(Duration::from_millis(200)).with_retry(RetryPolicy::none());
    let client = fake.client_builder().with_http(http).build().unwrap();
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 6);
    assert!(coverage.is_complete());
    assert_eq!(fake.calls_to(Route::RequestExport).len(), 2);
}

#[tokio::test]
async fn no_export_is_requested_for_a_target_that_was_never_scanned() {
    let config = FakeConfig::new("draft").with_target(target("draft.example.com", 3)).never_run();
    let id = BindTargetId::from_parts("config", &config.id);
    let (fake, client) = start(tenant(1, 2).with_config(config)).await;
    let (findings, coverage) = client.collect_findings(FindingQuery::target(id.clone())).await.unwrap();
    assert!(findings.is_empty());
    assert_eq!(kinds(&coverage), [GapKind::NeverScanned]);
    assert!(fake.calls_to(Route::RequestExport).is_empty(), "an empty filter may mean the whole tenant");

    let known = fake.edit(|tenant| BindTargetId::from_parts("config", &tenant.configs[0].id));
    let query = FindingQuery::new(FindingScope::Targets(vec![id, known.clone()]));
    let (findings, coverage) = client.collect_findings(query).await.unwrap();
    assert_eq!(findings.len(), 2);
    assert!(findings.iter().all(|finding| finding.targets == [known.clone()]));
    assert_eq!(kinds(&coverage), [GapKind::NeverScanned]);
    assert!(
        client.collect_findings(FindingQuery::all()).await.unwrap().1.is_complete(),
        "the tenant's export has no gap"
    );
}

#[tokio::test]
async fn an_earlier_scan_is_used_if_the_newest_has_no_asset_yet() {
    let config = FakeConfig::new("a").with_target(target("a.example.com", 2)).with_scans([
        FakeScan::completed(days_ago(3)),
        FakeScan::new("queued", days_ago(0)).without_metadata(),
    ]);
    let id = BindTargetId::from_parts("config", &config.id);
    let (_fake, client) = start(FakeTenableWas::builder().with_config(config)).await;
    let (findings, coverage) = client.collect_findings(FindingQuery::target(id)).await.unwrap();
    assert_eq!(findings.len(), 2);
    assert!(coverage.is_complete());
}

#[tokio::test]
async fn a_multi_target_configuration_has_the_findings_of_all_targets_by_both_searches_for_children() {
    for by_targets in [true, false] {
        let config = FakeConfig::new("shop")
            .with_target(target("a.example.com", 2))
            .with_target(target("b.example.com", 3));
        let id = BindTargetId::from_parts("config", &config.id);
        let (fake, client) = start(tenant(1, 4).with_config(config).with_by_targets(by_targets)).await;
        let (findings, coverage) = client.collect_findings(FindingQuery::target(id.clone())).await.unwrap();
        assert_eq!(findings.len(), 5, "{by_targets}");
        assert!(findings.iter().all(|finding| finding.targets == [id.clone()]));
        assert!(coverage.is_complete(), "the fallback is not a gap");
        assert_eq!(
            fake.calls_to(Route::RequestExport)[0].json()["filters"]["asset_uuid"].as_array().unwrap().len(),
            2
        );
    }
}

#[tokio::test]
async fn assets_that_the_newest_scan_does_not_name_are_taken_from_earlier_scans_or_are_a_gap() {
    for earlier in [true, false] {
        let scans =
            [earlier.then(|| FakeScan::completed(days_ago(3))), Some(FakeScan::completed(days_ago(1)))];
        let targets = [target("a.example.com", 2), target("b.example.com", 3)];
        let rows = json!({"pagination": {"total": 2, "offset": 0, "limit": 200}, "items": [
            {"target": {"asset_id": targets[0].asset_id, "target_url": "https://a.example.com/"}},
            {"target": {"asset_id": null, "target_url": "https://b.example.com/"}},
        ]});
        let [a, b] = targets;
        let config =
            FakeConfig::new("shop").with_target(a).with_target(b).with_scans(scans.into_iter().flatten());
        let id = BindTargetId::from_parts("config", &config.id);
        let (fake, client) = start(FakeTenableWas::builder().with_config(config)).await;
        fake.script(Route::SearchByTargets, When::Next(1), Reply::Json(200, rows));
        let (findings, coverage) = client.collect_findings(FindingQuery::target(id)).await.unwrap();
        assert_eq!(findings.len(), if earlier { 5 } else { 2 });
        let gaps = if earlier { vec![] } else { vec![GapKind::NeverScanned] };
        assert_eq!(kinds(&coverage), gaps, "{:?}", coverage.gaps());
    }
}

#[tokio::test]
async fn a_record_of_the_whole_tenant_names_the_configuration_of_its_scan_and_the_tenant_if_requested() {
    let nightly = FakeConfig::new("nightly").with_target(target("a.example.com", 1));
    let weekly = FakeConfig::new("weekly").with_target(FakeTarget::new("https://a.example.com/"));
    let ids = BTreeSet::from([format!("config:{}", nightly.id)]);
    let (_fake, client) = start(FakeTenableWas::builder().with_config(nightly).with_config(weekly)).await;
    let targets =
        |finding: &Finding| finding.targets.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let (findings, _) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(targets(&findings[0]), ids, "the asset is of both");
    let (findings, _) = client.collect_findings(FindingQuery::target(BindTargetId::all())).await.unwrap();
    assert!(findings[0].targets.contains(&BindTargetId::all()));
}

#[tokio::test]
async fn a_chunk_that_is_not_ready_or_breaks_or_is_rate_limited_is_read_once() {
    for (name, reply) in [
        ("not ready", Reply::Json(400, json!({}))),
        ("truncated", Reply::TruncatedJson),
        ("an HTML page", Reply::HtmlPage),
        ("a server error", Reply::ServerError),
        ("rate-limited", Reply::TooManyRequests { retry_after: 0 }),
    ] {
        let (fake, client) = start(tenant(3, 40)).await;
        fake.script(Route::GetChunk, When::Next(2), reply);
        let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
        assert_eq!((findings.len(), places(&findings).len()), (120, 120), "{name}");
        assert!(coverage.is_complete(), "{name}");
    }
}

#[tokio::test]
async fn a_chunk_that_stops_being_ready_halfway_is_read_once() {
    let (fake, client) = start(tenant(1, 1_000)).await;
    fake.script(Route::GetChunk, When::Next(1), Reply::TruncatedJson);
    fake.script(Route::GetChunk, When::After(1), Reply::Json(400, json!({})));
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!((findings.len(), places(&findings).len()), (1_000, 1_000));
    assert!(coverage.is_complete());
    assert_eq!(fake.calls_to(Route::GetChunk).len(), 3);
}

#[tokio::test]
async fn a_chunk_that_never_becomes_ready_is_a_gap() {
    let fake = tenant(2, 3).start().await.unwrap();
    fake.script(Route::GetChunk, When::Always, Reply::Json(400, json!({})));
    let options = ExportOptions::new()
        .with_pauses(Duration::from_millis(1), Duration::from_millis(5))
        .with_patience(Duration::from_millis(100));
    let client = fake.client_builder().with_export(options).build().unwrap();
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert!(findings.is_empty());
    assert_eq!(kinds(&coverage), [GapKind::Chunk, GapKind::Chunk]);
    assert!(coverage.gaps()[0].message.contains("never became ready"));
}

#[tokio::test]
async fn a_read_is_resumed_without_a_new_export() {
    let (fake, client) = start(tenant(4, 300)).await;
    let whole = read(&client, FindingQuery::all()).await;
    assert!(whole.points.len() > 4);
    for point in &whole.points {
        let point: ResumePoint = serde_json::from_str(&serde_json::to_string(point).unwrap()).unwrap();
        let again = fake.client().unwrap();
        let rest = read(&again, FindingQuery::all().with_resume(point)).await;
        assert!(rest.error.is_none(), "{:?}", rest.error);
        let coverage = rest.end.unwrap();
        assert!(coverage.is_complete());
        assert!(coverage.partitions().all(|(_, partition)| partition.absence == Absence::Inconclusive));
    }
    let half = &whole.points[whole.points.len() / 2];
    let first: BTreeSet<_> = {
        let mut events = client.findings(FindingQuery::all());
        let mut seen = BTreeSet::new();
        for _ in 0..=whole.points.len() / 2 {
            seen.extend(places(&next_findings(&mut events).await));
        }
        seen
    };
    let rest = read(&client, FindingQuery::all().with_resume(half.clone())).await;
    assert!(rest.findings.len() < 1200, "what was read is not read again: {}", rest.findings.len());
    assert!(first.len() + rest.findings.len() >= 1200);
    assert_eq!(fake.calls_to(Route::RequestExport).len(), 2, "one for each read that was not resumed");
}

#[tokio::test]
async fn an_expired_export_and_other_targets_cannot_be_resumed() {
    let (fake, client) = start(tenant(2, 300)).await;
    let id = fake.edit(|tenant| BindTargetId::from_parts("config", &tenant.configs[0].id));
    let whole = read(&client, FindingQuery::all()).await;
    let requests = fake.requests();
    let other = read(&client, FindingQuery::target(id).with_resume(whole.points[0].clone())).await;
    assert_eq!(other.error.unwrap().kind(), ErrorKind::ResumeExpired);
    assert_eq!(fake.requests(), requests, "no request was sent");

    fake.advance(Duration::from_secs(25 * 60 * 60));
    let late = read(&client, FindingQuery::all().with_resume(whole.points[0].clone())).await;
    assert_eq!(late.error.unwrap().kind(), ErrorKind::ResumeExpired, "its chunks have expired");
    fake.advance(Duration::from_secs(4 * 24 * 60 * 60));
    let later = read(&client, FindingQuery::all().with_resume(whole.points[0].clone())).await;
    assert_eq!(later.error.unwrap().kind(), ErrorKind::ResumeExpired, "the job has expired");
}

#[tokio::test]
async fn a_revoked_key_ends_the_read_after_a_resume_point() {
    let (fake, client) = start(tenant(3, 10)).await;
    fake.script(Route::GetChunk, When::AlwaysAfter(1), Reply::Unauthorized);
    let Read { findings, points, error, end } = read(&client, FindingQuery::all()).await;
    assert_eq!(error.unwrap().kind(), ErrorKind::Auth);
    assert!(end.is_none());
    assert_eq!(findings.len(), 10);
    fake.recover();
    let rest = read(&client, FindingQuery::all().with_resume(points.last().unwrap().clone())).await;
    let all: BTreeSet<_> = places(&findings).union(&places(&rest.findings)).cloned().collect();
    assert_eq!(all.len(), 30);
}

#[tokio::test]
async fn a_dropped_stream_leaves_nothing_running_and_cancels_nothing() {
    let (fake, client) = start(tenant(8, 300)).await;
    let mut events = client.findings(FindingQuery::all());
    next_findings(&mut events).await;
    drop(events);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let requests = fake.requests();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(fake.requests(), requests);
    assert!(fake.calls_to(Route::CancelExport).is_empty());
}

#[tokio::test]
async fn a_slow_consumer_slows_the_read_and_loses_nothing() {
    let (fake, client) = start(tenant(12, 300)).await;
    let mut events = client.findings(FindingQuery::all());
    assert_eq!(next_findings(&mut events).await.len(), 256);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(fake.calls_to(Route::GetChunk).len() <= 3, "{}", fake.calls_to(Route::GetChunk).len());
    let mut findings = 256;
    while let Some(event) = events.next().await {
        match event.unwrap() {
            FindingEvent::Batch(batch) => findings += batch.findings.len(),
            FindingEvent::End(coverage) => assert!(coverage.is_complete()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(findings, 3600);
}

#[tokio::test]
async fn unknown_values_and_fields_are_kept_and_counted() {
    let plugin = FakePlugin::new(7, "Odd", Severity::from("Blocker")).shared();
    let finding = FakeFinding::new(&plugin, "https://a.example.com/").with_modification("MUTED", "why");
    let target = FakeTarget::new("https://a.example.com/").with_finding(finding);
    let (_fake, client) =
        start(FakeTenableWas::builder().with_config(FakeConfig::new("a").with_target(target))).await;
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert!(findings[0].severity.is_unknown());
    assert_eq!(findings[0].recast, None);
    let unknown: Vec<_> = coverage.unknown().iter().map(|(what, _)| what.to_owned()).collect();
    assert!(unknown.contains(&"severity_modification_type=MUTED".to_owned()), "{unknown:?}");
    assert!(unknown.iter().any(|what| what.to_lowercase().starts_with("severity=blocker")), "{unknown:?}");
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_is_a_gap_with_its_path() {
    let target = target("a.example.com", 3).with_broken_records(2);
    let (_fake, client) =
        start(FakeTenableWas::builder().with_config(FakeConfig::new("a").with_target(target))).await;
    let (findings, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings.len(), 3);
    assert_eq!(kinds(&coverage), [GapKind::Record, GapKind::Record]);
    assert!(coverage.gaps().iter().all(|gap| gap.path.as_ref().is_some_and(|path| path.starts_with('['))));
}

#[tokio::test]
async fn the_raw_record_is_returned_on_request_with_its_plugin() {
    let (_fake, client) = start(tenant(1, 3)).await;
    let (findings, _) = client.collect_findings(FindingQuery::all().with_raw(true)).await.unwrap();
    for finding in &findings {
        let raw = finding.raw.as_ref().unwrap();
        assert_eq!(raw["plugin"]["id"], 98104);
        assert_eq!(raw["finding_id"], *finding.aliases[0]);
    }
}

#[tokio::test]
async fn a_job_can_be_watched_and_cancelled() {
    let (fake, client) =
        start(tenant(3, 2).with_export_script(ExportScript::new().with_queued_polls(3))).await;
    let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
    assert!(!job.gaps().is_empty(), "it has not ended");
    let mut records = 0;
    while let Some(chunks) = job.next_chunks().await.unwrap() {
        for chunk in chunks {
            let mut reader = client.export_chunk(job.id(), chunk).unwrap();
            while let Some(record) = reader.next().await {
                record.unwrap();
                records += 1;
            }
            job.mark_delivered(chunk);
        }
    }
    assert_eq!((records, job.ending(), job.total_chunks()), (6, Some(&ExportEnding::Finished), Some(3)));
    assert!(job.gaps().is_empty() && job.created().is_some());
    assert_eq!(job.cancel().await.unwrap_err().kind(), ErrorKind::InvalidRequest, "it has ended");

    let asset: AssetId = "77778888-9999-4aaa-8bbb-ccccddddeeee".parse().unwrap();
    let mut job = client.start_export(&ExportRequest::everything().with_assets([asset])).await.unwrap();
    job.cancel().await.unwrap();
    assert_eq!(job.next_chunks().await.unwrap(), None);
    assert_eq!(job.ending(), Some(&ExportEnding::Cancelled));
    assert_eq!(fake.calls_to(Route::CancelExport).len(), 2);
}

#[tokio::test]
async fn invalid_ids_are_refused_before_a_request() {
    let (fake, client) = start(tenant(1, 1)).await;
    for query in [
        FindingQuery::target("host:shop.example.com"),
        FindingQuery::target("config:../../server"),
        FindingQuery::scan("../x"),
        FindingQuery::new(FindingScope::Targets(vec![])),
    ] {
        assert_eq!(
            read(&client, query.clone()).await.error.unwrap().kind(),
            ErrorKind::InvalidRequest,
            "{query:?}"
        );
    }
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn the_partition_of_an_exported_finding_is_its_target() {
    let (fake, client) = start(tenant(1, 1)).await;
    let (config, url) = fake.edit(|tenant| {
        let config = &tenant.configs[0];
        (config.id.clone(), config.targets[0].url.clone())
    });
    let (findings, _) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert_eq!(findings[0].partition, PartitionKey::new(format!("config:{config}/target:{url}")));
}
