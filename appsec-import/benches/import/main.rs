//! Findings per second and peak memory of each part of an import, so that the slowest is known:
//! `cargo bench -p appsec-import --features sqlite,postgres --bench import -- 1000000`
//!
//! Each part runs in a process of its own, so that peaks are of the part. Without an argument it is small
//! and quick. Prints, and asserts no speed.
#![allow(clippy::print_stdout, reason = "a program that prints a table")]

mod generator;
#[path = "../../tests/support/postgres.rs"]
#[allow(clippy::unwrap_used, reason = "shared with the tests, which fail by panicking")]
mod postgres;
mod service;

use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{
    Coverage, DastApiScanner, DastApiScannerExt, Finding, FindingEvent, FindingQuery, Timestamp,
};
use appsec_import::store::RunRequest;
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore, Store, reconcile};
use futures_util::TryStreamExt;

use generator::Generator;
use service::Service;

type BoxResult<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Enough to see that every part works.
const SMALL: usize = 2_000;

const PART: &str = "APPSEC_BENCH_PART";
const ADDRESS: &str = "APPSEC_BENCH_ADDRESS";
const STORE: &str = "APPSEC_BENCH_STORE";

fn main() -> BoxResult<()> {
    // `cargo bench` adds arguments of its own.
    let count = std::env::args().skip(1).find_map(|text| text.replace('_', "").parse().ok()).unwrap_or(SMALL);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match std::env::var(PART) {
        Ok(part) => runtime.block_on(run(&part, count)),
        Err(_) => all(count),
    }
}

/// The command that runs one part.
fn part(name: &str, count: usize, store: Option<&str>) -> BoxResult<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(count.to_string()).env(PART, name);
    command.envs(store.map(|url| (STORE, url)));
    Ok(command)
}

/// Each part in its own process, on each store that there is.
fn all(count: usize) -> BoxResult<()> {
    println!("{:<52} {:>9} {:>12} {:>10} {:>10}", "", "findings", "seconds", "per second", "peak MiB");
    wait(&mut part("import", count, None)?)?;
    for (name, url, _keep) in stores()? {
        println!("{name}");
        wait(&mut part("store", count, Some(&url))?)?;
        wait(&mut part("whole", count, Some(&url))?)?;
    }
    let mut service = Service::start(count)?;
    wait(part("network", count, None)?.env(ADDRESS, &service.url))?;
    for (name, url, _keep) in stores()? {
        println!("{name}");
        // In one process each, so that the peak of the second run is its own.
        for which in ["network, first", "network, second"] {
            service.forget_exports()?;
            wait(part(which, count, Some(&url))?.env(ADDRESS, &service.url))?;
        }
    }
    Ok(())
}

fn wait(command: &mut Command) -> BoxResult<()> {
    let status = command.stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err("a part failed".into()) }
}

/// What lives as long as a store's database.
enum Keep {
    Folder { _folder: tempfile::TempDir },
    Server { _server: postgres::Postgres },
}

fn stores() -> BoxResult<Vec<(&'static str, String, Keep)>> {
    let mut stores = Vec::new();
    if cfg!(feature = "sqlite") {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite:{}", folder.path().join("findings.db").display());
        stores.push(("SQLite", url, Keep::Folder { _folder: folder }));
    }
    if cfg!(feature = "postgres")
        && let Some(server) = postgres::Postgres::start()
    {
        stores.push(("PostgreSQL", server.url(), Keep::Server { _server: server }));
    }
    Ok(stores)
}

async fn run(part: &str, count: usize) -> BoxResult<()> {
    match part {
        "service" => service::serve(count).await,
        "import" => import_alone(count),
        "store" => store_alone(count).await,
        "network" => network_alone(count).await,
        "whole" => whole(count, Arc::new(Generator::new(count)), &["first", "second"]).await,
        over => {
            let client = service::client(&std::env::var(ADDRESS)?)?;
            whole(count, client, &[over]).await
        }
    }
}

/// Reconciling without a store. It holds all findings of a binding in memory.
fn import_alone(count: usize) -> BoxResult<()> {
    let findings: Vec<Finding> = Generator::new(count).batches().flatten().collect();
    let mut known = Vec::new();
    for which in ["first", "second"] {
        let began = Instant::now();
        let run = reconcile(known, &findings, &Generator::coverage(), Timestamp::now());
        print(&format!("the import alone (reconcile), {which} run"), count, began.elapsed());
        if run.transitions.len() != count {
            return Err("findings were lost".into());
        }
        known = run.transitions.into_iter().map(|outcome| outcome.finding).collect();
    }
    Ok(())
}

/// The store alone: staging and concluding are timed separately.
async fn store_alone(count: usize) -> BoxResult<()> {
    let store = SqlStore::connect(&std::env::var(STORE)?).await?;
    let scanner = Generator::new(count);
    for which in ["first", "second"] {
        let run =
            store.begin_run(&binding("store alone", &scanner), &RunRequest::new(Timestamp::now())).await?;
        store.restart_staging(&run, &FindingQuery::all()).await?;
        let mut events = scanner.findings(FindingQuery::all());
        let (mut staging, mut coverage) = (Duration::ZERO, Coverage::new());
        while let Some(event) = events.try_next().await? {
            let began = Instant::now();
            match event {
                FindingEvent::Batch(batch) => {
                    store.stage(&run, &batch).await?;
                }
                FindingEvent::End(end) => coverage = end,
                _ => {}
            }
            staging += began.elapsed();
        }
        print(&format!("  the store alone, {which} run: staging"), count, staging);
        let began = Instant::now();
        store.conclude(&run, &coverage, &[]).await?;
        print(&format!("  the store alone, {which} run: conclude"), count, began.elapsed());
    }
    store.close().await;
    Ok(())
}

/// From a service on loopback to findings, and no further.
async fn network_alone(count: usize) -> BoxResult<()> {
    let client = service::client(&std::env::var(ADDRESS)?)?;
    let began = Instant::now();
    let received =
        client.finding_items(FindingQuery::all()).try_fold(0, |n, _| async move { Ok(n + 1) }).await?;
    print("the network alone (export of a Tenable on loopback)", received, began.elapsed());
    if received == count { Ok(()) } else { Err("findings were lost".into()) }
}

/// The importer from a scanner into the store.
async fn whole(count: usize, scanner: Arc<dyn DastApiScanner>, runs: &[&str]) -> BoxResult<()> {
    let store = Arc::new(SqlStore::connect(&std::env::var(STORE)?).await?);
    let binding = binding("whole", &*scanner);
    let importer = Importer::new(scanner, store.clone());
    for which in runs {
        let began = Instant::now();
        let import = importer.run(&binding, &ImportOptions::new()).await?;
        let (name, what) = which.split_once(", ").unwrap_or(("generator", which));
        print(&format!("  the whole run from the {name}, {what}"), count, began.elapsed());
        let seen = import.summary.new + import.summary.recurrent;
        if usize::try_from(seen)? != count {
            return Err(format!("findings were lost: {}", import.summary).into());
        }
    }
    store.close().await;
    Ok(())
}

fn binding(project: &str, scanner: &dyn DastApiScanner) -> Binding {
    Binding::new(project, scanner.info().key, ScanConfiguration::new("all"))
}

fn print(what: &str, findings: usize, took: Duration) {
    let millis = took.as_millis().max(1);
    let each_second = findings as u128 * 1_000 / millis;
    let seconds = format!("{}.{:03}", millis / 1_000, millis % 1_000);
    println!("{what:<52} {findings:>9} {seconds:>12} {each_second:>10} {:>10}", peak());
}

/// The most memory that this process ever held, in MiB, where the system tells.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or_else(|| "-".to_owned(), |kib| (kib / 1024).to_string())
}
