//! `appsec import`: reads what the scanner has, and starts nothing.

use appsec_import::ImportOptions;

use crate::app::App;
use crate::exit::{Exit, Result};
use crate::line::LineArgs;
use crate::run::{self, RunArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    line: LineArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Say what would happen, and leave nothing behind
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (named, line) = args.line.resolve(app).await?;
    let mut options = ImportOptions::new();
    if args.dry_run {
        options = options.with_dry_run();
    }
    run::run(app, (&named, &line), &args.run, options).await
}
