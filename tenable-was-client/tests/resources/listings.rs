//! Streams of listings: page by page, each item once, even if the listing changes.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use appsec_core::{BindTargetQuery, DastApiScanner, DastApiScannerExt, ErrorKind, GapKind, Severity};
use appsec_http::{HttpOptions, ListedPage};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tenable_was_client::filter::Filter;
use tenable_was_client::testing::{
    FakePlugin, FakeTemplate, FakeTenableWas, FakeUserTemplate, Reply, Route, When,
};
use tenable_was_client::{PageQuery, TenableWasClient};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::{client, client_of};

#[tokio::test]
async fn plugins_and_templates_are_streamed_to_their_totals() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    fake.edit(|tenant| {
        let plugin = |id: u32| FakePlugin::new(id, format!("plugin {id}"), Severity::Low).shared();
        tenant.plugins = (98_000..98_410).rev().map(plugin).collect();
        tenant.templates.extend((0..250).map(|n| FakeTemplate::new(format!("house {n:03}"), "")));
        tenant.user_templates = (0..401).map(|n| FakeUserTemplate::new(format!("rules {n}"))).collect();
    });
    let client = client(&fake);
    let plugins: Vec<_> = client.plugins().try_concat().await.unwrap().records;
    let numbers: Vec<_> = plugins.iter().map(|plugin| plugin.plugin_id.0).collect();
    assert_eq!(numbers, (98_000..98_410).collect::<Vec<_>>());
    assert_eq!(
        (plugins[0].name.as_deref(), plugins[0].family.as_deref()),
        (Some("plugin 98000"), Some("Web Applications"))
    );
    let pages: Vec<_> = client.templates().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.records.len()).collect::<Vec<_>>(), [200, 57]);
    let rules: Vec<_> = client.user_templates(Filter::everything()).try_concat().await.unwrap().records;
    assert_eq!(rules.len(), 401);
    for (route, calls) in
        [(Route::ListPlugins, 3), (Route::ListTemplates, 2), (Route::SearchUserTemplates, 3)]
    {
        assert_eq!(fake.calls_to(route).len(), calls, "{route:?}");
    }
}

#[tokio::test]
async fn a_template_is_read_by_its_id() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    let client = client(&fake);
    let page = client.list_templates(&PageQuery::new().with_limit(1)).await.unwrap();
    let template = client.get_template(page.items[0].template_id).await.unwrap();
    assert_eq!(template, page.items[0]);
    assert_eq!((template.name.as_deref(), template.plugins[0].plugin_id.0), (Some("api"), 98_000));
    let unknown = "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d".parse().unwrap();
    assert_eq!(client.get_template(unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
    let fake = FakeTenableWas::builder().with_role(24).start().await.unwrap();
    let error = self::client(&fake).get_template(unknown).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

/// A listing that gains an item at its beginning after each page, so that the last item of a page is the
/// first of the next.
struct Moving {
    id: fn(u64) -> Value,
    asked: AtomicU64,
}

impl Respond for Moving {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let moved = self.asked.fetch_add(1, Ordering::Relaxed);
        let offset: u64 =
            request.url.query_pairs().find(|(name, _)| name == "offset").unwrap().1.parse().unwrap();
        let total = 7 + moved;
        // Older items have greater numbers. Each requested page adds a younger item before it.
        let items: Vec<_> =
            (offset..total.min(offset + 3)).map(|place| (self.id)(100 + place - moved)).collect();
        ResponseTemplate::new(200).set_body_json(json!({"pagination": {"total": total}, "items": items}))
    }
}

async fn moving(verb: &str, place: &str, id: fn(u64) -> Value) -> (MockServer, TenableWasClient) {
    let server = MockServer::start().await;
    Mock::given(method(verb))
        .and(path(place))
        .respond_with(Moving { id, asked: AtomicU64::new(0) })
        .named("the listing")
        .expect(3..)
        .mount(&server)
        .await;
    let client = client_of(server.uri(), HttpOptions::new());
    (server, client)
}

fn uuid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

const SCAN: &str = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";

/// Asserts that a changing listing has no item twice, all items that existed at its start, and a gap that
/// says that it moved.
fn assert_moved<T>(listed: &ListedPage<T>, id: impl Fn(&T) -> String) {
    let ids: Vec<_> = listed.records.iter().map(id).collect();
    let distinct: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "no item twice: {ids:?}");
    assert!((100..107).map(uuid).all(|id| distinct.contains(&id)), "{ids:?}");
    let kinds: Vec<_> = listed.gaps.iter().map(|gap| gap.kind.clone()).collect();
    assert_eq!(kinds, [GapKind::Shifted]);
}

#[tokio::test]
async fn a_changing_listing_returns_no_item_twice_and_says_that_it_moved() {
    let (_server, client) = moving("POST", "/was/v2/configs/search", |n| json!({"config_id": uuid(n)})).await;
    let listed = client.configs(Filter::everything()).try_concat().await.unwrap();
    assert_moved(&listed, |item| item.config_id.to_string());
    let (_server, client) = moving("POST", "/was/v2/configs/search", |n| json!({"config_id": uuid(n)})).await;
    let targets = client.list_bind_targets(BindTargetQuery::new()).await.unwrap();
    assert_eq!(targets.gaps.iter().map(|gap| gap.kind.clone()).collect::<Vec<_>>(), [GapKind::Shifted]);

    let place = format!("/was/v2/configs/{SCAN}/scans/search");
    let (_server, client) = moving("POST", &place, |n| json!({"scan_id": uuid(n)})).await;
    let listed = client.scans_of_config(SCAN.parse().unwrap(), Filter::everything());
    assert_moved(&listed.try_concat().await.unwrap(), |item| item.scan_id.to_string());
    let (_server, client) = moving("POST", &place, |n| json!({"scan_id": uuid(n)})).await;
    let scans: Vec<_> = client.scans(&format!("config:{SCAN}").into()).collect().await;
    let error = scans.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.gap().map(|gap| gap.kind.clone()), Some(GapKind::Shifted));

    let place = format!("/was/v2/scans/{SCAN}/notes");
    let (_server, client) = moving("GET", &place, |n| json!({"scan_note_id": uuid(n)})).await;
    let listed = client.scan_notes(SCAN.parse().unwrap()).try_concat().await.unwrap();
    assert_moved(&listed, |item| item.scan_note_id.clone().unwrap());

    let (_server, client) =
        moving("POST", "/was/v2/user-templates/search", |n| json!({"user_template_id": uuid(n)})).await;
    let listed = client.user_templates(Filter::everything()).try_concat().await.unwrap();
    assert_moved(&listed, |item| item.user_template_id.to_string());

    let (_server, client) = moving("GET", "/was/v2/templates", |n| json!({"template_id": uuid(n)})).await;
    assert_moved(&client.templates().try_concat().await.unwrap(), |item| item.template_id.to_string());

    let (_server, client) = moving("GET", "/was/v2/plugins", |n| json!({"plugin_id": n})).await;
    let listed = client.plugins().try_concat().await.unwrap();
    assert_moved(&listed, |item| uuid(item.plugin_id.0));

    let detection = |n| json!({"vuln_id": uuid(n), "plugin_id": 1});
    let (_server, client) = moving("POST", "/was/v2/vulnerabilities/search", detection).await;
    let found: Vec<_> = client.vulnerabilities(Filter::everything()).collect().await;
    let mut listed = ListedPage::default();
    listed.extend(found.into_iter().map(|item| item.map_err(|error| error.gap().unwrap().clone())));
    assert_moved(&listed, |item| item.vuln_id.to_string());

    let place = format!("/was/v2/scans/{SCAN}/vulnerabilities/search");
    let (_server, client) = moving("POST", &place, detection).await;
    let found = client.vulnerabilities_of_scan(SCAN.parse().unwrap(), Filter::everything());
    let mut listed = ListedPage::default();
    let found: Vec<_> = found.collect().await;
    listed.extend(found.into_iter().map(|item| item.map_err(|error| error.gap().unwrap().clone())));
    assert_moved(&listed, |item| item.vuln_id.to_string());
}

#[tokio::test]
async fn an_unavailable_page_ends_its_stream() {
    let fake = FakeTenableWas::builder().start().await.unwrap();
    fake.edit(|tenant| {
        let plugin = |id: u32| FakePlugin::new(id, "x", Severity::Low).shared();
        tenant.plugins = (1..=600).map(plugin).collect();
    });
    fake.script(Route::ListPlugins, When::AlwaysAfter(2), Reply::Forbidden);
    let pages: Vec<_> = client(&fake).plugins().collect().await;
    assert_eq!(pages.len(), 3);
    assert!(pages[..2].iter().all(Result::is_ok));
    assert_eq!(pages[2].as_ref().unwrap_err().kind(), ErrorKind::PermissionDenied);
}
