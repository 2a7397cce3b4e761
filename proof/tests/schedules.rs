//! Random schedules of faults over whole reads and imports: each finding is delivered exactly once, or a
//! gap is reported.
//!
//! A hundred by default. `PROOF_SCHEDULES=10000` runs more, `PROOF_FIRST=2500` starts with that seed, so
//! that several processes can share the work, and `PROOF_SEED=17` repeats one of them and prints it.
//! `--nocapture` prints the counts of outcomes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the test prints the schedules and their outcomes")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proof::invariants::{CheckResult, Ending, ExpectedFindings, check, check_import};
use proof::secrets::{Log, LogScope};
use proof::{
    Response, ResponseFault, SeededRng, TestBed, Timeouts, Vendor, When, import, read_all, read_query,
};
use salt_client::testing::{Route, gap};
use serde_json::{Value, json};
use tenable_was_client::testing::{ExportEnd, ExportScript};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The number of schedules that run at the same time. Most of them wait for a timeout.
const AT_ONCE: usize = 12;

fn env_number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_schedule_of_faults_loses_duplicates_or_invents_a_finding() {
    let log = Log::record(LogScope::Workspace);
    let seeds = if let Some(seed) = env_number("PROOF_SEED") {
        seed..seed + 1
    } else {
        let first = env_number("PROOF_FIRST").unwrap_or(0);
        first..first + env_number("PROOF_SCHEDULES").unwrap_or(100)
    };
    let count = seeds.end - seeds.start;
    let (permits, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let (mut failures, mut finished) = (Vec::new(), 0_u64);
    let mut record = |result: ScheduleResult| {
        *outcomes.entry(format!("{} {}", result.schedule.kind(), result.ending)).or_default() += 1;
        if count == 1 {
            println!("{:#?}: {}", result.schedule, result.ending);
        }
        finished += 1;
        if finished.is_multiple_of(1000) {
            println!("{finished} schedules, {} broken invariants, {outcomes:?}", failures.len());
        }
        if !result.violations.is_empty() {
            println!("PROOF_SEED={} broke an invariant", result.schedule.seed);
            failures.push(format!(
                "PROOF_SEED={} {:?}: {:?}",
                result.schedule.seed, result.schedule, result.violations
            ));
        }
    };
    for seed in seeds {
        let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
        tasks.spawn(async move {
            let _permit = permit;
            Schedule::draw(seed).run().await
        });
        while let Some(result) = tasks.try_join_next() {
            record(result.unwrap());
        }
    }
    while let Some(result) = tasks.join_next().await {
        record(result.unwrap());
    }
    for (outcome, count) in &outcomes {
        println!("{count:>6} {outcome}");
    }
    println!("{count} schedules, {} broken invariants", failures.len());
    failures.extend(log.leaks().iter().map(|leak| format!("a secret is in the log: {leak}")));
    assert!(failures.is_empty(), "{failures:#?}");
    // If every schedule ended in an error, nothing would be tested.
    let complete: u64 =
        outcomes.iter().filter(|(name, _)| name.ends_with(" complete")).map(|(_, count)| count).sum();
    assert!(count < 50 || complete * 4 > count, "only {complete} of {count} were complete");
}

/// A kind of fault of one response.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Status(u16),
    Throttled(Option<&'static str>),
    HtmlPage,
    EmptyBody,
    Reset(u64),
    CloseEarly(u64),
    MissingLastChunk,
    Truncate(u64),
    Stall(u64),
    Garbage(u64),
    NotHttp,
    ShortDelay(u64),
    LongDelay,
    CloseBeforeRequest,
    CloseBeforeResponse,
    BadJson,
    BadRecord,
    Redirect,
    /// An empty list instead of records.
    NoRecords,
    /// The first record is repeated at the end.
    DuplicateRecord,
    /// A wrong total.
    WrongTotal(u64),
    /// Chunks listed twice and in reverse order.
    ReversedChunks,
    /// Chunks that were listed are missing later.
    MissingChunk,
    /// An export of another user is running.
    Conflict,
}

impl Fault {
    fn draw(rng: &mut SeededRng) -> Self {
        let percent = rng.below(101);
        match rng.below(34) {
            0..=4 => Self::Status(*rng.pick(&[500, 502, 503, 504, 408])),
            5 => Self::Status(*rng.pick(&[400, 401, 403, 404, 409, 501])),
            6..=8 => Self::Throttled(*rng.pick(&[
                None,
                Some("0"),
                Some("soon"),
                Some("-1"),
                Some("3600"),
                Some("0.0"),
            ])),
            9 | 10 => Self::HtmlPage,
            11 => Self::EmptyBody,
            12 | 13 => Self::Reset(percent),
            14 | 15 => Self::CloseEarly(percent.min(99)),
            16 => Self::MissingLastChunk,
            17 | 18 => Self::Truncate(percent.min(99)),
            19 => Self::Stall(percent.min(99)),
            20 => Self::Garbage(percent.min(99)),
            21 => Self::NotHttp,
            22 => Self::ShortDelay(1 + percent / 10),
            23 => Self::LongDelay,
            24 => Self::CloseBeforeRequest,
            25 => Self::CloseBeforeResponse,
            26 => Self::BadJson,
            27 => Self::BadRecord,
            28 => Self::Redirect,
            29 => Self::NoRecords,
            30 => Self::DuplicateRecord,
            31 => Self::WrongTotal(rng.below(12)),
            32 => *rng.pick(&[Self::ReversedChunks, Self::MissingChunk]),
            _ => Self::Conflict,
        }
    }

    fn to_response_fault(self) -> ResponseFault {
        let html = |status| ResponseFault::Replace(Response::html(status));
        match self {
            Self::Status(status @ (500..=599 | 408)) => html(status),
            Self::Status(status) => {
                ResponseFault::Replace(Response::json(status, &json!({"message": "refused"})))
            }
            Self::Throttled(Some(retry_after)) => ResponseFault::Replace(Response::throttled(retry_after)),
            Self::Throttled(None) => html(429),
            Self::HtmlPage => html(200),
            Self::EmptyBody => ResponseFault::Replace(Response::status(200)),
            Self::Reset(percent) => ResponseFault::Reset(percent),
            Self::CloseEarly(percent) => ResponseFault::CloseEarly(percent),
            Self::MissingLastChunk => ResponseFault::MissingLastChunk,
            Self::Truncate(percent) => ResponseFault::Truncate(percent),
            Self::Stall(percent) => ResponseFault::Stall(percent),
            Self::Garbage(percent) => ResponseFault::Garbage(percent),
            Self::NotHttp => ResponseFault::NotHttp,
            Self::ShortDelay(milliseconds) => ResponseFault::Delay(Duration::from_millis(milliseconds)),
            Self::LongDelay => ResponseFault::Delay(Duration::from_millis(450)),
            Self::CloseBeforeRequest => ResponseFault::CloseBeforeRequest,
            Self::CloseBeforeResponse => ResponseFault::CloseBeforeResponse,
            Self::BadJson => ResponseFault::replace_text(":", "::"),
            Self::BadRecord => ResponseFault::json(|response| {
                if let Some(record) = records_mut(response).and_then(|list| list.first_mut()) {
                    *record = json!(["no", "record"]);
                }
            }),
            Self::Redirect => ResponseFault::Replace(
                Response::html(302).with_header("location", "https://login.example.test/"),
            ),
            Self::NoRecords => ResponseFault::json(|response| {
                if let Some(list) = records_mut(response) {
                    list.clear();
                }
            }),
            Self::DuplicateRecord => ResponseFault::json(|response| {
                if let Some(list) = records_mut(response) {
                    list.extend(list.first().cloned());
                }
            }),
            Self::WrongTotal(total) => ResponseFault::json(move |response| {
                for (name, member) in response.as_object_mut().into_iter().flatten() {
                    match name.as_str() {
                        "total_chunks" | "endOffset" => *member = json!(total),
                        "pagination" if member.is_object() => member["total"] = json!(total),
                        _ => {}
                    }
                }
            }),
            Self::ReversedChunks => ResponseFault::json(|response| {
                if let Some(chunks) = response.get_mut("chunks_available").and_then(Value::as_array_mut) {
                    chunks.extend(chunks.clone());
                    chunks.reverse();
                }
            }),
            Self::MissingChunk => ResponseFault::json(|response| {
                if let Some(chunks) = response.get_mut("chunks_available").and_then(Value::as_array_mut) {
                    chunks.pop();
                }
            }),
            Self::Conflict => ResponseFault::Replace(Response::json(
                409,
                &json!({"active_job_id": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "failure_reason": "conflict"}),
            )),
        }
    }

    /// Whether a client can detect the fault. Two wrong responses cannot be detected, since nothing
    /// contradicts them: an empty chunk, and a list that stays empty forever.
    fn is_detectable(self, vendor: Vendor, route: &str, when: When) -> bool {
        match (self, vendor) {
            (Self::NoRecords, Vendor::Tenable) => !["/chunks/", " /"].contains(&route),
            (Self::NoRecords, Vendor::Salt) => matches!(when, When::Nth(_)),
            _ => true,
        }
    }
}

/// The records of a response, which have different names.
fn records_mut(response: &mut Value) -> Option<&mut Vec<Value>> {
    if response.is_array() {
        return response.as_array_mut();
    }
    let name = ["response", "items", "data"]
        .into_iter()
        .find(|name| response.get(*name).is_some_and(Value::is_array))?;
    response.get_mut(name)?.as_array_mut()
}

/// A change of the data of the service.
#[derive(Debug, Clone, PartialEq)]
enum ServiceChange {
    /// A record is inserted before all others after that many pages.
    RecordAdded(u64),
    /// The first record is removed after that many pages.
    RecordRemoved(u64),
    /// The script of the export.
    ExportScript(ExportScript),
}

/// The operation that runs during the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    /// Reads all findings: pages, or an export.
    Read,
    /// Imports all findings into a store that contains them.
    Import,
    /// Reads the findings of one scan: by its reports, or by its detections.
    Scan,
}

/// The schedule that a seed determines.
#[derive(Debug, Clone)]
struct Schedule {
    seed: u64,
    vendor: Vendor,
    operation: Operation,
    changes: Vec<ServiceChange>,
    faults: Vec<(&'static str, When, Fault)>,
}

struct ScheduleResult {
    schedule: Schedule,
    ending: Ending,
    violations: Vec<String>,
}

impl Schedule {
    fn draw(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let vendor = *rng.pick(&Vendor::BOTH);
        let operation = match rng.below(6) {
            0 => Operation::Import,
            1 | 2 if vendor == Vendor::Tenable => Operation::Scan,
            _ => Operation::Read,
        };
        let routes: &[&'static str] = match vendor {
            Vendor::Tenable if operation == Operation::Scan => &[
                "/report",
                "/report",
                "/by-targets/search",
                "/notes",
                "GET /was/v2/scans/",
                "/vulnerabilities/search",
                "/plugins",
                " /",
            ],
            Vendor::Salt => &["/posture/gaps", "/posture/gaps", "/posture/gaps", "/inventory/hosts", " /"],
            Vendor::Tenable => &[
                "/chunks/",
                "/chunks/",
                "/status",
                "/status",
                "POST /was/v1/export/vulns",
                "/configs/search",
                " /",
            ],
        };
        let mut faults = Vec::new();
        for _ in 0..rng.below(6) {
            let route = *rng.pick(routes);
            let fault = Fault::draw(&mut rng);
            let nth = rng.below(7);
            let when = match rng.below(20) {
                0 => When::From(nth),
                1 => When::First(nth),
                _ => When::Nth(nth),
            };
            if fault.is_detectable(vendor, route, when) {
                faults.push((route, when, fault));
            }
        }
        let changes = match vendor {
            Vendor::Salt => (0..rng.below(3))
                .map(|_| {
                    if rng.one_in(2) {
                        ServiceChange::RecordAdded(rng.below(9))
                    } else {
                        ServiceChange::RecordRemoved(rng.below(9))
                    }
                })
                .collect(),
            Vendor::Tenable => vec![ServiceChange::ExportScript(draw_export(&mut rng))],
        };
        if operation == Operation::Scan && rng.one_in(3) {
            // Reports are rejected, so that detections are read instead.
            faults.push(("/report", When::Always, Fault::Status(403)));
        }
        Self { seed, vendor, operation, changes, faults }
    }

    fn kind(&self) -> String {
        format!("{} {}", self.vendor, format!("{:?}", self.operation).to_lowercase())
    }

    fn inject_faults(&self, bed: &TestBed, expected: &mut ExpectedFindings) {
        for (number, change) in self.changes.iter().enumerate() {
            match change {
                ServiceChange::RecordAdded(calls) => {
                    let id = format!("new{number}");
                    expected.optional.insert(id.clone());
                    let add = move |tenant: &mut salt_client::testing::Tenant| {
                        tenant.gaps.insert(0, gap(&id, "h0.shop.example"));
                    };
                    bed.salt().edit_after(Route::ListGaps, *calls, add);
                }
                ServiceChange::RecordRemoved(calls) => {
                    // The record that is first then: an original one, or an added one.
                    expected.optional.extend(expected.required.pop_first());
                    let remove = |tenant: &mut salt_client::testing::Tenant| drop(tenant.gaps.remove(0));
                    bed.salt().edit_after(Route::ListGaps, *calls, remove);
                }
                ServiceChange::ExportScript(script) => bed.tenable().script_export(script.clone()),
            }
        }
        for (route, when, fault) in &self.faults {
            bed.gateway.inject(route, *when, fault.to_response_fault());
            expected.service_sends_duplicates |=
                *fault == Fault::DuplicateRecord && self.vendor == Vendor::Tenable;
        }
    }

    async fn run(self) -> ScheduleResult {
        let tag = format!("seed{}", self.seed);
        let result = match self.operation {
            Operation::Read => {
                let bed = TestBed::start(self.vendor, &tag).await;
                let mut expected = ExpectedFindings::new(&bed);
                self.inject_faults(&bed, &mut expected);
                check(&expected, &read_all(&*bed.scanner(&timeouts())).await)
            }
            Operation::Import => self.import(&tag).await,
            Operation::Scan => {
                let (bed, query) = TestBed::start_scan(&tag).await;
                let mut expected = ExpectedFindings::new(&bed);
                self.inject_faults(&bed, &mut expected);
                let reading = read_query(&*bed.scanner(&timeouts()), query).await;
                check(&expected, &reading.by_fingerprint())
            }
        };
        ScheduleResult { schedule: self, ending: result.ending, violations: result.violations }
    }

    /// One import without faults, one with them, and one after them.
    async fn import(&self, tag: &str) -> CheckResult {
        let bed = TestBed::start(self.vendor, tag).await;
        let (scanner, healthy) = (bed.scanner(&timeouts()), bed.scanner(&Timeouts::long()));
        let mut expected = ExpectedFindings::new(&bed);
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = appsec_import::SqlStore::connect(&url).await.unwrap();
        let first = check_import(&expected, &import(self.vendor, healthy.clone(), &store).await);
        assert_eq!((first.ending, first.violations), (Ending::Complete, Vec::new()), "seed {}", self.seed);
        self.inject_faults(&bed, &mut expected);
        let mut result = check_import(&expected, &import(self.vendor, scanner, &store).await);
        bed.gateway.clear_faults();
        bed.cancel_exports().await;
        if self.vendor == Vendor::Salt {
            // The list does not change from now on.
            bed.salt().recover();
        }
        let mut last = check_import(&expected, &import(self.vendor, healthy.clone(), &store).await);
        if matches!(last.ending, Ending::Gaps(_)) {
            // This import continued an export that had failed; the next one starts over.
            last = check_import(&expected, &import(self.vendor, healthy, &store).await);
        }
        if last.ending != Ending::Complete {
            result.violations.push(format!("after the faults an import ends with {}", last.ending));
        }
        result
            .violations
            .extend(last.violations.into_iter().map(|violation| format!("after the faults: {violation}")));
        store.close().await;
        result
    }
}

/// Shorter timeouts than in the matrix: a timeout ends in an error, which is an accepted outcome here.
fn timeouts() -> Timeouts {
    let timeouts = Timeouts::short();
    let http = timeouts
        .http
        .with_head_timeout(Duration::from_millis(350))
        .with_idle_timeout(Duration::from_millis(350))
        .with_call_timeout(Duration::from_secs(2));
    Timeouts { http, export_patience: Duration::from_millis(300) }
}

fn draw_export(rng: &mut SeededRng) -> ExportScript {
    let count = |rng: &mut SeededRng, below| usize::try_from(rng.below(below)).unwrap();
    let mut script =
        ExportScript::new().with_queued_polls(count(rng, 3)).with_chunks_per_poll(1 + count(rng, 5));
    let chunk = |rng: &mut SeededRng| u32::try_from(1 + rng.below(6)).unwrap();
    match rng.below(16) {
        0 => script = script.with_failed_chunks([chunk(rng), chunk(rng)]),
        1 => script = script.with_expired_chunks([chunk(rng)]),
        2 => script = script.with_empty_chunks(chunk(rng)),
        3 => script = script.with_missing_chunks(1),
        4 => script = script.with_end(ExportEnd::Error(count(rng, 5))),
        5 => script = script.with_end(ExportEnd::Cancelled(count(rng, 5))),
        6 => script = script.with_end(ExportEnd::Stuck(count(rng, 5))),
        7 => script = script.with_end(ExportEnd::Unknown("HIBERNATING".to_owned())),
        _ => {}
    }
    script
}
