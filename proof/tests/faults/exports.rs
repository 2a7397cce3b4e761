//! Faults of exports: jobs that vanish, stall, fail or belong to other users, and chunks that do not add up.
//! Cases 23 to 27.

use appsec_core::ErrorKind::{Conflict, NotFound};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use proof::When::{Always, From, Nth};
use proof::invariants::{CheckResult, ExpectedFindings, check};
use proof::{Response, ResponseFault, TestBed, Timeouts, Vendor, read_all};
use serde_json::{Value, json};
use tenable_was_client::model::ExportRequest;
use tenable_was_client::testing::{ExportEnd, ExportScript};

use crate::case::{Case, Expect, case, custom_case};

const NO_JOBS: Expect = Expect::NotApplicable("there are no jobs");
const EXPORT: &str = "POST /was/v1/export/vulns";
const STATUS: &str = "/status";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(23, "a chunk or a list no longer exists", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(Response::json(404, &json!({"status": 404, "message": "Export expired or not found"}))));
        })
        .salt(Expect::Fails(NotFound))
        .tenable(Expect::Gap("chunk")),
        export_case(23, "the export no longer exists", |bed| {
            let not_found = json!({"status": 404, "message": "Export expired or not found"});
            bed.gateway.inject(STATUS, From(3), ResponseFault::Replace(Response::json(404, &not_found)));
        })
        .tenable(Expect::Gap("export_incomplete")),
        export_case(24, "the export is queued forever", |bed| script_export(bed, |script| script.with_queued_polls(1_000_000)))
            .tenable(Expect::Gap("export_incomplete")),
        export_case(24, "the export makes no progress after two chunks", |bed| script_export(bed, |script| script.with_end(ExportEnd::Stuck(2))))
            .tenable(Expect::Gap("export_incomplete")),
        export_case(25, "the export fails after two chunks", |bed| script_export(bed, |script| script.with_end(ExportEnd::Error(2))))
            .tenable(Expect::Gap("export_incomplete")),
        export_case(25, "the export is cancelled after two chunks", |bed| script_export(bed, |script| script.with_end(ExportEnd::Cancelled(2))))
            .tenable(Expect::Gap("export_incomplete")),
        export_case(25, "the export finishes, and two chunks have failed", |bed| script_export(bed, |script| script.with_failed_chunks([2, 4])))
            .tenable(Expect::Gap("chunk")),
        export_case(25, "the export finishes, and a chunk is not listed anywhere", |bed| script_export(bed, |script| script.with_missing_chunks(1)))
            .tenable(Expect::Gap("export_incomplete")),
        export_case(25, "the export finishes, and three chunks are empty", |bed| script_export(bed, |script| script.with_empty_chunks(3))),
        export_case(25, "the export ends in an unknown state", |bed| {
            script_export(bed, |script| script.with_end(ExportEnd::Unknown("HIBERNATING".to_owned())));
        })
        .tenable(Expect::Gap("export_incomplete")),
        export_case(25, "the total shrinks when chunks are cancelled", |bed| {
            script_export(bed, |script| script.with_end(ExportEnd::Cancelled(3)));
            bed.gateway.inject(STATUS, From(3), ResponseFault::json(shrink_total));
        })
        .tenable(Expect::Gap("export_incomplete")),
        custom_case(26, "an equal export is already running", adopt_equal_export).salt(NO_JOBS),
        export_case(26, "an export of another user conflicts forever", |bed| {
            let taken = json!({"active_job_id": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "failure_reason": "conflict"});
            bed.gateway.inject(EXPORT, Always, ResponseFault::Replace(Response::json(409, &taken)));
            let other = json!({"uuid": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "status": "PROCESSING", "filters": {"state": ["OPEN"]},
                "chunks_available": [1], "total_chunks": 1});
            bed.gateway.inject(STATUS, Always, ResponseFault::Replace(Response::json(200, &other)));
        })
        .tenable(Expect::Fails(Conflict)),
        export_case(26, "the request for an export gets no response", |bed| bed.gateway.inject(EXPORT, Nth(0), ResponseFault::CloseBeforeResponse)),
        export_case(27, "chunks are listed twice and in reverse order", |bed| {
            bed.gateway.inject(STATUS, Always, ResponseFault::json(|status| {
                if let Some(chunks) = status["chunks_available"].as_array_mut() {
                    let again = chunks.clone();
                    chunks.extend(again);
                    chunks.reverse();
                }
            }));
        }),
        export_case(27, "listed chunks are missing later", |bed| {
            bed.gateway.inject(STATUS, Always, ResponseFault::json(|status| {
                if let (Some("PROCESSING"), Some(chunks)) = (status["status"].as_str(), status["chunks_available"].as_array().cloned()) {
                    status["chunks_available"] = chunks.last().cloned().into_iter().collect();
                }
            }));
        }),
    ]
}

/// A case for Tenable only, since Salt has no exports.
fn export_case(number: u8, fault: &'static str, inject: fn(&TestBed)) -> Case {
    case(number, fault, inject).salt(NO_JOBS)
}

fn script_export(bed: &TestBed, change: fn(ExportScript) -> ExportScript) {
    bed.tenable().script_export(change(ExportScript::new()));
}

/// Reports at the end that the total was the number of available chunks.
fn shrink_total(status: &mut Value) {
    let available = status["chunks_available"].as_array().map_or(0, Vec::len);
    status["total_chunks"] = json!(available);
    status["chunks_cancelled"] = json!([]);
    status["status"] = json!("FINISHED");
}

fn adopt_equal_export(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let other = bed.tenable_client(&bed.gateway.url(), &Timeouts::short()).build().unwrap();
        let job = other.start_export(&ExportRequest::everything().with_num_assets(500)).await.unwrap();
        let mut result =
            check(&ExpectedFindings::new(&bed), &read_all(&*bed.scanner(&Timeouts::short())).await);
        if bed.gateway.requests_to(EXPORT) != 2
            || bed.gateway.requests_to(&format!("{}/chunks", job.id())) == 0
        {
            result.violations.push("the running export was not adopted".to_owned());
        }
        result
    }
    .boxed()
}
