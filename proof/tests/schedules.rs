//! Random schedules of faults, laid over whole readings and imports: each finding comes exactly once, or what is missing is said.
//!
//! A hundred by default. `PROOF_SCHEDULES=10000` tries more, `PROOF_FIRST=2500` begins with that seed, so that several processes can
//! share the work, and `PROOF_SEED=17` plays one of them again and prints it. The counts of outcomes are printed with `--nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what was drawn, and what came of it, is what the test is for")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proof::judge::{Ending, Truth, Verdict, judge, judge_import};
use proof::secrets::{Log, Whose};
use proof::{Dice, Reply, Short, Stage, Twist, Vendor, When, import, walk, walk_query};
use salt_client::testing::{Route, gap};
use serde_json::{Value, json};
use tenable_was_client::testing::{ExportEnd, ExportScript};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Schedules that are played at the same time: most of them wait for a timeout.
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
    // Were everything to end in errors, nothing would be proven.
    let complete: u64 =
        outcomes.iter().filter(|(name, _)| name.ends_with(" complete")).map(|(_, count)| count).sum();
    assert!(count < 50 || complete * 4 > count, "only {complete} of {count} were complete");
}

/// What may happen to one answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Status(u16),
    Throttled(Option<&'static str>),
    Page,
    Empty,
    Reset(u64),
    Cut(u64),
    Unended,
    Short(u64),
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
    /// An empty list, where records are.
    NoRecords,
    /// Its first record comes once more at its end.
    Twice,
    /// A total that is not the true one.
    Total(u64),
    /// Chunks listed twice and backwards.
    Backwards,
    /// Chunks that are listed are left out again.
    Forgotten,
    /// Another's export is in the way.
    Conflict,
}

impl Fault {
    fn draw(dice: &mut Dice) -> Self {
        let part = dice.below(101);
        match dice.below(34) {
            0..=4 => Self::Status(*dice.pick(&[500, 502, 503, 504, 408])),
            5 => Self::Status(*dice.pick(&[400, 401, 403, 404, 409, 501])),
            6..=8 => Self::Throttled(*dice.pick(&[
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
            17 | 18 => Self::Short(part.min(99)),
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
            31 => Self::Total(dice.below(12)),
            32 => *dice.pick(&[Self::Backwards, Self::Forgotten]),
            _ => Self::Conflict,
        }
    }

    fn twist(self) -> Twist {
        let html = |status| Twist::Instead(Reply::html(status));
        match self {
            Self::Status(status @ (500..=599 | 408)) => html(status),
            Self::Status(status) => Twist::Instead(Reply::json(status, &json!({"message": "refused"}))),
            Self::Throttled(Some(after)) => Twist::Instead(Reply::throttled(after)),
            Self::Throttled(None) => html(429),
            Self::Page => html(200),
            Self::Empty => Twist::Instead(Reply::status(200)),
            Self::Reset(part) => Twist::Reset(part),
            Self::Cut(part) => Twist::Cut(part),
            Self::Unended => Twist::Unended,
            Self::Short(part) => Twist::Short(part),
            Self::Stall(part) => Twist::Stall(part),
            Self::Garbage(part) => Twist::Garbage(part),
            Self::Noise => Twist::Noise,
            Self::Slow(milliseconds) => Twist::Late(Duration::from_millis(milliseconds)),
            Self::Late => Twist::Late(Duration::from_millis(450)),
            Self::Unheard => Twist::Unheard,
            Self::Unanswered => Twist::Unanswered,
            Self::BadJson => Twist::replace(":", "::"),
            Self::BadRecord => Twist::json(|answer| {
                if let Some(record) = list(answer).and_then(|list| list.first_mut()) {
                    *record = json!(["no", "record"]);
                }
            }),
            Self::Redirect => {
                Twist::Instead(Reply::html(302).with_header("location", "https://login.example.test/"))
            }
            Self::NoRecords => Twist::json(|answer| {
                if let Some(list) = list(answer) {
                    list.clear();
                }
            }),
            Self::Twice => Twist::json(|answer| {
                if let Some(list) = list(answer) {
                    list.extend(list.first().cloned());
                }
            }),
            Self::Total(total) => Twist::json(move |answer| {
                for (name, member) in answer.as_object_mut().into_iter().flatten() {
                    match name.as_str() {
                        "total_chunks" | "endOffset" => *member = json!(total),
                        "pagination" if member.is_object() => member["total"] = json!(total),
                        _ => {}
                    }
                }
            }),
            Self::Backwards => Twist::json(|answer| {
                if let Some(chunks) = answer.get_mut("chunks_available").and_then(Value::as_array_mut) {
                    chunks.extend(chunks.clone());
                    chunks.reverse();
                }
            }),
            Self::Forgotten => Twist::json(|answer| {
                if let Some(chunks) = answer.get_mut("chunks_available").and_then(Value::as_array_mut) {
                    chunks.pop();
                }
            }),
            Self::Conflict => Twist::Instead(Reply::json(
                409,
                &json!({"active_job_id": "bf000000-53aa-4e70-9ef3-87cfca1d2be0", "failure_reason": "conflict"}),
            )),
        }
    }

    /// Two lies cannot be seen through, for there is no other word to compare them with: a chunk that holds nothing, and a list that is
    /// empty for ever.
    fn is_fair(self, vendor: Vendor, place: &str, when: When) -> bool {
        match (self, vendor) {
            (Self::NoRecords, Vendor::Tenable) => !["/chunks/", " /"].contains(&place),
            (Self::NoRecords, Vendor::Salt) => matches!(when, When::Nth(_)),
            _ => true,
        }
    }
}

/// The records of an answer, by whichever name.
fn list(answer: &mut Value) -> Option<&mut Vec<Value>> {
    if answer.is_array() {
        return answer.as_array_mut();
    }
    let name = ["response", "items", "data"]
        .into_iter()
        .find(|name| answer.get(*name).is_some_and(Value::is_array))?;
    answer.get_mut(name)?.as_array_mut()
}

/// What the service itself does.
#[derive(Debug, Clone, PartialEq)]
enum Habit {
    /// A record is put before all others after so many pages.
    Added(u64),
    /// The first record goes after so many pages.
    Gone(u64),
    /// How an export goes.
    Export(ExportScript),
}

/// What is done while the faults happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// All findings are read: pages, or an export.
    Reading,
    /// They are imported, over a store that knows them.
    Import,
    /// The findings of one scan are read: by its reports, or by its detections.
    Scan,
}

/// What was drawn by a seed.
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
        let mut dice = Dice::new(seed);
        let vendor = *dice.pick(&Vendor::BOTH);
        let what = match dice.below(6) {
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
        for _ in 0..dice.below(6) {
            let place = *dice.pick(places);
            let fault = Fault::draw(&mut dice);
            let nth = dice.below(7);
            let when = match dice.below(20) {
                0 => When::From(nth),
                1 => When::First(nth),
                _ => When::Nth(nth),
            };
            if fault.is_fair(vendor, place, when) {
                faults.push((place, when, fault));
            }
        }
        let habits =
            match vendor {
                Vendor::Salt => (0..dice.below(3))
                    .map(|_| {
                        if dice.once_in(2) { Habit::Added(dice.below(9)) } else { Habit::Gone(dice.below(9)) }
                    })
                    .collect(),
                Vendor::Tenable => vec![Habit::Export(draw_export(&mut dice))],
            };
        if what == What::Scan && dice.once_in(3) {
            // Reports are refused, and detections are read instead.
            faults.push(("/report", When::Always, Fault::Status(403)));
        }
        Self { seed, vendor, what, habits, faults }
    }

    fn kind(&self) -> String {
        format!("{} {}", self.vendor, format!("{:?}", self.what).to_lowercase())
    }

    fn lay(&self, stage: &Stage, truth: &mut Truth) {
        for (number, habit) in self.habits.iter().enumerate() {
            match habit {
                Habit::Added(calls) => {
                    let id = format!("new{number}");
                    truth.may.insert(id.clone());
                    let add = move |tenant: &mut salt_client::testing::Tenant| {
                        tenant.gaps.insert(0, gap(&id, "h0.shop.example"));
                    };
                    stage.salt().edit_after(Route::ListGaps, *calls, add);
                }
                Habit::Gone(calls) => {
                    // The first one at that moment: one of the truth, or one that was added.
                    truth.may.extend(truth.must.pop_first());
                    let remove = |tenant: &mut salt_client::testing::Tenant| drop(tenant.gaps.remove(0));
                    stage.salt().edit_after(Route::ListGaps, *calls, remove);
                }
                Habit::Export(script) => stage.tenable().script_export(script.clone()),
            }
        }
        for (place, when, fault) in &self.faults {
            stage.gateway.spoil(place, *when, fault.twist());
            truth.service_repeats |= *fault == Fault::Twice && self.vendor == Vendor::Tenable;
        }
    }

    async fn play(self) -> Played {
        let tag = format!("seed{}", self.seed);
        let verdict = match self.what {
            What::Reading => {
                let stage = Stage::start(self.vendor, &tag).await;
                let mut truth = Truth::of(&stage);
                self.lay(&stage, &mut truth);
                judge(&truth, &walk(&*stage.scanner(&short())).await)
            }
            What::Import => self.import(&tag).await,
            What::Scan => {
                let (stage, query) = Stage::start_scan(&tag).await;
                let mut truth = Truth::of(&stage);
                self.lay(&stage, &mut truth);
                let seen = walk_query(&*stage.scanner(&short()), query).await;
                judge(&truth, &seen.by_fingerprint())
            }
        };
        Played { schedule: self, ending: verdict.ending, breaches: verdict.breaches }
    }

    /// One import without faults, one with them, and one when they are over.
    async fn import(&self, tag: &str) -> Verdict {
        let stage = Stage::start(self.vendor, tag).await;
        let (scanner, sound) = (stage.scanner(&short()), stage.scanner(&Short::patient()));
        let mut truth = Truth::of(&stage);
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        let store = appsec_import::SqlStore::connect(&url).await.unwrap();
        let first = judge_import(&truth, &import(self.vendor, sound.clone(), &store).await);
        assert_eq!((first.ending, first.breaches), (Ending::Complete, Vec::new()), "seed {}", self.seed);
        self.lay(&stage, &mut truth);
        let mut verdict = judge_import(&truth, &import(self.vendor, scanner, &store).await);
        stage.gateway.recover();
        stage.cancel_exports().await;
        if self.vendor == Vendor::Salt {
            // The list stands still from now on.
            stage.salt().recover();
        }
        let mut last = judge_import(&truth, &import(self.vendor, sound.clone(), &store).await);
        if matches!(last.ending, Ending::Gaps(_)) {
            // It went on with an export that had ended badly; the next one begins anew.
            last = judge_import(&truth, &import(self.vendor, sound, &store).await);
        }
        if last.ending != Ending::Complete {
            verdict.breaches.push(format!("afterwards an import ends with {}", last.ending));
        }
        verdict.breaches.extend(last.breaches.into_iter().map(|breach| format!("afterwards: {breach}")));
        store.close().await;
        verdict
    }
}

/// Less patient than the matrix: what is given up too early ends in an error, and that is an end as good as another here.
fn short() -> Short {
    let short = Short::new();
    let http = short
        .http
        .with_head_timeout(Duration::from_millis(350))
        .with_idle_timeout(Duration::from_millis(350))
        .with_call_timeout(Duration::from_secs(2));
    Short { http, patience: Duration::from_millis(300) }
}

fn draw_export(dice: &mut Dice) -> ExportScript {
    let count = |dice: &mut Dice, below| usize::try_from(dice.below(below)).unwrap();
    let mut script =
        ExportScript::new().with_queued_polls(count(dice, 3)).with_chunks_per_poll(1 + count(dice, 5));
    let chunk = |dice: &mut Dice| u32::try_from(1 + dice.below(6)).unwrap();
    match dice.below(16) {
        0 => script = script.with_failed_chunks([chunk(dice), chunk(dice)]),
        1 => script = script.with_expired_chunks([chunk(dice)]),
        2 => script = script.with_empty_chunks(chunk(dice)),
        3 => script = script.with_missing_chunks(1),
        4 => script = script.with_end(ExportEnd::Error(count(dice, 5))),
        5 => script = script.with_end(ExportEnd::Cancelled(count(dice, 5))),
        6 => script = script.with_end(ExportEnd::Stuck(count(dice, 5))),
        7 => script = script.with_end(ExportEnd::Unknown("HIBERNATING".to_owned())),
        _ => {}
    }
    script
}
