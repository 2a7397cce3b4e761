//! `appsec set-status`: stores a decision about findings, and sends it to scanners that accept status
//! changes.

use std::sync::Arc;

use appsec_core::DastApiScanner;
use appsec_import::decision::{
    Decision, StatusMapping, WriteBackOutcome, WriteBackRequest, WriteBackResult, write_back,
};
use appsec_import::reconcile::KnownFinding;
use appsec_import::{Binding, Store as _};
use clap::ValueEnum;
use serde_json::json;

use crate::app::App;
use crate::binding_parts;
use crate::exit::{Exit, Failure, Result};
use crate::finding_lookup;
use crate::output::{Cell, bad, cell, good};
use crate::selection::SelectionArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: SelectionArgs,
    /// The decision
    #[arg(long, value_enum)]
    to: NewStatus,
    /// The reason, for scanners that store a comment
    #[arg(long)]
    comment: Option<String>,
    /// Only store the decision, and do not send it to the scanner
    #[arg(long)]
    here: bool,
    /// The findings: fingerprints, at least their first six digits, or the scanner's own ids
    #[arg(value_name = "FINDING", required = true)]
    findings: Vec<String>,
}

/// The value of `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NewStatus {
    Fixed,
    RiskAccepted,
    FalsePositive,
    Ignored,
    Reopened,
}

impl From<NewStatus> for WriteBackOutcome {
    fn from(status: NewStatus) -> Self {
        match status {
            NewStatus::Fixed => Self::Fixed,
            NewStatus::RiskAccepted => Self::RiskAccepted,
            NewStatus::FalsePositive => Self::FalsePositive,
            NewStatus::Ignored => Self::Ignored,
            NewStatus::Reopened => Self::Reopened,
        }
    }
}

impl NewStatus {
    /// Whether the store keeps it. Only a scanner can say that a finding is fixed.
    fn is_stored(self) -> bool {
        self != Self::Fixed
    }

    /// The decision in the store; `None` for no decision.
    fn decision(self) -> Option<Decision> {
        match self {
            Self::RiskAccepted => Some(Decision::RiskAccepted),
            Self::FalsePositive => Some(Decision::FalsePositive),
            Self::Ignored => Some(Decision::Ignored),
            Self::Fixed | Self::Reopened => None,
        }
    }
}

/// In JSON: for each finding `{"fingerprint", "decided", "kept"}`, and `"written"` or `"error"` if the
/// scanner was notified.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.select(app).await?;
    let store = app.existing_store().await?;
    let mut findings = Vec::with_capacity(args.findings.len());
    for id in &args.findings {
        findings.push(finding_lookup::find_one(&store, &binding, id).await?);
    }
    let stored = args.to.is_stored();
    let scanner = if args.here { None } else { Some(open(app, &binding)?) };
    // A decision that is stored here need not be accepted by the scanner.
    let scanner = scanner.filter(|scanner| !stored || scanner.info().capabilities.set_finding_status);
    if !stored && scanner.is_none() {
        return Err(Failure::usage("only a scanner can say that a finding is fixed: leave out --here"));
    }
    for finding in findings.iter().filter(|_| stored) {
        store
            .set_decision(&binding, &finding.fingerprint, args.to.decision())
            .await
            .map_err(Failure::store)?;
    }
    match scanner {
        Some(scanner) => notify_scanner(app, args, &*scanner, &findings).await,
        None => show_stored(app, args, &findings),
    }
}

/// Opens the connection to the tenant of the binding.
fn open(app: &App, binding: &Binding) -> Result<Arc<dyn DastApiScanner>> {
    match app.config.connections.of_binding(binding)? {
        Some(named) => app.open(&named),
        None => Err(Failure::usage(format!(
            "no connection reaches the scanner of {}: configure it, or only store the decision with --here",
            binding_parts::describe(binding)
        ))),
    }
}

/// Prints what was stored, where the scanner is not notified.
fn show_stored(app: &App, args: &Args, findings: &[KnownFinding]) -> Result<Exit> {
    let decided = WriteBackOutcome::from(args.to);
    let mut rows = Vec::new();
    for KnownFinding { fingerprint, .. } in findings {
        if app.out.is_json() {
            app.out.json(&json!({ "fingerprint": fingerprint, "decided": decided, "kept": true }))?;
        }
        rows.push([cell(fingerprint), cell(decided), good("kept"), cell("the scanner is not notified")]);
    }
    table(app, &rows)?;
    Ok(Exit::Passed)
}

/// Sends the decision to the scanner, and prints what it accepted.
async fn notify_scanner(
    app: &App,
    args: &Args,
    scanner: &dyn DastApiScanner,
    findings: &[KnownFinding],
) -> Result<Exit> {
    let changes = findings.iter().map(|finding| {
        let mut change = WriteBackRequest::new(finding, args.to.into());
        change.comment.clone_from(&args.comment);
        change
    });
    let written = write_back(scanner, &StatusMapping::new(), &changes.collect::<Vec<_>>()).await?;
    let kept = args.to.is_stored();
    let (mut exit, mut rows) = (Exit::Passed, Vec::new());
    for WriteBackResult { fingerprint, outcome: decided, result, .. } in written {
        let (member, text, ended) = match result {
            Ok(status) => ("written", status.to_string(), Exit::Passed),
            Err(error) => {
                let failure = Failure::from(error);
                ("error", failure.message, failure.exit)
            }
        };
        if app.out.is_json() {
            let document =
                json!({ "fingerprint": fingerprint, "decided": decided, "kept": kept, member: text });
            app.out.json(&document)?;
        }
        let how = if ended == Exit::Passed { good(member) } else { bad(member) };
        rows.push([cell(fingerprint), cell(decided), how, cell(text)]);
        exit = if exit == Exit::Passed { ended } else { exit };
    }
    table(app, &rows)?;
    Ok(exit)
}

fn table(app: &App, rows: &[[Cell; 4]]) -> Result<()> {
    if !app.out.is_json() {
        app.out.table(["FINDING", "DECIDED", "RESULT", "STATUS"], rows)?;
    }
    Ok(())
}
