//! `appsec ping`: the "Test Connection" of Invicti, under its name in KDT.

use appsec_core::{ConnectionReport, StepOutcome};
use serde::Serialize;

use crate::app::App;
use crate::connection::NamedConnection;
use crate::exit::{Exit, Failure, Result};
use crate::output::{self, Cell, cell};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A connection or scanner to test; repeatable [default: all with a configuration, or with credentials
    /// in the environment]
    #[arg(short, long = "tool", value_name = "TOOL")]
    tools: Vec<String>,
}

/// The JSON member for one connection.
#[derive(Debug, Serialize)]
struct TestResult<'a> {
    name: &'a str,
    scanner: &'a str,
    ok: bool,
    /// The steps of the test.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ConnectionReport>,
    /// Why there was no test.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let connections = if args.tools.is_empty() {
        app.config.connections.all()?
    } else {
        args.tools.iter().map(|tool| app.config.connections.find(tool)).collect::<Result<_>>()?
    };
    if connections.is_empty() {
        return Err(Failure::usage(
            "there is no connection to test: name a scanner with -t, or configure connections in appsec.toml",
        ));
    }
    let (mut results, mut exit) = (Vec::new(), Exit::Passed);
    for named in &connections {
        let (result, ended) = test(app, named).await;
        if !app.out.is_json() {
            show(app, &result)?;
        }
        results.push(result);
        // The exit code is that of the first failure.
        exit = if exit == Exit::Passed { ended } else { exit };
    }
    if app.out.is_json() {
        app.out.json(&serde_json::json!({ "connections": results }))?;
    }
    Ok(exit)
}

async fn test<'a>(app: &App, named: &'a NamedConnection) -> (TestResult<'a>, Exit) {
    let mut result = TestResult {
        name: &named.name,
        scanner: named.connection.vendor.key,
        ok: false,
        report: None,
        error: None,
    };
    let scanner = match app.open(named) {
        Ok(scanner) => scanner,
        Err(failure) => {
            output::note(format_args!("{}: {}", named.name, failure.message));
            result.error = Some(failure.message);
            return (result, failure.exit);
        }
    };
    let report = scanner.test_connection().await;
    result.ok = report.is_ok();
    let exit = match report.failure() {
        Some(step) => Exit::from_cause(step.cause),
        None if result.ok => Exit::Passed,
        None => Exit::Scanner,
    };
    result.report = Some(report);
    (result, exit)
}

fn show(app: &App, result: &TestResult<'_>) -> Result<()> {
    let status = if result.ok { output::good("ok") } else { output::bad("FAILED") };
    let Some(report) = &result.report else {
        return app.out.cells([output::cell(format_args!("{}: ", result.name)), status]);
    };
    let at = format_args!("{} ({}) at {}: ", result.name, result.scanner, report.endpoint());
    app.out.cells([output::cell(at), status])?;
    let rows: Vec<[Cell; 4]> = report
        .steps()
        .iter()
        .map(|step| {
            let outcome = match step.outcome {
                StepOutcome::Passed => output::good(step.outcome),
                StepOutcome::Failed => output::bad(step.outcome),
                StepOutcome::Warning => output::warning(step.outcome),
                StepOutcome::Skipped => cell(step.outcome),
            };
            [cell(step.kind), outcome, cell(format_args!("{} ms", step.took.as_millis())), cell(&step.detail)]
        })
        .collect();
    app.out.table(["STEP", "RESULT", "TIME", "OBSERVED"], &rows)?;
    for step in report.steps() {
        if let Some(remedy) = &step.remedy {
            app.out.line(format_args!("→ {}: {remedy}", step.kind))?;
        }
    }
    Ok(())
}
