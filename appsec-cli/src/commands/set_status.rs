//! `appsec set-status`: what people decided, brought back to scanners that take it.

use appsec_import::{Decided, StateChange, StatusMapping, WrittenBack, write_back};
use clap::ValueEnum;
use serde_json::json;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::find;
use crate::line::LineArgs;
use crate::output::{bad, cell, good};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    line: LineArgs,
    /// What was decided
    #[arg(long, value_enum)]
    to: Word,
    /// Why, for scanners that keep a comment
    #[arg(long)]
    comment: Option<String>,
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

impl From<Word> for Decided {
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

/// In JSON: for each finding `{"fingerprint", "decided", "written"}`, or `"error"` in place of the last.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (named, line) = args.line.resolve(app).await?;
    let store = app.store().await?;
    let mut changes = Vec::with_capacity(args.findings.len());
    for word in &args.findings {
        let mut change = StateChange::new(&find::one(&store, &line, word).await?, args.to.into());
        change.comment.clone_from(&args.comment);
        changes.push(change);
    }
    let scanner = app.open(&named)?;
    let written = write_back(&*scanner, &StatusMapping::new(), &changes).await?;
    let (mut exit, mut rows) = (Exit::Passed, Vec::new());
    for WrittenBack { fingerprint, decided, result, .. } in written {
        let (member, text, ended) = match result {
            Ok(status) => ("written", status.to_string(), Exit::Passed),
            Err(error) => {
                let failure = Failure::from(error);
                ("error", failure.message, failure.exit)
            }
        };
        if app.out.is_json() {
            app.out.json(&json!({ "fingerprint": fingerprint, "decided": decided, member: text }))?;
        }
        let how = if ended == Exit::Passed { good(member) } else { bad(member) };
        rows.push([cell(fingerprint), cell(decided), how, cell(text)]);
        exit = if exit == Exit::Passed { ended } else { exit };
    }
    if !app.out.is_json() {
        app.out.table(["FINDING", "DECIDED", "RESULT", "STATUS"], &rows)?;
    }
    Ok(exit)
}
