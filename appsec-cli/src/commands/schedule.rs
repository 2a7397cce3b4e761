//! `appsec schedule`: when bindings run. `appsec worker` runs them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use appsec_core::{BindTargetId, ErrorKind, Timestamp};
use appsec_import::schedule::{ScheduleChanges, ScheduleEntry, ScheduleState, ScheduledBinding};
use appsec_import::{Binding, ScanConfiguration, Store as _, known_target};
use clap::Subcommand;
use serde_json::json;

use crate::app::App;
use crate::binding_parts::{not_empty, with_target};
use crate::exit::{Exit, Failure, Result};
use crate::output::{Cell, Format, bad, cell, good, note, warning};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Debug, Subcommand)]
enum ScheduleCommand {
    /// Replace the schedule in the store by that of the configuration; removed bindings keep their findings
    Apply {
        /// Show what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List every binding with its state
    List,
    /// List the bindings that are due, and why they do not run yet; exits 1 if one waits for a scanner that
    /// refuses or fails
    Due,
    /// Show the next times at which bindings run, according to the configuration
    Next {
        /// Only these bindings
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// How many times to show for each binding
        #[arg(short = 'n', long, default_value_t = 5, value_name = "N")]
        count: usize,
    },
    /// Make bindings due now, regardless of their schedule
    RunNow {
        /// The names of the bindings
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Make the bindings due that read from a bind target, as after a webhook of the scanner
    Hint {
        /// The connection, or the scanner's key where there is one connection to it
        #[arg(short, long)]
        tool: String,
        /// The id or name of the bind target, such as `host:api.example.com`
        #[arg(value_parser = not_empty)]
        target: String,
    },
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    match &args.command {
        ScheduleCommand::Apply { dry_run } => apply(app, *dry_run).await,
        ScheduleCommand::List => {
            show(app, &entries(app).await?)?;
            Ok(Exit::Passed)
        }
        ScheduleCommand::Due => due(app).await,
        ScheduleCommand::Next { names, count } => next(app, names, *count),
        ScheduleCommand::RunNow { names } => run_now(app, names).await,
        ScheduleCommand::Hint { tool, target } => hint(app, tool, target).await,
    }
}

/// Applies the schedule of the configuration, and prints what changed.
pub(super) async fn apply(app: &App, dry_run: bool) -> Result<Exit> {
    let (bindings, now) = (&app.config.bindings, Timestamp::now());
    let changes = if dry_run {
        app.dry_run_store().await?.store.preview_schedule(bindings, now).await
    } else {
        app.store().await?.apply_schedule(bindings, now).await
    };
    let changes = changes.map_err(Failure::store)?;
    if app.out.is_json() {
        app.out.json(&changes)?;
        return Ok(Exit::Passed);
    }
    for (change, names) in by_change(&changes) {
        for name in names {
            app.out.fields([change, name])?;
        }
    }
    if app.out.format == Format::Table {
        let verb = if dry_run { "would be" } else { "are" };
        app.out.line(format_args!("{} bindings {verb} scheduled", bindings.len()))?;
    }
    Ok(Exit::Passed)
}

fn by_change(changes: &ScheduleChanges) -> [(&'static str, &[String]); 3] {
    [("added", &changes.added), ("changed", &changes.changed), ("removed", &changes.removed)]
}

async fn entries(app: &App) -> Result<Vec<ScheduleEntry>> {
    app.existing_store().await?.schedule(Timestamp::now()).await.map_err(Failure::store)
}

async fn due(app: &App) -> Result<Exit> {
    let mut entries = entries(app).await?;
    entries.retain(|entry| {
        !matches!(entry.state, ScheduleState::Waiting | ScheduleState::Disabled | ScheduleState::Finished)
    });
    show(app, &entries)?;
    let is_blocked = entries.iter().any(|entry| {
        matches!(entry.state, ScheduleState::BackingOff { .. } | ScheduleState::BreakerOpen { .. })
    });
    Ok(if is_blocked { Exit::GateFailed } else { Exit::Passed })
}

const HEADINGS: [&str; 8] = ["NAME", "CONNECTION", "RUN", "SCHEDULE", "DUE", "STATE", "COMPLETE", "WHY"];

fn show(app: &App, entries: &[ScheduleEntry]) -> Result<()> {
    if app.out.is_json() {
        return entries.iter().try_for_each(|entry| app.out.json(entry));
    }
    let rows: Vec<_> = entries.iter().map(row).collect();
    app.out.table(HEADINGS, &rows)
}

fn row(entry: &ScheduleEntry) -> [Cell; 8] {
    let binding = &entry.binding;
    let time = |at: Option<Timestamp>| at.map(|at| binding.schedule.local(at)).unwrap_or_default();
    let (state, why) = match &entry.state {
        ScheduleState::Waiting => (good("waiting"), String::new()),
        ScheduleState::Due => (warning("due"), String::new()),
        ScheduleState::Queued => (good("queued"), String::new()),
        ScheduleState::BackingOff { until } => {
            (bad("backing off"), format!("until {}", binding.schedule.local(*until)))
        }
        ScheduleState::BreakerOpen { until, reason } => {
            (bad("breaker open"), format!("until {}: {reason}", binding.schedule.local(*until)))
        }
        ScheduleState::Disabled => (cell("disabled"), String::new()),
        ScheduleState::Finished => (cell("over"), String::new()),
        other => (cell(format_args!("{other:?}")), String::new()),
    };
    let why = match entry.last_error.as_ref().or(entry.remark.as_ref()) {
        Some(note) if !why.contains(note.as_str()) => format!("{why} {note}"),
        _ => why,
    };
    [
        cell(&binding.name),
        cell(binding.connection()),
        cell(binding.run),
        cell(&binding.schedule),
        cell(time(entry.due_at)),
        state,
        cell(time(entry.complete_at)),
        cell(why.trim_start()),
    ]
}

fn next(app: &App, names: &[String], count: usize) -> Result<Exit> {
    let bindings: Vec<&ScheduledBinding> = if names.is_empty() {
        app.config.bindings.iter().collect()
    } else {
        let selected = names.iter().map(|name| {
            let binding = app.config.bindings.iter().find(|binding| binding.name == *name);
            binding.ok_or_else(|| Failure::usage(format!("the configuration has no binding {name:?}")))
        });
        selected.collect::<Result<_>>()?
    };
    for binding in bindings {
        let first = binding.schedule.next_after(Timestamp::now());
        let times = std::iter::successors(first, |at| binding.schedule.next_after(*at)).take(count);
        if app.out.is_json() {
            let times: Vec<_> = times.collect();
            app.out.json(&json!({ "name": binding.name, "next": times }))?;
        } else {
            let text = times.fold(String::new(), |mut text, at| {
                let _ = write!(text, "\t{}", binding.schedule.local(at));
                text
            });
            app.out.line(format_args!("{}{text}", binding.name))?;
        }
    }
    Ok(Exit::Passed)
}

async fn run_now(app: &App, names: &[String]) -> Result<Exit> {
    let store = app.existing_store().await?;
    for name in names {
        store.run_now(name, Timestamp::now()).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Conflict => Failure::usage(error.message()),
            _ => Failure::store(error),
        })?;
    }
    note("the bindings run as soon as a worker is free; `appsec schedule list` shows their state");
    Ok(Exit::Passed)
}

async fn hint(app: &App, tool: &str, target: &str) -> Result<Exit> {
    let named = app.config.connections.find(tool)?;
    let store = app.existing_store().await?;
    let known = store.bindings().await.map_err(Failure::store)?;
    let binding = Binding::new("", named.connection.vendor.key, ScanConfiguration::new(target))
        .with_tenant(named.tenant()?);
    // A binding may name its target by the id or by the name.
    let mut targets = BTreeSet::from([target.to_owned()]);
    if let Some(id) = known_target(&binding, &known)? {
        targets.extend(with_target(&known, &binding, &id).filter_map(|known| known.target_name.clone()));
        targets.insert(id.to_string());
    }
    let mut bindings = 0;
    for target in targets {
        let hinted = store.hint(&named.name, &BindTargetId::from(target), Timestamp::now()).await;
        bindings += hinted.map_err(Failure::store)?;
    }
    if app.out.is_json() {
        app.out.json(&json!({ "bindings": bindings }))?;
    } else {
        app.out.line(format_args!("{bindings} bindings are due"))?;
    }
    Ok(Exit::Passed)
}
