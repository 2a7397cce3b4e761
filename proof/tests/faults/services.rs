//! Rows about services that repeat themselves, move, and refuse in the middle: 20 to 22, 29.

use appsec_core::ErrorKind::{Auth, Unexpected};
use appsec_core::{BindTargetQuery, DastApiScanner, FindingQuery};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use proof::When::{Always, From, Nth};
use proof::judge::{Ending, Truth, Verdict, judge, judge_import};
use proof::{BOUND, Reply, Seen, Short, Stage, Twist, Vendor, import, walk, walk_query};
use salt_client::testing::{Route, gap};
use serde_json::json;
use std::sync::Arc;

use crate::row::{Expect, Row, own, row};

const NO_JOBS: Expect = Expect::NotHere("there are no jobs");
const SNAPSHOT: Expect = Expect::NotHere("an export is a snapshot");

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(20, "the same page again and again", |s| {
            let page = json!({"response": [gap("a", "h0.shop.example"), gap("b", "h0.shop.example")]});
            s.spoil(Always, Twist::Instead(Reply::json(200, &page)));
        })
        .truth(|truth| truth.may.extend(["a", "b"].map(str::to_owned)))
        .fails(Unexpected)
        .tenable(Expect::NotHere("chunks are not pages; see the next row")),
        own(20, "a list of targets that says the same again and again", same_page).fails(Unexpected),
        own(20, "detections of a scan, the same page again and again", same_detections)
            .salt(NO_JOBS)
            .tenable(Expect::Fails(Unexpected)),
        row(21, "a record is added while pages are read", |s| add_after(s, 1, "x1"))
            .truth(|truth| truth.may.extend(["x1".to_owned()]))
            .tenable(SNAPSHOT),
        row(21, "a record goes while pages are read", |s| {
            s.salt().edit_after(Route::ListGaps, 2, |tenant| drop(tenant.gaps.remove(0)));
        })
        .truth(|truth| truth.may.extend(truth.must.pop_first()))
        .tenable(SNAPSHOT),
        row(21, "records are added in every walk", |s| {
            for (calls, id) in [(1, "x1"), (4, "x2"), (6, "x3"), (8, "x4")] {
                add_after(s, calls, id);
            }
        })
        .truth(|truth| truth.may.extend(["x1", "x2", "x3", "x4"].map(str::to_owned)))
        .salt(Expect::Gap("shifted"))
        .tenable(SNAPSHOT),
        row(21, "a page is empty that has records", |s| {
            s.spoil(Nth(2), Twist::json(|answer| answer["response"] = json!([])));
        })
        .tenable(SNAPSHOT),
        row(21, "pages are empty in both walks that have records", |s| {
            for nth in [2, 3, 7, 8] {
                s.spoil(Nth(nth), Twist::json(|answer| answer["response"] = json!([])));
            }
        })
        .salt(Expect::Gap("shifted"))
        .tenable(SNAPSHOT),
        own(22, "the process dies in the middle; the next one goes on", dies_in_the_middle),
        row(29, "credentials are revoked in the middle", |s| {
            s.spoil(From(2), Twist::Instead(Reply::json(401, &json!({"message": "Unauthorized"}))));
        })
        .fails(Auth)
        .check(not_repeated),
        own(29, "credentials are revoked, and the walk is taken up with new ones", taken_up),
    ]
}

fn add_after(stage: &Stage, calls: u64, id: &'static str) {
    stage
        .salt()
        .edit_after(Route::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, "h0.shop.example")));
}

fn not_repeated(stage: &Stage, seen: &Seen) -> Result<(), String> {
    let attempts =
        seen.end.as_ref().and_then(|end| end.as_ref().err()).map_or(0, appsec_core::Error::attempts);
    // Chunks are read two at a time.
    let asked = stage.gateway.requests_to(stage.vendor.data());
    (attempts == 1 && asked <= 4)
        .then_some(())
        .ok_or_else(|| format!("{attempts} attempts, {asked} requests"))
}

fn same_page(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let (place, page) = match vendor {
            Vendor::Salt => ("/v1/inventory/hosts", json!({"response": [{"host": "h0.shop.example"}]})),
            Vendor::Tenable => (
                "/was/v2/configs/search",
                json!({"pagination": {"total": 1_000_000}, "items": [{"config_id": "77778888-9999-4aaa-8bbb-ccccddddeeee", "name": "x"}]}),
            ),
        };
        stage.gateway.spoil(place, Always, Twist::Instead(Reply::json(200, &page)));
        let scanner = stage.scanner(&Short::new());
        let mut pages = scanner.bind_targets(BindTargetQuery::default());
        let ended = tokio::time::timeout(BOUND, async {
            while let Some(page) = pages.next().await {
                if let Err(error) = page {
                    return Ending::Failed(error.kind());
                }
            }
            Ending::Complete
        });
        let ending = ended.await.unwrap_or(Ending::Never);
        Verdict { ending, breaches: Vec::new() }
    }
    .boxed()
}

/// Reports are refused, detections come without a total, and no offset matters.
fn same_detections(_: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let (stage, query) = Stage::start_scan(&tag).await;
        stage.gateway.spoil("/report", Always, Twist::Instead(Reply::json(403, &json!({}))));
        let first = stage.truth.len().to_string();
        stage.gateway.spoil("/vulnerabilities/search", Always, Twist::json(move |page| {
            page["pagination"] = json!({});
            if let Some(items) = page["items"].as_array_mut().filter(|items| items.is_empty()) {
                // The end is not an empty page but what was there before.
                items.push(json!({"vuln_id": "77778888-9999-4aaa-8bbb-ccccddddeeee", "plugin_id": 98_100, "uri": first}));
            }
        }));
        let seen = walk_query(&*stage.scanner(&Short::new()), query).await.by_fingerprint();
        let mut truth = Truth::of(&stage);
        truth.may.extend(seen.ids.iter().cloned());
        judge(&truth, &seen)
    }
    .boxed()
}

/// The import is dropped when the third page or chunk is asked for; the next one ends as if nothing had happened.
fn dies_in_the_middle(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = SqlStore::connect(&url).await.unwrap();
        let scanner = stage.scanner(&Short::new());
        let binding = Binding::new("proof", vendor.key(), ScanConfiguration::new("all"));
        let importer = Importer::new(Arc::clone(&scanner), Arc::new(store.clone()));
        stage.spoil(From(2), Twist::Stall(0));
        let third = async {
            while stage.gateway.requests_to(vendor.data()) < 3 {
                tokio::task::yield_now().await;
            }
        };
        let options = ImportOptions::new();
        let died = tokio::select! {
            _ = importer.run(&binding, &options) => false,
            () = third => true,
        };
        stage.gateway.recover();
        // Whoever starts it again knows that the first one is dead.
        let resumed = importer.run(&binding, &ImportOptions::new().with_take_over(true)).await;
        let mut verdict = judge_import(&Truth::of(&stage), &import(vendor, scanner, &store).await);
        match resumed {
            Ok(resumed) if !resumed.gaps.is_empty() => {
                verdict.breaches.push(format!("gaps: {:?}", resumed.gaps));
            }
            Ok(_) if died => {}
            Ok(_) => verdict.breaches.push("it did not die".to_owned()),
            Err(error) => verdict.breaches.push(format!("the second process failed: {error}")),
        }
        verdict
    }
    .boxed()
}

/// What came before the revocation and what comes after it are the truth, each finding once.
fn taken_up(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let refusal = Reply::json(401, &json!({"message": "Unauthorized"}));
        stage.spoil(From(2), Twist::Instead(refusal));
        let mut before = walk(&*stage.scanner(&Short::new())).await;
        stage.gateway.recover();
        let point = before.resume.take().expect("something came before");
        let query = FindingQuery::all().with_resume(point);
        let renewed: Arc<dyn DastApiScanner> = stage.scanner(&Short::new());
        let mut after = walk_query(&*renewed, query).await;
        let refused = matches!(&before.end, Some(Err(error)) if error.kind() == Auth);
        after.ids.extend(before.ids);
        after.shown.push_str(&before.shown);
        let mut verdict = judge(&Truth::of(&stage), &after);
        if !refused {
            verdict.breaches.push("the first walk was not refused".to_owned());
        }
        verdict
    }
    .boxed()
}
