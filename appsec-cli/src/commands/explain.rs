//! `appsec explain`: why a finding is in its state.

use appsec_import::Store as _;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::finding_lookup;
use crate::selection::SelectionArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: SelectionArgs,
    /// The fingerprint of the finding, at least its first six digits, or the scanner's own id
    #[arg(value_name = "FINDING")]
    finding: String,
}

/// Prints the finding with its history, oldest run first.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.select(app).await?;
    let store = app.existing_store().await?;
    let finding = finding_lookup::find_one(&store, &binding, &args.finding).await?;
    let explanation = store.explain(&binding, &finding.fingerprint).await.map_err(Failure::store)?;
    let explanation = explanation.ok_or_else(|| Failure::usage("the finding is no longer in the store"))?;
    if app.out.is_json() {
        app.out.json(&explanation)?;
    } else {
        app.out.text(&explanation)?;
    }
    Ok(Exit::Passed)
}
