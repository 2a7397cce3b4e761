//! Faults of listings: repeated, shifted or refused midway. Rows 20 to 22, 29.

use appsec_core::ErrorKind::{Auth, Unexpected};
use appsec_core::{BindTargetQuery, DastApiScanner, FindingQuery};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use proof::When::{Always, From, Nth};
use proof::invariants::{CheckResult, Ending, Truth, check, check_import};
use proof::{
    BOUND, Response, ResponseFault, Seen, ShortTimeouts, TestBed, Vendor, import, read_all, read_query,
};
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
            s.inject(Always, ResponseFault::Instead(Response::json(200, &page)));
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
        row(21, "records are added in every read_all", |s| {
            for (calls, id) in [(1, "x1"), (4, "x2"), (6, "x3"), (8, "x4")] {
                add_after(s, calls, id);
            }
        })
        .truth(|truth| truth.may.extend(["x1", "x2", "x3", "x4"].map(str::to_owned)))
        .salt(Expect::Gap("shifted"))
        .tenable(SNAPSHOT),
        row(21, "a page is empty that has records", |s| {
            s.inject(Nth(2), ResponseFault::json(|answer| answer["response"] = json!([])));
        })
        .tenable(SNAPSHOT),
        row(21, "pages are empty in both walks that have records", |s| {
            for nth in [2, 3, 7, 8] {
                s.inject(Nth(nth), ResponseFault::json(|answer| answer["response"] = json!([])));
            }
        })
        .salt(Expect::Gap("shifted"))
        .tenable(SNAPSHOT),
        own(22, "the process dies in the middle; the next one goes on", dies_in_the_middle),
        row(29, "credentials are revoked in the middle", |s| {
            s.inject(
                From(2),
                ResponseFault::Instead(Response::json(401, &json!({"message": "Unauthorized"}))),
            );
        })
        .fails(Auth)
        .check(not_repeated),
        own(29, "credentials are revoked, and the read_all is taken up with new ones", taken_up),
    ]
}

fn add_after(bed: &TestBed, calls: u64, id: &'static str) {
    bed.salt()
        .edit_after(Route::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, "h0.shop.example")));
}

fn not_repeated(bed: &TestBed, seen: &Seen) -> Result<(), String> {
    let attempts =
        seen.end.as_ref().and_then(|end| end.as_ref().err()).map_or(0, appsec_core::Error::attempts);
    // Chunks are read two at a time.
    let asked = bed.gateway.requests_to(bed.vendor.data());
    (attempts == 1 && asked <= 4)
        .then_some(())
        .ok_or_else(|| format!("{attempts} attempts, {asked} requests"))
}

fn same_page(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let (place, page) = match vendor {
            Vendor::Salt => ("/v1/inventory/hosts", json!({"response": [{"host": "h0.shop.example"}]})),
            Vendor::Tenable => (
                "/was/v2/configs/search",
                json!({"pagination": {"total": 1_000_000}, "items": [{"config_id": "77778888-9999-4aaa-8bbb-ccccddddeeee", "name": "x"}]}),
            ),
        };
        bed.gateway.inject(place, Always, ResponseFault::Instead(Response::json(200, &page)));
        let scanner = bed.scanner(&ShortTimeouts::new());
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
        CheckResult { ending, breaches: Vec::new() }
    }
    .boxed()
}

/// Reports are refused, detections have no total, and the offset is ignored.
fn same_detections(_: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let (bed, query) = TestBed::start_scan(&tag).await;
        bed.gateway.inject("/report", Always, ResponseFault::Instead(Response::json(403, &json!({}))));
        let first = bed.truth.len().to_string();
        bed.gateway.inject("/vulnerabilities/search", Always, ResponseFault::json(move |page| {
            page["pagination"] = json!({});
            if let Some(items) = page["items"].as_array_mut().filter(|items| items.is_empty()) {
                // The list does not end with an empty page but repeats the previous one.
                items.push(json!({"vuln_id": "77778888-9999-4aaa-8bbb-ccccddddeeee", "plugin_id": 98_100, "uri": first}));
            }
        }));
        let seen = read_query(&*bed.scanner(&ShortTimeouts::new()), query).await.by_fingerprint();
        let mut truth = Truth::of(&bed);
        truth.may.extend(seen.ids.iter().cloned());
        check(&truth, &seen)
    }
    .boxed()
}

/// The import is dropped at the request for the third page or chunk. The next import ends as if
/// undisturbed.
fn dies_in_the_middle(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = SqlStore::connect(&url).await.unwrap();
        let scanner = bed.scanner(&ShortTimeouts::new());
        let binding = Binding::new("proof", vendor.key(), ScanConfiguration::new("all"));
        let importer = Importer::new(Arc::clone(&scanner), Arc::new(store.clone()));
        bed.inject(From(2), ResponseFault::Stall(0));
        let third = async {
            while bed.gateway.requests_to(vendor.data()) < 3 {
                tokio::task::yield_now().await;
            }
        };
        let options = ImportOptions::new();
        let died = tokio::select! {
            _ = importer.run(&binding, &options) => false,
            () = third => true,
        };
        bed.gateway.recover();
        // The caller of the second import knows that the first one is dead.
        let resumed = importer.run(&binding, &ImportOptions::new().with_take_over(true)).await;
        let mut verdict = check_import(&Truth::of(&bed), &import(vendor, scanner, &store).await);
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

/// The findings from before and after the revocation together are complete, without duplicates.
fn taken_up(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let refusal = Response::json(401, &json!({"message": "Unauthorized"}));
        bed.inject(From(2), ResponseFault::Instead(refusal));
        let mut before = read_all(&*bed.scanner(&ShortTimeouts::new())).await;
        bed.gateway.recover();
        let point = before.resume.take().expect("something came before");
        let query = FindingQuery::all().with_resume(point);
        let renewed: Arc<dyn DastApiScanner> = bed.scanner(&ShortTimeouts::new());
        let mut after = read_query(&*renewed, query).await;
        let refused = matches!(&before.end, Some(Err(error)) if error.kind() == Auth);
        after.ids.extend(before.ids);
        after.shown.push_str(&before.shown);
        let mut verdict = check(&Truth::of(&bed), &after);
        if !refused {
            verdict.breaches.push("the first read_all was not refused".to_owned());
        }
        verdict
    }
    .boxed()
}
