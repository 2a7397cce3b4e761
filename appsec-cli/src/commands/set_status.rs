//! `appsec set-status`: what people decided, kept in the store and brought back to scanners that take it.

use appsec_core::DastApiScanner;
use appsec_import::Store as _;
use appsec_import::decision::{
    Decision, StatusMapping, WriteBackOutcome, WriteBackRequest, WriteBackResult, write_back,
};
use appsec_import::reconcile::KnownFinding;
use clap::ValueEnum;
use serde_json::json;

use crate::app::App;
use crate::binding::BindingArgs;
use crate::exit::{Exit, Failure, Result};
use crate::find;
use crate::output::{Cell, bad, cell, good};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    /// What was decided
    #[arg(long, value_enum)]
    to: Word,
    /// Why, for scanners that keep a comment
    #[arg(long)]
    comment: Option<String>,
    /// Keeps it in the store, and tells the scanner nothing
    #[arg(long)]
    here: bool,
    /// Fingerprints, the first six digits of them or more, or the scanner's own ids
    #[arg(value_name = "FINDING", required = true)]
    findings: Vec<String>,
}

/// A decision, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Word {
    Fixed,
    RiskAccepted,
    FalsePositive,
    Ignored,
    Reopened,
}

impl From<Word> for WriteBackOutcome {
    fn from(word: Word) -> Self {
        match word {
            Word::Fixed => Self::Fixed,
            Word::RiskAccepted => Self::RiskAccepted,
            Word::FalsePositive => Self::FalsePositive,
            Word::Ignored => Self::Ignored,
            Word::Reopened => Self::Reopened,
        }
    }
}

impl Word {
    /// True for what a person can decide, and the store keeps; that a finding is fixed, only a scanner can say.
    fn is_kept(self) -> bool {
        self != Self::Fixed
    }

    /// The decision that stands from now on.
    fn decision(self) -> Option<Decision> {
        match self {
            Self::RiskAccepted => Some(Decision::RiskAccepted),
            Self::FalsePositive => Some(Decision::FalsePositive),
            Self::Ignored => Some(Decision::Ignored),
            Self::Fixed | Self::Reopened => None,
        }
    }
}

/// In JSON: for each finding `{"fingerprint", "decided", "kept"}`, and `"written"` or `"error"` where the scanner was told.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (named, binding) = args.binding.resolve(app).await?;
    let store = app.store().await?;
    let mut findings = Vec::with_capacity(args.findings.len());
    for word in &args.findings {
        findings.push(find::one(&store, &binding, word).await?);
    }
    let kept = args.to.is_kept();
    let scanner = if args.here { None } else { Some(app.open(&named)?) };
    // What is kept here need not be taken there.
    let scanner = scanner.filter(|scanner| !kept || scanner.info().capabilities.set_finding_status);
    if !kept && scanner.is_none() {
        return Err(Failure::usage("only a scanner can say that a finding is fixed: leave out --here"));
    }
    for finding in findings.iter().filter(|_| kept) {
        store
            .set_decision(&binding, &finding.fingerprint, args.to.decision())
            .await
            .map_err(Failure::store)?;
    }
    let Some(scanner) = scanner else { return told(app, args, &findings) };
    written(app, args, &*scanner, &findings).await
}

/// Says what was kept, where no scanner is told.
fn told(app: &App, args: &Args, findings: &[KnownFinding]) -> Result<Exit> {
    let decided = WriteBackOutcome::from(args.to);
    let mut rows = Vec::new();
    for KnownFinding { fingerprint, .. } in findings {
        if app.out.is_json() {
            app.out.json(&json!({ "fingerprint": fingerprint, "decided": decided, "kept": true }))?;
        }
        rows.push([cell(fingerprint), cell(decided), good("kept"), cell("the scanner is not told")]);
    }
    table(app, &rows)?;
    Ok(Exit::Passed)
}

async fn written(
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
    let kept = args.to.is_kept();
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
            let told = json!({ "fingerprint": fingerprint, "decided": decided, "kept": kept, member: text });
            app.out.json(&told)?;
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
