//! One bad record does not hide the others: lists are read record by record, and a page that cannot be read
//! is asked for in smaller parts.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_core::{
    BindTargetQuery, DastApiScanner, DastApiScannerExt, ErrorKind, FindingQuery, FindingStatus, GapKind,
};
use futures_util::TryStreamExt;
use salt_client::testing::{FakeSalt, Reply, Route, Tenant, When, asset, endpoint, failing_record, gap};
use salt_client::testing::{host, raw_record};
use salt_client::{GapsQuery, HttpOptions, ListQuery};
use serde_json::{Value, json};
use support::{import, one_host, serve};

/// Records that cannot be decoded, with a word of the reason.
fn poison() -> Vec<(Value, &'static str)> {
    let deep =
        format!(r#"{{"postureGapId":"p","host":"a.example","x":{}{}}}"#, "[".repeat(300), "]".repeat(300));
    vec![
        (raw_record(r#"{"postureGapId":"p","host":"a.example","unused":1e999}"#), "out of range"),
        (raw_record(r#"{"postureGapId":"p","host":"a.example","unused":"\ud800"}"#), "hex escape"),
        (raw_record(b"{\"postureGapId\":\"p\",\"host\":\"\xff\"}"), "code point"),
        (raw_record(deep), "nested more than"),
        (
            raw_record(r#"{"postureGapId":"p","host":"a.example","status":"Open","status":"Resolved"}"#),
            "twice",
        ),
        (
            raw_record(r#"{"postureGapId":"p","host":"a.example","parameters":[{"name":"a","name":"b"}]}"#),
            "twice",
        ),
    ]
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_is_a_gap_with_its_place_and_the_others_are_read() {
    for (record, why) in poison() {
        let mut tenant = one_host(20);
        tenant.gaps.insert(7, record);
        let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(import.ids().len(), 20, "{why}");
        let [gap] = import.coverage.gaps() else { panic!("{:?}", import.coverage.gaps()) };
        assert_eq!(gap.kind, GapKind::Record);
        assert!(gap.message.contains(why) && gap.message.contains("at offset 7"), "{gap}");
        // The page from offset 4 on begins with the record that is read again.
        assert!(gap.path.as_ref().unwrap().starts_with("response[3]"), "{gap}");
        assert!(import.inconclusive_reason("a.example").is_some(), "the record may be any gap");
        assert!(fake.requests() < 15, "no page is asked for in smaller parts");
    }
}

#[tokio::test]
async fn a_status_that_is_sent_twice_closes_nothing() {
    let mut tenant = one_host(3);
    tenant.gaps[1] = raw_record(
        r#"{"postureGapId":"g001","host":"a.example","postureGapName":"n","status":"Open","status":"Resolved"}"#,
    );
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids(), ["g000", "g002"]);
    assert!(import.findings().all(|finding| finding.status != Some(FindingStatus::Fixed)));
    assert!(import.inconclusive_reason("a.example").unwrap().contains("\"status\" occurs twice"));
}

#[tokio::test]
async fn a_page_over_which_the_service_fails_loses_only_the_record() {
    for (bad, page_size) in [(0, 100), (57, 100), (149, 100), (57, 7), (3, 2)] {
        let mut tenant = one_host(150);
        tenant.gaps.insert(bad, failing_record(500));
        let (fake, client) = serve(FakeSalt::builder(), tenant, page_size).await;
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(import.ids().len(), 150, "{bad} of pages of {page_size}");
        let gaps = import.coverage.gaps();
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        let message = format!("the record at offset {bad} of the list could not be read");
        assert!(gaps[0].kind == GapKind::Record && gaps[0].message.contains(&message), "{gaps:?}");
        if page_size == 100 {
            assert!(fake.requests() < 60, "{} requests", fake.requests());
        }
    }
}

#[tokio::test]
async fn a_page_that_is_not_well_formed_is_read_in_parts() {
    let mut tenant = one_host(30);
    tenant.gaps.insert(12, raw_record("{]"));
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 10).await;
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 30);
    let [gap] = import.coverage.gaps() else { panic!("{:?}", import.coverage.gaps()) };
    assert!(gap.message.contains("offset 12"), "{gap}");
}

#[tokio::test]
async fn a_service_that_fails_over_every_page_is_an_error_after_few_requests() {
    for records in [vec![failing_record(500); 20], (0..4).map(|_| failing_record(500)).collect()] {
        let mut tenant = one_host(20);
        tenant.gaps = records;
        let (fake, client) = serve(FakeSalt::builder(), tenant, 100).await;
        let error = import(&client, FindingQuery::all()).await.err().unwrap();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Server, Some(500)));
        assert!(fake.calls_to(Route::ListGaps).len() < 25, "{} requests", fake.requests());
    }
}

#[tokio::test]
async fn a_message_instead_of_a_list_is_shown_and_is_no_empty_list() {
    let (fake, client) = serve(FakeSalt::builder(), one_host(3), 5).await;
    for body in
        [json!({"message": "Tenant is suspended"}), json!({"response": null, "error": "Tenant is suspended"})]
    {
        fake.script(Route::Any, When::Always, Reply::Json(200, body));
        let error = import(&client, FindingQuery::all()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.message().contains("says: Tenant is suspended"), "{error}");
        let errors = [
            client.list_hosts(&ListQuery::new()).await.unwrap_err(),
            client.list_cloud_assets(&ListQuery::new()).await.unwrap_err(),
            client.list_bind_targets(BindTargetQuery::new()).await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.message().contains("Tenant is suspended")), "{errors:?}");
        let report = client.test_connection().await;
        assert!(report.to_string().contains("Tenant is suspended"), "{report}");
        fake.recover();
    }
}

#[tokio::test]
async fn a_connection_test_passes_over_a_record_that_cannot_be_decoded() {
    for (record, _) in poison() {
        let mut tenant = one_host(1);
        tenant.gaps.insert(0, record.clone());
        tenant.hosts.insert(0, record);
        let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
        let report = client.test_connection().await;
        assert!(report.is_ok(), "{report}");
    }
}

#[tokio::test]
async fn the_inventory_and_the_cloud_assets_are_read_record_by_record() {
    for (record, why) in poison() {
        let mut tenant = Tenant::new();
        for number in 0..8 {
            tenant = tenant.with_host(host(&format!("h{number}.example")));
            tenant = tenant.with_endpoint(endpoint("h0.example", "GET", &format!("/{number}")));
            tenant = tenant.with_asset(asset(&number.to_string(), "an asset"));
        }
        tenant.hosts.insert(4, record.clone());
        tenant.endpoints.insert(4, record.clone());
        tenant.assets.insert(4, record.clone());
        let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
        let query = || ListQuery::new().with_limit(3);
        let hosts: Vec<_> = client.hosts(query()).try_collect().await.unwrap();
        let endpoints: Vec<_> = client.endpoints(query()).try_collect().await.unwrap();
        let assets: Vec<_> = client.cloud_assets(query()).try_collect().await.unwrap();
        assert_eq!(hosts.iter().map(|page| page.records.len()).sum::<usize>(), 8);
        assert_eq!(endpoints.iter().map(|page| page.records.len()).sum::<usize>(), 8);
        assert_eq!(assets.iter().map(|page| page.records.len()).sum::<usize>(), 8);
        for bad in [
            hosts.iter().flat_map(|page| &page.bad).next(),
            endpoints.iter().flat_map(|page| &page.bad).next(),
            assets.iter().flat_map(|page| &page.bad).next(),
        ] {
            let bad = bad.unwrap();
            assert!(bad.message.contains(why) && bad.path.contains('['), "{bad:?}");
        }
        let listed = client.list_bind_targets(BindTargetQuery::new()).await.unwrap();
        assert_eq!(listed.targets.iter().filter(|target| target.id.kind() == "host").count(), 8);
        assert!(listed.gaps.iter().all(|gap| gap.kind == GapKind::Record), "{:?}", listed.gaps);
        assert_eq!(listed.gaps.len(), 2, "one of a host, one of an endpoint");
    }
}

#[tokio::test]
async fn a_host_of_an_unreadable_record_is_not_called_missing() {
    let mut tenant = one_host(2);
    tenant.hosts.push(raw_record(r#"{"host":"b.example","risk":1e999}"#));
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let import = import(&client, FindingQuery::target("host:b.example")).await.unwrap();
    let [gap] = import.coverage.gaps() else { panic!("{:?}", import.coverage.gaps()) };
    assert_eq!(gap.kind, GapKind::NotInInventory);
    assert!(gap.message.contains("out of range"), "{gap}");
    let error = client.find_target("host:b.example").await.unwrap_err();
    assert_eq!(error.gap().map(|gap| gap.kind.clone()), Some(GapKind::Record));
}

#[tokio::test]
async fn a_list_of_hosts_that_moves_is_read_again_or_says_so() {
    let hosts = |tenant: &mut Tenant| {
        tenant.hosts.remove(0);
    };
    for (moves, complete) in [(vec![1], true), (vec![1, 3], false)] {
        let mut tenant = Tenant::new();
        for number in 0..9 {
            tenant = tenant.with_host(host(&format!("h{number}.example")));
        }
        let (fake, client) = serve(FakeSalt::builder(), tenant, 3).await;
        for calls in moves {
            fake.edit_after(Route::ListHosts, calls, hosts);
        }
        let listed = client.list_bind_targets(BindTargetQuery::new()).await.unwrap();
        for number in 2..9 {
            let id = format!("host:h{number}.example");
            let is_listed = listed.targets.iter().any(|target| target.id.as_str() == id);
            assert!(is_listed || !complete, "{id} is missing");
        }
        let kinds: Vec<_> = listed.gaps.iter().map(|gap| gap.kind.clone()).collect();
        assert_eq!(kinds, if complete { vec![] } else { vec![GapKind::Shifted] });
    }
}

#[tokio::test]
async fn a_gap_without_a_host_is_a_finding_of_the_tenant_and_a_gap_of_one_host() {
    for no_host in [json!(null), json!(" ")] {
        let mut tenant = one_host(3);
        tenant.gaps[1]["host"] = no_host;
        let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
        let all = import(&client, FindingQuery::all()).await.unwrap();
        assert_eq!(all.ids(), ["g000", "g001", "g002"]);
        assert!(all.coverage.is_complete(), "{:?}", all.coverage.gaps());
        assert_eq!(all.inconclusive_reason("a.example"), None);
        assert_eq!(all.findings().nth(1).unwrap().location.host, "unknown");
        assert!(all.inconclusive_reason("unknown").unwrap().contains("does not list"));

        let one = import(&client, FindingQuery::target("host:a.example")).await.unwrap();
        assert_eq!(one.ids(), ["g000", "g002"]);
        assert!(one.inconclusive_reason("a.example").unwrap().contains("without a host"));
    }
}

#[tokio::test]
async fn a_host_without_a_name_is_no_gap() {
    let mut tenant = one_host(3);
    tenant.hosts.push(json!({"riskScore": 9}));
    let (_fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    let listed = client.list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!((listed.targets.len(), listed.gaps.len()), (2, 0));
    let all = import(&client, FindingQuery::all()).await.unwrap();
    assert!(all.coverage.is_complete() && all.inconclusive_reason("a.example").is_none());
}

#[tokio::test]
async fn a_label_that_only_endpoints_have_is_a_bind_target() {
    let mut tenant = one_host(1).with_endpoint(endpoint("a.example", "GET", "/x"));
    tenant.endpoints[0]["endpointLabels"] = json!(["orion"]);
    tenant.gaps.push(gap("g1", "a.example"));
    tenant.gaps[1]["endpointLabels"] = json!(["orion"]);
    let (fake, client) = serve(FakeSalt::builder(), tenant, 5).await;
    assert_eq!(client.find_target("label:orion").await.unwrap().name, "orion");
    let import = import(&client, FindingQuery::target("label:orion")).await.unwrap();
    assert_eq!(import.ids(), ["g1"]);
    assert!(import.coverage.gaps().is_empty(), "{:?}", import.coverage.gaps());
    // A token that may not read the endpoints still lists the hosts.
    fake.script(Route::ListEndpoints, When::Always, Reply::Forbidden);
    let listed = client.list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!((listed.targets.len(), listed.gaps.len()), (2, 0), "the host and the tenant");
    fake.recover();
    fake.script(Route::ListEndpoints, When::Always, Reply::Unavailable);
    let listed = client.list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!((listed.targets.len(), listed.gaps.len()), (2, 1), "labels may be missing");
}

#[tokio::test]
async fn a_page_larger_than_a_response_may_be_is_read_in_parts() {
    let mut tenant = one_host(20);
    for gap in &mut tenant.gaps {
        gap["description"] = json!("x".repeat(10_000));
    }
    let (fake, _) = serve(FakeSalt::builder(), tenant, 100).await;
    let http = HttpOptions::new().with_max_body_bytes(64_000);
    let client = fake.client_builder().with_http(http).with_page_size(100).build().unwrap();
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 20);
    assert!(import.coverage.is_complete(), "{:?}", import.coverage.gaps());
    let error = client.list_gaps(&GapsQuery::new().with_details(true)).await.unwrap_err();
    assert!(error.message().contains("larger than a response"), "{error}");
}
