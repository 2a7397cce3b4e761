//! The commands, one per file.

mod binding;
mod completions;
mod demo;
mod explain;
mod findings;
mod import;
mod man;
mod mock;
mod ping;
mod push;
mod report;
mod retire;
mod scan;
mod schedule;
mod set_status;
mod targets;
mod worker;

use clap::Subcommand;

use crate::app::App;
use crate::exit::{Exit, Result};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Test connections step by step, and show how to fix what fails
    Ping(ping::Args),
    /// List the bind targets of a scanner: what a project can read findings from
    Targets(targets::Args),
    /// Start a scan, wait for it, import its findings and apply the gate; a scanner that starts no scans
    /// only imports
    Scan(scan::Args),
    /// Import findings without starting a scan
    Import(import::Args),
    /// List the bindings that the store knows, and give one a new target, project, branch or connection
    Binding(binding::Args),
    /// List the findings of a binding
    Findings(findings::Args),
    /// Show why a finding is in its state, run by run
    Explain(explain::Args),
    /// Apply the schedule of the configuration, and show its state
    Schedule(schedule::Args),
    /// Run the bindings that are due; any number of workers can share a store
    Worker(worker::Args),
    /// Write a report: SARIF, GitLab, DefectDojo, OCSF, CSV or JSON Lines
    Report(report::Args),
    // Not a doc comment: clippy asks for backticks around `DefectDojo`.
    #[command(about = "Push findings to DefectDojo, Invicti AppSec or GitHub code scanning")]
    Push(push::Args),
    /// Store a decision about findings, and send it to the scanner if that accepts status changes
    SetStatus(set_status::Args),
    /// Close the open findings of a target that is not examined any more, or list what can be closed
    Retire(retire::Args),
    /// Show the commands at work against fakes of the services, without credentials
    Demo,
    /// Serve fakes of the services, for test suites in any language
    Mock(mock::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual page, or write a page for each command into a folder
    Man(man::Args),
}

impl Command {
    /// Whether the command ends cleanly by itself after [`App::stop`].
    pub(crate) fn stops_cleanly(&self) -> bool {
        match self {
            // A scan that was started is stored and reported first.
            Self::Scan(_) | Self::Import(_) | Self::Mock(_) | Self::Worker(_) => true,
            _ => false,
        }
    }

    /// Whether the command runs for days, and logs what it does.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Worker(_))
    }

    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self {
            Self::Ping(args) => ping::run(app, &args).await,
            Self::Targets(args) => targets::run(app, &args).await,
            Self::Scan(args) => scan::run(app, &args).await,
            Self::Import(args) => import::run(app, &args).await,
            Self::Binding(args) => binding::run(app, &args).await,
            Self::Findings(args) => findings::run(app, &args).await,
            Self::Explain(args) => explain::run(app, &args).await,
            Self::Schedule(args) => schedule::run(app, &args).await,
            Self::Worker(args) => worker::run(app, &args).await,
            Self::Report(args) => report::run(app, &args).await,
            Self::Push(args) => push::run(app, &args).await,
            Self::SetStatus(args) => set_status::run(app, &args).await,
            Self::Retire(args) => retire::run(app, &args).await,
            // The demo runs commands itself, so the future would contain itself without the box.
            Self::Demo => Box::pin(demo::run(app)).await,
            Self::Mock(args) => mock::run(app, &args).await,
            Self::Completions(args) => completions::run(app, &args),
            Self::Man(args) => man::run(app, &args),
        }
    }
}
