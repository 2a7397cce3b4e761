//! Writing a status back, against the fake: bodies, responses, refusals, verification.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use appsec_core::{DastApiScanner, ErrorKind, FindingQuery, FindingStatus, StatusChange};
use appsec_http::testing::{Fault, FaultProxy};
use salt_client::testing::{FakeBuilder, FakeSalt, Quirk, Reply, Route, When, WriteBody, WriteResponse};
use salt_client::{
    GapChange, GapStatus, HttpOptions, RetryPolicy, SaltClient, SpeculativeBody, Verification, WriteBack,
};
use serde_json::{Value, json};
use support::{import, one_host, serve};

async fn fake(builder: FakeBuilder) -> (FakeSalt, SaltClient) {
    serve(builder, one_host(25), 10).await
}

fn writing(fake: &FakeSalt) -> SaltClient {
    fake.client_builder().with_page_size(10).with_write_back(SpeculativeBody::Object).build().unwrap()
}

fn status_of(fake: &FakeSalt, id: &str) -> Value {
    fake.edit(|tenant| tenant.gap_mut(id).unwrap()["status"].clone())
}

#[tokio::test]
async fn each_body_is_accepted_only_by_a_service_that_expects_it() {
    let bodies = [
        (SpeculativeBody::Object, WriteBody::Object),
        (SpeculativeBody::List, WriteBody::List),
        (SpeculativeBody::Ids, WriteBody::Ids),
    ];
    for (sent, _) in bodies {
        for (accepted, expected) in bodies {
            let (fake, client) = fake(FakeSalt::builder().with_write_body(expected)).await;
            let change = GapChange::new("g007", GapStatus::Resolved);
            let result = client.write_gap_status(&change, &sent).await;
            if sent == accepted {
                assert_eq!(result.unwrap().verify().await.unwrap(), Verification::Changed, "{sent:?}");
                assert_eq!(status_of(&fake, "g007"), "Resolved");
            } else {
                let error = result.unwrap_err();
                assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, Some(400)));
                assert_eq!(status_of(&fake, "g007"), "Open");
            }
            assert_eq!(fake.calls_to(Route::WriteStatus).len(), 1, "{sent:?} for {expected:?}");
        }
    }
}

#[tokio::test]
async fn a_custom_body_is_sent_verbatim() {
    #[derive(Debug)]
    struct Own;
    impl WriteBack for Own {
        fn body(&self, change: &GapChange) -> Value {
            json!({"postureGapId": change.id, "status": change.status, "note": change.comment})
        }
    }
    let (fake, client) = fake(FakeSalt::builder()).await;
    let change = GapChange::new("g001", GapStatus::Ignored).with_comment("no traffic");
    let _ = client.write_gap_status(&change, &Own).await.unwrap();
    assert_eq!(
        fake.calls_to(Route::WriteStatus)[0].json(),
        json!({"postureGapId": "g001", "status": "Ignored", "note": "no traffic"})
    );
}

#[tokio::test]
async fn every_response_is_kept_verbatim() {
    for (response, status, body, json) in [
        (WriteResponse::EmptyObject, 200, &b"{}"[..], Some(json!({}))),
        (WriteResponse::EmptyBody, 200, b"", None),
        (WriteResponse::NoContent, 204, b"", None),
        (WriteResponse::Text, 202, b"Accepted", None),
    ] {
        let (_fake, client) = fake(FakeSalt::builder().with_write_response(response)).await;
        let change = GapChange::new("g024", GapStatus::InProcess);
        let unverified = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap();
        assert_eq!((unverified.status(), unverified.body()), (status, body), "{response:?}");
        assert_eq!((unverified.json(), unverified.change()), (json, &change));
        assert_eq!(unverified.verify().await.unwrap(), Verification::Changed, "{response:?}");
    }
}

#[tokio::test]
async fn a_change_without_effect_is_reported() {
    let (fake, client) = fake(FakeSalt::builder().with_writes_ignored(true)).await;
    let change = GapChange::new("g003", GapStatus::Resolved);
    let unverified = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap();
    assert_eq!(unverified.verify().await.unwrap(), Verification::Unchanged(Some(GapStatus::Open)));
    fake.edit(|tenant| tenant.gaps.retain(|gap| gap["postureGapId"] != "g003"));
    assert_eq!(unverified.verify().await.unwrap(), Verification::NotListed);

    let error = writing(&fake)
        .set_finding_status(&StatusChange::new("g004", FindingStatus::Ignored))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.message().contains("Open") && error.outcome_unknown(), "{error:?}");
}

#[tokio::test]
async fn a_verification_reads_the_list_at_most_once_and_stops_at_the_gap() {
    let (fake, client) = fake(FakeSalt::builder()).await;
    fake.edit(|tenant| {
        for gap in tenant.gaps.iter_mut().take(12) {
            gap["status"] = json!("Ignored");
        }
    });
    let mut requests = Vec::new();
    for (id, status) in
        [("g000", GapStatus::Ignored), ("g024", GapStatus::Ignored), ("gone", GapStatus::Ignored)]
    {
        let before = fake.calls_to(Route::ListGaps).len();
        let _ = client.verify_gap_status(&GapChange::new(id, status)).await.unwrap();
        let calls = fake.calls_to(Route::ListGaps).split_off(before);
        assert!(calls.iter().all(|call| call.query("status").is_some()));
        requests.push(calls.len());
    }
    // 12 ignored gaps are two pages, one of the last record again and an empty one; so are the 13 others.
    assert_eq!(requests, [1, 4 + 2, 4 + 4]);
}

#[tokio::test]
async fn without_the_scope_the_change_is_refused_with_its_name() {
    let (fake, client) = fake(FakeSalt::builder().with_executor(false)).await;
    let change = GapChange::new("g000", GapStatus::Resolved);
    let error = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.operation(), Some("salt: write gap status"));
    assert!(error.message().contains("perm-executor"), "{error}");
    assert!(!error.outcome_unknown());
    assert_eq!(status_of(&fake, "g000"), "Open");
}

#[tokio::test]
async fn an_unknown_gap_is_not_found_and_a_change_without_id_is_not_sent() {
    let (fake, client) = fake(FakeSalt::builder()).await;
    for (id, kind, calls) in [("gone", ErrorKind::NotFound, 1), (" ", ErrorKind::InvalidRequest, 1)] {
        let change = GapChange::new(id, GapStatus::Resolved);
        let error = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap_err();
        assert_eq!((error.kind(), fake.calls_to(Route::WriteStatus).len()), (kind, calls), "{id:?}");
    }
}

#[tokio::test]
async fn a_change_is_not_repeated_after_an_ambiguous_response() {
    let (fake, client) = fake(FakeSalt::builder()).await;
    let change = GapChange::new("g000", GapStatus::Resolved);
    for (reply, ambiguous) in [
        (Reply::BadGateway, true),
        (Reply::HtmlPage, true),
        // These statuses mean that nothing was done.
        (Reply::Json(408, json!({})), false),
        (Reply::Unavailable, false),
    ] {
        fake.script(Route::WriteStatus, When::Next(1), reply.clone());
        let error = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap_err();
        assert_eq!(error.outcome_unknown(), ambiguous, "{reply:?}: {error:?}");
        assert_eq!(fake.calls_to(Route::WriteStatus).len(), 1, "{reply:?}");
        fake.reset(FakeSalt::builder().with_tenant(one_host(3)));
    }

    let retry = RetryPolicy::new().with_base(Duration::from_millis(1));
    let options = HttpOptions::new().with_retry(retry).with_head_timeout(Duration::from_millis(200));
    let proxy = FaultProxy::start(fake.address()).await.unwrap();
    let through = SaltClient::builder(proxy.url(), fake.token())
        .with_http(options)
        .with_requests_per_second(None)
        .build()
        .unwrap();
    proxy.script([Fault::ResetAfter(10)]);
    let error = through.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
    fake.script(Route::WriteStatus, When::Next(1), Reply::Silence);
    let error = through.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap_err();
    assert!(error.outcome_unknown(), "{error:?}");
    assert_eq!(fake.calls_to(Route::WriteStatus).len(), 2, "each was sent once");
    assert_eq!(
        client.verify_gap_status(&change).await.unwrap(),
        Verification::Changed,
        "the change had taken effect"
    );
}

#[tokio::test]
async fn a_change_that_was_rate_limited_is_repeated() {
    let (fake, client) = fake(FakeSalt::builder()).await;
    fake.script(Route::WriteStatus, When::Next(1), Reply::TooManyRequests { retry_after: Some(0) });
    let change = GapChange::new("g000", GapStatus::Resolved);
    let _ = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap();
    assert_eq!(fake.calls_to(Route::WriteStatus).len(), 2);
}

#[tokio::test]
async fn the_trait_writes_back_only_if_enabled() {
    let (fake, client) = fake(FakeSalt::builder()).await;
    let change = StatusChange::new("g005", FindingStatus::InProgress);
    assert!(!client.info().capabilities.set_finding_status);
    assert_eq!(client.set_finding_status(&change).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fake.requests(), 0);

    let client = writing(&fake);
    assert!(client.info().capabilities.set_finding_status);
    client.set_finding_status(&change).await.unwrap();
    let read = import(&client, FindingQuery::all()).await.unwrap();
    let finding = read.findings().find(|finding| finding.aliases == ["g005"]).unwrap();
    assert_eq!(finding.status, Some(FindingStatus::InProgress));
}

#[tokio::test]
async fn a_status_that_salt_does_not_have_is_refused_and_not_sent() {
    let (fake, _) = fake(FakeSalt::builder()).await;
    let client = writing(&fake);
    for status in [
        FindingStatus::RiskAccepted,
        FindingStatus::FalsePositive,
        FindingStatus::Reopened,
        FindingStatus::Unknown("Snoozed".into()),
    ] {
        let error = client.set_finding_status(&StatusChange::new("g000", status)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
    assert_eq!(fake.requests(), 0);
}

#[tokio::test]
async fn a_status_in_another_spelling_counts_as_changed() {
    for spelling in [Quirk::UpperCase, Quirk::SpacedWords] {
        let (_fake, client) = fake(FakeSalt::builder().with_quirk(spelling)).await;
        let change = GapChange::new("g011", GapStatus::InProcess);
        let unverified = client.write_gap_status(&change, &SpeculativeBody::Object).await.unwrap();
        assert_eq!(unverified.verify().await.unwrap(), Verification::Changed, "{spelling:?}");
    }
}
