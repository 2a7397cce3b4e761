//! A process is killed at random points of its runs. The result is that of an undisturbed process.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the counts of the kills are the result")]

mod support;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{Finding, FindingStatus};
use appsec_import::outbox::{MessageState, Outbox, Subscription};
use appsec_import::reconcile::KnownFinding;
use appsec_import::{ImportOptions, Importer, SqlStore};

use support::{Script, ScriptedScanner, all, at, binding, finding, stores};

/// The number of findings in one page.
const PAGE: usize = 40;

/// The findings of each run, in pages. Some close by absence, some by status, some are reopened, some twice.
fn history() -> Vec<Script> {
    let numbered = |number: usize| finding("p", &format!("/{number}"), Some(&format!("id-{number}")));
    let fixed = |number: usize| {
        let mut finding = numbered(number);
        finding.status = Some(FindingStatus::Fixed);
        finding
    };
    let runs: [Vec<Finding>; 3] = [
        (0..400).map(numbered).collect(),
        (100..500).map(|number| if number % 7 == 0 { fixed(number) } else { numbered(number) }).collect(),
        (50..450).chain(60..70).map(numbered).collect(),
    ];
    let scripts = runs.iter().map(|run| {
        let pages = run.chunks(PAGE).map(<[Finding]>::to_vec).collect();
        Script::conclusive(pages, &["p"])
    });
    scripts.collect()
}

/// Makes all runs of the binding. Those that were made already are repeated, which changes nothing.
async fn import(store: &SqlStore, project: &str, first: usize, pause: Duration) {
    for (number, script) in history().into_iter().enumerate().skip(first) {
        let mut scanner = ScriptedScanner::new([script]);
        scanner.pause = pause;
        let importer = Importer::new(Arc::new(scanner), Arc::new(store.clone()));
        let options = ImportOptions::new()
            .with_started_at(at(60 * i64::try_from(number).unwrap()))
            .with_take_over(true)
            .with_subscriptions([Subscription::all_events(project)]);
        importer.run(&binding(project), &options).await.unwrap();
    }
}

/// Not a test by itself: the process that is killed. It makes the run that the environment names.
#[tokio::test]
async fn child() {
    let Ok(url) = std::env::var("APPSEC_CRASH_URL") else { return };
    let project = std::env::var("APPSEC_CRASH_PROJECT").unwrap();
    let first = std::env::var("APPSEC_CRASH_FIRST").unwrap().parse().unwrap();
    let store = SqlStore::connect(&url).await.unwrap();
    import(&store, &project, first, Duration::from_millis(2)).await;
}

fn spawn(url: &str, project: &str, first: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env("APPSEC_CRASH_URL", url)
        .env("APPSEC_CRASH_PROJECT", project)
        .env("APPSEC_CRASH_FIRST", first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The concluded runs of the binding, according to the outbox, which is written in the same transaction.
async fn runs_notified(store: &SqlStore, project: &str) -> Vec<String> {
    let messages = store.claim(project, at(1_000_000), Duration::from_secs(1), 10_000).await.unwrap();
    let mut told: Vec<_> = messages
        .into_iter()
        .map(|message| {
            assert_eq!(message.state, MessageState::Pending);
            message.payload.replace(project, "binding")
        })
        .collect();
    told.sort_unstable();
    told
}

/// A pseudo-random number below `below`: the same kills in each run of the test.
fn random(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}

#[tokio::test]
async fn a_killed_run_has_the_result_of_an_undisturbed_one() {
    let kills: u32 = std::env::var("CRASH_KILLS").map_or(30, |text| text.parse().unwrap());
    for test in stores().await {
        let undisturbed = "undisturbed";
        let begun = Instant::now();
        import(&test.store, undisturbed, 0, Duration::from_millis(2)).await;
        let whole = u64::try_from(begun.elapsed().as_millis()).unwrap();
        let expected: Vec<KnownFinding> = all(&test.store, &binding(undisturbed)).await;
        let expected_told = runs_notified(&test.store, undisturbed).await;

        let (mut seed, mut killed, mut bindings, mut first) = (0x9E37_79B9_7F4A_7C15, 0, 0, 0);
        let mut project = format!("binding {bindings}");
        while killed < kills {
            let mut process = spawn(&test.url, &project, first);
            std::thread::sleep(Duration::from_millis(random(&mut seed, whole)));
            let ended = process.try_wait().unwrap();
            process.kill().unwrap();
            process.wait().unwrap();
            if let Some(status) = ended {
                assert!(status.success(), "{}: the process failed by itself", test.name);
                assert_eq!(all(&test.store, &binding(&project)).await, expected, "{} {project}", test.name);
                assert_eq!(
                    runs_notified(&test.store, &project).await,
                    expected_told,
                    "{} {project}",
                    test.name
                );
                (bindings, first) = (bindings + 1, 0);
                project = format!("binding {bindings}");
                continue;
            }
            killed += 1;
            first = runs_done(&test.store, &project).await;
        }
        import(&test.store, &project, first, Duration::ZERO).await;
        assert_eq!(all(&test.store, &binding(&project)).await, expected, "{} {project}", test.name);
        assert_eq!(runs_notified(&test.store, &project).await, expected_told, "{} {project}", test.name);
        println!(
            "{}: {killed} kills over {} bindings, each ended as if undisturbed",
            test.name,
            bindings + 1
        );
    }
}

/// The number of concluded runs, read without a lease: each concluded run added to some finding's
/// history.
async fn runs_done(store: &SqlStore, project: &str) -> usize {
    use appsec_import::Store as _;
    let known = all(store, &binding(project)).await;
    let Some(first) = known.first() else { return 0 };
    let explanation = store.explain(&binding(project), &first.fingerprint).await.unwrap().unwrap();
    explanation.history.len()
}
