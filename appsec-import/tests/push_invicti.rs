//! Pushes to Invicti `AppSec`, and what they change there.
#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{Coverage, ErrorKind, Severity};
use appsec_http::{HttpOptions, RetryPolicy};
use appsec_import::push::{
    AbsentFindings, Invicti, InvictiPayload, InvictiScan, InvictiWriter, PushOptions, ReportFile,
};
use appsec_import::testing::{FakeInvicti, FakeInvictiPlatform, Reply, Route, When};
use appsec_import::{Binding, Completeness, Environment, ScanConfiguration};
use serde_json::json;

const TOKEN: &str = "personal-access-token";

fn options() -> PushOptions {
    let retry = RetryPolicy::new().with_base(Duration::from_millis(1)).with_max_attempts(2);
    PushOptions::new()
        .with_http(HttpOptions::new().with_retry(retry))
        .with_polling(Duration::from_millis(1), Duration::from_mins(1))
}

fn invicti(fake: &FakeInvicti) -> Invicti {
    Invicti::new(&fake.base_url(), TOKEN, &options()).unwrap()
}

fn scan() -> InvictiScan {
    InvictiScan::new("5f6b", "tenableiowas", "main")
}

fn complete() -> Completeness {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive("app:shop".into());
    Completeness::from_coverage(&coverage)
}

fn list(names: &[&str]) -> ReportFile {
    let mut list = InvictiWriter::new(Vec::new()).unwrap();
    for name in names {
        let finding = MemoryScanner::finding("app:shop", name, Severity::High, "https://shop.example.com/");
        list.write(&finding.into()).unwrap();
    }
    ReportFile::from_bytes(list.finish().unwrap())
}

fn open(fake: &FakeInvicti) -> Vec<String> {
    let all = fake.vulnerabilities("5f6b", "tenableiowas", "main", "");
    all.into_iter().filter(|known| known.open).map(|known| known.name).collect()
}

#[tokio::test]
async fn a_complete_list_is_imported_and_closes_absent_findings() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    fake.finish_after_polls(3);
    let pushed = invicti(&fake).push(&scan(), &list(&["A", "B"]), &complete()).await.unwrap();
    assert_eq!((pushed.target, pushed.ids.len(), &pushed.absent), ("invicti", 1, &AbsentFindings::Closed));
    assert_eq!(pushed.link, Some(format!("https://invicti.example/events/{}", pushed.ids[0])));
    assert_eq!((fake.count(Route::Push), fake.count(Route::Status)), (1, 4));
    invicti(&fake).push(&scan(), &list(&["B"]), &complete()).await.unwrap();
    assert_eq!(open(&fake), ["B"]);
    let call = fake.calls().into_iter().find(|call| call.route == Route::Push).unwrap();
    let details = &call.json()["scan_details"];
    assert_eq!((&details["tool"], &details["discovered_by"]), (&json!("tenableiowas"), &json!("appsec")));
    assert!(details.get("meta_data").is_none());
    assert_eq!(call.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_platform_is_recognised_by_its_version_and_takes_the_token_in_another_header() {
    let fake = FakeInvictiPlatform::start(TOKEN).await.unwrap();
    fake.script(Route::Version, When::Next(1), Reply::RetryAfter(429, 0));
    let names = |fake: &FakeInvictiPlatform| {
        let all = fake.vulnerabilities("5f6b", "tenableiowas", "main", "");
        all.into_iter().map(|known| known.name).collect::<Vec<_>>()
    };
    let invicti = Invicti::new(&fake.base_url(), TOKEN, &options()).unwrap();
    for list in [list(&["A"]), list(&["A", "B"])] {
        invicti.push(&scan(), &list, &complete()).await.unwrap();
    }
    assert_eq!(names(&fake), ["A", "B"]);
    assert_eq!(fake.count(Route::Version), 2, "asked until it answered, and then remembered");
    assert_eq!((fake.count(Route::Unknown), fake.count(Route::Push)), (0, 2));

    // A base URL that names the path says it all.
    for suffix in ["/api/aspm/v1", "/api/aspm/v1/"] {
        let url = format!("{}{suffix}", fake.base_url());
        let pushed = Invicti::new(&url, TOKEN, &options()).unwrap();
        pushed.push(&scan(), &list(&["A"]), &complete()).await.unwrap();
    }
    assert_eq!((fake.count(Route::Version), fake.count(Route::Push)), (2, 4));
}

#[tokio::test]
async fn a_service_without_the_platforms_version_is_an_instance_of_ones_own() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    // Some answer every unknown path with a page.
    for reply in [None, Some(Reply::Html(200)), Some(Reply::Html(503)), Some(Reply::Json(401, json!({})))] {
        fake.recover();
        if let Some(reply) = reply {
            fake.script(Route::Unknown, When::Always, reply);
        }
        invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap();
    }
    assert_eq!(open(&fake), ["A"]);
    let probe = &fake.calls()[0];
    assert_eq!((probe.method.as_str(), probe.path.as_str()), ("GET", "/api/aspm/v1/core/version"));
    // One that cannot be asked is not guessed.
    fake.recover();
    fake.script(Route::Unknown, When::Always, Reply::RetryAfter(429, 0));
    let pushes = fake.count(Route::Push);
    let error = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!((error.kind(), fake.count(Route::Push)), (ErrorKind::RateLimited, pushes));
}

#[tokio::test]
async fn an_incomplete_list_is_sent_only_when_the_caller_allows_it() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    let unproven = Completeness::unproven("the scan hit its time limit");
    let error = invicti(&fake).push(&scan(), &list(&["A"]), &unproven).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().ends_with("the scan hit its time limit"), "{error}");
    assert_eq!(fake.calls().len(), 0);
    let to = scan().with_unproven_closing(true);
    let pushed = invicti(&fake).push(&to, &list(&["A"]), &unproven).await.unwrap();
    assert_eq!((pushed.absent, open(&fake)), (AbsentFindings::Closed, vec!["A".to_owned()]));
}

#[tokio::test]
async fn with_the_object_payload_each_finding_is_an_import_of_its_own() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    fake.accept_objects();
    let as_objects = scan().with_payload(InvictiPayload::Object);
    let refused = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidRequest, "an array is none here");
    let one = invicti(&fake).push(&as_objects, &list(&["A"]), &complete()).await.unwrap();
    assert_eq!(one.ids.len(), 1);
    let error = invicti(&fake).push(&as_objects, &list(&["A", "B"]), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let taken = as_objects.with_unproven_closing(true);
    let two = invicti(&fake).push(&taken, &list(&["A", "B"]), &complete()).await.unwrap();
    assert_eq!(two.ids.len(), 2);
    let none = invicti(&fake).push(&taken, &list(&[]), &complete()).await.unwrap();
    assert!(
        matches!(none.absent, AbsentFindings::Kept(_)) && none.ids.is_empty(),
        "{none}: nothing was sent"
    );
    let error = invicti(&fake).push(&taken, &ReportFile::from_bytes("{}"), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
}

#[tokio::test]
async fn a_failed_event_is_an_error_with_its_message() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    fake.finish_after_polls(1);
    fake.fail_with("tool is not licensed");
    let error = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.is_retryable(), error.outcome_unknown()),
        (ErrorKind::Server, false, false)
    );
    assert!(error.message().ends_with(": Failed: tool is not licensed"), "{error}");
    assert_eq!(error.operation(), Some("invicti: get the status of an event"));
}

#[tokio::test]
async fn an_event_that_does_not_end_is_named_in_the_error() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    fake.finish_after_polls(u32::MAX);
    let hurried = options().with_polling(Duration::from_millis(5), Duration::from_millis(50));
    let invicti = Invicti::new(&fake.base_url(), TOKEN, &hurried).unwrap();
    let error = invicti.push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Deadline, true));
    assert!(error.message().contains("65a000000000000000000000"), "{error}");
    // A status request that hangs ends with the same error.
    fake.script(Route::Status, When::Always, Reply::Never);
    let error = invicti.push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Deadline, true));
}

#[tokio::test]
async fn a_failed_status_request_does_not_fail_the_push() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    fake.finish_after_polls(1);
    fake.script(Route::Status, When::Next(4), Reply::Html(502));
    fake.script(Route::Status, When::After(4), Reply::Html(200));
    let pushed = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap();
    assert_eq!(pushed.ids.len(), 1);
    assert_eq!(fake.count(Route::Push), 1);
    // A service that stays down ends the wait long before the deadline.
    fake.recover();
    fake.script(Route::Status, When::Always, Reply::Html(503));
    let error = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Server, true));
    assert!(!error.is_retryable());
    // A service that revokes the token ends it immediately.
    fake.recover();
    fake.script(Route::Status, When::Always, Reply::Json(401, json!({"error": "failed to authorize"})));
    let error = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Auth, true));
}

#[tokio::test]
async fn errors_have_the_message_of_the_service_and_nothing_is_imported_twice() {
    let fake = FakeInvicti::start(TOKEN).await.unwrap();
    let wrong = Invicti::new(&fake.base_url(), "another", &options()).unwrap();
    let error = wrong.push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert!(error.message().ends_with("(401: failed to authorize)"), "{error}");
    let nameless = InvictiScan::new("", "tenableiowas", "main");
    let error = invicti(&fake).push(&nameless, &list(&["A"]), &complete()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("/project/id"), "{error}");

    for (reply, kind, requests) in [
        (Reply::RetryAfter(429, 0), ErrorKind::RateLimited, 2),
        (Reply::Html(502), ErrorKind::Server, 1),
        (Reply::Html(200), ErrorKind::Decode, 1),
    ] {
        fake.recover();
        fake.script(Route::Push, When::Always, reply);
        let before = fake.count(Route::Push);
        let error = invicti(&fake).push(&scan(), &list(&["A"]), &complete()).await.unwrap_err();
        assert_eq!((error.kind(), fake.count(Route::Push) - before), (kind, requests), "{error}");
        assert_eq!(error.outcome_unknown(), requests == 1);
    }
}

#[test]
fn the_fields_of_a_binding_become_those_of_the_scan() {
    let set = ScanConfiguration::new("app:shop").with_branch("dev").with_meta_data("cart");
    let scan = InvictiScan::for_binding("5f6b", &Binding::new("shop", "saltsecurity", set));
    assert_eq!((scan.project(), scan.tool(), scan.branch()), ("5f6b", "saltsecurity", "dev"));
    assert_eq!(
        scan.meta_data(),
        Some("shop/saltsecurity/app:shop//cart"),
        "no other binding is compared with it"
    );
    let of = |project: &str, set: ScanConfiguration| {
        InvictiScan::for_binding("5f6b", &Binding::new(project, "saltsecurity", set))
            .meta_data()
            .map(str::to_owned)
    };
    let set = || ScanConfiguration::new("app:shop");
    let different = [
        of("shop", set()),
        of("billing", set()),
        of("shop", set().with_environment(Environment::Production)),
        of("shop", set().with_meta_data("production")),
    ];
    assert_eq!(different.iter().collect::<BTreeSet<_>>().len(), 4, "{different:?}");
}
