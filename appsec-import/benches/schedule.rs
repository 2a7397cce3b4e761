//! The cost of the schedule, and the gain from more processes: 2,000 bindings of six tenants on a
//! PostgreSQL database of its own.
//!
//! `cargo bench -p appsec-import --features worker --bench schedule`; `BINDINGS=200` makes it short.
//!
//! Each import sends three requests to its tenant (targets, a page, the end), and a tenant responds in 50
//! ms. So an import takes 150 ms plus the time of the store. The first row runs the same imports without a
//! schedule, with the concurrency of one worker. The cost of the schedule per job is the additional time
//! for which a job occupies its slot.
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

use appsec_core::Timestamp;
use appsec_import::schedule::{Schedule, ScheduleState, ScheduledBinding, Worker, WorkerOptions};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore};
use futures_util::{StreamExt, stream};

use support::Postgres;
use support::tenant::{Noted, Process, Setup, Tenant, connections, ended, noted, overlaps};

const TENANTS: usize = 6;
/// The concurrent imports of one process.
const SLOTS: usize = 8;
/// The concurrent imports of one tenant.
const LIMIT: usize = 6;
const LATENCY: Duration = Duration::from_millis(50);

#[tokio::main]
async fn main() {
    if let Some(setup) = Setup::of_environment() {
        return work(setup).await;
    }
    let bindings = std::env::var("BINDINGS").map_or(2000, |text| text.parse().unwrap());
    println!(
        "{bindings} bindings, {TENANTS} tenants, {SLOTS} slots per process, {LIMIT} per tenant, responses after {LATENCY:?}"
    );
    println!(
        "| processes | total | bindings/s | time in a slot per binding | of it the schedule | overlaps | lost | repeated |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let mut direct = None;
    for processes in [0, 1, 2, 4] {
        let Some(server) = Postgres::start() else { return };
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let setup = Setup { url: server.url(), log, pages: 1, pause: LATENCY, grace: Duration::ZERO };
        let total = if processes == 0 {
            import(&setup, bindings).await
        } else {
            run(&setup, bindings, processes).await
        };
        let slots = (SLOTS * processes.max(1)).min(LIMIT * TENANTS);
        let occupied = total.as_secs_f64() * 1000.0 * slots as f64 / bindings as f64;
        let cost = occupied - *direct.get_or_insert(occupied);
        let log = noted(&setup.log);
        let (lost, repeated) = count(&log, bindings);
        println!(
            "| {} | {:.1} s | {:.0} | {occupied:.1} ms | {cost:.1} ms | {} | {lost} | {repeated} |",
            if processes == 0 { "none: the imports alone".to_owned() } else { processes.to_string() },
            total.as_secs_f64(),
            bindings as f64 / total.as_secs_f64(),
            overlaps(&log, &[]),
        );
    }
}

fn binding(number: usize) -> ScheduledBinding {
    let set = ScanConfiguration::new(format!("app:{}", number / TENANTS));
    let connection = format!("tenant-{}", number % TENANTS);
    let binding = Binding::new("shop", "tenant", set).with_tenant(connection.clone());
    ScheduledBinding::new(format!("binding {number}"), binding, Schedule::cron("@daily", "UTC").unwrap())
        .with_connection(connection)
}

/// The number of bindings that were never read completely, and of those read more than once.
fn count(log: &[Noted], bindings: usize) -> (usize, usize) {
    let times = (0..bindings).map(|number| {
        let scheduled = binding(number);
        let target = &scheduled.binding.configuration.bind_target;
        ended(log, &format!("{}/{target}", scheduled.connection))
    });
    let times: Vec<_> = times.collect();
    (times.iter().filter(|times| **times == 0).count(), times.iter().filter(|times| **times > 1).count())
}

/// The imports alone, with the concurrency of one worker.
async fn import(setup: &Setup, bindings: usize) -> Duration {
    let store = SqlStore::connect(&setup.url).await.unwrap();
    let begun = Instant::now();
    let imports = stream::iter(0..bindings).map(|number| {
        let (scheduled, store) = (binding(number), store.clone());
        let scanner = Tenant::new(&scheduled.connection, &setup.log, setup.pages, setup.pause);
        tokio::spawn(async move {
            let importer =
                Importer::new(Arc::new(scanner), Arc::new(store)).with_connection(scheduled.connection);
            importer.run(&scheduled.binding, &ImportOptions::new()).await.unwrap()
        })
    });
    imports.buffer_unordered(SLOTS).for_each(|import| async { drop(import.unwrap()) }).await;
    let total = begun.elapsed();
    store.close().await;
    total
}

/// The same imports by workers, from the moment at which all bindings are due.
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

/// The process of a worker.
async fn work(setup: Setup) {
    let store = SqlStore::connect(&setup.url).await.unwrap();
    let options = WorkerOptions::new()
        .with_concurrency(SLOTS)
        .with_connection_limit(LIMIT)
        .with_poll_interval(Duration::from_millis(250));
    let Setup { log, pages, pause, .. } = setup;
    let worker = Worker::new(store.clone(), connections(log, pages, pause), options).await.unwrap();
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
