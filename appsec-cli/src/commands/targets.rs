//! `appsec targets`: the choices of "Bind To" in Invicti.

use appsec_core::{BindTarget, BindTargetQuery};
use futures_util::TryStreamExt as _;

use crate::app::App;
use crate::exit::{Exit, Result};
use crate::output::{Cell, Format, cell};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The connection, or the scanner's key where there is one connection to it
    #[arg(short, long)]
    tool: String,
    /// Only bind targets whose name contains this text, ignoring case
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// Prints the bind targets, one a line. Other formats than the table print each page as it is received.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let named = app.config.connections.find(&args.tool)?;
    let scanner = app.open(&named)?;
    let mut query = BindTargetQuery::new();
    if let Some(name) = &args.name {
        query = query.with_name_contains(name);
    }
    let mut pages = scanner.bind_targets(query);
    let mut table = Vec::new();
    while let Some(page) = pages.try_next().await? {
        if app.out.format == Format::Table {
            table.extend(page);
            continue;
        }
        for target in &page {
            if app.out.is_json() { app.out.json(target)? } else { app.out.table(HEADINGS, &[row(target)])? }
        }
    }
    if app.out.format == Format::Table {
        let rows: Vec<_> = table.iter().map(row).collect();
        app.out.table(HEADINGS, &rows)?;
    }
    Ok(Exit::Passed)
}

const HEADINGS: [&str; 5] = ["BIND TO", "NAME", "SCAN", "LAST SEEN", "LOCATIONS"];

fn row(target: &BindTarget) -> [Cell; 5] {
    let locations = match (target.location_count, target.locations.first()) {
        (Some(count), _) if count > 1 => format!("{count} locations"),
        (_, Some(location)) => location.clone(),
        _ => String::new(),
    };
    [
        cell(&target.id),
        cell(&target.name),
        cell(if target.can_start { "yes" } else { "no" }),
        cell(target.last_seen.map(|at| at.to_string()).unwrap_or_default()),
        cell(locations),
    ]
}
