//! `appsec import`: imports the findings that the scanner has, without starting a scan.

use appsec_import::ImportOptions;

use crate::app::App;
use crate::binding_args::BindingArgs;
use crate::exit::{Exit, Result};
use crate::import_run::{self, RunArgs};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Show what would change, and store nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.resolve(app).await?;
    let options = ImportOptions::new().with_dry_run(args.dry_run);
    import_run::run(app, &binding, &args.run, options).await
}
