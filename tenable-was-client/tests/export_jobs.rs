//! Export requests with their filters, and export jobs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use appsec_core::{DastApiScanner, ErrorKind, FindingEvent, FindingQuery, GapKind, ResumePoint, Severity};
use futures_util::StreamExt;
use serde_json::json;
use tenable_was_client::model::{
    ExportFilters, ExportRequest, ExportState, FindingState, OwaspList, PluginId, ScoreFilter,
    SeverityModification,
};
use tenable_was_client::testing::{
    ExportEnd, ExportScript, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Route, days_ago,
};
use tenable_was_client::{
    TenableWasClient,
    export::{ChunkLoss, ExportEnding, ExportJob},
};

/// A tenant with one chunk for each of four sites, which differ in every property that a filter can test.
async fn start(script: ExportScript) -> (FakeTenableWas, TenableWasClient) {
    let xss = FakePlugin::new(98104, "XSS", Severity::High)
        .with_owasp("2021", "A3")
        .with_owasp("2019", "API8")
        .shared();
    let leak = FakePlugin::new(98074, "Backup file", Severity::Low).shared();
    let found = |host: &str, plugin| {
        FakeFinding::new(plugin, format!("https://{host}.example.com/page"))
            .with_found(days_ago(100), days_ago(2))
    };
    let sites = [
        ("open", found("open", &xss)),
        ("back", found("back", &leak).reopened()),
        ("fixed", found("fixed", &leak).fixed(days_ago(1))),
        ("accepted", found("accepted", &leak).accepted("fine")),
    ];
    let mut fake = FakeTenableWas::builder().with_assets_per_chunk(1).with_export_script(script);
    for (name, finding) in sites {
        let target = FakeTarget::new(format!("https://{name}.example.com/")).with_finding(finding);
        fake = fake.with_config(FakeConfig::new(name).with_target(target));
    }
    let fake = fake.start().await.unwrap();
    let client = fake.client().unwrap();
    (fake, client)
}

/// Reads all chunks of a job, and returns the sites in them.
async fn read(client: &TenableWasClient, job: &mut ExportJob) -> BTreeSet<String> {
    let mut sites = BTreeSet::new();
    while let Some(chunks) = job.next_chunks().await.unwrap() {
        for chunk in chunks {
            sites.extend(read_chunk(client, job, chunk).await);
        }
    }
    sites
}

async fn read_chunk(
    client: &TenableWasClient,
    job: &mut ExportJob,
    chunk: tenable_was_client::model::ChunkId,
) -> Vec<String> {
    let mut records = client.export_chunk(job.id(), chunk).unwrap();
    let mut sites = Vec::new();
    while let Some(record) = records.next().await {
        match record {
            Ok(record) => {
                let url = record.url.unwrap();
                let host = url.trim_start_matches("https://").split('.').next().unwrap();
                sites.push(host.to_owned());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
                job.mark_lost(chunk, ChunkLoss::Expired);
                return sites;
            }
        }
    }
    job.mark_delivered(chunk);
    sites
}

#[tokio::test]
async fn each_filter_admits_the_matching_findings() {
    let (fake, client) = start(ExportScript::new().with_chunks_per_poll(9)).await;
    let asset = fake.edit(|tenant| tenant.configs[0].targets[0].asset_id.parse().unwrap());
    let address: Ipv4Addr = fake.edit(|tenant| tenant.configs[1].targets[0].ipv4.parse().unwrap());
    let all = [FindingState::Open, FindingState::Reopened, FindingState::Fixed];
    let any = || ExportFilters::default().with_states(all.clone()).with_last_found(days_ago(9));
    let usual = ["accepted", "back", "open"];
    for (filters, expected) in [
        (ExportFilters::default(), usual.as_slice()),
        (any(), &["accepted", "back", "fixed", "open"]),
        (
            ExportFilters::default().with_states([FindingState::Fixed]).with_last_fixed(days_ago(2)),
            &["fixed"],
        ),
        (ExportFilters::default().with_since(days_ago(9)), &["accepted", "back", "fixed", "open"]),
        (any().with_first_found(days_ago(50)), &[]),
        (ExportFilters::default().with_indexed_at(days_ago(1)), &[]),
        (any().with_severities([Severity::High, Severity::Critical]), &["open"]),
        (any().with_severity_modifications([SeverityModification::Accepted]), &["accepted"]),
        (any().with_assets([asset]), &["open"]),
        (any().with_asset_name("back.example.com"), &["back"]),
        (any().with_ipv4s([address]), &["back"]),
        (any().with_plugins([PluginId(98104)]), &["open"]),
        (any().with_owasp(OwaspList::Web2021, [3]), &["open"]),
        (any().with_owasp(OwaspList::Api2019, [7, 8]), &["open"]),
        (any().with_owasp(OwaspList::Web2010, [1]), &[]),
        (any().with_vpr_score(ScoreFilter::default().with_gte(5.0).with_lt(10.0)), &["open"]),
        (any().with_vpr_score(ScoreFilter::default().with_neq([9.9]).with_gt(9.0)), &[]),
    ] {
        let mut job = client.start_export(&ExportRequest::new(filters.clone())).await.unwrap();
        let sites = read(&client, &mut job).await;
        let expected: BTreeSet<String> = expected.iter().map(|site| (*site).to_owned()).collect();
        assert_eq!(sites, expected, "{filters:?}");
        assert_eq!((job.ending(), job.gaps()), (Some(&ExportEnding::Finished), vec![]), "{filters:?}");
    }
}

#[tokio::test]
async fn an_invalid_request_is_refused_before_it_is_sent() {
    let (fake, client) = start(ExportScript::new()).await;
    let filters = ExportFilters::default().with_since(days_ago(9)).with_last_found(days_ago(9));
    for request in [
        ExportRequest::new(filters),
        ExportRequest::everything().with_assets([]),
        ExportRequest::everything().with_num_assets(49),
    ] {
        for error in [
            client.request_export(&request).await.unwrap_err(),
            client.start_export(&request).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, None), "{request:?}");
        }
    }
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn a_job_is_resumed_at_a_stored_point_and_returns_each_chunk_once() {
    let (fake, client) = start(ExportScript::new()).await;
    let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
    let first = job.next_chunks().await.unwrap().unwrap();
    let mut sites = BTreeSet::new();
    for chunk in first {
        sites.extend(read_chunk(&client, &mut job, chunk).await);
    }
    let stored = serde_json::to_string(&job.resume_point().unwrap()).unwrap();
    let created = job.created();
    drop(job);

    let point: ResumePoint = serde_json::from_str(&stored).unwrap();
    let mut job = ExportJob::resume(&client, &point).unwrap();
    assert_eq!((job.created(), job.is_adopted()), (created, false));
    let rest = read(&client, &mut job).await;
    assert!(sites.is_disjoint(&rest), "{sites:?} and {rest:?}");
    sites.extend(rest);
    assert_eq!(sites.len(), 4);
    assert_eq!((job.gaps(), job.delivered_chunks().count()), (vec![], 4));
    assert_eq!(fake.calls_to(Route::RequestExport).len(), 1, "no new export");
    assert_eq!(fake.calls_to(Route::GetChunk).len(), 4, "each once");

    let mut again = ExportJob::resume(&client, &job.resume_point().unwrap()).unwrap();
    assert_eq!(again.next_chunks().await.unwrap(), None, "nothing is left");
    assert!(again.gaps().is_empty());
}

#[tokio::test]
async fn a_foreign_resume_point_and_an_expired_job_are_errors() {
    let (fake, client) = start(ExportScript::new()).await;
    let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
    job.next_chunks().await.unwrap();
    let point = job.resume_point().unwrap();
    let foreign = ResumePoint::new("saltsecurity", &json!({"export": job.id(), "delivered": []})).unwrap();
    assert_eq!(ExportJob::resume(&client, &foreign).unwrap_err().kind(), ErrorKind::ResumeExpired);

    let mut events = client.findings(FindingQuery::all());
    let Some(Ok(FindingEvent::Batch(batch))) = events.next().await else { panic!("no batch came") };
    assert_eq!(ExportJob::resume(&client, &batch.resume).unwrap_err().kind(), ErrorKind::ResumeExpired);
    let mut findings = client.findings(FindingQuery::all().with_resume(point.clone()));
    assert_eq!(findings.next().await.unwrap().unwrap_err().kind(), ErrorKind::ResumeExpired);

    fake.advance(Duration::from_secs(4 * 24 * 60 * 60));
    let mut job = ExportJob::resume(&client, &point).unwrap();
    assert_eq!(job.next_chunks().await.unwrap_err().kind(), ErrorKind::ResumeExpired);
}

#[tokio::test]
async fn jobs_are_listed_and_one_of_them_can_be_watched() {
    let (_fake, client) = start(ExportScript::new()).await;
    assert!(client.list_exports().await.unwrap().exports.is_empty());
    let first = client.request_export(&ExportRequest::everything()).await.unwrap();
    let second = client.request_export(&ExportRequest::new(ExportFilters::default())).await.unwrap();
    let cancelled = client.cancel_export(second).await.unwrap();
    assert_eq!(*cancelled.status.unwrap().value(), ExportState::Cancelled);

    let list = client.list_exports().await.unwrap();
    let states: Vec<_> = list
        .exports
        .iter()
        .map(|job| (job.uuid.unwrap(), job.status.clone().unwrap().into_value()))
        .collect();
    assert_eq!(states, [(second, ExportState::Cancelled), (first, ExportState::Queued)], "the newest first");
    assert!(list.exports.iter().all(|job| job.chunks_available.is_empty()), "chunks are not listed");
    assert_eq!(list.exports[1].filters.as_ref().unwrap().since, Some(ExportRequest::SINCE));

    let mut job = client.resume_export(first, []);
    assert_eq!(read(&client, &mut job).await.len(), 4);
    assert!(job.gaps().is_empty());
}

#[tokio::test]
async fn a_cancelled_job_keeps_finished_chunks_and_has_gaps_for_the_rest() {
    let (_fake, client) = start(ExportScript::new()).await;
    let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
    let first = job.next_chunks().await.unwrap().unwrap();
    job.cancel().await.unwrap();
    let mut sites = Vec::new();
    for chunk in first {
        sites.extend(read_chunk(&client, &mut job, chunk).await);
    }
    assert!(read(&client, &mut job).await.is_empty());
    assert_eq!(job.ending(), Some(&ExportEnding::Cancelled));
    let gaps = job.gaps();
    assert_eq!(gaps.iter().filter(|gap| gap.kind == GapKind::Chunk).count(), 4 - sites.len(), "{gaps:?}");
    assert!(gaps.iter().any(|gap| gap.kind == GapKind::ExportIncomplete), "{gaps:?}");
}

#[tokio::test]
async fn each_failure_is_the_ending_of_the_job() {
    for (script, ending, gaps) in [
        (ExportScript::new().with_end(ExportEnd::Error(2)), ExportEnding::Failed, 3),
        (ExportScript::new().with_end(ExportEnd::Cancelled(1)), ExportEnding::Cancelled, 4),
        (ExportScript::new().with_failed_chunks([2]), ExportEnding::Finished, 1),
        (ExportScript::new().with_expired_chunks([3]), ExportEnding::Finished, 1),
        (ExportScript::new().with_missing_chunks(2), ExportEnding::Finished, 1),
        (ExportScript::new().with_empty_chunks(2), ExportEnding::Finished, 0),
    ] {
        let (_fake, client) = start(script.clone()).await;
        let mut job = client.start_export(&ExportRequest::everything()).await.unwrap();
        read(&client, &mut job).await;
        assert_eq!((job.ending(), job.gaps().len()), (Some(&ending), gaps), "{script:?}: {:?}", job.gaps());
    }
}

#[tokio::test]
async fn a_running_job_with_selected_properties_is_not_adopted() {
    let (fake, client) = start(ExportScript::new().with_chunks_per_poll(9)).await;
    let some = ExportRequest::everything().with_properties(["url", "asset.name"]);
    let running = client.request_export(&some).await.unwrap();
    // A job for an equal request is running. Its echo does not show the properties, so it is waited for,
    // and a new job follows it.
    let mut job = client.start_export(&some).await.unwrap();
    assert!(!job.is_adopted() && job.id() != running);
    assert_eq!(read(&client, &mut job).await.len(), 4);
    assert!(fake.calls_to(Route::RequestExport).len() > 2);
    let call = &fake.calls_to(Route::GetChunk)[0];
    assert!(call.path.contains(&job.id().to_string()), "{}", call.path);
}
