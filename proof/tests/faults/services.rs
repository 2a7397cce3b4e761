//! Rows about services that move, repeat themselves, give up or refuse: 20 to 27, 29.

use appsec_core::ErrorKind::{Auth, Conflict, Deadline, NotFound, Unexpected};
use appsec_core::{BindTargetQuery, DastApiScanner, FindingQuery};
use appsec_import::{ImportLine, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use proof::When::{Always, From, Nth};
use proof::judge::{Ending, Truth, Verdict, judge, judge_import};
use proof::{BOUND, Reply, Seen, Short, Stage, Twist, Vendor, import, walk, walk_query};
use salt_client::testing::{Route, gap};
use serde_json::{Value, json};
use std::sync::Arc;
use tenable_was_client::model::ExportRequest;
use tenable_was_client::testing::{ExportEnd, ExportScript};

use crate::row::{Expect, Row, own, row};

const NO_JOBS: Expect = Expect::NotHere("there are no jobs");
const SNAPSHOT: Expect = Expect::NotHere("an export is a snapshot");
const EXPORT: &str = "POST /was/v1/export/vulns";
const STATUS: &str = "/status";

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
        row(23, "a chunk, or a list, is not there (any more)", |s| {
            s.spoil(Nth(1), Twist::Instead(Reply::json(404, &json!({"status": 404, "message": "Export expired or not found"}))));
        })
        .salt(Expect::Fails(NotFound))
        .tenable(Expect::Gap("chunk")),
        of_export(23, "the export vanishes", |s| {
            let gone = json!({"status": 404, "message": "Export expired or not found"});
            s.gateway.spoil(STATUS, From(3), Twist::Instead(Reply::json(404, &gone)));
        })
        .tenable(Expect::Gap("export_incomplete")),
        of_export(24, "the export is queued for ever", |s| script(s, |script| script.with_queued_polls(1_000_000)))
            .tenable(Expect::Fails(Deadline)),
        of_export(24, "the export stands still in the middle", |s| script(s, |script| script.with_end(ExportEnd::Stuck(2))))
            .tenable(Expect::Fails(Deadline)),
        of_export(25, "the export fails after two chunks", |s| script(s, |script| script.with_end(ExportEnd::Error(2))))
            .tenable(Expect::Gap("export_incomplete")),
        of_export(25, "the export is cancelled after two chunks", |s| script(s, |script| script.with_end(ExportEnd::Cancelled(2))))
            .tenable(Expect::Gap("export_incomplete")),
        of_export(25, "the export finishes, and two chunks have failed", |s| script(s, |script| script.with_failed_chunks([2, 4])))
            .tenable(Expect::Gap("chunk")),
        of_export(25, "the export finishes, and a chunk was never heard of", |s| script(s, |script| script.with_missing_chunks(1)))
            .tenable(Expect::Gap("export_incomplete")),
        of_export(25, "the export finishes, and three chunks are empty", |s| script(s, |script| script.with_empty_chunks(3))),
        of_export(25, "the export is in a state that nobody knows", |s| {
            script(s, |script| script.with_end(ExportEnd::Unknown("HIBERNATING".to_owned())));
        })
        .tenable(Expect::Gap("export_incomplete")),
        of_export(25, "a total that shrinks as chunks get lost", |s| {
            script(s, |script| script.with_end(ExportEnd::Cancelled(3)));
            s.gateway.spoil(STATUS, From(3), Twist::json(forget_what_is_lost));
        })
        .tenable(Expect::Gap("export_incomplete")),
        own(26, "an equal export is running already", equal_export).salt(NO_JOBS),
        of_export(26, "another's export stands in the way for ever", |s| {
            let taken = json!({"active_job_id": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "failure_reason": "conflict"});
            s.gateway.spoil(EXPORT, Always, Twist::Instead(Reply::json(409, &taken)));
            let other = json!({"uuid": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "status": "PROCESSING", "filters": {"state": ["OPEN"]},
                "chunks_available": [1], "total_chunks": 1});
            s.gateway.spoil(STATUS, Always, Twist::Instead(Reply::json(200, &other)));
        })
        .tenable(Expect::Fails(Conflict)),
        of_export(26, "the request for an export is never answered", |s| s.gateway.spoil(EXPORT, Nth(0), Twist::Unanswered)),
        of_export(27, "chunks are listed twice and backwards", |s| {
            s.gateway.spoil(STATUS, Always, Twist::json(|status| {
                if let Some(chunks) = status["chunks_available"].as_array_mut() {
                    let again = chunks.clone();
                    chunks.extend(again);
                    chunks.reverse();
                }
            }));
        }),
        of_export(27, "chunks are forgotten once they were listed", |s| {
            s.gateway.spoil(STATUS, Always, Twist::json(|status| {
                if let (Some("PROCESSING"), Some(chunks)) = (status["status"].as_str(), status["chunks_available"].as_array().cloned()) {
                    status["chunks_available"] = chunks.last().cloned().into_iter().collect();
                }
            }));
        }),
        row(29, "credentials are revoked in the middle", |s| s.spoil(From(2), Twist::Instead(Reply::json(401, &json!({"message": "Unauthorized"})))))
            .fails(Auth)
            .check(not_repeated),
        own(29, "credentials are revoked, and the walk is taken up with new ones", taken_up),
    ]
}

/// A row about exports, which Salt does not have.
fn of_export(number: u8, fault: &'static str, lay: fn(&Stage)) -> Row {
    row(number, fault, lay).salt(NO_JOBS)
}

fn script(stage: &Stage, how: fn(ExportScript) -> ExportScript) {
    stage.tenable().script_export(how(ExportScript::new()));
}

fn add_after(stage: &Stage, calls: u64, id: &'static str) {
    stage
        .salt()
        .edit_after(Route::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, "h0.shop.example")));
}

/// Says in the end that there were never more chunks than there are.
fn forget_what_is_lost(status: &mut Value) {
    let available = status["chunks_available"].as_array().map_or(0, Vec::len);
    status["total_chunks"] = json!(available);
    status["chunks_cancelled"] = json!([]);
    status["status"] = json!("FINISHED");
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

/// The import is dropped when the third page or chunk is asked for; the next one ends as if nothing had happened.
fn dies_in_the_middle(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = SqlStore::connect(&url).await.unwrap();
        let scanner = stage.scanner(&Short::new());
        let line = ImportLine::new("proof", vendor.key(), ScanConfiguration::new("all"));
        let importer = Importer::new(Arc::clone(&scanner), Arc::new(store.clone()));
        stage.spoil(From(2), Twist::Stall(0));
        let third = async {
            while stage.gateway.requests_to(vendor.data()) < 3 {
                tokio::task::yield_now().await;
            }
        };
        let options = ImportOptions::new();
        let died = tokio::select! {
            _ = importer.run(&line, &options) => false,
            () = third => true,
        };
        stage.gateway.recover();
        // Whoever starts it again knows that the first one is dead.
        let resumed = importer.run(&line, &ImportOptions::new().with_take_over()).await;
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

fn equal_export(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let other = stage.tenable_client(&stage.gateway.url(), &Short::new()).build().unwrap();
        let job = other.start_export(&ExportRequest::everything().with_num_assets(500)).await.unwrap();
        let mut verdict = judge(&Truth::of(&stage), &walk(&*stage.scanner(&Short::new())).await);
        if stage.gateway.requests_to(EXPORT) != 2
            || stage.gateway.requests_to(&format!("{}/chunks", job.id())) == 0
        {
            verdict.breaches.push("the running export was not taken up".to_owned());
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
