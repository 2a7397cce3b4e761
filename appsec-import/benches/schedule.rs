//! What the schedule costs, and what more processes bring: 2,000 bindings of six tenants on one PostgreSQL of its own.
//!
//! `cargo bench -p appsec-import --features worker --bench schedule`; `LINES=200` for a short one.
//!
//! Each import asks its tenant three times (targets, a page, the end), and a tenant answers in 50 ms: what a binding takes by itself is
//! 150 ms and the store's part. The first row makes the same imports without a schedule, as many at a time as one worker does. The cost
//! of the schedule per job is what a place is occupied for longer than there.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a table for a person"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{DastApiScanner, Timestamp};
use appsec_import::schedule::{Schedule, ScheduleState, ScheduledBinding, Worker, WorkerOptions};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::{StreamExt, stream};

use support::Postgres;
use support::tenant::{Noted, Process, Setup, Tenant, ended, noted, overlaps};

const TENANTS: usize = 6;
/// Imports at a time in one process.
const SLOTS: usize = 8;
/// Imports at a time of one tenant.
const LIMIT: usize = 6;
const ANSWER: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() {
    if let Some(setup) = Setup::of_environment() {
        return work(setup).await;
    }
    let bindings = std::env::var("LINES").map_or(2000, |text| text.parse().unwrap());
    println!(
        "{bindings} bindings, {TENANTS} tenants, {SLOTS} places per process, {LIMIT} per tenant, answers in {ANSWER:?}"
    );
    println!(
        "| processes | total | bindings/s | a binding occupies a place for | of it the schedule | overlaps | lost | twice |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut direct = None;
    for processes in [0, 1, 2, 4] {
        let Some(server) = Postgres::start() else { return };
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let setup = Setup { url: server.url(), log, pages: 1, pause: ANSWER, grace: Duration::ZERO };
        let total = if processes == 0 {
            import(&setup, bindings).await
        } else {
            run(&setup, bindings, processes).await
        };
        let places = (SLOTS * processes.max(1)).min(LIMIT * TENANTS);
        let occupied = total.as_secs_f64() * 1000.0 * places as f64 / bindings as f64;
        let cost = occupied - *direct.get_or_insert(occupied);
        let log = noted(&setup.log);
        let (lost, twice) = count(&log, bindings);
        println!(
            "| {} | {:.1} s | {:.0} | {occupied:.1} ms | {cost:.1} ms | {} | {lost} | {twice} |",
            if processes == 0 { "none: the imports alone".to_owned() } else { processes.to_string() },
            total.as_secs_f64(),
            bindings as f64 / total.as_secs_f64(),
            overlaps(&log, &[]),
        );
    }
}

fn binding(number: usize) -> ScheduledBinding {
    let set = ScanConfiguration::new(format!("app:{}", number / TENANTS));
    let binding = Binding::new("shop", format!("tenant-{}", number % TENANTS), set);
    ScheduledBinding::new(format!("binding {number}"), binding, Schedule::cron("@daily", "UTC").unwrap())
}

/// How many bindings were never read to the end, and how many more than once.
fn count(log: &[Noted], bindings: usize) -> (usize, usize) {
    let times = (0..bindings).map(|number| {
        let binding = binding(number).binding;
        ended(log, &format!("{}/{}", binding.scanner, binding.configuration.bind_target))
    });
    let times: Vec<_> = times.collect();
    (times.iter().filter(|times| **times == 0).count(), times.iter().filter(|times| **times > 1).count())
}

/// The imports alone, as many at a time as one worker makes.
async fn import(setup: &Setup, bindings: usize) -> Duration {
    let store = SqlStore::connect(&setup.url).await.unwrap();
    let begun = Instant::now();
    let imports = stream::iter(0..bindings).map(|number| {
        let (binding, store) = (binding(number).binding, store.clone());
        let scanner = Tenant::new(&binding.scanner, &setup.log, setup.pages, setup.pause);
        tokio::spawn(async move {
            let importer =
                Importer::new(Arc::new(scanner), Arc::new(store)).with_connection(binding.scanner.as_str());
            importer.run(&binding, &ImportOptions::new()).await.unwrap()
        })
    });
    imports.buffer_unordered(SLOTS).for_each(|import| async { drop(import.unwrap()) }).await;
    let total = begun.elapsed();
    store.close().await;
    total
}

/// The same by workers, from the moment that all bindings are due.
async fn run(setup: &Setup, bindings: usize, processes: usize) -> Duration {
    let store = SqlStore::connect(&setup.url).await.unwrap();
    let workers: Vec<Process> = (0..processes).map(|_| setup.spawn()).collect();
    let all: Vec<_> = (0..bindings).map(binding).collect();
    let begun = Instant::now();
    store.apply_schedule(&all, "2026-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let schedule = store.schedule(Timestamp::now()).await.unwrap();
        if schedule.iter().all(|entry| entry.state == ScheduleState::Waiting && entry.complete_at.is_some()) {
            break;
        }
    }
    let total = begun.elapsed();
    workers.into_iter().for_each(Process::stop);
    store.close().await;
    total
}

/// A worker's process.
async fn work(setup: Setup) {
    let store = SqlStore::connect(&setup.url).await.unwrap();
    let options = WorkerOptions::new()
        .with_concurrency(SLOTS)
        .with_connection_limit(LIMIT)
        .with_poll_interval(Duration::from_millis(250));
    let Setup { log, pages, pause, .. } = setup;
    let tenants =
        move |name: &str| Ok(Arc::new(Tenant::new(name, &log, pages, pause)) as Arc<dyn DastApiScanner>);
    let worker = Worker::new(store.clone(), tenants, options).await.unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = sender.send(());
    });
    let input_ends = async {
        let _ = receiver.await;
    };
    worker.run(input_ends).await.unwrap();
    store.close().await;
}
