//! Random schedules of faults over whole readings and imports: each finding is delivered exactly once, or a
//! gap is reported.
//!
//! A hundred by default. `PROOF_SCHEDULES=10000` runs more, `PROOF_FIRST=2500` starts with that seed, so
//! that several processes can share the work, and `PROOF_SEED=17` repeats one of them and prints it.
//! `--nocapture` prints the counts of outcomes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what was drawn, and what came of it, is what the test is for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proof::invariants::{CheckResult, Ending, Truth, check, check_import};
use proof::secrets::{Log, Whose};
use proof::{
    Response, ResponseFault, SeededRng, ShortTimeouts, TestBed, Vendor, When, import, read_all, read_query,
};
use salt_client::testing::{Route, gap};
use serde_json::{Value, json};
use tenable_was_client::testing::{ExportEnd, ExportScript};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The number of schedules that run at the same time. Most of them wait for a timeout.
const AT_ONCE: usize = 12;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_schedule_of_faults_loses_doubles_or_invents_a_finding() {
    let log = Log::record(Whose::Ours);
    let seeds = if let Some(seed) = number("PROOF_SEED") {
        seed..seed + 1
    } else {
        let first = number("PROOF_FIRST").unwrap_or(0);
        first..first + number("PROOF_SCHEDULES").unwrap_or(100)
    };
    let count = seeds.end - seeds.start;
    let (places, mut playing) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
    let (mut failures, mut noted) = (Vec::new(), 0_u64);
    let mut note = |played: Played| {
        *outcomes.entry(format!("{} {}", played.schedule.kind(), played.ending)).or_default() += 1;
        if count == 1 {
            println!("{:#?}: {}", played.schedule, played.ending);
        }
        noted += 1;
        if noted.is_multiple_of(1000) {
            println!("{noted} schedules, {} broken rules, {outcomes:?}", failures.len());
        }
        if !played.breaches.is_empty() {
            println!("PROOF_SEED={} broke a rule", played.schedule.seed);
            failures.push(format!(
                "PROOF_SEED={} {:?}: {:?}",
                played.schedule.seed, played.schedule, played.breaches
            ));
        }
    };
    for seed in seeds {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        playing.spawn(async move {
            let _place = place;
            Schedule::draw(seed).play().await
        });
        while let Some(played) = playing.try_join_next() {
            note(played.unwrap());
        }
    }
    while let Some(played) = playing.join_next().await {
        note(played.unwrap());
    }
    for (outcome, count) in &outcomes {
        println!("{count:>6} {outcome}");
    }
    println!("{count} schedules, {} broken rules", failures.len());
    failures.extend(log.leaks().iter().map(|leak| format!("a secret is in the log: {leak}")));
    assert!(failures.is_empty(), "{failures:#?}");
    // If everything ended in errors, nothing would be tested.
    let complete: u64 =
        outcomes.iter().filter(|(name, _)| name.ends_with(" complete")).map(|(_, count)| count).sum();
    assert!(count < 50 || complete * 4 > count, "only {complete} of {count} were complete");
}

/// A fault of one response.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Status(u16),
    Throttled(Option<&'static str>),
    Page,
    Empty,
    Reset(u64),
    Cut(u64),
    Unended,
    ShortTimeouts(u64),
    Stall(u64),
    Garbage(u64),
    Noise,
    Slow(u64),
    Late,
    Unheard,
    Unanswered,
    BadJson,
    BadRecord,
    Redirect,
    /// An empty list instead of records.
    NoRecords,
    /// The first record is repeated at the end.
    Twice,
    /// A wrong total.
    Total(u64),
    /// Chunks listed twice and in reverse order.
    Backwards,
    /// Chunks that were listed are missing later.
    Forgotten,
    /// An export of another user is running.
    Conflict,
}

impl Fault {
    fn draw(rng: &mut SeededRng) -> Self {
        let part = rng.below(101);
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
            9 | 10 => Self::Page,
            11 => Self::Empty,
            12 | 13 => Self::Reset(part),
            14 | 15 => Self::Cut(part.min(99)),
            16 => Self::Unended,
            17 | 18 => Self::ShortTimeouts(part.min(99)),
            19 => Self::Stall(part.min(99)),
            20 => Self::Garbage(part.min(99)),
            21 => Self::Noise,
            22 => Self::Slow(1 + part / 10),
            23 => Self::Late,
            24 => Self::Unheard,
            25 => Self::Unanswered,
            26 => Self::BadJson,
            27 => Self::BadRecord,
            28 => Self::Redirect,
            29 => Self::NoRecords,
            30 => Self::Twice,
            31 => Self::Total(rng.below(12)),
            32 => *rng.pick(&[Self::Backwards, Self::Forgotten]),
            _ => Self::Conflict,
        }
    }

    fn fault(self) -> ResponseFault {
        let html = |status| ResponseFault::Instead(Response::html(status));
        match self {
            Self::Status(status @ (500..=599 | 408)) => html(status),
            Self::Status(status) => {
                ResponseFault::Instead(Response::json(status, &json!({"message": "refused"})))
            }
            Self::Throttled(Some(after)) => ResponseFault::Instead(Response::throttled(after)),
            Self::Throttled(None) => html(429),
            Self::Page => html(200),
            Self::Empty => ResponseFault::Instead(Response::status(200)),
            Self::Reset(part) => ResponseFault::Reset(part),
            Self::Cut(part) => ResponseFault::Cut(part),
            Self::Unended => ResponseFault::Unended,
            Self::ShortTimeouts(part) => ResponseFault::ShortTimeouts(part),
            Self::Stall(part) => ResponseFault::Stall(part),
            Self::Garbage(part) => ResponseFault::Garbage(part),
            Self::Noise => ResponseFault::Noise,
            Self::Slow(milliseconds) => ResponseFault::Late(Duration::from_millis(milliseconds)),
            Self::Late => ResponseFault::Late(Duration::from_millis(450)),
            Self::Unheard => ResponseFault::Unheard,
            Self::Unanswered => ResponseFault::Unanswered,
            Self::BadJson => ResponseFault::replace(":", "::"),
            Self::BadRecord => ResponseFault::json(|answer| {
                if let Some(record) = list(answer).and_then(|list| list.first_mut()) {
                    *record = json!(["no", "record"]);
                }
            }),
            Self::Redirect => ResponseFault::Instead(
                Response::html(302).with_header("location", "https://login.example.test/"),
            ),
            Self::NoRecords => ResponseFault::json(|answer| {
                if let Some(list) = list(answer) {
                    list.clear();
                }
            }),
            Self::Twice => ResponseFault::json(|answer| {
                if let Some(list) = list(answer) {
                    list.extend(list.first().cloned());
                }
            }),
            Self::Total(total) => ResponseFault::json(move |answer| {
                for (name, member) in answer.as_object_mut().into_iter().flatten() {
                    match name.as_str() {
                        "total_chunks" | "endOffset" => *member = json!(total),
                        "pagination" if member.is_object() => member["total"] = json!(total),
                        _ => {}
                    }
                }
            }),
            Self::Backwards => ResponseFault::json(|answer| {
                if let Some(chunks) = answer.get_mut("chunks_available").and_then(Value::as_array_mut) {
                    chunks.extend(chunks.clone());
                    chunks.reverse();
                }
            }),
            Self::Forgotten => ResponseFault::json(|answer| {
                if let Some(chunks) = answer.get_mut("chunks_available").and_then(Value::as_array_mut) {
                    chunks.pop();
                }
            }),
            Self::Conflict => ResponseFault::Instead(Response::json(
                409,
                &json!({"active_job_id": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "failure_reason": "conflict"}),
            )),
        }
    }

    /// Two wrong responses cannot be detected, since nothing contradicts them: an empty chunk, and a list
    /// that stays empty for ever.
    fn is_fair(self, vendor: Vendor, place: &str, when: When) -> bool {
        match (self, vendor) {
            (Self::NoRecords, Vendor::Tenable) => !["/chunks/", " /"].contains(&place),
            (Self::NoRecords, Vendor::Salt) => matches!(when, When::Nth(_)),
            _ => true,
        }
    }
}

/// The records of a response, under either name.
fn list(answer: &mut Value) -> Option<&mut Vec<Value>> {
    if answer.is_array() {
        return answer.as_array_mut();
    }
    let name = ["response", "items", "data"]
        .into_iter()
        .find(|name| answer.get(*name).is_some_and(Value::is_array))?;
    answer.get_mut(name)?.as_array_mut()
}

/// A change of the service's own data.
#[derive(Debug, Clone, PartialEq)]
enum Habit {
    /// A record is inserted before all others after that many pages.
    Added(u64),
    /// The first record is removed after that many pages.
    Gone(u64),
    /// The course of an export.
    Export(ExportScript),
}

/// The operation during the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Reads all findings: pages, or an export.
    Reading,
    /// Imports all findings into a store that contains them.
    Import,
    /// Reads the findings of one scan: by its reports, or by its detections.
    Scan,
}

/// The schedule of a seed.
#[derive(Debug, Clone)]
struct Schedule {
    seed: u64,
    vendor: Vendor,
    what: What,
    habits: Vec<Habit>,
    faults: Vec<(&'static str, When, Fault)>,
}

struct Played {
    schedule: Schedule,
    ending: Ending,
    breaches: Vec<String>,
}

impl Schedule {
    fn draw(seed: u64) -> Self {
        let mut rng = SeededRng::new(seed);
        let vendor = *rng.pick(&Vendor::BOTH);
        let what = match rng.below(6) {
            0 => What::Import,
            1 | 2 if vendor == Vendor::Tenable => What::Scan,
            _ => What::Reading,
        };
        let places: &[&'static str] = match vendor {
            Vendor::Tenable if what == What::Scan => &[
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
            let place = *rng.pick(places);
            let fault = Fault::draw(&mut rng);
            let nth = rng.below(7);
            let when = match rng.below(20) {
                0 => When::From(nth),
                1 => When::First(nth),
                _ => When::Nth(nth),
            };
            if fault.is_fair(vendor, place, when) {
                faults.push((place, when, fault));
            }
        }
        let habits = match vendor {
            Vendor::Salt => (0..rng.below(3))
                .map(|_| if rng.once_in(2) { Habit::Added(rng.below(9)) } else { Habit::Gone(rng.below(9)) })
                .collect(),
            Vendor::Tenable => vec![Habit::Export(draw_export(&mut rng))],
        };
        if what == What::Scan && rng.once_in(3) {
            // Reports are refused, so that detections are read instead.
            faults.push(("/report", When::Always, Fault::Status(403)));
        }
        Self { seed, vendor, what, habits, faults }
    }

    fn kind(&self) -> String {
        format!("{} {}", self.vendor, format!("{:?}", self.what).to_lowercase())
    }

    fn lay(&self, bed: &TestBed, truth: &mut Truth) {
        for (number, habit) in self.habits.iter().enumerate() {
            match habit {
                Habit::Added(calls) => {
                    let id = format!("new{number}");
                    truth.may.insert(id.clone());
                    let add = move |tenant: &mut salt_client::testing::Tenant| {
                        tenant.gaps.insert(0, gap(&id, "h0.shop.example"));
                    };
                    bed.salt().edit_after(Route::ListGaps, *calls, add);
                }
                Habit::Gone(calls) => {
                    // The first record at that time: an original one, or an added one.
                    truth.may.extend(truth.must.pop_first());
                    let remove = |tenant: &mut salt_client::testing::Tenant| drop(tenant.gaps.remove(0));
                    bed.salt().edit_after(Route::ListGaps, *calls, remove);
                }
                Habit::Export(script) => bed.tenable().script_export(script.clone()),
            }
        }
        for (place, when, fault) in &self.faults {
            bed.gateway.inject(place, *when, fault.fault());
            truth.service_repeats |= *fault == Fault::Twice && self.vendor == Vendor::Tenable;
        }
    }

    async fn play(self) -> Played {
        let tag = format!("seed{}", self.seed);
        let verdict = match self.what {
            What::Reading => {
                let bed = TestBed::start(self.vendor, &tag).await;
                let mut truth = Truth::of(&bed);
                self.lay(&bed, &mut truth);
                check(&truth, &read_all(&*bed.scanner(&timeouts())).await)
            }
            What::Import => self.import(&tag).await,
            What::Scan => {
                let (bed, query) = TestBed::start_scan(&tag).await;
                let mut truth = Truth::of(&bed);
                self.lay(&bed, &mut truth);
                let seen = read_query(&*bed.scanner(&timeouts()), query).await;
                check(&truth, &seen.by_fingerprint())
            }
        };
        Played { schedule: self, ending: verdict.ending, breaches: verdict.breaches }
    }

    /// One import without faults, one with them, and one after them.
    async fn import(&self, tag: &str) -> CheckResult {
        let bed = TestBed::start(self.vendor, tag).await;
        let (scanner, sound) = (bed.scanner(&timeouts()), bed.scanner(&ShortTimeouts::patient()));
        let mut truth = Truth::of(&bed);
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = appsec_import::SqlStore::connect(&url).await.unwrap();
        let first = check_import(&truth, &import(self.vendor, sound.clone(), &store).await);
        assert_eq!((first.ending, first.breaches), (Ending::Complete, Vec::new()), "seed {}", self.seed);
        self.lay(&bed, &mut truth);
        let mut verdict = check_import(&truth, &import(self.vendor, scanner, &store).await);
        bed.gateway.recover();
        bed.cancel_exports().await;
        if self.vendor == Vendor::Salt {
            // The list does not change from now on.
            bed.salt().recover();
        }
        let mut last = check_import(&truth, &import(self.vendor, sound.clone(), &store).await);
        if matches!(last.ending, Ending::Gaps(_)) {
            // This import continued an export that had failed; the next one starts over.
            last = check_import(&truth, &import(self.vendor, sound, &store).await);
        }
        if last.ending != Ending::Complete {
            verdict.breaches.push(format!("afterwards an import ends with {}", last.ending));
        }
        verdict.breaches.extend(last.breaches.into_iter().map(|breach| format!("afterwards: {breach}")));
        store.close().await;
        verdict
    }
}

/// Shorter timeouts than in the matrix: a timeout ends in an error, which is an accepted ending here.
fn timeouts() -> ShortTimeouts {
    let timeouts = ShortTimeouts::new();
    let http = timeouts
        .http
        .with_head_timeout(Duration::from_millis(350))
        .with_idle_timeout(Duration::from_millis(350))
        .with_call_timeout(Duration::from_secs(2));
    ShortTimeouts { http, patience: Duration::from_millis(300) }
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
