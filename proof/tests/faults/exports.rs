//! Faults of exports: jobs that vanish, stall, fail or belong to others, and chunks that do not add up.
//! Rows 23 to 27.

use appsec_core::ErrorKind::{Conflict, Deadline, NotFound};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proof::When::{Always, From, Nth};
use proof::invariants::{CheckResult, Truth, check};
use proof::{Response, ResponseFault, ShortTimeouts, TestBed, Vendor, read_all};
use serde_json::{Value, json};
use tenable_was_client::model::ExportRequest;
use tenable_was_client::testing::{ExportEnd, ExportScript};

use crate::row::{Expect, Row, own, row};

const NO_JOBS: Expect = Expect::NotHere("there are no jobs");
const EXPORT: &str = "POST /was/v1/export/vulns";
const STATUS: &str = "/status";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(23, "a chunk, or a list, is not there (any more)", |s| {
            s.inject(Nth(1), ResponseFault::Instead(Response::json(404, &json!({"status": 404, "message": "Export expired or not found"}))));
        })
        .salt(Expect::Fails(NotFound))
        .tenable(Expect::Gap("chunk")),
        of_export(23, "the export vanishes", |s| {
            let gone = json!({"status": 404, "message": "Export expired or not found"});
            s.gateway.inject(STATUS, From(3), ResponseFault::Instead(Response::json(404, &gone)));
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
            s.gateway.inject(STATUS, From(3), ResponseFault::json(forget_what_is_lost));
        })
        .tenable(Expect::Gap("export_incomplete")),
        own(26, "an equal export is running already", equal_export).salt(NO_JOBS),
        of_export(26, "another's export stands in the way for ever", |s| {
            let taken = json!({"active_job_id": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "failure_reason": "conflict"});
            s.gateway.inject(EXPORT, Always, ResponseFault::Instead(Response::json(409, &taken)));
            let other = json!({"uuid": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "status": "PROCESSING", "filters": {"state": ["OPEN"]},
                "chunks_available": [1], "total_chunks": 1});
            s.gateway.inject(STATUS, Always, ResponseFault::Instead(Response::json(200, &other)));
        })
        .tenable(Expect::Fails(Conflict)),
        of_export(26, "the request for an export is never answered", |s| s.gateway.inject(EXPORT, Nth(0), ResponseFault::Unanswered)),
        of_export(27, "chunks are listed twice and backwards", |s| {
            s.gateway.inject(STATUS, Always, ResponseFault::json(|status| {
                if let Some(chunks) = status["chunks_available"].as_array_mut() {
                    let again = chunks.clone();
                    chunks.extend(again);
                    chunks.reverse();
                }
            }));
        }),
        of_export(27, "chunks are forgotten once they were listed", |s| {
            s.gateway.inject(STATUS, Always, ResponseFault::json(|status| {
                if let (Some("PROCESSING"), Some(chunks)) = (status["status"].as_str(), status["chunks_available"].as_array().cloned()) {
                    status["chunks_available"] = chunks.last().cloned().into_iter().collect();
                }
            }));
        }),
    ]
}

/// A row for Tenable alone, since Salt has no exports.
fn of_export(number: u8, fault: &'static str, lay: fn(&TestBed)) -> Row {
    row(number, fault, lay).salt(NO_JOBS)
}

fn script(bed: &TestBed, how: fn(ExportScript) -> ExportScript) {
    bed.tenable().script_export(how(ExportScript::new()));
}

/// Reports at the end that the total was the number of available chunks.
fn forget_what_is_lost(status: &mut Value) {
    let available = status["chunks_available"].as_array().map_or(0, Vec::len);
    status["total_chunks"] = json!(available);
    status["chunks_cancelled"] = json!([]);
    status["status"] = json!("FINISHED");
}

fn equal_export(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let other = bed.tenable_client(&bed.gateway.url(), &ShortTimeouts::new()).build().unwrap();
        let job = other.start_export(&ExportRequest::everything().with_num_assets(500)).await.unwrap();
        let mut verdict = check(&Truth::of(&bed), &read_all(&*bed.scanner(&ShortTimeouts::new())).await);
        if bed.gateway.requests_to(EXPORT) != 2
            || bed.gateway.requests_to(&format!("{}/chunks", job.id())) == 0
        {
            verdict.breaches.push("the running export was not taken up".to_owned());
        }
        verdict
    }
    .boxed()
}
