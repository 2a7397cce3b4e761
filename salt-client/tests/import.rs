//! The findings and the coverage of an import, against the fake: scopes, filters, the inventory, malformed
//! records.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_core::{
    BindTargetQuery, DastApiScanner, DastApiScannerExt, ErrorKind, FindingQuery, FindingScope, FindingStatus,
    GapKind, Severity,
};
use salt_client::testing::{Access, FakeSalt, Reply, Route, Tenant, When, demo_tenant, gap, host};
use serde_json::{Value, json};
use support::{import, one_host, serve};

fn with(mut record: Value, changes: Value) -> Value {
    let (Value::Object(record), Value::Object(changes)) = (&mut record, changes) else {
        panic!("no objects")
    };
    record.extend(changes);
    Value::Object(std::mem::take(record))
}

fn two_hosts() -> Tenant {
    Tenant::new()
        .with_host(with(host("A.example"), json!({"labels": ["payments"]})))
        .with_host(host("b.example"))
        .with_gap(gap("a1", "a.example"))
        .with_gap(with(gap("b1", "b.example"), json!({"endpointLabels": ["payments", "beta"]})))
        .with_gap(gap("b2", "b.example"))
        .with_gap(gap("c1", "c.example"))
}

fn targets(ids: &[&str]) -> FindingQuery {
    FindingQuery::new(FindingScope::Targets(ids.iter().map(|id| (*id).into()).collect()))
}

#[tokio::test]
async fn the_client_applies_the_scope() {
    let (_fake, client) = serve(FakeSalt::builder(), two_hosts(), 10).await;
    for (query, expected) in [
        (FindingQuery::all(), &["a1", "b1", "b2", "c1"][..]),
        (targets(&["all"]), &["a1", "b1", "b2", "c1"]),
        (targets(&["host:a.example"]), &["a1"]),
        (targets(&["host:B.EXAMPLE"]), &["b1", "b2"]),
        (targets(&["label:payments"]), &["a1", "b1"]),
        (targets(&["label:beta"]), &["b1"]),
        (targets(&["host:a.example", "label:beta", "host:a.example"]), &["a1", "b1"]),
        (targets(&["host:a.example", "all"]), &["a1", "b1", "b2", "c1"]),
    ] {
        let scope = query.scope.clone();
        let import = import(&client, query).await.unwrap();
        assert_eq!(import.ids(), expected, "{scope:?}");
        if let FindingScope::Targets(asked) = &scope {
            for finding in import.findings() {
                let named = finding
                    .targets
                    .iter()
                    .any(|id| asked.iter().any(|ask| ask.as_str().eq_ignore_ascii_case(id.as_str())));
                assert!(named, "{:?} of {asked:?}", finding.targets);
            }
        }
    }
}

#[tokio::test]
async fn a_finding_names_its_host_its_labels_and_all_as_targets() {
    let (_fake, client) = serve(FakeSalt::builder(), two_hosts(), 10).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    let named: Vec<Vec<_>> = import
        .findings()
        .map(|finding| finding.targets.iter().map(appsec_core::BindTargetId::as_str).collect())
        .collect();
    assert_eq!(named[0], ["host:a.example", "label:payments", "all"], "the label of the host");
    assert_eq!(
        named[1],
        ["host:b.example", "label:payments", "label:beta", "all"],
        "the labels of the endpoint"
    );
    assert_eq!(named[2], ["host:b.example", "all"]);
}

#[tokio::test]
async fn absence_is_conclusive_only_for_listed_hosts() {
    let (_fake, client) = serve(FakeSalt::builder(), two_hosts().with_host(host("idle.example")), 10).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.inconclusive_reason("a.example"), None);
    assert_eq!(import.inconclusive_reason("idle.example"), None, "listed, and without gaps");
    assert_eq!(import.inconclusive_reason("c.example"), Some("the inventory does not list the host"));
    assert_eq!(import.inconclusive_reason("unheard.example"), Some("the partition was not examined"));
}

#[tokio::test]
async fn absence_is_conclusive_only_for_selected_hosts() {
    let (_fake, client) = serve(FakeSalt::builder(), two_hosts(), 10).await;
    let import = import(&client, targets(&["host:a.example"])).await.unwrap();
    assert_eq!(import.inconclusive_reason("a.example"), None);
    assert_eq!(import.inconclusive_reason("b.example"), Some("the partition was not examined"));
}

#[tokio::test]
async fn absence_is_inconclusive_if_a_label_is_selected() {
    let (_fake, client) = serve(FakeSalt::builder(), two_hosts(), 10).await;
    for query in [targets(&["label:payments"]), targets(&["label:payments", "host:a.example"])] {
        let import = import(&client, query).await.unwrap();
        for host in ["a.example", "b.example"] {
            assert!(import.inconclusive_reason(host).unwrap().contains("label"), "{host}");
        }
    }
}

#[tokio::test]
async fn an_empty_inventory_makes_absence_inconclusive_and_names_the_token_scope() {
    let mut tenant = one_host(3);
    tenant.hosts.clear();
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 3);
    let gap = &import.coverage.gaps()[0];
    assert_eq!(gap.kind, GapKind::NotInInventory);
    assert!(gap.message.contains("perm-viewer"), "{gap}");
    assert!(import.inconclusive_reason("a.example").is_some());
}

#[tokio::test]
async fn a_token_that_may_read_nothing_makes_absence_inconclusive() {
    let (_fake, client) = serve(FakeSalt::builder().with_access(Access::Hidden), one_host(3), 10).await;
    let import = import(&client, targets(&["host:a.example"])).await.unwrap();
    assert!(import.ids().is_empty());
    let kinds: Vec<_> = import.coverage.gaps().iter().map(|gap| gap.kind.clone()).collect();
    assert_eq!(kinds, [GapKind::NotInInventory, GapKind::TargetMissing]);
    assert!(import.inconclusive_reason("a.example").is_some());
}

#[tokio::test]
async fn an_unreadable_inventory_makes_absence_inconclusive() {
    for reply in [Reply::Forbidden, Reply::NotFound] {
        let (fake, client) = serve(FakeSalt::builder(), one_host(3), 10).await;
        fake.script(Route::ListHosts, When::Always, reply);
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(import.ids().len(), 3, "the gaps are delivered");
        assert_eq!(import.coverage.gaps()[0].kind, GapKind::NotInInventory);
        assert!(import.inconclusive_reason("a.example").is_some());
    }
    let (fake, client) = serve(FakeSalt::builder(), one_host(3), 10).await;
    fake.script(Route::ListHosts, When::Always, Reply::Unauthorized);
    let error = import(&client, FindingQuery::all()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Auth);
}

#[tokio::test]
async fn an_unknown_target_is_a_coverage_gap() {
    let (_fake, client) = serve(FakeSalt::builder(), two_hosts(), 10).await;
    let import =
        import(&client, targets(&["host:gone.example", "label:gone", "host:a.example", "label:beta"]))
            .await
            .unwrap();
    let gaps: Vec<_> = import.coverage.gaps().iter().map(ToString::to_string).collect();
    assert_eq!(
        gaps,
        [
            "host:gone.example: neither the inventory nor any posture gap names the host gone.example",
            "neither a host nor any posture gap has the label gone",
        ]
    );
}

#[tokio::test]
async fn the_client_applies_the_filters_and_unknown_values_pass_them() {
    let tenant = Tenant::new()
        .with_host(host("a.example"))
        .with_gap(with(gap("1", "a.example"), json!({"severity": "Critical"})))
        .with_gap(with(gap("2", "a.example"), json!({"severity": "Blocker"})))
        .with_gap(with(gap("3", "a.example"), json!({"severity": null})))
        .with_gap(with(gap("4", "a.example"), json!({"severity": "INFO", "status": "In Process"})))
        .with_gap(with(gap("5", "a.example"), json!({"severity": "Low", "status": "Snoozed"})));
    let (fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
    let by_severity = FindingQuery::all().with_severities([Severity::Critical]);
    assert_eq!(import(&client, by_severity).await.unwrap().ids(), ["1", "2", "3"]);
    let by_status = FindingQuery::all().with_statuses([FindingStatus::InProgress]);
    let filtered = import(&client, by_status).await.unwrap();
    assert_eq!(filtered.ids(), ["4", "5"]);
    assert_eq!(filtered.inconclusive_reason("a.example"), Some("the query was filtered by status"));
    assert!(fake.calls().iter().all(|call| call.query("severity").is_none()));
    assert!(fake.calls_to(Route::ListHosts).is_empty(), "an inconclusive import needs no inventory");
}

#[tokio::test]
async fn the_host_parameter_is_sent_if_enabled_and_makes_absence_inconclusive() {
    for honored in [true, false] {
        let fake =
            FakeSalt::builder().with_host_parameter(honored).with_tenant(two_hosts()).start().await.unwrap();
        let client = fake.client_builder().with_host_parameter(true).build().unwrap();
        let one = import(&client, targets(&["host:b.example"])).await.unwrap();
        assert_eq!(one.ids(), ["b1", "b2"]);
        assert!(fake.calls_to(Route::ListGaps).iter().all(|call| call.query("host") == Some("b.example")));
        assert!(one.inconclusive_reason("b.example").unwrap().contains("a guess"));
        let noted = one.coverage.unknown().iter().any(|(word, _)| word == "parameter host=ignored");
        assert_eq!(noted, !honored);
        let before = fake.requests();
        import(&client, targets(&["host:a.example", "host:b.example"])).await.unwrap();
        let later = fake.calls().split_off(usize::try_from(before).unwrap());
        assert!(later.iter().all(|call| call.query("host").is_none()), "the parameter holds a single host");
    }
}

#[tokio::test]
async fn custom_parameters_are_sent_and_make_absence_inconclusive() {
    let (fake, _) = serve(FakeSalt::builder(), one_host(1), 10).await;
    let client = fake.client_builder().with_findings_parameter("activeOnly", false).build().unwrap();
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert!(fake.calls_to(Route::ListGaps).iter().all(|call| call.query("activeOnly") == Some("false")));
    assert!(fake.calls_to(Route::ListHosts).iter().all(|call| call.query("activeOnly").is_none()));
    assert!(import.inconclusive_reason("a.example").unwrap().contains("parameters"));
}

#[tokio::test]
async fn a_bad_record_is_a_coverage_gap_with_its_path_and_the_others_are_delivered() {
    for (bad, path, partition) in [
        (json!("text"), "response[1]", None),
        (json!(null), "response[1]", None),
        (json!([gap("x", "a.example")]), "response[1]", None),
        (
            with(gap("x", "a.example"), json!({"postureGapId": null})),
            "response[1].postureGapId",
            Some("host:a.example"),
        ),
        (
            with(gap("x", "a.example"), json!({"postureGapId": "N/A"})),
            "response[1].postureGapId",
            Some("host:a.example"),
        ),
        (
            with(gap("x", "a.example"), json!({"postureGapId": {"id": 1}})),
            "response[1].postureGapId",
            Some("host:a.example"),
        ),
    ] {
        let mut tenant = two_hosts();
        tenant.gaps.insert(1, bad.clone());
        let (_fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(import.ids(), ["a1", "b1", "b2", "c1"], "{bad}");
        let [gap] = import.coverage.gaps() else { panic!("{bad}: {:?}", import.coverage.gaps()) };
        assert_eq!((gap.kind.clone(), gap.path.as_deref()), (GapKind::Record, Some(path)), "{bad}");
        assert_eq!(gap.partition.as_ref().map(appsec_core::PartitionKey::as_str), partition, "{bad}");
        assert!(import.inconclusive_reason("a.example").is_some());
        assert_eq!(import.inconclusive_reason("b.example").is_some(), partition.is_none(), "{bad}");
    }
}

#[tokio::test]
async fn a_bad_record_does_not_hide_a_good_one_of_the_same_id() {
    let mut tenant = two_hosts();
    tenant.gaps.insert(0, with(gap("b2", "b.example"), json!({"host": null})));
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
    assert_eq!(import(&client, targets(&["host:b.example"])).await.unwrap().ids(), ["b1", "b2"]);
}

#[tokio::test]
async fn a_bad_record_of_another_host_is_not_a_coverage_gap() {
    let mut tenant = two_hosts();
    tenant.gaps.push(with(gap("x", "b.example"), json!({"postureGapId": null})));
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
    let import = import(&client, targets(&["host:a.example"])).await.unwrap();
    assert!(import.coverage.is_complete());
}

#[tokio::test]
async fn a_gap_needs_only_id_and_host() {
    let mut bare = gap("1", "a.example");
    for (field, value) in bare.as_object_mut().unwrap() {
        if field != "postureGapId" && field != "host" {
            *value = Value::Null;
        }
    }
    // The service leaves out a gap without status if statuses are named; the pass for unknown statuses finds
    // it.
    let (_fake, client) =
        serve(FakeSalt::builder(), Tenant::new().with_host(host("a.example")).with_gap(bare), 10).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["1"]);
    assert_eq!(import.inconclusive_reason("a.example"), None);
    assert!(import.coverage.unknown().is_empty());
}

#[tokio::test]
async fn a_filler_is_accepted_as_the_name_of_a_host() {
    let (_fake, client) = serve(FakeSalt::builder(), one_host(0).with_gap(gap("1", "N/A")), 10).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["1"], "the gap is a finding");
    assert!(import.inconclusive_reason("n/a").is_some());
}

#[tokio::test]
async fn bind_targets_are_hosts_then_labels_then_all() {
    let mut tenant = Tenant::new()
        .with_host(json!({"host": "A.example", "labels": ["payments", "pci"], "lastActivity": "2026-05-08T09:12:55Z", "endpointCount": 12}))
        .with_host(json!({"fqdn": "b.example", "hostLabels": [{"name": "payments"}], "lastActivity": 1_778_231_576}))
        .with_host(json!({"hostname": "github.acme.platform-tools", "labels": null, "lastActivity": null}));
    // No bind targets: a duplicate, a record without a name, and an element that is not a record.
    tenant.hosts.extend([json!({"host": "a.example"}), json!({"riskScore": 9}), json!("text")]);
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 2).await;
    let targets = client.list_bind_targets(BindTargetQuery::new()).await.unwrap().targets;
    insta::assert_json_snapshot!(targets);
    let filtered =
        client.list_bind_targets(BindTargetQuery::new().with_name_contains("PAY")).await.unwrap().targets;
    assert_eq!(filtered.iter().map(|target| target.id.as_str()).collect::<Vec<_>>(), ["label:payments"]);
    assert_eq!(client.find_target("A.example").await.unwrap().id.as_str(), "host:a.example");
}

#[tokio::test]
async fn without_hosts_only_all_is_listed_with_a_hint() {
    let (_fake, client) = serve(FakeSalt::builder(), Tenant::new(), 10).await;
    let targets = client.list_bind_targets(BindTargetQuery::new()).await.unwrap().targets;
    assert_eq!(targets.len(), 1);
    assert_eq!(targets[0].id.as_str(), "all");
    assert!(targets[0].description.as_deref().unwrap().contains("perm-viewer"));
}

#[tokio::test]
async fn every_bind_target_can_be_imported() {
    let (_fake, client) = serve(FakeSalt::builder(), demo_tenant(), 100).await;
    for target in client.list_bind_targets(BindTargetQuery::new()).await.unwrap().targets {
        let import = import(&client, FindingQuery::target(target.id.clone())).await.unwrap();
        assert!(import.coverage.gaps().is_empty(), "{}: {:?}", target.id, import.coverage.gaps());
        assert!(import.findings().all(|finding| finding.targets.contains(&target.id)), "{}", target.id);
    }
}

#[tokio::test]
async fn the_demo_tenant_is_as_documented() {
    let (_fake, client) = serve(FakeSalt::builder(), demo_tenant(), 100).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    let count = |status: &FindingStatus| {
        import.findings().filter(|finding| finding.status.as_ref() == Some(status)).count()
    };
    assert_eq!(import.ids().len(), 336);
    for status in
        [FindingStatus::Open, FindingStatus::InProgress, FindingStatus::Fixed, FindingStatus::Ignored]
    {
        assert!(count(&status) > 10, "{status}: {}", count(&status));
    }
    assert!(import.coverage.is_complete());
    assert_eq!(import.inconclusive_reason("idle.shop.example"), None);
    assert!(import.inconclusive_reason("forgotten.shop.example").is_some());
    let unknown: Vec<_> = import.coverage.unknown().iter().collect();
    assert_eq!(unknown, [("businessImpact", 1), ("severity=Blocker", 1), ("status=Snoozed", 1)]);
    assert!(!format!("{:?}", import.batches).contains("4111"), "samples are masked");
}

#[tokio::test]
async fn an_invalid_query_sends_nothing() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(1), 10).await;
    for (query, kind) in [
        (FindingQuery::scan("1"), ErrorKind::Unsupported),
        (targets(&[]), ErrorKind::InvalidRequest),
        (targets(&["config:1"]), ErrorKind::InvalidRequest),
        (targets(&["host:a.example", "a.example"]), ErrorKind::InvalidRequest),
    ] {
        assert_eq!(import(&client, query).await.err().unwrap().kind(), kind);
    }
    assert!(!client.info().capabilities.set_finding_status);
    assert_eq!(fake.requests(), 0);
}
