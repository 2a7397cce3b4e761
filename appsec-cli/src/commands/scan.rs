//! `appsec scan`: starts a scan and imports its findings, as `kdt scan -p … -t …` does.

use appsec_core::{Error, ScanId, ScanRequest, StartedScan, Timestamp};
use appsec_import::store::RunRequest;
use appsec_import::{Binding, ImportOptions, Store as _};
use serde_json::json;

use crate::app::App;
use crate::binding_args::BindingArgs;
use crate::connection::NamedConnection;
use crate::exit::{Exit, Failure, Result};
use crate::import_run::{self, RunArgs};
use crate::output::{Format, note};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Start the scan, print its id and exit; the next run of the binding waits for the scan and imports it
    #[arg(long = "async")]
    detached: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.resolve(app).await?;
    let named = &binding.named;
    if args.detached {
        return start(app, named, &binding.binding, args).await;
    }
    if !app.open(named)?.info().capabilities.start_scan {
        note(format_args!("{} starts no scans: importing the findings that it has", named.name));
    }
    import_run::run(app, &binding, &args.run, ImportOptions::new().with_scan(true)).await
}

/// Starts the scan in a run of the binding, and releases the run so that the next process resumes it.
async fn start(app: &App, named: &NamedConnection, binding: &Binding, args: &Args) -> Result<Exit> {
    let scanner = app.open(named)?;
    if !scanner.info().capabilities.start_scan {
        return Err(Error::unsupported("start_scan").into());
    }
    let target = binding.configuration.bind_target.clone();
    let store = app.store().await?;
    let mut tagged = binding.clone();
    tagged.configuration.scan_tag.clone_from(&args.run.scan_tag);
    let request = RunRequest::new(Timestamp::now())
        .with_take_over(args.run.take_over)
        .with_connection(named.name.clone());
    let run = store.begin_run(&tagged, &request).await.map_err(import_run::run_failure)?;
    let started = match &run.scan {
        Some(scan) => Ok((scan.clone(), "started before, not yet imported")),
        None => scanner.start_scan(&ScanRequest::new(target)).await.map(|started| match started {
            StartedScan::Started(scan) => (scan.id, "started"),
            StartedScan::AlreadyRunning(scan) => (scan.id, "running already"),
        }),
    };
    let stored = match &started {
        Ok((scan, _)) => store.set_scan(&run, Some(scan)).await,
        Err(_) => Ok(()),
    };
    let released = store.release_run(&run).await;
    let (scan, how) = started?;
    // The scan was started even if the store fails.
    show(app, &scan, how)?;
    stored.and(released).map_err(Failure::store)?;
    Ok(Exit::Passed)
}

fn show(app: &App, scan: &ScanId, how: &str) -> Result<()> {
    match app.out.format {
        Format::Json => app.out.json(&json!({ "scan": { "id": scan }, "state": how })),
        Format::Plain => app.out.line(scan),
        Format::Table => app.out.line(format_args!("scan {scan}: {how}")),
    }
}
