//! The `appsec` command: `appsec help` lists what it can do.

mod app;
mod binding_args;
mod binding_parts;
mod cli;
mod commands;
mod config;
mod connection;
mod credentials;
mod duration_arg;
mod exit;
mod finding_lookup;
mod gate;
mod global_args;
mod import_run;
mod kdt;
mod log;
mod nearest;
mod output;
mod progress;
mod progress_scanner;
mod selection;
mod signals;
mod toml_error;
mod vendors;

use std::process::ExitCode;

use clap::Parser as _;
use serde_json::json;

use crate::app::App;
use crate::cli::Cli;
use crate::exit::{Exit, ExitCodes, Failure};
use crate::output::{Format, Output};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let kdt = kdt::is_enabled(&arguments);
    let default_codes = if kdt { ExitCodes::Kdt } else { ExitCodes::Own };
    let arguments = match kdt::translate(arguments, kdt) {
        Ok(arguments) => arguments,
        Err(failure) => return ExitCode::from(report(Format::Table, &failure).code(default_codes)),
    };
    let cli = match Cli::try_parse_from(arguments.accepted) {
        Ok(cli) => cli,
        Err(error) => {
            // Fails only if the output stream is closed.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Passed };
            return ExitCode::from(exit.code(default_codes));
        }
    };
    arguments.notes.iter().for_each(output::note);
    log::init(cli.global.verbose.saturating_add(u8::from(cli.command.is_service())));
    let codes = cli.global.exit_code.map_or(default_codes, ExitCodes::Always);
    let format = cli.global.output;
    let exit = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(Failure::output("the runtime cannot start", &error)),
    };
    ExitCode::from(exit.unwrap_or_else(|failure| report(format, &failure)).code(codes))
}

async fn run(cli: Cli) -> exit::Result<Exit> {
    let app = App::new(&cli.global)?;
    let stops_cleanly = cli.command.stops_cleanly();
    let mut command = std::pin::pin!(cli.command.run(&app));
    tokio::select! {
        ended = &mut command => return ended,
        () = signals::interrupted() => {}
    }
    let interrupted = || Err(Failure::new(Exit::Interrupted, "interrupted"));
    if !stops_cleanly {
        return interrupted();
    }
    app.stop();
    tokio::select! {
        ended = command => ended,
        // A second signal ends the command at once.
        () = signals::interrupted() => interrupted(),
    }
}

/// Reports the failure on stderr and, with `-o json`, on stdout.
fn report(format: Format, failure: &Failure) -> Exit {
    let output = Output::new(format);
    output::note(format_args!("appsec: {}", failure.message));
    if output.is_json() {
        let mut error = json!({
            "exit": failure.exit.code(ExitCodes::Own),
            "reason": failure.exit.reason(),
            "message": failure.message,
        });
        if let Some(scan) = &failure.scan {
            error["scan"] = json!(scan);
        }
        if let Some(wait) = failure.retry_after {
            error["retry_after_seconds"] = json!(wait.as_secs());
        }
        // If stdout cannot be written, the message is still on stderr.
        let _ = output.json(&json!({ "error": error }));
    }
    failure.exit
}
