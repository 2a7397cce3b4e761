//! `appsec scan`: what `kdt scan -p … -t …` does.

use appsec_core::{BindTargetId, DastApiScannerExt as _, Error, ScanId, ScanRequest, StartedScan, Timestamp};
use appsec_import::store::RunRequest;
use appsec_import::{Binding, ImportOptions, Store as _};
use serde_json::json;

use crate::app::App;
use crate::binding::BindingArgs;
use crate::exit::{Exit, Failure, Result};
use crate::output::{Format, note};
use crate::run::{self, RunArgs};
use crate::scanners::Named;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Start the scan, print its id and leave; the next run of the line waits for it and imports it
    #[arg(long = "async")]
    pub(super) detached: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (named, binding) = args.binding.resolve(app).await?;
    if args.detached {
        return start(app, &named, &binding, args).await;
    }
    if !app.open(&named)?.info().capabilities.start_scan {
        note(format_args!("{} starts no scans, it watches: importing what it has", named.name));
    }
    run::run(app, (&named, &binding), &args.run, ImportOptions::new().with_scan(true)).await
}

/// Starts the scan as a run of the binding that is left to the next process.
async fn start(app: &App, named: &Named, binding: &Binding, args: &Args) -> Result<Exit> {
    let scanner = app.open(named)?;
    if !scanner.info().capabilities.start_scan {
        return Err(Error::unsupported("start_scan").into());
    }
    let mut target = binding.configuration.bind_target.clone();
    if target != BindTargetId::all() {
        target = scanner.find_target(target.as_str()).await?.id;
    }
    let store = app.store().await?;
    let mut tagged = binding.clone();
    tagged.configuration.scan_tag.clone_from(&args.run.scan_tag);
    let request = RunRequest::new(Timestamp::now()).with_take_over(args.run.take_over);
    let run = store.begin_run(&tagged, &request).await?;
    let started = match &run.scan {
        Some(scan) => Ok((scan.clone(), "waiting to be imported already")),
        None => scanner.start_scan(&ScanRequest::new(target)).await.map(|started| match started {
            StartedScan::Started(scan) => (scan.id, "started"),
            StartedScan::AlreadyRunning(scan) => (scan.id, "running already"),
        }),
    };
    let kept = match &started {
        Ok((scan, _)) => store.set_scan(&run, Some(scan)).await,
        Err(_) => Ok(()),
    };
    let released = store.release_run(&run).await;
    let (scan, how) = started?;
    // Whatever the store says: the scan is under way.
    show(app, &scan, how)?;
    kept.and(released).map_err(Failure::store)?;
    Ok(Exit::Passed)
}

fn show(app: &App, scan: &ScanId, how: &str) -> Result<()> {
    match app.out.format {
        Format::Json => app.out.json(&json!({ "scan": { "id": scan }, "state": how })),
        Format::Plain => app.out.line(scan),
        Format::Table => app.out.line(format_args!("scan {scan}: {how}")),
    }
}
