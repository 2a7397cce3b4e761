//! The commands, one per file.

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
    /// Test connections, step by step, and say what to do about what fails
    Ping(ping::Args),
    /// List what a project can be bound to
    Targets(targets::Args),
    /// Start a scan where the scanner can, wait for it, import its findings, and judge them
    Scan(scan::Args),
    /// Import findings without starting a scan
    Import(import::Args),
    /// List the findings of a binding
    Findings(findings::Args),
    /// Tell why a finding is in its state, run by run
    Explain(explain::Args),
    /// Say what runs when, and see where it stands
    Schedule(schedule::Args),
    /// Run what is due, together with any number of other workers on the same store
    Worker(worker::Args),
    /// Write a report: SARIF, GitLab, DefectDojo, OCSF, CSV or JSON Lines
    Report(report::Args),
    #[command(about = "Bring findings to DefectDojo, Invicti AppSec or GitHub code scanning")]
    Push(push::Args),
    /// Keep a decision about findings in the store, and write it back where the scanner takes it
    SetStatus(set_status::Args),
    /// Show it all against fakes of both services, without credentials
    Demo,
    /// Serve fakes of both services, for test suites in any language
    Mock(mock::Args),
    /// Print a script that completes commands for a shell
    Completions(completions::Args),
    /// Print the manual, or write its pages into a folder
    Man(man::Args),
}

impl Command {
    /// True for what ends in good order by itself once it is told to.
    pub(crate) fn ends_itself(&self) -> bool {
        match self {
            // A scan that is launched is kept and named first.
            Self::Scan(_) | Self::Import(_) | Self::Mock(_) | Self::Worker(_) => true,
            _ => false,
        }
    }

    /// True for what runs for days, and says what it does for a log.
    pub(crate) fn is_service(&self) -> bool {
        matches!(self, Self::Worker(_))
    }

    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self {
            Self::Ping(args) => ping::run(app, &args).await,
            Self::Targets(args) => targets::run(app, &args).await,
            Self::Scan(args) => scan::run(app, &args).await,
            Self::Import(args) => import::run(app, &args).await,
            Self::Findings(args) => findings::run(app, &args).await,
            Self::Explain(args) => explain::run(app, &args).await,
            Self::Schedule(args) => schedule::run(app, &args).await,
            Self::Worker(args) => worker::run(app, &args).await,
            Self::Report(args) => report::run(app, &args).await,
            Self::Push(args) => push::run(app, &args).await,
            Self::SetStatus(args) => set_status::run(app, &args).await,
            // The demo runs commands itself.
            Self::Demo => Box::pin(demo::run(app)).await,
            Self::Mock(args) => mock::run(app, &args).await,
            Self::Completions(args) => completions::run(app, &args),
            Self::Man(args) => man::run(app, &args),
        }
    }
}
