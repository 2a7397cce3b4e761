//! The `appsec` command.

mod app;
mod binding;
mod cli;
mod commands;
mod config;
mod credentials;
mod exit;
mod find;
mod gate;
mod kdt;
mod log;
mod observed;
mod output;
mod progress;
mod run;
mod scanners;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;
use serde_json::json;

use crate::app::App;
use crate::cli::Cli;
use crate::exit::{Codes, Exit, Failure};
use crate::output::{Format, Output};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let kdt = kdt::is_spoken(&arguments);
    let usual = if kdt { Codes::Kdt } else { Codes::Own };
    let arguments = match kdt::read(arguments, kdt) {
        Ok(arguments) => arguments,
        Err(failure) => return ExitCode::from(report(Format::Table, &failure).code(usual)),
    };
    let cli = match Cli::try_parse_from(arguments.given) {
        Ok(cli) => cli,
        Err(error) => {
            // Where nobody reads it, it was said all the same.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Passed };
            return ExitCode::from(exit.code(usual));
        }
    };
    arguments.dropped.iter().for_each(output::note);
    log::begin(cli.global.verbose.saturating_add(u8::from(cli.command.is_service())));
    let codes = cli.global.exit_code.map_or(usual, Codes::Always);
    let format = cli.global.output;
    let exit = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(Failure::output("the runtime cannot start", &error)),
    };
    ExitCode::from(exit.unwrap_or_else(|failure| report(format, &failure)).code(codes))
}

async fn run(cli: Cli) -> exit::Result<Exit> {
    let app = App::new(&cli.global)?;
    let ends_itself = cli.command.ends_itself();
    let mut command = std::pin::pin!(cli.command.run(&app));
    tokio::select! {
        ended = &mut command => return ended,
        () = signals::interrupted() => {}
    }
    let interrupted = || Err(Failure::new(Exit::Interrupted, "interrupted"));
    if !ends_itself {
        return interrupted();
    }
    app.stop();
    tokio::select! {
        ended = command => ended,
        // Whoever asks twice does not want to wait.
        () = signals::interrupted() => interrupted(),
    }
}

/// Says what went wrong: to a person, and to a program where stdout is for one.
fn report(format: Format, failure: &Failure) -> Exit {
    let output = Output::new(format);
    output::note(format_args!("appsec: {}", failure.message));
    if output.is_json() {
        let mut error = json!({
            "exit": failure.exit.code(Codes::Own),
            "reason": failure.exit.reason(),
            "message": failure.message,
        });
        if let Some(scan) = &failure.scan {
            error["scan"] = json!(scan);
        }
        // What cannot be written has been said on stderr.
        let _ = output.json(&json!({ "error": error }));
    }
    failure.exit
}
