//! `appsec ping`: the connection test of Invicti's dialogue, and KDT's word for it.

use appsec_core::{ConnectionReport, StepOutcome};
use serde::Serialize;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::output::{self, Cell, cell};
use crate::scanners::{self, Named};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The connections or scanners to test; else all that are configured or have credentials in the environment
    #[arg(short, long = "tool", value_name = "TOOL")]
    tools: Vec<String>,
}

/// `{"connections": [...]}`: one of these for each connection.
#[derive(Debug, Serialize)]
struct Tested<'a> {
    name: &'a str,
    scanner: &'a str,
    ok: bool,
    /// The steps that were taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ConnectionReport>,
    /// Why none could be taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let connections = if args.tools.is_empty() {
        scanners::all(&app.config)
    } else {
        args.tools.iter().map(|word| scanners::find(&app.config, word)).collect::<Result<_>>()?
    };
    if connections.is_empty() {
        return Err(Failure::usage(
            "there is nothing to test: name a scanner with -t, or configure connections in appsec.toml",
        ));
    }
    let (mut tested, mut exit) = (Vec::new(), Exit::Passed);
    for named in &connections {
        let (result, ended) = test(app, named).await;
        if !app.out.is_json() {
            show(app, &result)?;
        }
        tested.push(result);
        // The first failure is the one that the code tells of.
        exit = if exit == Exit::Passed { ended } else { exit };
    }
    if app.out.is_json() {
        app.out.json(&serde_json::json!({ "connections": tested }))?;
    }
    Ok(exit)
}

async fn test<'a>(app: &App, named: &'a Named) -> (Tested<'a>, Exit) {
    let mut tested = Tested {
        name: &named.name,
        scanner: named.connection.scanner.key(),
        ok: false,
        report: None,
        error: None,
    };
    let scanner = match app.open(named) {
        Ok(scanner) => scanner,
        Err(failure) => {
            output::note(format_args!("{}: {}", named.name, failure.message));
            tested.error = Some(failure.message);
            return (tested, failure.exit);
        }
    };
    let report = scanner.test_connection().await;
    tested.ok = report.is_ok();
    let exit = match report.failure() {
        Some(step) => Exit::of_cause(step.cause),
        None if tested.ok => Exit::Passed,
        None => Exit::Scanner,
    };
    tested.report = Some(report);
    (tested, exit)
}

fn show(app: &App, tested: &Tested<'_>) -> Result<()> {
    let verdict = if tested.ok { output::good("ok") } else { output::bad("FAILED") };
    let Some(report) = &tested.report else {
        return app.out.line(format_args!("{}: {verdict}", tested.name));
    };
    app.out.line(format_args!("{} ({}) at {}: {verdict}", tested.name, tested.scanner, report.endpoint()))?;
    let rows: Vec<[Cell; 4]> = report
        .steps()
        .iter()
        .map(|step| {
            let outcome = match step.outcome {
                StepOutcome::Passed => output::good(step.outcome),
                StepOutcome::Failed => output::bad(step.outcome),
                StepOutcome::Warning => output::doubtful(step.outcome),
                StepOutcome::Skipped => cell(step.outcome),
            };
            [cell(step.kind), outcome, cell(format_args!("{} ms", step.took.as_millis())), cell(&step.detail)]
        })
        .collect();
    app.out.table(["STEP", "RESULT", "TOOK", "SEEN"], &rows)?;
    for step in report.steps() {
        if let Some(remedy) = &step.remedy {
            app.out.line(format_args!("→ {}: {remedy}", step.kind))?;
        }
    }
    Ok(())
}
