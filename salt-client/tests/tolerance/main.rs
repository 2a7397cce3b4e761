//! Thousands of variants of every composed shape, read by the client over HTTP: no panic, no endless read,
//! no record lost without a coverage gap, no token in an output or a log.
//!
//! The seed is fixed; `SALT_SEED` sets another one, and `SALT_VARIANTS` sets the number of variants of each
//! shape. In lists, every record is a variant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and its counts are worth reading"
)]
#![allow(clippy::cast_precision_loss, reason = "a number for a test")]

mod shape;
#[path = "../support/mod.rs"]
mod support;
mod variants;

use std::collections::BTreeSet;
use std::fmt::Debug;

use appsec_core::{Coverage, Error, ErrorKind, FindingQuery, GapKind, PartitionKey};
use futures_util::TryStreamExt;
use salt_client::testing::{FakeSalt, Reply, Route, Tenant, When, gap};
use salt_client::{GapChange, GapStatus, GapsQuery, ListQuery, Page, SaltClient, SpeculativeBody, Webhook};
use serde::Serialize;
use serde_json::{Map, Value, json};
use shape::{MOST_REQUESTS, Shape, TOKEN, assert_error_is_secret, assert_secret, bounded, log_lines, usable};
use support::import;

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn composed(list: &str, text: &str) -> Vec<Value> {
    fixture(text)[list].as_array().unwrap().clone()
}

#[tokio::test]
async fn every_gap_is_imported_or_reported_as_a_coverage_gap() {
    let mut shape = Shape::new("gaps, imported").await;
    let composed = [
        composed("response", include_str!("../../fixtures/gaps_page.json")),
        composed("response", include_str!("../../fixtures/gaps_page_without_details.json")),
    ]
    .concat();
    let (mut moves, mut repeated, mut refused) = (0, 0, 0);
    while shape.has_next() {
        let count = shape.rng.below(18);
        let mut gaps = shape.records(&composed, count);
        let sent = ids_of(&gaps);
        let repeats = shape.rng.one_in(6) && gaps.len() > 6;
        if repeats {
            repeated += 1;
            gaps.extend_from_within(2..5);
        }
        let tenant = Tenant::new().with_host(json!({"host": "listed.example"})).with_gaps(gaps);
        let service = shape.service().with_tenant(tenant);
        shape.fake.reset(service);
        let drifts = shape.rng.below(8).saturating_sub(5);
        for number in 0..drifts {
            moves += 1;
            drift(&mut shape, number);
        }
        let read = bounded(import(&shape.client, FindingQuery::all())).await;
        assert!(shape.fake.requests() < MOST_REQUESTS, "{} requests", shape.fake.requests());
        let read = match read {
            Ok(read) => read,
            // A list of repeated records can look like a service that does not page. That is reported as an
            // error.
            Err(error) if repeats || drifts > 0 => {
                assert_eq!(error.kind(), ErrorKind::Unexpected, "{error}");
                refused += 1;
                continue;
            }
            Err(error) => panic!("{error:?}"),
        };
        assert_secret(&format!("{:?} {:?}", read.batches, read.coverage));
        let delivered: BTreeSet<String> = read.ids().iter().map(|id| id.trim().to_owned()).collect();
        assert_eq!(delivered.len(), read.ids().len(), "no finding twice");
        let shifted = read.coverage.gaps().iter().any(|gap| gap.kind == GapKind::Shifted);
        // Gaps that were in the list all the time must be delivered; gaps that were added or removed may be.
        let left = shape.fake.edit(|tenant| tenant.gaps.clone());
        let lost: Vec<_> =
            ids_of(&left).intersection(&sent).filter(|id| !delivered.contains(*id)).cloned().collect();
        assert!(lost.is_empty() || drifts > 1 && shifted, "lost without a coverage gap: {lost:?}");
        let invented = delivered.iter().find(|id| !sent.contains(*id) && !id.starts_with("new "));
        assert_eq!(invented, None);
        let bad = left.iter().any(|gap| id_of(gap).is_none());
        assert!(read.coverage.is_complete() != (bad || shifted) || drifts > 0, "{:?}", read.coverage.gaps());
        if shifted {
            assert!(all_inconclusive(&read.coverage), "{:?}", read.coverage);
        }
    }
    assert!(log_lines() > 0, "the log was recorded");
    println!(
        "of these: {repeated} lists with repeats, {moves} moves of a list, {refused} reads that ended in an error"
    );
    shape.close();
}

/// Adds or removes a gap near the beginning of the list, between two requests of a read.
fn drift(shape: &mut Shape, number: usize) {
    let (calls, at) = (1 + shape.rng.below(5) as u64, shape.rng.below(4));
    let inserts = shape.rng.one_in(2);
    shape.fake.edit_after(Route::ListGaps, calls, move |tenant| {
        let at = at.min(tenant.gaps.len());
        if inserts {
            tenant.gaps.insert(at, gap(&format!("new {number}"), "a.example"));
        } else if at < tenant.gaps.len() {
            tenant.gaps.remove(at);
        }
    });
}

/// The id of a gap that can become a finding.
fn id_of(gap: &Value) -> Option<String> {
    usable(gap, "postureGapId", true)
}

fn ids_of(gaps: &[Value]) -> BTreeSet<String> {
    gaps.iter().filter_map(id_of).collect()
}

fn all_inconclusive(coverage: &Coverage) -> bool {
    let mut partitions = coverage.partitions().map(|(key, _)| key);
    partitions.all(|key: &PartitionKey| coverage.inconclusive_reason(key).is_some())
}

/// Asserts that every record of a list is returned in order, or as a bad record.
async fn assert_all_listed<T: Serialize + Debug>(
    shape: &mut Shape,
    composed: Vec<Value>,
    fill: fn(Tenant, Vec<Value>) -> Tenant,
    pages: impl AsyncFn(&SaltClient, ListQuery) -> Result<Vec<Page<T>>, Error>,
) {
    while shape.has_next() {
        let count = shape.rng.below(14);
        let records = shape.records(&composed, count);
        let service = shape.service().with_tenant(fill(Tenant::new(), records.clone()));
        shape.fake.reset(service);
        let limit = 1 + u32::try_from(shape.rng.below(6)).unwrap();
        let pages = bounded(pages(&shape.client, ListQuery::new().with_limit(limit))).await.unwrap();
        assert!(shape.fake.requests() < MOST_REQUESTS);
        assert_secret(&format!("{pages:?}"));
        let numbers: Vec<_> = pages
            .iter()
            .flat_map(|page| &page.records)
            .map(|record| serde_json::to_value(record).unwrap()["number"].clone())
            .collect();
        let sent: Vec<_> = records.iter().filter_map(|record| record.get("number").cloned()).collect();
        assert_eq!(numbers, sent, "each record once, in order");
        let bad: usize = pages.iter().map(|page| page.bad.len()).sum();
        assert_eq!(bad, records.len() - sent.len(), "an element that is not a record is kept apart");
    }
}

#[tokio::test]
async fn all_hosts_are_listed_and_their_fields_can_be_read() {
    let mut shape = Shape::new("hosts, listed").await;
    let hosts = [
        composed("response", include_str!("../../fixtures/hosts_page.json")),
        composed("records", include_str!("../../fixtures/hosts_page_of_other_names.json")),
    ]
    .concat();
    assert_all_listed(
        &mut shape,
        hosts,
        |tenant, hosts| hosts.into_iter().fold(tenant, Tenant::with_host),
        async |client, query| {
            let pages: Vec<_> = client.hosts(query).try_collect().await?;
            for host in pages.iter().flat_map(|page| &page.records) {
                let _ = (host.id(), host.host(), host.labels(), host.endpoint_count(), host.risk_score());
                let _ = (host.discovered_at(), host.last_activity_at());
            }
            Ok(pages)
        },
    )
    .await;
    shape.close();
}

#[tokio::test]
async fn all_endpoints_are_listed_and_their_fields_can_be_read() {
    let mut shape = Shape::new("endpoints, listed").await;
    let endpoints = [
        composed("response", include_str!("../../fixtures/endpoints_page.json")),
        composed("data", include_str!("../../fixtures/endpoints_page_of_other_names.json")),
    ]
    .concat();
    assert_all_listed(
        &mut shape,
        endpoints,
        |tenant, endpoints| endpoints.into_iter().fold(tenant, Tenant::with_endpoint),
        async |client, query| {
            let pages: Vec<_> = client.endpoints(query).try_collect().await?;
            for endpoint in pages.iter().flat_map(|page| &page.records) {
                let _ =
                    (endpoint.id(), endpoint.host(), endpoint.method(), endpoint.path(), endpoint.labels());
            }
            Ok(pages)
        },
    )
    .await;
    shape.close();
}

#[tokio::test]
async fn all_cloud_assets_are_listed_and_their_fields_can_be_read() {
    let mut shape = Shape::new("cloud assets, listed").await;
    assert_all_listed(
        &mut shape,
        composed("records", include_str!("../../fixtures/assets_page.json")),
        |tenant, assets| assets.into_iter().fold(tenant, Tenant::with_asset),
        async |client, query| {
            let pages: Vec<_> = client.cloud_assets(query).try_collect().await?;
            for asset in pages.iter().flat_map(|page| &page.records) {
                let _ =
                    (asset.account(), asset.endpoint_count(), asset.additional_pairs(), asset.tag_pairs());
            }
            Ok(pages)
        },
    )
    .await;
    shape.close();
}

#[tokio::test]
async fn a_cloud_asset_is_read_or_refused() {
    let mut shape = Shape::new("cloud asset, single").await;
    let composed = fixture(include_str!("../../fixtures/asset.json"));
    while shape.has_next() {
        let body = if shape.rng.one_in(10) { shape.json(3) } else { shape.object(&composed) };
        shape.fake.recover();
        shape.fake.script(Route::GetAsset, When::Next(1), Reply::Json(200, body.clone()));
        let asset = bounded(shape.client.get_cloud_asset("1")).await;
        assert_eq!(asset.is_ok(), body.is_object(), "{body}");
        if let Ok(asset) = asset {
            let _ = (asset.first_discovered_at(), asset.additional_pairs(), asset.tag_pairs());
            let written = serde_json::to_value(&asset).unwrap();
            assert!(body.as_object().unwrap().keys().all(|key| written.get(key).is_some()), "{body}");
        }
    }
    shape.close();
}

#[tokio::test]
async fn a_document_is_returned_verbatim() {
    let mut shape = Shape::new("OpenAPI document").await;
    let composed = fixture(include_str!("../../fixtures/openapi_document.json"));
    while shape.has_next() {
        let body = if shape.rng.one_in(3) { shape.json(4) } else { shape.object(&composed) };
        shape.fake.recover();
        shape.fake.script(Route::GetOpenApi, When::Next(1), Reply::Json(200, body.clone()));
        assert_eq!(bounded(shape.client.get_openapi("a.example")).await.unwrap(), body);
    }
    shape.close();
}

#[tokio::test]
async fn an_envelope_is_read_or_refused_and_no_stream_of_it_is_endless() {
    let mut shape = Shape::new("the same envelope repeatedly").await;
    let composed = fixture(include_str!("../../fixtures/gaps_page.json"));
    while shape.has_next() {
        let mut page = shape.object(&composed);
        if shape.rng.one_in(4) {
            page["message"] = json!(format!("unknown token {TOKEN}"));
        }
        let list = ["response", "records", "data"].into_iter().find_map(|name| page.get(name));
        let is_page = list.is_some_and(Value::is_array);
        shape.fake.reset(FakeSalt::builder().with_token(TOKEN));
        shape.fake.script(Route::Any, When::Always, Reply::Json(200, page.clone()));
        let read = bounded(shape.client.list_gaps(&GapsQuery::new())).await;
        assert_eq!(read.is_ok(), is_page, "{page}");
        if let Err(error) = &read {
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_error_is_secret(error);
        }
        // The same page is returned again and again: a stream ends in an error, or at once if the page is
        // empty.
        let streamed: Result<Vec<_>, _> = bounded(shape.client.gaps(GapsQuery::new()).try_collect()).await;
        let ends = read.is_ok_and(|page| page.is_empty());
        assert_eq!(streamed.is_ok(), ends, "{page}");
        if let Err(error) = bounded(import(&shape.client, FindingQuery::all())).await.map(|_| ()) {
            assert_error_is_secret(&error);
        } else {
            assert!(ends, "{page}");
        }
        assert!(shape.fake.requests() < 100, "{} requests", shape.fake.requests());
    }
    shape.close();
}

#[tokio::test]
async fn an_error_response_is_an_error_that_shows_no_token() {
    let mut shape = Shape::new("refusals").await;
    let composed = [
        fixture(include_str!("../../fixtures/error_401.json")),
        fixture(include_str!("../../fixtures/error_400_other_names.json")),
        json!({"message": format!("unknown token {TOKEN}"), "code": TOKEN, "authorization": format!("Bearer {TOKEN}")}),
        json!({"error": {"message": TOKEN}, "errors": [{"message": TOKEN}], "detail": [TOKEN]}),
    ];
    while shape.has_next() {
        let body = shape.rng.pick(&composed);
        let body = shape.object(&body);
        let status =
            shape.rng.pick(&[300_u16, 302, 400, 401, 402, 403, 404, 409, 418, 422, 500, 501, 502, 503, 599]);
        shape.fake.recover();
        shape.fake.script(Route::Any, When::Always, Reply::Json(status, body));
        assert_error_is_secret(&bounded(shape.client.list_gaps(&GapsQuery::new())).await.unwrap_err());
        let change = GapChange::new("1", GapStatus::Resolved);
        let written = bounded(shape.client.write_gap_status(&change, &SpeculativeBody::Object)).await;
        assert_error_is_secret(&written.unwrap_err());
    }
    shape.close();
}

#[tokio::test]
async fn any_response_to_a_change_is_kept() {
    let mut shape = Shape::new("replies to a change").await;
    while shape.has_next() {
        let body = shape.json(3);
        let status = shape.rng.pick(&[200_u16, 201, 202]);
        shape.fake.recover();
        shape.fake.script(Route::WriteStatus, When::Next(1), Reply::Json(status, body.clone()));
        let change = GapChange::new("1", GapStatus::Resolved);
        let unverified =
            bounded(shape.client.write_gap_status(&change, &SpeculativeBody::Object)).await.unwrap();
        assert_eq!((unverified.status(), unverified.json()), (status, Some(body)));
        assert_secret(&format!("{unverified:?}"));
    }
    shape.close();
}

#[tokio::test]
async fn a_webhook_call_is_an_event_or_an_error() {
    let mut shape = Shape::new("webhook calls").await;
    let webhook = Webhook::new(TOKEN);
    let composed = [
        fixture(include_str!("../../fixtures/webhook.json")),
        json!({"token": TOKEN, "reference": "a.example", "event": "PostureGap", "note": [TOKEN, {"x": TOKEN}]}),
    ];
    while shape.has_next() {
        let body = shape.rng.pick(&composed);
        let body = shape.object(&body);
        let in_body = body["token"] == TOKEN;
        let header = shape.rng.pick(&[None, Some(TOKEN), Some("wrong")]);
        let result =
            webhook.verify(header.map(|value| ("X-Webhook-Token", value)), body.to_string().as_bytes());
        assert_eq!(result.is_ok(), header.map_or(in_body, |value| value == TOKEN), "{body}");
        assert_secret(&format!("{result:?}"));
        if let Ok(event) = result {
            let _ = (event.event(), event.target());
            let named = ["host", "reference"].iter().any(|key| usable(&body, key, true).is_some());
            assert!(!named || event.host().is_some() || body.to_string().contains("{{"), "{body}");
            let kept: &Map<String, Value> = event.fields();
            assert_eq!(kept.len(), body.as_object().unwrap().keys().filter(|key| *key != "token").count());
        }
    }
    shape.close();
}
