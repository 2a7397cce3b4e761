//! `appsec explain`: why a finding is in its state.

use appsec_import::Store as _;

use crate::app::App;
use crate::binding::BindingArgs;
use crate::exit::{Exit, Failure, Result};
use crate::find;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    /// Its fingerprint, the first six digits of it or more, or the scanner's own id
    #[arg(value_name = "FINDING")]
    finding: String,
}

/// In JSON: the finding with its verdicts, oldest first.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (_, binding) = args.binding.resolve(app).await?;
    let store = app.store().await?;
    let finding = find::one(&store, &binding, &args.finding).await?;
    let why = store.explain(&binding, &finding.fingerprint).await.map_err(Failure::store)?;
    let why = why.ok_or_else(|| Failure::usage("the binding does not know the finding any more"))?;
    if app.out.is_json() {
        app.out.json(&why)?;
    } else {
        app.out.text(&why)?;
    }
    Ok(Exit::Passed)
}
