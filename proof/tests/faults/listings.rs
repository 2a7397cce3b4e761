//! Faults of listings: repeated, shifted or rejected midway. Cases 20 to 22, 29.

use appsec_core::ErrorKind::{Auth, Unexpected};
use appsec_core::{BindTargetQuery, DastApiScanner, FindingQuery};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use proof::When::{Always, From, Nth};
use proof::invariants::{CheckResult, Ending, ExpectedFindings, check, check_import};
use proof::{
    Reading, Response, ResponseFault, TIME_LIMIT, TestBed, Timeouts, Vendor, import, read_all, read_query,
};
use salt_client::testing::{Route, gap};
use serde_json::json;
use std::sync::Arc;

use crate::case::{Case, Expect, case, custom_case};

const NO_JOBS: Expect = Expect::NotApplicable("there are no jobs");
const SNAPSHOT: Expect = Expect::NotApplicable("an export is a snapshot");

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(20, "the same page repeated forever", |bed| {
            let page = json!({"response": [gap("a", "h0.shop.example"), gap("b", "h0.shop.example")]});
            bed.inject(Always, ResponseFault::Replace(Response::json(200, &page)));
        })
        .expected(|expected| expected.optional.extend(["a", "b"].map(str::to_owned)))
        .fails(Unexpected)
        .tenable(Expect::NotApplicable("chunks are not pages; see the next case")),
        custom_case(20, "a list of targets with the same page forever", repeat_target_page).fails(Unexpected),
        custom_case(20, "detections of a scan with the same page forever", repeat_detection_page)
            .salt(NO_JOBS)
            .tenable(Expect::Fails(Unexpected)),
        case(21, "a record is added while pages are read", |bed| add_after(bed, 1, "x1"))
            .expected(|expected| expected.optional.extend(["x1".to_owned()]))
            .tenable(SNAPSHOT),
        case(21, "a record is removed while pages are read", |bed| {
            bed.salt().edit_after(Route::ListGaps, 2, |tenant| drop(tenant.gaps.remove(0)));
        })
        .expected(|expected| expected.optional.extend(expected.required.pop_first()))
        .tenable(SNAPSHOT),
        case(21, "records are added during every read", |bed| {
            for (calls, id) in [(1, "x1"), (4, "x2"), (6, "x3"), (8, "x4")] {
                add_after(bed, calls, id);
            }
        })
        .expected(|expected| expected.optional.extend(["x1", "x2", "x3", "x4"].map(str::to_owned)))
        .salt(Expect::Gap("shifted"))
        .tenable(SNAPSHOT),
        case(21, "a page is wrongly empty", |bed| {
            bed.inject(Nth(2), ResponseFault::json(|response| response["response"] = json!([])));
        })
        .tenable(SNAPSHOT),
        case(21, "pages are wrongly empty in both reads", |bed| {
            for nth in [2, 3, 7, 8] {
                bed.inject(Nth(nth), ResponseFault::json(|response| response["response"] = json!([])));
            }
        })
        .salt(Expect::Gap("shifted"))
        .tenable(SNAPSHOT),
        custom_case(
            22,
            "the process dies in the middle, and the next one resumes",
            process_dies_in_the_middle,
        ),
        case(29, "credentials are revoked in the middle", |bed| {
            bed.inject(
                From(2),
                ResponseFault::Replace(Response::json(401, &json!({"message": "Unauthorized"}))),
            );
        })
        .fails(Auth)
        .check(was_not_retried),
        custom_case(
            29,
            "credentials are revoked, and the read resumes with new ones",
            resume_with_new_credentials,
        ),
    ]
}

fn add_after(bed: &TestBed, calls: u64, id: &'static str) {
    bed.salt()
        .edit_after(Route::ListGaps, calls, move |tenant| tenant.gaps.insert(0, gap(id, "h0.shop.example")));
}

fn was_not_retried(bed: &TestBed, reading: &Reading) -> Result<(), String> {
    let attempts = reading.error().map_or(0, appsec_core::Error::attempts);
    // Chunks are read two at a time.
    let requests = bed.gateway.requests_to(bed.vendor.data_requests());
    (attempts == 1 && requests <= 4)
        .then_some(())
        .ok_or_else(|| format!("{attempts} attempts, {requests} requests"))
}

fn repeat_target_page(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let (route, page) = match vendor {
            Vendor::Salt => ("/v1/inventory/hosts", json!({"response": [{"host": "h0.shop.example"}]})),
            Vendor::Tenable => (
                "/was/v2/configs/search",
                json!({"pagination": {"total": 1_000_000}, "items": [{"config_id": "77778888-9999-4aaa-8bbb-ccccddddeeee", "name": "x"}]}),
            ),
        };
        bed.gateway.inject(route, Always, ResponseFault::Replace(Response::json(200, &page)));
        let scanner = bed.scanner(&Timeouts::short());
        let mut pages = scanner.bind_targets(BindTargetQuery::default());
        let ending = tokio::time::timeout(TIME_LIMIT, async {
            while let Some(page) = pages.next().await {
                if let Err(error) = page {
                    return Ending::Failed(error.kind());
                }
            }
            Ending::Complete
        });
        let ending = ending.await.unwrap_or(Ending::Never);
        CheckResult { ending, violations: Vec::new() }
    }
    .boxed()
}

/// Reports are rejected, detections have no total, and the offset is ignored.
fn repeat_detection_page(_: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let (bed, query) = TestBed::start_scan(&tag).await;
        bed.gateway.inject("/report", Always, ResponseFault::Replace(Response::json(403, &json!({}))));
        let first = bed.finding_ids.len().to_string();
        bed.gateway.inject("/vulnerabilities/search", Always, ResponseFault::json(move |page| {
            page["pagination"] = json!({});
            if let Some(items) = page["items"].as_array_mut().filter(|items| items.is_empty()) {
                // The list does not end with an empty page but repeats the previous one.
                items.push(json!({"vuln_id": "77778888-9999-4aaa-8bbb-ccccddddeeee", "plugin_id": 98_100, "uri": first}));
            }
        }));
        let reading = read_query(&*bed.scanner(&Timeouts::short()), query).await.by_fingerprint();
        let mut expected = ExpectedFindings::new(&bed);
        expected.optional.extend(reading.ids.iter().cloned());
        check(&expected, &reading)
    }
    .boxed()
}

/// The import is dropped at the request for the third page or chunk. The next import ends like
/// one that follows a complete import.
fn process_dies_in_the_middle(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = SqlStore::connect(&url).await.unwrap();
        let scanner = bed.scanner(&Timeouts::short());
        let binding = Binding::new("proof", vendor.key(), ScanConfiguration::new("all"));
        let importer = Importer::new(Arc::clone(&scanner), Arc::new(store.clone()));
        bed.inject(From(2), ResponseFault::Stall(0));
        let third_request = async {
            while bed.gateway.requests_to(vendor.data_requests()) < 3 {
                tokio::task::yield_now().await;
            }
        };
        let options = ImportOptions::new();
        let interrupted = tokio::select! {
            _ = importer.run(&binding, &options) => false,
            () = third_request => true,
        };
        bed.gateway.clear_faults();
        // The caller of the second import knows that the first process has died.
        let resumed = importer.run(&binding, &ImportOptions::new().with_take_over(true)).await;
        let mut result = check_import(&ExpectedFindings::new(&bed), &import(vendor, scanner, &store).await);
        match resumed {
            Ok(resumed) if !resumed.gaps.is_empty() => {
                result.violations.push(format!("gaps: {:?}", resumed.gaps));
            }
            Ok(_) if interrupted => {}
            Ok(_) => result.violations.push("the import was not interrupted".to_owned()),
            Err(error) => result.violations.push(format!("the second process failed: {error}")),
        }
        result
    }
    .boxed()
}

/// The findings from before and after the revocation together are complete, without duplicates.
fn resume_with_new_credentials(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let unauthorized = Response::json(401, &json!({"message": "Unauthorized"}));
        bed.inject(From(2), ResponseFault::Replace(unauthorized));
        let mut before = read_all(&*bed.scanner(&Timeouts::short())).await;
        bed.gateway.clear_faults();
        let point = before.resume.take().expect("a batch was delivered before");
        let query = FindingQuery::all().with_resume(point);
        let scanner: Arc<dyn DastApiScanner> = bed.scanner(&Timeouts::short());
        let mut after = read_query(&*scanner, query).await;
        let rejected = matches!(&before.end, Some(Err(error)) if error.kind() == Auth);
        after.ids.extend(before.ids);
        after.output.push_str(&before.output);
        let mut result = check(&ExpectedFindings::new(&bed), &after);
        if !rejected {
            result.violations.push("the first read was not rejected".to_owned());
        }
        result
    }
    .boxed()
}
