//! One run of a binding, as `appsec scan` and `appsec import` make it: import the findings, notify the
//! webhooks, apply the gate.

use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, Error, PartitionKey, Printable, Scan, ScanStatus};
use appsec_import::gate::{GateCounts, GateOutcome, GateReport};
use appsec_import::outbox::Subscription;
use appsec_import::store::{BINDING_HELD, KnownBinding};
use appsec_import::webhook::{DeliveryOptions, Dispatcher};
use appsec_import::{Binding, Import, ImportOptions, Importer, SqlStore, Store as _, TARGET_MOVED};
use clap::Args;
use serde::Serialize;

use crate::app::App;
use crate::binding_args::RunBinding;
use crate::binding_parts;
use crate::duration_arg::parse_duration;
use crate::exit::{Exit, ExitCodes, Failure, Result};
use crate::gate::GateArgs;
use crate::output::{self, Format, note};
use crate::progress::Progress;
use crate::progress_scanner::ProgressScanner;

/// How long a scan is waited for, unless a time is set.
const SCAN_TIMEOUT: Duration = Duration::from_hours(24);

/// The options of both commands.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// A label for the run
    #[arg(long, value_name = "TAG")]
    pub(crate) scan_tag: Option<String>,
    /// How long to wait for the scan to end (24h unless set), and for an export that makes no progress
    /// (the `patience` of the connection, or 30m, unless set): 30 or 30m are minutes, also 90s and 2h; 0 is
    /// no limit. The scan and the export continue after that time. Reading findings has no total limit
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// The interval between two requests for the status of the scan
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) poll: u64,
    /// Take over a run of this binding at once, without the two minutes for its process to return; use it
    /// only if that process is dead
    #[arg(long)]
    pub(crate) take_over: bool,
    #[command(flatten)]
    pub(crate) gate: GateArgs,
}

/// The JSON document of `appsec scan` and `appsec import`.
#[derive(Debug, Serialize)]
struct RunReport<'a> {
    binding: &'a Binding,
    /// The last known state of the scan that was started or joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<Scan>,
    import: Import,
    /// The result of the gate, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<GateReport>,
    exit: u8,
    reason: &'static str,
}

/// Makes one run of the binding and prints its result.
pub(crate) async fn run(
    app: &App,
    run_binding: &RunBinding,
    args: &RunArgs,
    options: ImportOptions,
) -> Result<Exit> {
    let RunBinding { named, binding, webhooks } = run_binding;
    let scanner = app.open_for_run(named, args.timeout)?;
    let dry_run = if options.dry_run() { Some(app.dry_run_store().await?) } else { None };
    let store = match &dry_run {
        Some(dry_run) => dry_run.store.clone(),
        None => app.store().await?,
    };
    let dispatcher = dispatcher(app, &store)?;
    let progress = Arc::new(Progress::new());
    let scanner = Arc::new(ProgressScanner::new(scanner, Arc::clone(&progress)));
    let options = options
        .with_scan_poll_interval(Duration::from_secs(args.poll))
        .with_scan_deadline(args.timeout.unwrap_or(SCAN_TIMEOUT))
        .with_take_over(args.take_over)
        .with_subscriptions(subscriptions(&dispatcher, webhooks.as_deref()));
    let mut tagged = binding.clone();
    tagged.configuration.scan_tag.clone_from(&args.scan_tag);
    let importer = Importer::new(Arc::clone(&scanner) as Arc<dyn DastApiScanner>, Arc::new(store.clone()))
        .with_connection(named.name.as_str());
    let import = importer.run_until(&tagged, &options, app.stopped()).await;
    progress.finish();
    let scan = scanner.last_scan();
    let import = match import {
        Ok(import) => import,
        Err(error) => {
            let mut failure = if app.is_stopping() {
                Failure::new(
                    Exit::Interrupted,
                    "interrupted; the next run of the binding continues from here",
                )
            } else {
                let moved_to = error.conflicting_id().filter(|_| error.code() == Some(TARGET_MOVED));
                let moved_to = moved_to.map(str::to_owned);
                let mut failure = run_failure(error);
                if let Some(target) = moved_to {
                    let known = KnownBinding::new(binding.clone());
                    let options = binding_parts::as_options(app, &known);
                    failure.message = format!(
                        "{}\n`appsec binding move {options} --to-target {target}` keeps its history and decisions",
                        failure.message
                    );
                }
                failure
            };
            let is_running = failure.scan.is_some();
            failure.scan = failure.scan.or_else(|| scan.map(|scan| scan.id));
            return Err(with_next_step(failure, is_running));
        }
    };
    deliver(&dispatcher, &import).await;

    let gate = match args.gate.override_gate(app.config.gate.as_ref()) {
        Some(gate) if !import.dry_run => {
            let counts = GateCounts::from_store(&store, binding).await.map_err(Failure::store)?;
            Some(gate.check(&counts, import.missing()))
        }
        Some(_) => {
            output::note("a dry run stores nothing, so the gate is not applied");
            None
        }
        None => None,
    };
    let scan_failed =
        scan.as_ref().is_some_and(|scan| scan.is_ended() && scan.status != ScanStatus::Completed);
    let gate_failed = gate.as_ref().is_some_and(|gate| !gate.breaches.is_empty());
    let exit = Exit::from_run(scan_failed, !import.missing().is_empty(), gate_failed);
    let (code, reason) = (exit.code(ExitCodes::Own), exit.reason());
    if !import.dry_run {
        advise_to_retire(&store, binding, &import).await;
    }
    let report = RunReport { binding: &tagged, scan, import, gate, exit: code, reason };
    match app.out.format {
        Format::Json => app.out.json(&report)?,
        Format::Plain => show_plain(app, &report)?,
        Format::Table => show(app, &report)?,
    }
    Ok(exit)
}

/// The failure of a run. That of a binding which another process holds names the option that takes it over.
pub(crate) fn run_failure(error: Error) -> Failure {
    let is_held = error.code() == Some(BINDING_HELD);
    let mut failure = Failure::from_run(error);
    if is_held {
        failure.message.push_str(": if that process is dead, repeat the command with --take-over");
    }
    failure
}

/// Adds what becomes of a scan that continues, or that was started and is not visible.
fn with_next_step(mut failure: Failure, is_running: bool) -> Failure {
    if let (Exit::Timeout, Some(scan)) = (failure.exit, &failure.scan) {
        let next = if is_running {
            format!("the scan {scan} continues; the next run of the binding waits for it and imports it")
        } else {
            format!("the next run of the binding looks for the scan {scan} again")
        };
        failure.message = format!("{}\n{next}", failure.message);
    }
    failure
}

/// The webhooks to notify of the binding: those that its entry in the configuration names; all of them
/// without an entry.
pub(crate) fn subscriptions(dispatcher: &Dispatcher, webhooks: Option<&[String]>) -> Vec<Subscription> {
    let mut subscriptions = dispatcher.subscriptions();
    if let Some(webhooks) = webhooks {
        subscriptions.retain(|subscription| webhooks.contains(&subscription.endpoint));
    }
    subscriptions
}

/// The sender of messages to the configured webhooks.
pub(crate) fn dispatcher(app: &App, store: &SqlStore) -> Result<Dispatcher> {
    Ok(Dispatcher::new(Arc::new(store.clone()), app.config.endpoints()?, &DeliveryOptions::new())?)
}

/// Sends the messages of the run to webhooks. What cannot be delivered stays in the outbox for the next run
/// or the worker.
async fn deliver(dispatcher: &Dispatcher, import: &Import) {
    if !import.dry_run {
        deliver_due(dispatcher).await;
    }
}

/// Sends the messages that are due to webhooks.
pub(crate) async fn deliver_due(dispatcher: &Dispatcher) {
    match dispatcher.deliver_due().await {
        Ok(sent) if sent.failed + sent.dead > 0 => {
            note(format_args!(
                "{} messages to webhooks could not be delivered; they stay in the outbox",
                sent.failed + sent.dead
            ));
        }
        Ok(_) => {}
        Err(error) => note(format_args!("webhooks: {error}")),
    }
}

/// Says how to close the findings that no run will close, if the target that they are of is gone.
async fn advise_to_retire(store: &SqlStore, binding: &Binding, import: &Import) {
    // Advice that cannot be given is no failure of the run.
    let Ok(Some(last)) = store.last_run(binding).await else { return };
    let is_silent = |partition: &PartitionKey| {
        last.coverage.gaps().iter().all(|gap| gap.partition.as_ref().is_some_and(|gap| gap != partition))
    };
    let kept = import.summary.kept_open.iter().filter(|kept| is_silent(&kept.partition));
    let (mut others, mut first) = (0, None);
    for kept in kept {
        if last.coverage.partition(&kept.partition).is_none() && first.is_none() {
            first = Some(&kept.partition);
        }
        others += kept.count;
    }
    if let Some(partition) = first {
        let partition = Printable(partition.as_str());
        note(format_args!(
            "this run did not examine {partition}; if it is gone, `appsec retire --partition '{partition}' --reason TEXT` closes its findings"
        ));
    } else if others > 0 && import.summary.received == import.summary.left_out {
        note("if the target is gone, `appsec retire` lists its findings by partition, and closes them");
    }
}

fn show(app: &App, report: &RunReport<'_>) -> Result<()> {
    let import = &report.import;
    let tag =
        report.binding.configuration.scan_tag.as_ref().map(|tag| format!(" [{tag}]")).unwrap_or_default();
    let run = if import.dry_run { "dry run".to_owned() } else { format!("run {}", import.run) };
    app.out.line(format_args!("{run}{tag} of {}", binding_parts::describe(report.binding)))?;
    if let Some(scan) = &report.scan {
        app.out.line(format_args!("scan {}: {}", scan.id, scan.status))?;
        for problem in scan.all_problems() {
            app.out.line(format_args!("  {}: {}", problem.kind, problem.message))?;
        }
    }
    app.out.text(import)?;
    let Some(gate) = &report.gate else {
        return import
            .missing()
            .iter()
            .try_for_each(|missing| app.out.line(format_args!("missing: {missing}")));
    };
    let result = gate.to_string();
    for (number, line) in result.lines().enumerate() {
        match (number, gate.outcome()) {
            (0, GateOutcome::Passed) => app.out.cells([output::good(line)])?,
            (0, GateOutcome::Failed) => app.out.cells([output::bad(line)])?,
            (0, _) => app.out.cells([output::warning(line)])?,
            _ => app.out.line(line)?,
        }
    }
    Ok(())
}

fn show_plain(app: &App, report: &RunReport<'_>) -> Result<()> {
    let summary = &report.import.summary;
    let counts = [
        ("run", report.import.run.to_string()),
        ("new", summary.new.to_string()),
        ("recurrent", summary.recurrent.to_string()),
        ("reopened", summary.reopened.to_string()),
        ("closed", summary.closed.to_string()),
        ("kept_open", summary.kept_open_count().to_string()),
        ("received", summary.received.to_string()),
        ("findings", summary.findings.to_string()),
        ("further_occurrences", summary.further_occurrences.to_string()),
        ("repeats", summary.repeats.to_string()),
        ("left_out", summary.left_out.to_string()),
        ("gaps", report.import.gaps.len().to_string()),
        ("scan", report.scan.as_ref().map(|scan| scan.id.to_string()).unwrap_or_default()),
        ("result", report.reason.to_owned()),
    ];
    counts.iter().try_for_each(|(name, value)| app.out.fields([name, value]))
}
