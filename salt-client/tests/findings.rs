//! Walks over a list that has quirks or moves, on the fake.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use appsec_core::{Absence, DastApiScanner, ErrorKind, FindingEvent, FindingQuery, FindingStatus, GapKind};
use appsec_http::testing::{Fault, FaultProxy};
use futures_util::{StreamExt, TryStreamExt};
use salt_client::testing::{EndOffset, FakeSalt, Reply, Route, Tenant, When, gap, host};
use salt_client::{HttpOptions, RetryPolicy, SaltClient};
use serde_json::json;
use support::{Import, gaps, import, one_host, serve};

/// Every gap came once, in order, and what did not come is gone.
fn assert_whole(import: &Import, count: usize) {
    let expected: Vec<_> = (0..count).map(|number| format!("g{number:03}")).collect();
    assert_eq!(import.ids(), expected);
    assert!(import.coverage.is_complete(), "{:?}", import.coverage.gaps());
    assert_eq!(import.silence("a.example"), None);
}

#[tokio::test]
async fn an_import_makes_these_calls_and_no_others() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(3), 3).await;
    assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 3);
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
async fn every_end_offset_leads_to_the_end() {
    for end in
        [EndOffset::Exclusive, EndOffset::Text, EndOffset::Missing, EndOffset::Stuck, EndOffset::Smaller]
    {
        for count in [1, 9, 10, 11, 25] {
            let fake = FakeSalt::builder().with_end_offset(end);
            let (fake, client) = serve(fake, one_host(count), 10).await;
            let import = import(&client, FindingQuery::all()).await.unwrap();
            assert_whole(&import, count);
            assert!(fake.requests() < 12, "{end:?}, {count}: {} requests", fake.requests());
        }
    }
}

#[tokio::test]
async fn an_end_offset_beyond_the_records_proves_nothing() {
    let fake = FakeSalt::builder().with_end_offset(EndOffset::Ahead(2));
    let (_fake, client) = serve(fake, one_host(10), 4).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["g000", "g001", "g002", "g003", "g006", "g007", "g008", "g009"]);
    assert!(import.silence("a.example").unwrap().contains("end offset"));
    assert!(!import.coverage.is_complete(), "what was passed over may have been something");
}

#[tokio::test]
async fn a_list_that_is_empty_when_read_once_more_closes_nothing() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(10), 4).await;
    fake.edit_after(Route::ListGaps, 1, |tenant| tenant.gaps.clear());
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 4);
    assert!(import.silence("a.example").unwrap().contains("perm-viewer"));
}

#[tokio::test]
async fn a_list_that_is_empty_against_what_a_look_found_is_read_once_more_and_then_closes_nothing() {
    let empty = || Reply::Json(200, json!({"response": [], "total": 0}));
    // Empty, a look that finds a record of whatever status, and the list without statuses: empty, and empty again where it stays so.
    for (falsely, delivered) in [(vec![0, 2], 10), (vec![0, 2, 3], 0)] {
        let (fake, client) = serve(FakeSalt::builder(), one_host(10), 4).await;
        for call in falsely {
            fake.script(Route::ListGaps, When::After(call), empty());
        }
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(import.ids().len(), delivered);
        if delivered == 10 {
            assert_whole(&import, 10);
        } else {
            assert!(import.silence("a.example").unwrap().contains("moved twice"));
        }
    }
}

#[tokio::test]
async fn a_short_page_is_not_the_end() {
    for cap in [1, 2, 3, 7] {
        let (_fake, client) = serve(FakeSalt::builder().with_short_pages(cap), one_host(20), 100).await;
        assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 20);
    }
}

#[tokio::test]
async fn a_refused_page_size_falls_back_to_what_is_known_to_work() {
    let (fake, client) = serve(FakeSalt::builder().with_max_limit(100), one_host(150), 1000).await;
    assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 150);
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
async fn a_refusal_for_another_reason_is_not_taken_for_a_page_size() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(3), 100).await;
    fake.script(Route::ListGaps, When::Always, Reply::Json(400, json!({"message": "no"})));
    let error = import(&client, FindingQuery::all()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(fake.calls_to(Route::ListGaps).len(), 1);
}

#[tokio::test]
async fn a_list_that_moves_once_is_read_once_more_and_delivered_once() {
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
        assert_eq!(distinct.len(), ids.len(), "none came twice: {ids:?}");
        assert_eq!(ids.len(), 20 + usize::from(insert), "what was there, and what came: {ids:?}");
        assert!(import.coverage.is_complete());
        assert_eq!(import.silence("a.example"), None, "the second walk proves it");
        let starts =
            fake.calls_to(Route::ListGaps).iter().filter(|call| call.query("offset") == Some("0")).count();
        assert_eq!(starts, 2);
    }
}

#[tokio::test]
async fn a_gap_that_opens_again_while_the_list_moves_comes_again() {
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
        let of_it = import.findings().filter(|finding| finding.aliases.iter().any(|alias| alias == id));
        of_it.map(|finding| finding.status.clone().unwrap()).collect()
    };
    assert_eq!(statuses("g000"), [FindingStatus::Fixed, FindingStatus::Open]);
    assert_eq!(statuses("g001"), [FindingStatus::Fixed]);
    assert_eq!(import.ids().len(), 22);
}

#[tokio::test]
async fn a_list_that_moves_twice_is_a_gap() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    for (calls, id) in [(2, "new"), (5, "newer")] {
        fake.edit_after(Route::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, "a.example")));
    }
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 21, "all that was there, and what the second walk met");
    let kinds: Vec<_> = import.coverage.gaps().iter().map(|gap| gap.kind.clone()).collect();
    assert_eq!(kinds, [GapKind::Shifted]);
    assert_eq!(import.coverage.absence_of(&"host:a.example".into()), Absence::Inconclusive);
    assert!(import.batches.last().unwrap().gaps.iter().any(|gap| gap.kind == GapKind::Shifted));
}

#[tokio::test]
async fn a_list_whose_end_was_cut_off_is_read_once_more() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(10), 5).await;
    fake.edit_after(Route::ListGaps, 1, |tenant| tenant.gaps.truncate(3));
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["g000", "g001", "g002", "g003", "g004"]);
    assert_eq!(import.silence("a.example"), None);
}

#[tokio::test]
async fn a_duplicate_across_pages_comes_once_and_proves_nothing() {
    // What stands in two places may have pushed another gap from after a seam to before it.
    let mut tenant = one_host(10);
    let mut twice = tenant.gaps[1].clone();
    twice["status"] = json!("Resolved");
    tenant.gaps.insert(8, twice);
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 10);
    let status = import.findings().nth(1).unwrap().status.clone().unwrap();
    assert_eq!(status.as_str(), "open", "the first wins: it is delivered before the second is seen");
    assert!(import.silence("a.example").unwrap().contains("moved"));
}

#[tokio::test]
async fn a_duplicate_within_a_page_comes_once_and_harms_nothing() {
    let mut tenant = one_host(10);
    tenant.gaps.insert(3, tenant.gaps[1].clone());
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 10);
}

#[tokio::test]
async fn a_service_that_does_not_page_is_an_error_and_not_an_endless_walk() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(0), 5).await;
    let page: Vec<_> = gaps(5, "a.example").collect();
    fake.script(Route::ListGaps, When::Always, Reply::Json(200, json!({"response": page})));
    let error = import(&client, FindingQuery::all()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert_eq!(error.operation(), Some("salt: list posture gaps"));
    assert!(fake.calls_to(Route::ListGaps).len() < 10);
}

#[tokio::test]
async fn statuses_that_the_service_leaves_out_by_default_still_come() {
    let mut tenant = one_host(3);
    tenant.gaps[1]["status"] = json!("Resolved");
    tenant.gaps[2]["status"] = json!("Ignored");
    let fake = FakeSalt::builder().with_default_statuses(["Open"]);
    let (_fake, client) = serve(fake, tenant, 10).await;
    assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_status_that_nobody_knows_still_comes() {
    let mut tenant = one_host(12);
    tenant.gaps[2]["status"] = json!("Snoozed");
    tenant.gaps[7]["status"] = json!(null);
    let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    let ids = import.ids();
    assert_eq!(
        (ids.len(), &ids[10..]),
        (12, &["g002", "g007"][..]),
        "the unknown ones come in a walk of their own"
    );
    assert_eq!(import.silence("a.example"), None);
    let unknown: Vec<_> = import.coverage.unknown().iter().collect();
    assert_eq!(unknown, [("status=Snoozed", 1)]);
    let unnamed = fake.calls_to(Route::ListGaps).iter().filter(|call| call.query("status").is_none()).count();
    assert_eq!(unnamed, 1 + 5, "one that looks, and a walk");
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_not_hidden_by_a_list_that_becomes_shorter() {
    let mut tenant = one_host(12);
    tenant.gaps[7]["status"] = json!("Snoozed");
    let (fake, client) = serve(FakeSalt::builder(), tenant, 20).await;
    // A page, the seam, an empty page; then one gap goes before the look for a fifth status: it would find no twelfth gap.
    fake.edit_after(Route::ListGaps, 3, |tenant| {
        tenant.gaps.remove(0);
    });
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert!(import.ids().contains(&"g007"), "{:?}", import.ids());
    assert_eq!(import.silence("a.example"), None, "the second walk proves it");
}

#[tokio::test]
async fn a_walk_taken_up_again_goes_on_with_the_seam_and_closes_nothing() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    let whole = import(&client, FindingQuery::all()).await.unwrap();
    for batch in &whole.batches {
        let text = serde_json::to_string(&batch.resume).unwrap();
        let query = FindingQuery::all().with_resume(serde_json::from_str(&text).unwrap());
        let before = fake.requests();
        let rest = import(&client, query).await.unwrap();
        let start = fake.calls()[usize::try_from(before).unwrap()].clone();
        assert_eq!(start.route, Route::ListGaps);
        let last =
            whole.ids().iter().position(|id| *id == batch.findings.last().unwrap().aliases[0]).unwrap();
        assert_eq!(start.query("offset").unwrap(), last.to_string(), "the last one delivered is read again");
        assert_eq!(rest.ids(), whole.ids()[last + 1..]);
        assert!(rest.silence("a.example").is_some());
    }
}

#[tokio::test]
async fn a_walk_taken_up_after_the_list_moved_starts_over_and_loses_nothing() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    let whole = import(&client, FindingQuery::all()).await.unwrap();
    fake.edit(|tenant| tenant.gaps.drain(..3).count());
    let query = FindingQuery::all().with_resume(whole.batches[1].resume.clone());
    let rest = import(&client, query).await.unwrap();
    assert_eq!(rest.ids().len(), 17, "all that is there comes again");
    assert!(rest.coverage.is_complete());
}

#[tokio::test]
async fn a_walk_for_unknown_statuses_is_taken_up_where_it_was() {
    let mut tenant = one_host(12);
    tenant.gaps[11]["status"] = json!("Snoozed");
    let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let whole = import(&client, FindingQuery::all()).await.unwrap();
    let number = whole.batches.len() - 2;
    let before = fake.requests();
    let query = FindingQuery::all().with_resume(whole.batches[number].resume.clone());
    let rest = import(&client, query).await.unwrap();
    assert_eq!(rest.ids(), ["g009", "g010", "g011"], "what the first walk delivered may come again");
    let calls = fake.calls();
    assert!(calls.iter().skip(usize::try_from(before).unwrap()).all(|call| call.query("status").is_none()));
}

#[tokio::test]
async fn a_big_page_is_cut_into_batches_with_resume_points_of_their_own() {
    let (_fake, client) = serve(FakeSalt::builder(), one_host(600), 1000).await;
    let whole = import(&client, FindingQuery::all()).await.unwrap();
    assert_whole(&whole, 600);
    let sizes: Vec<_> = whole.batches.iter().map(|batch| batch.findings.len()).collect();
    assert_eq!(sizes, [256, 256, 88]);
    let rest =
        import(&client, FindingQuery::all().with_resume(whole.batches[0].resume.clone())).await.unwrap();
    assert_eq!(rest.ids(), whole.ids()[256..]);
}

#[tokio::test]
async fn pages_are_read_as_they_are_asked_for() {
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
async fn what_breaks_under_way_ends_in_an_error_after_what_was_delivered() {
    for (answer, kind) in [
        (Reply::Unauthorized, ErrorKind::Auth),
        (Reply::BadGateway, ErrorKind::Server),
        (Reply::HtmlPage, ErrorKind::Decode),
        (Reply::TruncatedJson, ErrorKind::Decode),
        (Reply::Json(200, json!({"endOffset": 5})), ErrorKind::Decode),
        (Reply::Json(200, json!({"response": null})), ErrorKind::Decode),
        (Reply::Json(200, json!([])), ErrorKind::Decode),
    ] {
        let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
        fake.script(Route::ListGaps, When::AlwaysAfter(1), answer.clone());
        let events: Vec<_> = client.findings(FindingQuery::all()).collect().await;
        assert_eq!(events.len(), 2, "{answer:?}");
        let Ok(FindingEvent::Batch(batch)) = &events[0] else { panic!("{answer:?}: {:?}", events[0]) };
        assert_eq!(batch.findings.len(), 5);
        let error = events[1].as_ref().unwrap_err();
        assert_eq!(error.kind(), kind, "{answer:?}: {error}");
        assert_eq!(error.operation(), Some("salt: list posture gaps"));
        if kind == ErrorKind::Decode {
            assert!(error.path().is_some() || error.message().contains("HTML"), "{answer:?}: {error}");
        }
    }
}

#[tokio::test]
async fn passing_faults_are_met_and_nothing_is_lost() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    fake.script(Route::ListGaps, When::After(1), Reply::TooManyRequests { retry_after: Some(0) });
    fake.script(Route::ListGaps, When::After(3), Reply::BadGateway);
    fake.script(Route::ListGaps, When::After(5), Reply::TruncatedJson);
    fake.script(Route::ListHosts, When::Next(1), Reply::HtmlPage);
    assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 20);
    assert_eq!(fake.calls_to(Route::ListGaps).iter().filter(|call| call.status != Some(200)).count(), 2);
}

#[tokio::test]
async fn a_tenant_with_nothing_in_it_is_an_import_of_nothing() {
    for end in
        [EndOffset::Exclusive, EndOffset::Text, EndOffset::Missing, EndOffset::Stuck, EndOffset::Smaller]
    {
        let fake = FakeSalt::builder().with_end_offset(end);
        let (_fake, client) = serve(fake, Tenant::new().with_host(host("a.example")), 5).await;
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert!(import.batches.is_empty() && import.coverage.is_complete(), "{end:?}");
        assert!(import.silence("a.example").unwrap().contains("perm-viewer"), "and closes nothing");
    }
}

#[tokio::test]
async fn connections_that_break_mid_answer_lose_nothing() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(20), 5).await;
    assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 20);
    let whole = fake.requests();
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
        assert_whole(&import(&client, FindingQuery::all()).await.unwrap(), 20);
        assert!(proxy.connections() > 1, "{fault:?}: the fault struck");
        assert!(fake.requests() - before <= whole + 1, "{fault:?}: only what broke is asked for again");
    }
}
