//! Bind targets, scans, findings of a scan and the connection test, against the fake.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use appsec_core::{
    Absence, BindTargetId, BindTargetQuery, Cause, Coverage, DastApiScanner, DastApiScannerExt, ErrorKind,
    Finding, FindingQuery, GapKind, ScanId, ScanProblemKind, ScanRequest, ScanStatus, Severity, StartedScan,
    StepKind, StepOutcome,
};
use futures_util::TryStreamExt;
use serde_json::json;
use tenable_was_client::TenableWasClient;
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeFinding, FakeNote, FakePlugin, FakeScan, FakeTarget, FakeTenableWas,
    Licence, Reply, Route, ScanScript, When, days_ago, demo_tenant, hours_ago,
};

async fn start(fake: FakeBuilder) -> (FakeTenableWas, TenableWasClient) {
    let fake = fake.start().await.unwrap();
    let client = fake.client().unwrap();
    (fake, client)
}

fn target(host: &str, findings: usize) -> FakeTarget {
    let severities = [Severity::Critical, Severity::High, Severity::Medium];
    let plugins: Vec<_> = severities
        .into_iter()
        .enumerate()
        .map(|(n, severity)| {
            FakePlugin::new(98_100 + u32::try_from(n).unwrap(), format!("Rule {n}"), severity).shared()
        })
        .collect();
    let found = (0..findings).map(|n| {
        FakeFinding::new(&plugins[n % plugins.len()], format!("https://{host}/{n}?q=x"))
            .with_input("link", format!("p{n}"))
    });
    FakeTarget::new(format!("https://{host}/")).with_findings(found)
}

fn shop() -> FakeConfig {
    FakeConfig::new("shop").with_target(target("shop.example.com", 7))
}

fn id_of(config: &FakeConfig) -> BindTargetId {
    BindTargetId::from_parts("config", &config.id)
}

fn last_scan(fake: &FakeTenableWas, config: &FakeConfig) -> ScanId {
    ScanId::new(fake.scans_of(&config.id).pop().unwrap())
}

async fn by_scan(client: &TenableWasClient, id: ScanId) -> (Vec<Finding>, Coverage) {
    client.collect_findings(FindingQuery::scan(id)).await.unwrap()
}

fn kinds(coverage: &Coverage) -> Vec<GapKind> {
    coverage.gaps().iter().map(|gap| gap.kind.clone()).collect()
}

fn fingerprints(findings: &[Finding]) -> BTreeSet<String> {
    findings.iter().map(|finding| finding.fingerprint.to_string()).collect()
}

#[tokio::test]
async fn configurations_are_listed_as_bind_targets() {
    let mut trashed = FakeConfig::new("old shop").with_target(target("old.example.com", 1));
    trashed.in_trash = true;
    let mut imported = FakeConfig::new("imported shop").with_target(target("i.example.com", 1));
    imported.imported = true;
    let fake = FakeTenableWas::builder()
        .with_config(shop().with_description("the shop"))
        .with_config(trashed)
        .with_config(imported)
        .with_config(
            FakeConfig::new("watched shop")
                .with_user_permissions("view")
                .with_target(target("w.example.com", 1)),
        )
        .with_config(
            FakeConfig::new("draft")
                .never_run()
                .with_target(target("a.example.com", 0))
                .with_target(target("b.example.com", 0)),
        );
    let (_fake, client) = start(fake).await;
    let all = client.list_bind_targets(BindTargetQuery::new()).await.unwrap().targets;
    let names: BTreeMap<&str, bool> =
        all.iter().map(|target| (target.name.as_str(), target.can_start)).collect();
    assert_eq!(
        names,
        BTreeMap::from([("draft", true), ("imported shop", false), ("shop", true), ("watched shop", false)])
    );
    let shop = all.iter().find(|target| target.name == "shop").unwrap();
    assert_eq!(shop.description.as_deref(), Some("the shop"));
    assert_eq!(shop.locations, ["https://shop.example.com/"]);
    assert!(shop.last_seen.is_some());
    let draft = all.iter().find(|target| target.name == "draft").unwrap();
    assert_eq!((draft.location_count, draft.last_seen), (Some(2), None));
    let some =
        client.list_bind_targets(BindTargetQuery::new().with_name_contains("SHOP")).await.unwrap().targets;
    assert_eq!(some.len(), 3);
}

#[tokio::test]
async fn a_scan_is_started_watched_and_read() {
    let config = shop();
    let script = ScanScript::new().with_statuses(["queued", "running", "completed"]).with_hidden_polls(1);
    let (fake, client) =
        start(FakeTenableWas::builder().with_config(config.clone()).with_scan_script(script)).await;
    let started = client.start_scan(&ScanRequest::new(id_of(&config))).await.unwrap();
    let StartedScan::Started(scan) = started else { panic!("{started:?}") };
    assert_eq!(scan.status, ScanStatus::Queued, "it was launched, but is not visible yet");
    assert_eq!(scan.target, Some(id_of(&config)));
    let ended = client.watch(&scan.id).every(Duration::from_secs(1)).await.unwrap();
    assert_eq!((ended.status, ended.percent), (ScanStatus::Completed, Some(100)));
    assert_eq!(by_scan(&client, scan.id).await.0.len(), 7);
    assert_eq!(fake.calls_to(Route::LaunchScan).len(), 1);
}

#[tokio::test]
async fn a_scan_that_is_already_running_is_returned() {
    let config = shop();
    let script = ScanScript::new().with_statuses(["running"; 100]);
    let (fake, client) =
        start(FakeTenableWas::builder().with_config(config.clone()).with_scan_script(script)).await;
    let request = ScanRequest::new(id_of(&config));
    let first = client.start_scan(&request).await.unwrap();
    let second = client.start_scan(&request).await.unwrap();
    assert!(matches!(second, StartedScan::AlreadyRunning(_)), "{second:?}");
    assert_eq!(first.scan().id, second.scan().id);

    // If the refusal names no id, it is the newest scan that has not ended.
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": "busy"}]});
    fake.script(Route::LaunchScan, When::Always, Reply::Json(409, refusal));
    let third = client.start_scan(&request).await.unwrap();
    assert_eq!(third.scan().id, first.scan().id);
    client.stop_scan(&first.scan().id).await.unwrap();
    while !client.scan(&first.scan().id).await.unwrap().is_ended() {}
    assert_eq!(
        client.start_scan(&request).await.unwrap_err().kind(),
        ErrorKind::Conflict,
        "if there is none, the refusal is returned"
    );
}

#[tokio::test]
async fn stopping_an_ended_scan_succeeds_and_stopping_a_queued_one_is_a_conflict() {
    let config = shop();
    let script = ScanScript::new().with_statuses(["queued"]);
    let (fake, client) =
        start(FakeTenableWas::builder().with_config(config.clone()).with_scan_script(script)).await;
    client.stop_scan(&last_scan(&fake, &config)).await.unwrap();
    let waiting = client.start_scan(&ScanRequest::new(id_of(&config))).await.unwrap().into_scan();
    let refusal = json!({"reasons": [{"code": "NOT_ALLOWED", "reason": "Can't update scan 'x' with status 'Pending'"}]});
    fake.script(Route::UpdateScan, When::Always, Reply::Json(409, refusal));
    assert_eq!(client.stop_scan(&waiting.id).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_multi_target_scan_is_one_scan_with_children_by_both_searches() {
    for by_targets in [true, false] {
        let config = FakeConfig::new("two").with_target(target("a.example.com", 2)).with_target(
            target("b.example.com", 4).with_outcome("aborted", [FakeNote::target_unreachable()]),
        );
        let (fake, client) =
            start(FakeTenableWas::builder().with_config(config.clone()).with_by_targets(by_targets)).await;
        let id = last_scan(&fake, &config);
        let scan = client.scan(&id).await.unwrap();
        assert_eq!(scan.id, id);
        assert_eq!(scan.children.len(), 2, "{by_targets}");
        let states: BTreeMap<_, _> = scan
            .children
            .iter()
            .map(|child| (child.location.clone().unwrap(), child.status.clone()))
            .collect();
        assert_eq!(states["https://a.example.com/"], ScanStatus::Completed);
        assert_eq!(states["https://b.example.com/"], ScanStatus::Aborted);
        assert!(scan.all_problems().any(|problem| problem.kind == ScanProblemKind::TargetUnreachable));
        let listed: Vec<_> = client.scans(&id_of(&config)).try_concat().await.unwrap();
        assert_eq!(listed.len(), 1, "children are not listed");

        let (findings, coverage) = by_scan(&client, id).await;
        let partition =
            |host: &str| findings.iter().find(|f| f.location.host == host).unwrap().partition.clone();
        assert_eq!(coverage.absence_of(&partition("a.example.com")), Absence::Conclusive, "{by_targets}");
        assert_eq!(coverage.absence_of(&partition("b.example.com")), Absence::Inconclusive);
        assert!(kinds(&coverage).contains(&GapKind::ScanLimited));
        assert_eq!(findings.len(), 2 + 2, "half of the findings of the unreachable target, {by_targets}");
    }
}

#[tokio::test]
async fn many_targets_without_findings_are_read() {
    // The vendor's own library fails on each of these: a configuration without a scan, reports without
    // findings, and a last report without findings.
    let mut config = FakeConfig::new("many");
    for n in 0..30 {
        config = config.with_target(target(&format!("t{n}.example.com"), usize::from(n == 11)));
    }
    let never = FakeConfig::new("never").never_run().with_target(target("n.example.com", 1));
    let (fake, client) =
        start(FakeTenableWas::builder().with_config(config.clone()).with_config(never)).await;
    let (findings, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
    assert_eq!(findings.len(), 1);
    assert_eq!(coverage.partitions().len(), 30);
    assert!(
        coverage.partitions().all(|(partition, _)| coverage.absence_of(partition) == Absence::Conclusive)
    );
}

#[tokio::test]
async fn absence_is_inconclusive_if_the_scan_was_limited() {
    let rows: Vec<(&str, FakeScan, Absence, Vec<GapKind>)> = vec![
        ("nothing", FakeScan::completed(days_ago(1)), Absence::Conclusive, vec![]),
        (
            "the time limit",
            FakeScan::completed(days_ago(1)).with_note(FakeNote::time_limit()),
            Absence::Inconclusive,
            vec![GapKind::ScanLimited],
        ),
        (
            "a failed login",
            FakeScan::completed(days_ago(1)).with_note(FakeNote::authentication_failed()),
            Absence::Inconclusive,
            vec![GapKind::ScanLimited],
        ),
        (
            "an unknown severe note",
            FakeScan::completed(days_ago(1)).with_note(FakeNote::new(
                "critical",
                "Moon",
                "in the wrong house",
            )),
            Absence::Inconclusive,
            vec![],
        ),
        (
            "an unknown minor note",
            FakeScan::completed(days_ago(1)).with_note(FakeNote::new("info", "Moon", "in the right house")),
            Absence::Conclusive,
            vec![],
        ),
        (
            "an out of scope URL",
            FakeScan::completed(days_ago(1)).with_note(FakeNote::new(
                "medium",
                "Out of Scope URL",
                "https://b.example.com",
            )),
            Absence::Conclusive,
            vec![],
        ),
        (
            "a cancellation",
            FakeScan::new("canceled", days_ago(1)).with_limit(3),
            Absence::Inconclusive,
            vec![GapKind::ScanLimited],
        ),
    ];
    for (name, scan, absence, gaps) in rows {
        let config = shop().with_scans([scan]);
        let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
        let (findings, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
        assert!(!findings.is_empty(), "{name}");
        assert_eq!(coverage.absence_of(&findings[0].partition), absence, "{name}");
        assert_eq!(kinds(&coverage), gaps, "{name}");
    }
}

#[tokio::test]
async fn a_running_scan_returns_its_findings_and_absence_is_inconclusive() {
    let config = shop().with_scans([FakeScan::new("running", hours_ago(1))]);
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let (_, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
    assert!(!coverage.is_complete());
    assert!(kinds(&coverage).contains(&GapKind::ScanLimited));
    assert!(
        coverage.partitions().all(|(partition, _)| coverage.absence_of(partition) == Absence::Inconclusive)
    );
}

#[tokio::test]
async fn absence_from_imported_results_is_inconclusive() {
    let mut config = shop();
    config.imported = true;
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let (findings, coverage) = by_scan(&client, last_scan(&fake, &config)).await;
    assert_eq!(findings.len(), 7);
    assert!(coverage.is_complete());
    assert!(coverage.inconclusive_reason(&findings[0].partition).unwrap().contains("imported"));
}

#[tokio::test]
async fn detections_replace_a_refused_report_and_each_plugin_is_fetched_once() {
    let config = shop();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let id = last_scan(&fake, &config);
    let (by_report, _) = by_scan(&client, id.clone()).await;
    for reply in [
        Reply::Forbidden,
        Reply::Json(404, json!({})),
        Reply::Json(415, json!({})),
        Reply::Json(400, json!({"reasons": [{"reason": "scan not finalized"}]})),
    ] {
        fake.script(Route::GetReport, When::Always, reply.clone());
        let before = fake.calls_to(Route::GetPlugin).len();
        let (findings, coverage) = by_scan(&client, id.clone()).await;
        assert_eq!(fingerprints(&findings), fingerprints(&by_report), "{reply:?}");
        let severities = |findings: &[Finding]| {
            findings
                .iter()
                .map(|f| (f.fingerprint.to_string(), f.severity.clone()))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!(severities(&findings), severities(&by_report));
        assert_eq!(fake.calls_to(Route::GetPlugin).len() - before, 3, "{reply:?}");
        assert_eq!(
            coverage.absence_of(&findings[0].partition),
            Absence::Conclusive,
            "{reply:?}: the detections are complete"
        );
        fake.recover();
    }
    fake.script(Route::GetReport, When::Always, Reply::Forbidden);
    fake.script(Route::SearchVulnerabilities, When::Always, Reply::Forbidden);
    let (findings, coverage) = by_scan(&client, id).await;
    assert!(findings.is_empty());
    assert_eq!(kinds(&coverage), [GapKind::ResultsUnavailable]);
}

#[tokio::test]
async fn a_weakness_has_one_fingerprint_by_report_by_detection_and_by_export() {
    let config = shop();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let id = last_scan(&fake, &config);
    let (by_report, _) = by_scan(&client, id.clone()).await;
    let (by_export, _) = client.collect_findings(FindingQuery::all()).await.unwrap();
    fake.script(Route::GetReport, When::Always, Reply::Forbidden);
    let (by_detection, _) = by_scan(&client, id).await;
    assert_eq!(fingerprints(&by_report).len(), 7);
    assert_eq!(fingerprints(&by_report), fingerprints(&by_export));
    assert_eq!(fingerprints(&by_report), fingerprints(&by_detection));
    let rule = |findings: &[Finding]| {
        let all: BTreeMap<_, _> =
            findings.iter().map(|f| (f.rule.id.clone(), (f.rule.name.clone(), f.rule.cwe.clone()))).collect();
        all
    };
    assert_eq!(rule(&by_report), rule(&by_export));
    assert!(
        by_report.iter().all(|f| f.status.is_none() && f.aliases.is_empty()),
        "a report knows neither state nor id"
    );
    assert_eq!(by_report[0].partition, by_export[0].partition);
}

#[tokio::test]
async fn a_read_of_a_scan_is_resumed_at_the_first_unfinished_target() {
    let mut config = FakeConfig::new("four");
    for n in 0..4 {
        config = config.with_target(target(&format!("t{n}.example.com"), 300));
    }
    let (fake, client) = start(FakeTenableWas::builder().with_config(config.clone())).await;
    let id = last_scan(&fake, &config);
    let mut events = client.findings(FindingQuery::scan(id.clone()));
    let mut point = None;
    for _ in 0..5 {
        if let Some(appsec_core::FindingEvent::Batch(batch)) = events.try_next().await.unwrap() {
            point = Some(batch.resume);
        }
    }
    let reports = fake.calls_to(Route::GetReport).len();
    let (rest, coverage) =
        client.collect_findings(FindingQuery::scan(id).with_resume(point.clone().unwrap())).await.unwrap();
    assert!(rest.len() < 1200 && rest.len() >= 600, "{}", rest.len());
    assert!(fake.calls_to(Route::GetReport).len() - reports < 4);
    assert!(
        coverage.partitions().all(|(partition, _)| coverage.absence_of(partition) == Absence::Inconclusive)
    );
    let other = FindingQuery::scan("9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a").with_resume(point.unwrap());
    assert_eq!(client.collect_findings(other).await.unwrap_err().kind(), ErrorKind::ResumeExpired);
}

#[tokio::test]
async fn the_demonstration_tenant_is_read_by_every_route() {
    let (fake, client) = start(FakeTenableWas::builder().with_tenant(demo_tenant())).await;
    let targets = client.list_bind_targets(BindTargetQuery::new()).await.unwrap().targets;
    assert!(!targets.is_empty());
    let (all, coverage) = client.collect_findings(FindingQuery::all()).await.unwrap();
    assert!(coverage.is_complete(), "{:?}", coverage.gaps());
    let exported = fingerprints(&all);
    for target in &targets {
        for id in fake.scans_of(target.id.value()) {
            let scan = client.scan(&ScanId::new(id.clone())).await.unwrap();
            let (findings, coverage) = by_scan(&client, scan.id.clone()).await;
            assert!(fingerprints(&findings).is_subset(&exported), "{}", target.name);
            if !scan.is_ended() {
                assert!(!coverage.is_complete(), "{}", target.name);
            }
        }
    }
}

async fn report_of(fake: FakeBuilder) -> appsec_core::ConnectionReport {
    let (_fake, client) = start(fake).await;
    client.test_connection().await
}

#[tokio::test]
async fn the_connection_test_reports_the_cause() {
    let tenant = || FakeTenableWas::builder().with_config(shop());
    let rows: Vec<(&str, FakeBuilder, Option<Cause>, Vec<Cause>)> = vec![
        ("all is well", tenant(), None, vec![]),
        ("a role that cannot launch", tenant().with_role(16), None, vec![Cause::PermissionDenied]),
        ("a role that sees no templates", tenant().with_role(24), None, vec![]),
        ("a role that reads nothing", tenant().with_role(8), Some(Cause::PermissionDenied), vec![]),
        (
            "a licence that has ended",
            tenant().with_licence(Licence::Expired),
            Some(Cause::NotLicensed),
            vec![],
        ),
        (
            "no licence and nothing to see",
            FakeTenableWas::builder().with_licence(Licence::Absent),
            Some(Cause::NotLicensed),
            vec![],
        ),
        ("no templates", tenant().without_templates(), None, vec![Cause::NoScanTemplates]),
        ("no configurations", FakeTenableWas::builder(), Some(Cause::NoBindTargets), vec![]),
        ("neither", FakeTenableWas::builder().without_templates(), Some(Cause::NoScanTemplates), vec![]),
    ];
    for (name, fake, failure, warnings) in rows {
        let report = report_of(fake).await;
        assert_eq!(report.failure().and_then(|step| step.cause), failure, "{name}\n{report}");
        let warned: Vec<_> = report.warnings().filter_map(|step| step.cause).collect();
        assert_eq!(warned, warnings, "{name}\n{report}");
    }
}

#[tokio::test]
async fn the_connection_test_distinguishes_a_portal_a_wrong_base_url_and_wrong_keys() {
    let (fake, client) = start(FakeTenableWas::builder().with_config(shop())).await;
    for (reply, step, cause) in [
        (Reply::HtmlPage, StepKind::Http, Cause::NotTheApi),
        (Reply::Redirect("https://login.example.com/".to_owned()), StepKind::Http, Cause::Redirected),
        (Reply::ServerError, StepKind::Http, Cause::ServerFault),
        (Reply::TooManyRequests { retry_after: 0 }, StepKind::Http, Cause::RateLimited),
        (Reply::Json(404, json!({})), StepKind::BasePath, Cause::WrongBaseUrl),
        (Reply::Unauthorized, StepKind::Credentials, Cause::InvalidCredentials),
    ] {
        fake.script(Route::Any, When::Always, reply.clone());
        let report = client.test_connection().await;
        let failure = report.failure().unwrap();
        assert_eq!((failure.kind, failure.cause), (step, Some(cause)), "{reply:?}\n{report}");
        fake.recover();
    }
    fake.script(Route::GetSession, When::Always, Reply::Json(404, json!({})));
    let report = client.test_connection().await;
    assert!(report.is_ok(), "the session is not needed\n{report}");
    assert_eq!(report.step(StepKind::Permission).unwrap().outcome, StepOutcome::Passed);
}

#[tokio::test]
async fn invalid_ids_are_refused_before_a_request() {
    let (fake, client) = start(FakeTenableWas::builder().with_config(shop())).await;
    let scan = ScanId::new("../../server");
    assert_eq!(client.scan(&scan).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert_eq!(client.stop_scan(&scan).await.unwrap_err().kind(), ErrorKind::InvalidRequest);
    for id in ["host:x", "config:..", "all"] {
        let target = BindTargetId::from(id);
        assert_eq!(
            client.start_scan(&ScanRequest::new(target.clone())).await.unwrap_err().kind(),
            ErrorKind::InvalidRequest,
            "{id}"
        );
        assert_eq!(
            client.scans(&target).try_next().await.unwrap_err().kind(),
            ErrorKind::InvalidRequest,
            "{id}"
        );
    }
    assert_eq!(fake.requests(), 0);
}
