//! `appsec import`: reads what the scanner has, and starts nothing.

use appsec_import::ImportOptions;

use crate::app::App;
use crate::binding::BindingArgs;
use crate::exit::{Exit, Result};
use crate::run::{self, RunArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Say what would happen, and leave nothing behind
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (named, binding) = args.binding.resolve(app).await?;
    let options = ImportOptions::new().with_dry_run(args.dry_run);
    run::run(app, (&named, &binding), &args.run, options).await
}
