//! Reading a list of gaps that pages in unexpected ways or moves, against the fake.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use appsec_core::{Absence, DastApiScanner, ErrorKind, FindingEvent, FindingQuery, FindingStatus, GapKind};
use appsec_http::testing::{Fault, FaultProxy};
use futures_util::{StreamExt, TryStreamExt};
use salt_client::testing::{Call, EndOffset, FakeSalt, Reply, Route, Tenant, When, gap, host};
use salt_client::{HttpOptions, RetryPolicy, SaltClient};
use serde_json::json;
use support::{Import, gaps, import, one_host, serve};

/// Every gap was delivered once, in order, and absence is conclusive.
fn assert_complete(import: &Import, count: usize) {
    let expected: Vec<_> = (0..count).map(|number| format!("g{number:03}")).collect();
    assert_eq!(import.ids(), expected);
    assert!(import.coverage.is_complete(), "{:?}", import.coverage.gaps());
    assert_eq!(import.inconclusive_reason("a.example"), None);
}

#[tokio::test]
async fn an_import_makes_these_calls_and_no_others() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(3), 3).await;
    assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 3);
    let calls: Vec<_> = fake
        .calls()
        .into_iter()
        .map(|call| {
            let query: Vec<_> = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("{}?{}", call.path, query.join("&"))
        })
        .collect();
    let named = "details=true&status=Open,InProcess,Resolved,Ignored";
    assert_eq!(
        calls,
        [
            "/v1/inventory/hosts?limit=3&offset=0".to_owned(),
            "/v1/inventory/hosts?limit=3&offset=0".to_owned(),
            "/v1/inventory/hosts?limit=3&offset=1".to_owned(),
            format!("/v1/apigovern/posture/gaps?limit=3&offset=0&{named}"),
            format!("/v1/apigovern/posture/gaps?limit=3&offset=2&{named}"),
            format!("/v1/apigovern/posture/gaps?limit=3&offset=3&{named}"),
            "/v1/apigovern/posture/gaps?limit=1&offset=3&details=true".to_owned(),
            format!("/v1/apigovern/posture/gaps?limit=1&offset=2&{named}"),
        ]
    );
}

#[tokio::test]
async fn the_end_is_found_with_every_end_offset() {
    for end in
        [EndOffset::Exclusive, EndOffset::Text, EndOffset::Missing, EndOffset::Stuck, EndOffset::Smaller]
    {
        for count in [1, 9, 10, 11, 25] {
            let fake = FakeSalt::builder().with_end_offset(end);
            let (fake, client) = serve(fake, one_host(count), 10).await;
            let import = import(&client, FindingQuery::all()).await.unwrap();
            assert_complete(&import, count);
            assert!(fake.requests() < 12, "{end:?}, {count}: {} requests", fake.requests());
        }
    }
}

#[tokio::test]
async fn an_end_offset_beyond_the_records_makes_absence_inconclusive() {
    let fake = FakeSalt::builder().with_end_offset(EndOffset::Ahead(2));
    let (_fake, client) = serve(fake, one_host(10), 4).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["g000", "g001", "g002", "g003", "g006", "g007", "g008", "g009"]);
    assert!(import.inconclusive_reason("a.example").unwrap().contains("end offset"));
    assert!(!import.coverage.is_complete(), "the records between may exist");
}

#[tokio::test]
async fn a_list_that_is_empty_when_read_again_makes_absence_inconclusive() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(10), 4).await;
    fake.edit_after(Route::ListGaps, 1, |tenant| tenant.gaps.clear());
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 4);
    assert!(import.inconclusive_reason("a.example").unwrap().contains("perm-viewer"));
}

#[tokio::test]
async fn an_empty_list_that_contradicts_the_check_for_unknown_statuses_is_read_again_and_then_inconclusive() {
    let empty = || Reply::Json(200, json!({"response": [], "total": 0}));
    // The list is empty, the check for unknown statuses finds a record, and the list without statuses is
    // empty, once or twice.
    for (empty_calls, delivered) in [(vec![0, 2], 10), (vec![0, 2, 3], 0)] {
        let (fake, client) = serve(FakeSalt::builder(), one_host(10), 4).await;
        for call in empty_calls {
            fake.script(Route::ListGaps, When::After(call), empty());
        }
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(import.ids().len(), delivered);
        if delivered == 10 {
            assert_complete(&import, 10);
        } else {
            assert!(import.inconclusive_reason("a.example").unwrap().contains("moved twice"));
        }
    }
}

#[tokio::test]
async fn a_short_page_is_not_the_end() {
    for cap in [1, 2, 3, 7] {
        let (_fake, client) = serve(FakeSalt::builder().with_short_pages(cap), one_host(20), 100).await;
        assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 20);
    }
}

#[tokio::test]
async fn a_refused_page_size_falls_back_to_a_hundred() {
    let (fake, client) = serve(FakeSalt::builder().with_max_limit(100), one_host(150), 1000).await;
    assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 150);
    let limits: Vec<_> = fake
        .calls_to(Route::ListGaps)
        .iter()
        .map(|call| (call.query("limit").unwrap().to_owned(), call.status.unwrap()))
        .collect();
    let limits: Vec<_> = limits.iter().map(|(limit, status)| (limit.as_str(), *status)).collect();
    assert_eq!(
        limits,
        [("1000", 400), ("100", 200), ("100", 200), ("100", 200), ("100", 200), ("1", 200), ("1", 200)]
    );
}

#[tokio::test]
async fn a_400_at_the_default_page_size_is_not_repeated() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(3), 100).await;
    fake.script(Route::ListGaps, When::Always, Reply::Json(400, json!({"message": "no"})));
    let error = import(&client, FindingQuery::all()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(fake.calls_to(Route::ListGaps).len(), 1);
}

#[tokio::test]
async fn a_list_that_moves_once_is_read_again_and_delivered_once() {
    for insert in [true, false] {
        let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
        fake.edit_after(Route::ListGaps, 2, move |tenant| {
            if insert {
                tenant.gaps.insert(0, gap("new", "a.example"));
            } else {
                tenant.gaps.remove(1);
            }
        });
        let import = import(&client, FindingQuery::all()).await.unwrap();
        let ids = import.ids();
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "no finding twice: {ids:?}");
        assert_eq!(ids.len(), 20 + usize::from(insert), "the old gaps and the new one: {ids:?}");
        assert!(import.coverage.is_complete());
        assert_eq!(import.inconclusive_reason("a.example"), None, "the second pass proves it");
        let is_start = |call: &&Call| (call.query("limit"), call.query("offset")) == (Some("5"), Some("0"));
        assert_eq!(fake.calls_to(Route::ListGaps).iter().filter(is_start).count(), 2);
    }
}

#[tokio::test]
async fn a_gap_that_reopens_while_the_list_moves_is_delivered_again() {
    let mut tenant = one_host(20);
    for number in [0, 1] {
        tenant.gaps[number]["status"] = json!("Resolved");
    }
    let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    fake.edit_after(Route::ListGaps, 2, |tenant| {
        tenant.gaps[0]["status"] = json!("Open");
        tenant.gaps.insert(0, gap("new", "a.example"));
    });
    let import = import(&client, FindingQuery::all()).await.unwrap();
    let statuses = |id: &str| -> Vec<_> {
        let same = import.findings().filter(|finding| finding.aliases.iter().any(|alias| alias == id));
        same.map(|finding| finding.status.clone().unwrap()).collect()
    };
    assert_eq!(statuses("g000"), [FindingStatus::Fixed, FindingStatus::Open]);
    assert_eq!(statuses("g001"), [FindingStatus::Fixed]);
    assert_eq!(import.ids().len(), 22);
}

#[tokio::test]
async fn a_list_that_moves_twice_is_a_coverage_gap() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    for (calls, id) in [(2, "new"), (8, "newer")] {
        fake.edit_after(Route::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, "a.example")));
    }
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 21, "the old gaps, and the new one of the second pass");
    let kinds: Vec<_> = import.coverage.gaps().iter().map(|gap| gap.kind.clone()).collect();
    assert_eq!(kinds, [GapKind::Shifted]);
    assert_eq!(import.coverage.absence_of(&"host:a.example".into()), Absence::Inconclusive);
    assert!(import.batches.last().unwrap().gaps.iter().any(|gap| gap.kind == GapKind::Shifted));
}

#[tokio::test]
async fn a_list_whose_end_was_cut_off_is_read_again() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(10), 5).await;
    fake.edit_after(Route::ListGaps, 1, |tenant| tenant.gaps.truncate(3));
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["g000", "g001", "g002", "g003", "g004"]);
    assert_eq!(import.inconclusive_reason("a.example"), None);
}

#[tokio::test]
async fn a_duplicate_across_pages_is_delivered_once_and_makes_absence_inconclusive() {
    // A gap that is in two places may have moved another gap from after the position to before it.
    let mut tenant = one_host(10);
    let mut twice = tenant.gaps[1].clone();
    twice["status"] = json!("Resolved");
    tenant.gaps.insert(8, twice);
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 10);
    let status = import.findings().nth(1).unwrap().status.clone().unwrap();
    assert_eq!(status.as_str(), "open", "the first record counts: it is delivered before the second is read");
    assert!(import.inconclusive_reason("a.example").unwrap().contains("moved"));
}

#[tokio::test]
async fn a_duplicate_within_a_page_is_delivered_once_and_has_no_other_effect() {
    let mut tenant = one_host(10);
    tenant.gaps.insert(3, tenant.gaps[1].clone());
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 10);
}

#[tokio::test]
async fn a_service_that_does_not_page_is_an_error_instead_of_an_endless_read() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(0), 5).await;
    let page: Vec<_> = gaps(5, "a.example").collect();
    fake.script(Route::ListGaps, When::Always, Reply::Json(200, json!({"response": page})));
    let error = import(&client, FindingQuery::all()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(error.operation(), Some("salt: list posture gaps"));
    assert!(fake.calls_to(Route::ListGaps).len() < 12);
}

#[tokio::test]
async fn statuses_that_the_service_omits_by_default_are_delivered() {
    let mut tenant = one_host(3);
    tenant.gaps[1]["status"] = json!("Resolved");
    tenant.gaps[2]["status"] = json!("Ignored");
    let fake = FakeSalt::builder().with_default_statuses(["Open"]);
    let (_fake, client) = serve(fake, tenant, 10).await;
    assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 3);
}

#[tokio::test]
async fn an_unknown_status_is_delivered() {
    let mut tenant = one_host(12);
    tenant.gaps[2]["status"] = json!("Snoozed");
    tenant.gaps[7]["status"] = json!(null);
    let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    let ids = import.ids();
    assert_eq!(
        (ids.len(), &ids[10..]),
        (12, &["g002", "g007"][..]),
        "unknown statuses are delivered in a pass of their own"
    );
    assert_eq!(import.inconclusive_reason("a.example"), None);
    let unknown: Vec<_> = import.coverage.unknown().iter().collect();
    assert_eq!(unknown, [("status=Snoozed", 1)]);
    let unnamed = fake.calls_to(Route::ListGaps).iter().filter(|call| call.query("status").is_none()).count();
    assert_eq!(unnamed, 1 + 5, "one check, and one pass");
}

#[tokio::test]
async fn an_unknown_status_is_not_hidden_by_a_list_that_becomes_shorter() {
    let mut tenant = one_host(12);
    tenant.gaps[7]["status"] = json!("Snoozed");
    let (fake, client) = serve(FakeSalt::builder(), tenant, 20).await;
    // A page, its last record, an empty page; then one gap is removed before the check for unknown statuses,
    // which would find no twelfth gap.
    fake.edit_after(Route::ListGaps, 3, |tenant| {
        tenant.gaps.remove(0);
    });
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert!(import.ids().contains(&"g007"), "{:?}", import.ids());
    assert_eq!(import.inconclusive_reason("a.example"), None, "the second pass proves it");
}

#[tokio::test]
async fn a_resumed_read_checks_the_last_record_and_makes_absence_inconclusive() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    let complete = import(&client, FindingQuery::all()).await.unwrap();
    for batch in &complete.batches {
        let text = serde_json::to_string(&batch.resume).unwrap();
        let query = FindingQuery::all().with_resume(serde_json::from_str(&text).unwrap());
        let before = fake.requests();
        let rest = import(&client, query).await.unwrap();
        let start = fake.calls()[usize::try_from(before).unwrap()].clone();
        assert_eq!(start.route, Route::ListGaps);
        let last =
            complete.ids().iter().position(|id| *id == batch.findings.last().unwrap().aliases[0]).unwrap();
        assert_eq!(
            start.query("offset").unwrap(),
            last.to_string(),
            "the last delivered record is read again"
        );
        assert_eq!(rest.ids(), complete.ids()[last + 1..]);
        assert!(rest.inconclusive_reason("a.example").is_some());
    }
}

#[tokio::test]
async fn a_read_that_is_resumed_after_the_list_moved_starts_over() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    let complete = import(&client, FindingQuery::all()).await.unwrap();
    fake.edit(|tenant| tenant.gaps.drain(..3).count());
    let query = FindingQuery::all().with_resume(complete.batches[1].resume.clone());
    let rest = import(&client, query).await.unwrap();
    assert_eq!(rest.ids().len(), 17, "every gap of the list is delivered again");
    assert!(rest.coverage.is_complete());
}

#[tokio::test]
async fn a_pass_for_unknown_statuses_is_resumed_where_it_stopped() {
    let mut tenant = one_host(12);
    tenant.gaps[11]["status"] = json!("Snoozed");
    let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let complete = import(&client, FindingQuery::all()).await.unwrap();
    let number = complete.batches.len() - 2;
    let before = fake.requests();
    let query = FindingQuery::all().with_resume(complete.batches[number].resume.clone());
    let rest = import(&client, query).await.unwrap();
    assert_eq!(rest.ids(), ["g009", "g010", "g011"], "gaps of the first pass may be delivered again");
    let calls = fake.calls();
    assert!(calls.iter().skip(usize::try_from(before).unwrap()).all(|call| call.query("status").is_none()));
}

#[tokio::test]
async fn a_large_page_is_split_into_batches_with_their_own_resume_points() {
    let (_fake, client) = serve(FakeSalt::builder(), one_host(600), 1000).await;
    let complete = import(&client, FindingQuery::all()).await.unwrap();
    assert_complete(&complete, 600);
    let sizes: Vec<_> = complete.batches.iter().map(|batch| batch.findings.len()).collect();
    assert_eq!(sizes, [256, 256, 88]);
    let rest =
        import(&client, FindingQuery::all().with_resume(complete.batches[0].resume.clone())).await.unwrap();
    assert_eq!(rest.ids(), complete.ids()[256..]);
}

#[tokio::test]
async fn pages_are_read_as_the_stream_is_polled() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(30), 10).await;
    let mut events = client.findings(FindingQuery::all());
    assert_eq!(fake.requests(), 0);
    let Some(FindingEvent::Batch(batch)) = events.try_next().await.unwrap() else { panic!("no batch") };
    assert_eq!(batch.progress.unwrap().done, 10);
    assert_eq!(fake.calls_to(Route::ListGaps).len(), 1);
    drop(events);
    assert_eq!(fake.calls_to(Route::ListGaps).len(), 1);
}

#[tokio::test]
async fn a_fault_during_the_read_is_an_error_after_the_findings_before_it() {
    for (reply, kind) in [
        (Reply::Unauthorized, ErrorKind::Auth),
        (Reply::BadGateway, ErrorKind::Server),
        (Reply::HtmlPage, ErrorKind::Decode),
        (Reply::TruncatedJson, ErrorKind::Decode),
        (Reply::Json(200, json!({"endOffset": 5})), ErrorKind::Decode),
        (Reply::Json(200, json!({"response": null})), ErrorKind::Decode),
        (Reply::Json(200, json!([])), ErrorKind::Decode),
    ] {
        let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
        fake.script(Route::ListGaps, When::AlwaysAfter(1), reply.clone());
        let events: Vec<_> = client.findings(FindingQuery::all()).collect().await;
        assert_eq!(events.len(), 2, "{reply:?}");
        let Ok(FindingEvent::Batch(batch)) = &events[0] else { panic!("{reply:?}: {:?}", events[0]) };
        assert_eq!(batch.findings.len(), 5);
        let error = events[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), kind, "{reply:?}: {error}");
        assert_eq!(error.operation(), Some("salt: list posture gaps"));
        if kind == ErrorKind::Decode {
            assert!(error.path().is_some() || error.message().contains("HTML"), "{reply:?}: {error}");
        }
    }
}

#[tokio::test]
async fn transient_faults_lose_no_finding() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    fake.script(Route::ListGaps, When::After(1), Reply::TooManyRequests { retry_after: Some(0) });
    fake.script(Route::ListGaps, When::After(3), Reply::BadGateway);
    fake.script(Route::ListGaps, When::After(5), Reply::TruncatedJson);
    fake.script(Route::ListHosts, When::Next(1), Reply::HtmlPage);
    assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 20);
    assert_eq!(fake.calls_to(Route::ListGaps).iter().filter(|call| call.status != Some(200)).count(), 2);
}

#[tokio::test]
async fn an_empty_tenant_is_an_import_without_findings() {
    for end in
        [EndOffset::Exclusive, EndOffset::Text, EndOffset::Missing, EndOffset::Stuck, EndOffset::Smaller]
    {
        let fake = FakeSalt::builder().with_end_offset(end);
        let (_fake, client) = serve(fake, Tenant::new().with_host(host("a.example")), 5).await;
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert!(import.batches.is_empty() && import.coverage.is_complete(), "{end:?}");
        assert!(
            import.inconclusive_reason("a.example").unwrap().contains("perm-viewer"),
            "absence is inconclusive"
        );
    }
}

#[tokio::test]
async fn connections_that_break_during_a_response_lose_no_finding() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 20);
    let complete = fake.requests();
    for fault in [Fault::ResetAfter(900), Fault::TruncateAfter(900), Fault::GarbageAfter(900), Fault::Refuse]
    {
        let proxy = FaultProxy::start(fake.address()).await.unwrap();
        proxy.script([fault]);
        let retry = RetryPolicy::new().with_base(Duration::from_millis(1));
        let client = SaltClient::builder(proxy.url(), fake.token())
            .with_http(HttpOptions::new().with_retry(retry))
            .with_requests_per_second(None)
            .with_page_size(5)
            .build()
            .unwrap();
        let before = fake.requests();
        assert_complete(&import(&client, FindingQuery::all()).await.unwrap(), 20);
        assert!(proxy.connections() > 1, "{fault:?}: the fault took effect");
        assert!(fake.requests() - before <= complete + 1, "{fault:?}: only the broken request is repeated");
    }
}
