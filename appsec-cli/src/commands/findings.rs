//! `appsec findings`: the findings of a binding in the store.

use appsec_import::reconcile::{KnownFinding, State};
use clap::ValueEnum;

use crate::app::App;
use crate::exit::{Exit, Result};
use crate::finding_lookup;
use crate::output::{Cell, Format, bad, cell, good, warning};
use crate::selection::SelectionArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: SelectionArgs,
    /// Only findings in this state
    #[arg(long, value_enum, default_value_t)]
    state: StateFilter,
}

/// The states of the findings that are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum StateFilter {
    #[default]
    All,
    Open,
    Closed,
    RiskAccepted,
    FalsePositive,
    Ignored,
}

impl StateFilter {
    fn accepts(self, state: State) -> bool {
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

/// The number of rows that are collected to be aligned.
const ROWS: usize = 2000;

/// Prints the findings, one a line.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.select(app).await?;
    let store = app.existing_store().await?;
    let mut rows = Vec::new();
    finding_lookup::for_each(&store, &binding, |finding| {
        if args.state.accepts(finding.state) {
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

const HEADINGS: [&str; 5] = ["FINGERPRINT", "STATE", "SEVERITY", "TITLE", "PLACE"];

fn row(finding: &KnownFinding) -> [Cell; 5] {
    let state = match finding.state {
        State::Open => bad("open"),
        State::Closed => good("closed"),
        State::RiskAccepted => warning("risk accepted"),
        State::FalsePositive => warning("false positive"),
        State::Ignored => warning("ignored"),
        _ => cell("unknown"),
    };
    let place = match finding.occurrences {
        0 | 1 => cell(&finding.place),
        count => cell(format_args!("{} ({count} occurrences)", finding.place)),
    };
    [cell(finding.fingerprint), state, cell(&finding.severity), cell(&finding.title), place]
}
