//! `appsec targets`: the choices of "Bind To" in Invicti.

use appsec_core::{BindTarget, BindTargetQuery, CoverageGap};
use futures_util::TryStreamExt as _;
use serde::Serialize;

use crate::app::App;
use crate::exit::{Exit, Result};
use crate::output::{Cell, Format, cell, note};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The connection, or the scanner's key where there is one connection to it
    #[arg(short, long)]
    tool: String,
    /// Only bind targets whose name contains this text, ignoring case
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// The last line of the JSON output of a listing that has gaps.
#[derive(Serialize)]
struct Gaps<'a> {
    gaps: &'a [CoverageGap],
}

/// Prints the bind targets, one a line. Other formats than the table print each page as it is received.
/// Gaps go to stderr and, with JSON, into a last line; the listing is partial then.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let named = app.config.connections.find(&args.tool)?;
    let scanner = app.open(&named)?;
    let mut query = BindTargetQuery::new();
    if let Some(name) = &args.name {
        query = query.with_name_contains(name);
    }
    let mut pages = scanner.bind_targets(query);
    let (mut table, mut gaps) = (Vec::new(), Vec::new());
    while let Some(page) = pages.try_next().await? {
        gaps.extend(page.gaps);
        if app.out.format == Format::Table {
            table.extend(page.targets);
            continue;
        }
        for target in &page.targets {
            if app.out.is_json() { app.out.json(target)? } else { app.out.table(HEADINGS, &[row(target)])? }
        }
    }
    if app.out.format == Format::Table {
        let rows: Vec<_> = table.iter().map(row).collect();
        app.out.table(HEADINGS, &rows)?;
    }
    if gaps.is_empty() {
        return Ok(Exit::Passed);
    }
    if app.out.is_json() {
        app.out.json(&Gaps { gaps: &gaps })?;
    }
    for gap in &gaps {
        note(format_args!("the list may lack targets: {gap}"));
    }
    Ok(Exit::Partial)
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
