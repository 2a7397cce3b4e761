//! `cargo run -p examples --bin quickstart`
//!
//! Tests the connections of both scanners, lists what can be bound, starts a scan, imports all findings
//! through `dyn DastApiScanner`, and writes them as JSON Lines. Without credentials in the environment it
//! starts both fakes. With `SALT_API_TOKEN` (and `SALT_BASE_URL`), or `TENABLE_ACCESS_KEY` and
//! `TENABLE_SECRET_KEY` (and `TENABLE_BASE_URL`), it uses the real services, and starts a scan only with
//! `--start <configuration>`.
#![allow(clippy::print_stdout, reason = "an example prints")]

mod import;
mod print;
mod source;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use appsec_core::{
    BindTarget, BindTargetQuery, DastApiScanner, DastApiScannerExt, ErrorKind, FindingQuery, ScanId,
    ScanRequest, StartedScan,
};
use clap::Parser;
use futures_util::TryStreamExt;

/// Both scanners, from credentials to findings.
#[derive(Parser)]
struct Arguments {
    /// Use the fakes even if there are credentials in the environment.
    #[arg(long)]
    fake: bool,
    /// The token or key to send to the fakes, which refuse a wrong one. Real credentials come only from the
    /// environment.
    #[arg(long, requires = "fake")]
    token: Option<String>,
    /// Start a scan of this configuration, by name or id, at the real service.
    #[arg(long, conflicts_with = "fake")]
    start: Option<String>,
    /// The folder for the findings, one file per import.
    #[arg(long, default_value = "appsec-sdk-output")]
    output: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let source = source::open(arguments.fake, arguments.token).await?;
    println!("{}\n", source.headline);

    let mut failed = Vec::new();
    for scanner in &source.scanners {
        let info = scanner.info();
        let report = scanner.test_connection().await;
        println!("{report}");
        if !report.is_ok() {
            failed.push(info.name);
            continue;
        }
        let listed = scanner.list_bind_targets(BindTargetQuery::new()).await?;
        print::targets(info.name, &listed);

        let scan_target = match &arguments.start {
            Some(name) if info.capabilities.start_scan => Some(scanner.find_target(name).await?),
            // With the fakes, the target with the most locations: its scan has children.
            None if source.is_fake => listed
                .targets
                .into_iter()
                .filter(|target| target.can_start)
                .max_by_key(|target| target.location_count),
            _ => None,
        };
        let mut queries = vec![("all findings", FindingQuery::all())];
        if let Some(target) = scan_target {
            let id = scan(&**scanner, &target, source.poll_every).await?;
            queries.insert(0, ("findings of this scan", FindingQuery::scan(id)));
        }
        for (what, query) in queries {
            let file = arguments.output.join(format!("{} {what}.jsonl", info.key).replace(' ', "-"));
            let imported = import::read(&**scanner, query, &file)
                .await
                .with_context(|| format!("importing {what} of {}", info.name))?;
            print::import(info.name, what, &imported, &file);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("No connection to {}; see the reports above.", failed.join(" and "));
    Ok(ExitCode::FAILURE)
}

/// Starts a scan of the target, or joins the running one, and shows its progress.
async fn scan(scanner: &dyn DastApiScanner, target: &BindTarget, every: Duration) -> Result<ScanId> {
    let started = scanner.start_scan(&ScanRequest::new(target.id.clone())).await?;
    let id = started.scan().id.clone();
    match started {
        StartedScan::Started(_) => println!("started a scan of {}: {id}", target.name),
        StartedScan::AlreadyRunning(_) => println!("a scan of {} is running already: {id}", target.name),
    }
    let mut updates = scanner.watch(&id).every(every).deadline(Duration::from_secs(4 * 60 * 60)).updates();
    loop {
        match updates.try_next().await {
            Ok(Some(scan)) => print::scan(&scan),
            Ok(None) => break,
            // The findings so far can still be imported; the coverage says what is missing.
            Err(error) if matches!(error.kind(), ErrorKind::ScanFailed | ErrorKind::Deadline) => {
                println!("  {error}");
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    println!();
    Ok(id)
}
