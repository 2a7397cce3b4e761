//! One bad chunk of an export is a gap: the others are read. Only what concerns all of them ends the read.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use appsec_core::{
    Coverage, DastApiScanner, Error, ErrorKind, Finding, FindingEvent, FindingQuery, GapKind, ResumePoint,
    Severity,
};
use appsec_http::{HttpOptions, RetryPolicy};
use futures_util::StreamExt;
use serde_json::json;
use tenable_was_client::TenableWasClient;
use tenable_was_client::testing::{
    ExportScript, FakeConfig, FakeFinding, FakePlugin, FakeTarget, FakeTenableWas, Reply, Route, When,
};

const DAY: Reply = Reply::TooManyRequests { retry_after: 86_400 };

/// A tenant with this many chunks of so many findings each.
async fn start(chunks: usize, findings: usize) -> (FakeTenableWas, TenableWasClient) {
    let plugin = FakePlugin::new(98104, "XSS", Severity::High).shared();
    let mut fake = FakeTenableWas::builder().with_assets_per_chunk(1);
    for host in (0..chunks).map(|n| format!("t{n}.example.com")) {
        let found = (0..findings).map(|n| FakeFinding::new(&plugin, format!("https://{host}/{n}")));
        let target = FakeTarget::new(format!("https://{host}/")).with_findings(found);
        fake = fake.with_config(FakeConfig::new(&host).with_target(target));
    }
    let fake = fake.start().await.unwrap();
    let client = client(&fake);
    (fake, client)
}

/// A client that waits for milliseconds, also for a service that asks for a day.
fn client(fake: &FakeTenableWas) -> TenableWasClient {
    let (short, long) = (Duration::from_millis(1), Duration::from_millis(20));
    let retry = RetryPolicy::new().with_base(short).with_cap(long).with_max_retry_after(long);
    let http = HttpOptions::new().with_retry(retry).with_max_element_bytes(20_000);
    fake.client_builder().with_http(http).build().unwrap()
}

/// What a stream returned, and how it ended.
#[derive(Default)]
struct Read {
    findings: Vec<Finding>,
    last_point: Option<ResumePoint>,
    end: Option<Coverage>,
    error: Option<Error>,
}

async fn read(client: &TenableWasClient, query: FindingQuery) -> Read {
    let mut read = Read::default();
    let mut events = client.findings(query);
    while let Some(event) = events.next().await {
        match event {
            Ok(FindingEvent::Batch(batch)) => {
                read.findings.extend(batch.findings);
                read.last_point = Some(batch.resume);
            }
            Ok(FindingEvent::End(coverage)) => read.end = Some(coverage),
            Ok(other) => panic!("{other:?}"),
            Err(error) => read.error = Some(error),
        }
    }
    read
}

fn places(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding.location.text.clone()).collect()
}

/// How many findings each host has.
fn counts_by_host(findings: &[Finding]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        let host = finding.location.text.split('/').nth(2).unwrap();
        *counts.entry(host.to_owned()).or_default() += 1;
    }
    counts
}

/// The gaps of a read that ended, by kind and message.
fn gaps(read: &Read) -> Vec<(GapKind, String)> {
    let coverage = read.end.as_ref().unwrap_or_else(|| panic!("{:?}", read.error));
    coverage.gaps().iter().map(|gap| (gap.kind.clone(), gap.message.clone())).collect()
}

#[tokio::test]
async fn a_bad_chunk_is_a_gap_with_its_reason_and_the_others_are_read() {
    let deep = format!("[{}", "[".repeat(2_000_000));
    for (reply, reason) in [
        (Reply::Json(200, json!({"error": "none"})), "expected an array, found `{`"),
        (Reply::Body("null".to_owned()), "expected an array, found `n`"),
        (Reply::Body(String::new()), "cut short"),
        (Reply::Body("[1".to_owned()), "cut short"),
        (Reply::Body(deep), "nested more than 1048576 deep"),
        (Reply::Body("[{\"a\": tru]".to_owned()), "closes a bracket of the other kind"),
        (Reply::HtmlPage, "an HTML page came instead of JSON"),
        (Reply::TruncatedJson, "cut short"),
        (Reply::Redirect("https://elsewhere.example/".to_owned()), "redirects are not followed"),
        (Reply::Forbidden, "403"),
        (Reply::ServerError, "500"),
        (Reply::BadGateway, "502"),
        (Reply::Json(418, json!({"message": "a teapot"})), "a teapot"),
        (DAY, "the service asks to wait 24 h"),
        (Reply::TooManyRequestsUntil(Duration::from_secs(86_400)), "the service asks to wait 24 h"),
    ] {
        let (fake, client) = start(4, 3).await;
        fake.script_chunk(2, When::Always, reply.clone());
        let read = read(&client, FindingQuery::all()).await;
        let gaps = gaps(&read);
        let [(GapKind::Chunk, message)] = &gaps[..] else { panic!("{reply:?}: {gaps:?}") };
        assert!(message.starts_with("chunk 2 of the export could not be read: "), "{message}");
        assert!(message.contains(reason), "{reply:?}: {message}");
        // What comes before the fault may be of the chunk as well.
        let whole = counts_by_host(&read.findings).into_values().filter(|findings| *findings == 3);
        assert_eq!((whole.count(), places(&read.findings).len()), (3, read.findings.len()), "{reply:?}");
        assert_eq!(fake.calls_to(Route::RequestExport).len(), 1);

        // A later read, for which the chunk is mended, is whole.
        fake.recover();
        let again = self::read(&client, FindingQuery::all()).await;
        assert_eq!((again.findings.len(), self::gaps(&again)), (12, vec![]), "{reply:?}");
    }
}

#[tokio::test]
async fn what_was_read_of_a_chunk_that_breaks_off_is_delivered_once() {
    let (fake, client) = start(3, 1_000).await;
    fake.script_chunk(1, When::Always, Reply::TruncatedJson);
    let read = read(&client, FindingQuery::all()).await;
    let gaps = gaps(&read);
    let of_first = counts_by_host(&read.findings).into_values().min().unwrap();
    assert!((400..600).contains(&of_first), "about half of the chunk: {of_first}");
    assert_eq!(read.findings.len(), 2_000 + of_first);
    assert_eq!(places(&read.findings).len(), read.findings.len());
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].1.ends_with(&format!("its first {of_first} records were read")), "{}", gaps[0].1);
}

#[tokio::test]
async fn a_record_that_is_too_large_or_nested_too_deep_costs_itself_only() {
    let (fake, client) = start(2, 5).await;
    let plugin = FakePlugin::new(98104, "XSS", Severity::High).shared();
    let large = FakeFinding::new(&plugin, "https://t0.example.com/large").with_output("x".repeat(30_000));
    fake.edit(|tenant| tenant.configs[0].targets[0].findings.insert(2, large));
    let read = read(&client, FindingQuery::all()).await;
    let coverage = read.end.as_ref().unwrap();
    assert_eq!((read.findings.len(), coverage.gaps().len()), (10, 1), "{:?}", coverage.gaps());
    let gap = &coverage.gaps()[0];
    assert_eq!((&gap.kind, gap.path.as_deref()), (&GapKind::Record, Some("[2]")));
    assert!(gap.message.contains("chunk 1") && gap.message.contains("more than 20000 bytes"), "{gap}");

    let record = json!({"plugin": {"id": 98104}, "asset": {"uuid": null}});
    let deep = format!("[{record},{}1{},{record}]", "[".repeat(5_000), "]".repeat(5_000));
    fake.script_chunk(1, When::Always, Reply::Body(deep));
    let read = self::read(&client, FindingQuery::all()).await;
    let coverage = read.end.as_ref().unwrap();
    let too_deep: Vec<_> = coverage.gaps().iter().filter(|gap| gap.message.contains("nested")).collect();
    assert_eq!((too_deep.len(), too_deep[0].path.as_deref()), (1, Some("[1]")), "{:?}", coverage.gaps());
    assert!(coverage.gaps().iter().all(|gap| gap.kind == GapKind::Record), "{:?}", coverage.gaps());
}

#[tokio::test]
async fn chunks_that_are_lost_delivered_and_empty_add_up_to_the_total() {
    let (fake, client) = start(6, 1).await;
    fake.script_export(
        ExportScript::new().with_failed_chunks([3]).with_expired_chunks([4]).with_empty_chunks(1),
    );
    fake.script_chunk(2, When::Always, Reply::HtmlPage);
    fake.script_chunk(5, When::Always, Reply::ServerError);
    let read = read(&client, FindingQuery::all()).await;
    let gaps = gaps(&read);
    assert!(gaps.iter().all(|(kind, _)| *kind == GapKind::Chunk), "no gap of the whole export: {gaps:?}");
    for (gap, chunk) in gaps.iter().zip([2, 3, 4, 5]) {
        assert!(gap.1.starts_with(&format!("chunk {chunk} ")), "{gaps:?}");
    }
    assert_eq!((gaps.len(), read.findings.len()), (4, 2));
}

#[tokio::test]
async fn refused_credentials_end_the_read_and_the_next_one_continues() {
    let (fake, client) = start(4, 10).await;
    fake.script_chunk(2, When::Always, Reply::Unauthorized);
    let first = read(&client, FindingQuery::all()).await;
    assert_eq!(first.error.as_ref().unwrap().kind(), ErrorKind::Auth);
    fake.recover();
    let query = FindingQuery::all().with_resume(first.last_point.unwrap());
    let rest = read(&client, query).await;
    let all: BTreeSet<_> = places(&first.findings).union(&places(&rest.findings)).cloned().collect();
    assert_eq!((all.len(), gaps(&rest)), (40, vec![]));
    assert_eq!(fake.calls_to(Route::RequestExport).len(), 1);
}

#[tokio::test]
async fn a_failure_of_every_chunk_ends_the_read_with_its_error() {
    for (reply, kind) in [
        (Reply::Forbidden, ErrorKind::PermissionDenied),
        (Reply::Unavailable, ErrorKind::Server),
        (DAY, ErrorKind::RateLimited),
    ] {
        for chunks in [1, 3, 12] {
            let (fake, client) = start(chunks, 2).await;
            fake.script(Route::GetChunk, When::Always, reply.clone());
            let read = read(&client, FindingQuery::all()).await;
            let error = read.error.unwrap_or_else(|| panic!("{reply:?} {chunks}: {:?}", read.end));
            assert_eq!(error.kind(), kind, "{reply:?}");
            if reply == DAY {
                assert_eq!(error.retry_after(), Some(Duration::from_secs(86_400)));
            }
            let tried: BTreeSet<_> =
                fake.calls_to(Route::GetChunk).iter().map(|call| call.param(1).to_owned()).collect();
            assert!(tried.len() <= 6, "five in a row, and what was in flight: {tried:?}");
        }
    }
}

#[tokio::test]
async fn chunks_that_are_no_arrays_are_gaps_even_if_all_of_them_are() {
    let (fake, client) = start(8, 2).await;
    fake.script(Route::GetChunk, When::Always, Reply::Json(200, json!({"error": "none"})));
    let read = read(&client, FindingQuery::all()).await;
    let gaps = gaps(&read);
    assert_eq!((gaps.len(), read.findings.len()), (8, 0));
    assert!(gaps.iter().all(|(kind, _)| *kind == GapKind::Chunk));
}

#[tokio::test]
async fn a_service_that_is_down_ends_the_read_and_the_next_one_continues() {
    for outage in [Reply::Unavailable, DAY] {
        let (fake, client) = start(6, 10).await;
        fake.script(Route::GetChunk, When::AlwaysAfter(2), outage.clone());
        fake.script(Route::GetExport, When::AlwaysAfter(4), outage.clone());
        let first = read(&client, FindingQuery::all()).await;
        let error = first.error.unwrap();
        let kind = if outage == DAY { ErrorKind::RateLimited } else { ErrorKind::Server };
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(error.retry_after().is_some(), outage == DAY);
        assert!(!first.findings.is_empty());
        fake.recover();
        // A client of another process does not know of the cooldown.
        let query = FindingQuery::all().with_resume(first.last_point.unwrap());
        let rest = read(&self::client(&fake), query).await;
        let all: BTreeSet<_> = places(&first.findings).union(&places(&rest.findings)).cloned().collect();
        assert_eq!((all.len(), gaps(&rest)), (60, vec![]));
        assert_eq!(fake.calls_to(Route::RequestExport).len(), 1);
    }
}

#[tokio::test]
async fn neighbours_that_are_bad_do_not_hold_the_others() {
    let (fake, client) = start(20, 1).await;
    fake.script_export(ExportScript::new().with_chunks_per_poll(20));
    for chunk in 1..=8 {
        fake.script_chunk(chunk, When::Always, Reply::ServerError);
    }
    let read = read(&client, FindingQuery::all()).await;
    assert_eq!((gaps(&read).len(), read.findings.len()), (8, 12));
}
