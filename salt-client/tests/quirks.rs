//! The same data is read whatever the form of the responses: with each quirk of the fake, and with many at
//! once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_core::{BindTargetQuery, DastApiScanner, DastApiScannerExt, ErrorKind, Finding, FindingQuery};
use futures_util::TryStreamExt;
use salt_client::testing::{
    EndOffset, FakeBuilder, FakeSalt, Quirk, Reply, Route, Tenant, When, asset, demo_tenant, endpoint,
    openapi,
};
use salt_client::{CloudAsset, Endpoint, GapsQuery, Host, ListQuery, Page, SaltClient};
use serde_json::{Value, json};
use support::import;

/// Quirks that do not change what is read.
const HARMLESS: [Quirk; 16] = [
    Quirk::ListName("response"),
    Quirk::ListName("records"),
    Quirk::ListName("data"),
    Quirk::OtherNames,
    Quirk::Absent,
    Quirk::Fillers,
    Quirk::NumbersAsText,
    Quirk::TextAsNumbers,
    Quirk::LabelsAsObjects,
    Quirk::TagsAsList,
    Quirk::UpperCase,
    Quirk::SpacedWords,
    Quirk::DatesWithoutZone,
    Quirk::DatesInSeconds,
    Quirk::DatesInMilliseconds,
    Quirk::ExtraFields,
];

/// The demo tenant without its own quirks, with assets.
fn tenant() -> Tenant {
    let mut tenant = demo_tenant();
    let irregular = [3, 17, 29, 41, 53, 67, 97, 113];
    let mut number = 0;
    tenant.gaps.retain(|_| {
        number += 1;
        !irregular.contains(&(number - 1))
    });
    tenant.gaps.truncate(120);
    for record in &mut tenant.hosts {
        record["id"] = json!(format!("id of {}", record["host"]));
    }
    tenant.with_asset(asset("1", "orders")).with_asset(asset("2", "refunds"))
}

async fn serve(builder: FakeBuilder) -> (FakeSalt, SaltClient) {
    support::serve(builder, tenant(), 30).await
}

/// Everything that the client reads, in a form to compare.
#[derive(Debug, PartialEq)]
struct Everything {
    findings: Vec<Finding>,
    partitions: Vec<String>,
    hosts: Vec<Value>,
    endpoints: Vec<Value>,
    assets: Vec<Value>,
    targets: Value,
}

fn records<T>(pages: &[Page<T>], value: impl Fn(&T) -> Value) -> Vec<Value> {
    pages.iter().flat_map(|page| &page.records).map(value).collect()
}

fn host_values(host: &Host) -> Value {
    json!([
        host.id(),
        host.host(),
        host.labels(),
        host.last_activity_at(),
        host.discovered_at(),
        host.risk_score(),
        host.endpoint_count(),
    ])
}

fn endpoint_values(endpoint: &Endpoint) -> Value {
    json!([
        endpoint.host(),
        endpoint.method(),
        endpoint.path(),
        endpoint.labels(),
        endpoint.last_activity_at()
    ])
}

fn asset_values(asset: &CloudAsset) -> Value {
    json!([
        asset.id,
        asset.account(),
        asset.endpoint_count(),
        asset.provider,
        asset.resource_name,
        asset.first_discovered_at(),
        asset.additional_pairs(),
        asset.tag_pairs(),
    ])
}

async fn read_everything(client: &SaltClient) -> Everything {
    let import = import(client, FindingQuery::all()).await.unwrap();
    let list = ListQuery::new().with_limit(7);
    let hosts: Vec<_> = client.hosts(list.clone()).try_collect().await.unwrap();
    let endpoints: Vec<_> = client.endpoints(list.clone()).try_collect().await.unwrap();
    let pages: Vec<_> = client.cloud_assets(list).try_collect().await.unwrap();
    let mut assets = records(&pages, asset_values);
    assets.push(asset_values(&client.get_cloud_asset("2").await.unwrap()));
    let partitions = import.coverage.partitions();
    Everything {
        partitions: partitions.map(|(key, state)| format!("{key:?} {state:?}")).collect(),
        findings: import.findings().cloned().collect(),
        hosts: records(&hosts, host_values),
        endpoints: records(&endpoints, endpoint_values),
        assets,
        targets: serde_json::to_value(
            client.list_bind_targets(BindTargetQuery::new()).await.unwrap().targets,
        )
        .unwrap(),
    }
}

#[tokio::test]
async fn each_harmless_quirk_is_read_the_same() {
    let (fake, client) = serve(FakeSalt::builder()).await;
    let usual = read_everything(&client).await;
    assert_eq!((usual.findings.len(), usual.hosts.len(), usual.assets.len()), (120, 9, 3));
    for quirk in HARMLESS {
        fake.reset(FakeSalt::builder().with_tenant(tenant()).with_quirk(quirk));
        assert_eq!(read_everything(&client).await, usual, "{quirk:?}");
    }
    for end in [EndOffset::Text, EndOffset::Missing, EndOffset::Stuck, EndOffset::Smaller] {
        fake.reset(FakeSalt::builder().with_tenant(tenant()).with_end_offset(end).with_short_pages(11));
        assert_eq!(read_everything(&client).await, usual, "{end:?}");
    }
    let all = HARMLESS.into_iter().fold(FakeSalt::builder(), FakeBuilder::with_quirk);
    fake.reset(all.with_tenant(tenant()).with_end_offset(EndOffset::Stuck).with_short_pages(4));
    assert_eq!(read_everything(&client).await, usual, "all at once");
}

#[tokio::test]
async fn weaknesses_are_read_in_each_form() {
    let (fake, client) = serve(FakeSalt::builder()).await;
    let usual = import(&client, FindingQuery::all()).await.unwrap();
    for quirk in [Quirk::WeaknessNumbers, Quirk::WeaknessLists] {
        fake.reset(FakeSalt::builder().with_tenant(tenant()).with_quirk(quirk));
        let import = import(&client, FindingQuery::all()).await.unwrap();
        assert!(import.findings().eq(usual.findings()), "{quirk:?}");
    }
    assert!(usual.findings().any(|finding| finding.rule.cwe == [359, 200]), "a list is among them");
}

#[tokio::test]
async fn nulls_lose_no_gap_no_host_and_no_asset() {
    let (fake, client) = serve(FakeSalt::builder()).await;
    let usual = import(&client, FindingQuery::all()).await.unwrap();
    fake.reset(FakeSalt::builder().with_tenant(tenant()).with_quirk(Quirk::Nulls));
    let with_nulls = read_everything(&client).await;
    // They are read in the pass for unknown statuses, in the same order.
    assert!(with_nulls.findings.iter().map(|finding| finding.aliases[0].as_str()).eq(usual.ids()));
    assert_eq!(
        (with_nulls.hosts.len(), with_nulls.endpoints.is_empty(), with_nulls.assets.len()),
        (9, false, 3)
    );
}

#[tokio::test]
async fn pages_that_overlap_by_design_are_read_completely() {
    let (fake, client) = serve(FakeSalt::builder()).await;
    let usual = read_everything(&client).await;
    fake.reset(FakeSalt::builder().with_tenant(tenant()).with_quirk(Quirk::Overlap));
    assert_eq!(read_everything(&client).await, usual);
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert_eq!(import.ids().len(), 120);
    assert!(import.coverage.is_complete(), "{:?}", import.coverage.gaps());
    assert_eq!(import.inconclusive_reason("api.shop.example"), None);
}

#[tokio::test]
async fn overlapping_pages_of_a_list_that_moves_are_a_gap() {
    let (fake, client) = serve(FakeSalt::builder().with_quirk(Quirk::Overlap)).await;
    // Each pass over the list moves a gap from its end to its beginning.
    for calls in [5, 9, 13, 17, 21, 25] {
        fake.edit_after(Route::ListGaps, calls, |tenant| tenant.gaps.rotate_right(1));
    }
    let import = import(&client, FindingQuery::all()).await.unwrap();
    assert!(import.inconclusive_reason("api.shop.example").unwrap().contains("moved"));
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_a_list() {
    let (fake, client) = serve(FakeSalt::builder()).await;
    let usual = read_everything(&client).await;
    fake.reset(FakeSalt::builder().with_tenant(tenant()).with_quirk(Quirk::ByteOrderMark));
    assert_eq!(read_everything(&client).await, usual);
    assert!(client.test_connection().await.is_ok());
}

#[tokio::test]
async fn an_error_message_is_read_under_each_name() {
    for name in ["message", "error", "detail", "title", "errors"] {
        let (fake, client) = serve(FakeSalt::builder().with_quirk(Quirk::ErrorsUnder(name))).await;
        fake.script(Route::ListGaps, When::Always, Reply::Expired);
        let error = client.list_gaps(&GapsQuery::new()).await.unwrap_err();
        assert!(error.message().contains("Token has expired"), "{name}: {error}");
        let error = client.get_cloud_asset("9").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("Not Found"), "{name}: {error}");
    }
}

#[tokio::test]
async fn unknown_fields_are_kept_in_every_record() {
    let (_fake, client) = serve(FakeSalt::builder().with_quirk(Quirk::ExtraFields)).await;
    let kept = |fields: &serde_json::Map<String, Value>| {
        fields["somethingNew"] == json!({"x": [1, null], "y": "N/A"})
    };
    let gaps = client.list_gaps(&GapsQuery::new()).await.unwrap();
    assert!(kept(&gaps.extra) && kept(&gaps.records[0].extra));
    let list = ListQuery::new();
    assert!(kept(client.list_hosts(&list).await.unwrap().records[0].fields()));
    assert!(kept(client.list_endpoints(&list).await.unwrap().records[0].fields()));
    assert!(kept(&client.list_cloud_assets(&list).await.unwrap().records[0].extra));
    assert!(kept(&client.get_cloud_asset("1").await.unwrap().extra));
}

#[tokio::test]
async fn documents_are_returned_verbatim() {
    let wrapped = json!({"swagger": "2.0", "wrapped": [null, {"paths": {}}]});
    let tenant = Tenant::new()
        .with_openapi("a.example", openapi("a.example"))
        .with_openapi("b.example", wrapped.clone())
        .with_endpoint(endpoint("a.example", "GET", "/x"))
        .with_document("/v1/attackers", json!([{"id": "10.0.0.1"}]));
    let (fake, client) = support::serve(FakeSalt::builder(), tenant, 100).await;
    assert_eq!(client.get_openapi("a.example").await.unwrap(), openapi("a.example"));
    assert_eq!(client.get_openapi("b.example").await.unwrap(), wrapped);
    assert_eq!(client.get_openapi("c.example").await.unwrap_err().kind(), ErrorKind::NotFound);
    let attackers = client.get_json("/v1/attackers", &[("severity", "High")]).await.unwrap();
    assert_eq!(attackers, json!([{"id": "10.0.0.1"}]));
    let call = fake.calls_to(Route::Unknown).pop().unwrap();
    assert_eq!((call.query("severity"), call.authorized), (Some("High"), true));
    assert_eq!(client.get_json("/v1/incidents", &[]).await.unwrap_err().kind(), ErrorKind::NotFound);
}
