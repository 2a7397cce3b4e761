//! `appsec schedule`: what runs when. Who runs it is `appsec worker`.

use std::fmt::Write as _;

use appsec_core::{BindTargetId, ErrorKind, Timestamp};
use appsec_import::schedule::{ScheduleChanges, ScheduleEntry, ScheduleState, ScheduledBinding};
use clap::Subcommand;
use serde_json::json;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::output::{Cell, Format, bad, cell, doubtful, good, note};
use crate::scanners;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make the store's schedule what the configuration says; removed bindings keep their findings
    Apply {
        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// List every binding and where it stands
    List,
    /// List what is due now and why it does not run; exits 1 where something waits for a scanner that refuses or fails
    Due,
    /// Show the next times of bindings, as the configuration has them
    Next {
        /// Only these bindings
        names: Vec<String>,
        /// How many times of each
        #[arg(short = 'n', long, default_value_t = 5, value_name = "N")]
        count: usize,
    },
    /// Make bindings due now, whatever their schedule says
    RunNow {
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Make the bindings due that poll a target, as after a message of the scanner's
    Hint {
        /// The connection, or the scanner's key where there is one connection to it
        #[arg(short, long)]
        tool: String,
        /// The target's id, as `host:api.example.com`
        target: String,
    },
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    match &args.command {
        What::Apply { dry_run } => apply(app, *dry_run).await,
        What::List => {
            show(app, &entries(app).await?)?;
            Ok(Exit::Passed)
        }
        What::Due => due(app).await,
        What::Next { names, count } => next(app, names, *count),
        What::RunNow { names } => run_now(app, names).await,
        What::Hint { tool, target } => hint(app, tool, target).await,
    }
}

/// Makes the schedule what the configuration says, and says what that changed.
pub(super) async fn apply(app: &App, dry_run: bool) -> Result<Exit> {
    let (store, now) = (app.store().await?, Timestamp::now());
    let bindings = &app.config.bindings;
    let changes = if dry_run {
        store.preview_schedule(bindings, now).await
    } else {
        store.apply_schedule(bindings, now).await
    };
    let changes = changes.map_err(Failure::store)?;
    if app.out.is_json() {
        app.out.json(&changes)?;
        return Ok(Exit::Passed);
    }
    for (word, names) in words(&changes) {
        for name in names {
            app.out.line(format_args!("{word}\t{}", crate::output::one_line(name)))?;
        }
    }
    if app.out.format == Format::Table {
        let verb = if dry_run { "would be" } else { "are" };
        app.out.line(format_args!("{} bindings {verb} scheduled", bindings.len()))?;
    }
    Ok(Exit::Passed)
}

fn words(changes: &ScheduleChanges) -> [(&'static str, &[String]); 3] {
    [("added", &changes.added), ("changed", &changes.changed), ("removed", &changes.removed)]
}

async fn entries(app: &App) -> Result<Vec<ScheduleEntry>> {
    app.store().await?.schedule(Timestamp::now()).await.map_err(Failure::store)
}

async fn due(app: &App) -> Result<Exit> {
    let mut entries = entries(app).await?;
    entries.retain(|entry| {
        !matches!(entry.state, ScheduleState::Waiting | ScheduleState::Disabled | ScheduleState::Finished)
    });
    show(app, &entries)?;
    let troubled = entries.iter().any(|entry| {
        matches!(entry.state, ScheduleState::BackingOff { .. } | ScheduleState::BreakerOpen { .. })
    });
    Ok(if troubled { Exit::GateFailed } else { Exit::Passed })
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
        ScheduleState::Due => (doubtful("due"), String::new()),
        ScheduleState::Queued => (good("queued"), String::new()),
        ScheduleState::BackingOff { until } => {
            (bad("put off"), format!("until {}", binding.schedule.local(*until)))
        }
        ScheduleState::BreakerOpen { until, reason } => {
            (bad("connection closed"), format!("until {}: {reason}", binding.schedule.local(*until)))
        }
        ScheduleState::Disabled => (cell("disabled"), String::new()),
        ScheduleState::Finished => (cell("over"), String::new()),
        other => (cell(format_args!("{other:?}")), String::new()),
    };
    let why = match &entry.last_error {
        Some(error) if !why.contains(error.as_str()) => format!("{why} {error}"),
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
        let wanted = names.iter().map(|name| {
            let binding = app.config.bindings.iter().find(|binding| binding.name == *name);
            binding.ok_or_else(|| Failure::usage(format!("the configuration has no binding {name:?}")))
        });
        wanted.collect::<Result<_>>()?
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
            app.out.line(format_args!("{}{text}", crate::output::one_line(&binding.name)))?;
        }
    }
    Ok(Exit::Passed)
}

async fn run_now(app: &App, names: &[String]) -> Result<Exit> {
    let store = app.store().await?;
    for name in names {
        store.run_now(name, Timestamp::now()).await.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Conflict => Failure::usage(error.message()),
            _ => Failure::store(error),
        })?;
    }
    note("they run as soon as a worker has room; `appsec schedule list` shows it");
    Ok(Exit::Passed)
}

async fn hint(app: &App, tool: &str, target: &str) -> Result<Exit> {
    let named = scanners::find(&app.config, tool)?;
    let store = app.store().await?;
    let mut bindings = 0;
    // A binding may name the connection, or the scanner of which it is the only one.
    let words: std::collections::BTreeSet<_> = [named.name.as_str(), named.connection.scanner.key()].into();
    for word in words {
        if word != named.name && scanners::find(&app.config, word).is_ok_and(|other| other.name != named.name)
        {
            continue;
        }
        let hinted = store.hint(word, &BindTargetId::from(target), Timestamp::now()).await;
        bindings += hinted.map_err(Failure::store)?;
    }
    if app.out.is_json() {
        app.out.json(&json!({ "bindings": bindings }))?;
    } else {
        app.out.line(format_args!("{bindings} bindings are due"))?;
    }
    Ok(Exit::Passed)
}
