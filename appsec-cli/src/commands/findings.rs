//! `appsec findings`: what is known of a binding.

use appsec_import::reconcile::{KnownFinding, State};
use clap::ValueEnum;

use crate::app::App;
use crate::binding::BindingArgs;
use crate::exit::{Exit, Result};
use crate::find;
use crate::output::{Cell, Format, bad, cell, doubtful, good};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    /// Only those in this state
    #[arg(long, value_enum, default_value_t)]
    state: Which,
}

/// Which findings are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Which {
    #[default]
    All,
    Open,
    Closed,
    RiskAccepted,
    FalsePositive,
    Ignored,
}

impl Which {
    fn admits(self, state: State) -> bool {
        match self {
            Self::All => true,
            Self::Open => state == State::Open,
            Self::Closed => state == State::Closed,
            Self::RiskAccepted => state == State::RiskAccepted,
            Self::FalsePositive => state == State::FalsePositive,
            Self::Ignored => state == State::Ignored,
        }
    }
}

/// How many rows are aligned with each other.
const ROWS: usize = 2000;

/// In JSON: a finding a binding.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (_, binding) = args.binding.resolve(app).await?;
    let store = app.store().await?;
    let mut rows = Vec::new();
    find::each(&store, &binding, |finding| {
        if args.state.admits(finding.state) {
            match app.out.format {
                Format::Json => app.out.json(&finding)?,
                Format::Plain => app.out.table(HEADINGS, &[row(&finding)])?,
                Format::Table => rows.push(row(&finding)),
            }
            if rows.len() == ROWS {
                app.out.table(HEADINGS, &std::mem::take(&mut rows))?;
            }
        }
        Ok(!app.out.is_closed())
    })
    .await?;
    if !rows.is_empty() {
        app.out.table(HEADINGS, &rows)?;
    }
    Ok(Exit::Passed)
}

const HEADINGS: [&str; 5] = ["FINGERPRINT", "STATE", "SEVERITY", "WHAT", "WHERE"];

fn row(finding: &KnownFinding) -> [Cell; 5] {
    let state = match finding.state {
        State::Open => bad("open"),
        State::Closed => good("closed"),
        State::RiskAccepted => doubtful("risk accepted"),
        State::FalsePositive => doubtful("false positive"),
        State::Ignored => doubtful("ignored"),
        _ => cell("unknown"),
    };
    [cell(finding.fingerprint), state, cell(&finding.severity), cell(&finding.title), cell(&finding.place)]
}
