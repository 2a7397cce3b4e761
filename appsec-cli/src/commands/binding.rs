//! `appsec binding`: the bindings of the store, and how one gets another identity.

use appsec_core::BindTargetId;
use appsec_core::ErrorKind;
use appsec_import::store::KnownBinding;
use appsec_import::{Binding, Environment, Store as _, known_target};
use clap::Subcommand;

use crate::app::App;
use crate::binding_args::find_target;
use crate::binding_parts::{self, environment, not_empty};
use crate::connection::NamedConnection;
use crate::exit::Exit;
use crate::exit::{Failure, Result};
use crate::output::{Cell, cell, note};
use crate::selection::SelectionArgs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: BindingCommand,
}

#[derive(Debug, Subcommand)]
enum BindingCommand {
    /// List every binding that had a run
    List,
    /// Give a binding another target, project, branch or connection; its history and decisions are kept
    Move(Box<MoveArgs>),
}

#[derive(Debug, clap::Args)]
struct MoveArgs {
    #[command(flatten)]
    from: SelectionArgs,
    /// The new bind target: an id or a name that `appsec targets` lists
    #[arg(long, value_name = "TARGET", value_parser = not_empty)]
    to_target: Option<String>,
    /// The new project
    #[arg(long, value_name = "PROJECT", value_parser = not_empty)]
    to_project: Option<String>,
    /// The new branch
    #[arg(long, value_name = "BRANCH", value_parser = not_empty)]
    to_branch: Option<String>,
    /// The new meta data
    #[arg(long, value_name = "TEXT", value_parser = not_empty)]
    to_meta: Option<String>,
    /// The new environment
    #[arg(long, value_name = "ENVIRONMENT", value_parser = environment)]
    to_env: Option<Environment>,
    /// The new connection, to the same scanner
    #[arg(long, value_name = "TOOL", value_parser = not_empty)]
    to_tool: Option<String>,
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    match &args.command {
        BindingCommand::List => list(app).await,
        BindingCommand::Move(args) => move_binding(app, args).await,
    }
}

const HEADINGS: [&str; 8] =
    ["PROJECT", "TOOL", "BIND TO", "NAME", "BRANCH", "META", "ENVIRONMENT", "LAST RUN"];

async fn list(app: &App) -> Result<Exit> {
    let known = app.existing_store().await?.bindings().await.map_err(Failure::store)?;
    if app.out.is_json() {
        known.iter().try_for_each(|known| app.out.json(known))?;
    } else {
        let rows: Vec<_> = known.iter().map(|known| row(app, known)).collect();
        app.out.table(HEADINGS, &rows)?;
    }
    Ok(Exit::Passed)
}

fn row(app: &App, known: &KnownBinding) -> [Cell; 8] {
    let configuration = &known.binding.configuration;
    let text = |text: &Option<String>| cell(text.as_deref().unwrap_or_default());
    [
        cell(&known.binding.project),
        cell(binding_parts::tool(app, known)),
        cell(&configuration.bind_target),
        text(&known.target_name),
        text(&configuration.branch),
        text(&configuration.meta_data),
        cell(configuration.environment.as_ref().map(Environment::to_string).unwrap_or_default()),
        cell(known.last_run_at.map(|at| at.to_string()).unwrap_or_default()),
    ]
}

async fn move_binding(app: &App, args: &MoveArgs) -> Result<Exit> {
    let from = args.from.select(app).await?;
    let to = destination(app, args, &from).await?;
    if to.key() == from.key() {
        return Err(Failure::usage("nothing would change: name a new part with --to-…"));
    }
    let store = app.existing_store().await?;
    store.move_binding(&from, &to).await.map_err(|error| match error.kind() {
        ErrorKind::Conflict | ErrorKind::NotFound => Failure::usage(error.message()),
        _ => Failure::store(error),
    })?;
    if app.out.is_json() {
        app.out.json(&to)?;
    } else {
        app.out.text(format_args!(
            "moved to {}",
            binding_parts::as_options(app, &KnownBinding::new(to.clone()))
        ))?;
    }
    let left = |entry: &&appsec_import::schedule::ScheduledBinding| {
        let target = &entry.binding.configuration.bind_target;
        let mut binding = from.clone();
        binding.configuration.bind_target.clone_from(target);
        *target == from.configuration.bind_target && entry.binding.key() == binding.key()
    };
    for entry in app.config.bindings.iter().filter(left) {
        note(format_args!(
            "the entry {:?} of the configuration still names what was moved: change it too",
            entry.name
        ));
    }
    Ok(Exit::Passed)
}

/// The identity that the binding gets.
async fn destination(app: &App, args: &MoveArgs, from: &Binding) -> Result<Binding> {
    let mut to = from.clone();
    let named = match &args.to_tool {
        Some(tool) => Some(app.config.connections.find(tool)?),
        None => app.config.connections.of_binding(from)?,
    };
    if args.to_tool.is_some()
        && let Some(named) = &named
    {
        if named.connection.vendor.key != from.scanner {
            let message = format!("{} is a connection to another scanner than {}", named.name, from.scanner);
            return Err(Failure::usage(message));
        }
        to.tenant = Some(named.tenant()?);
    }
    if let Some(project) = &args.to_project {
        to.project.clone_from(project);
    }
    let configuration = &mut to.configuration;
    for (new, part) in
        [(&args.to_branch, &mut configuration.branch), (&args.to_meta, &mut configuration.meta_data)]
    {
        if new.is_some() {
            part.clone_from(new);
        }
    }
    if args.to_env.is_some() {
        configuration.environment.clone_from(&args.to_env);
    }
    if let Some(target) = &args.to_target {
        to.configuration.bind_target = target.as_str().into();
        to.configuration.bind_target = new_target(app, named.as_ref(), &to).await?;
    }
    Ok(to)
}

/// The id of the new bind target, as the scanner lists it.
async fn new_target(app: &App, named: Option<&NamedConnection>, to: &Binding) -> Result<BindTargetId> {
    let target = &to.configuration.bind_target;
    if *target == BindTargetId::all() {
        return Ok(target.clone());
    }
    match named {
        // Not by the aliases of the store: the name may be that of the target that is gone.
        Some(named) => Ok(find_target(app, named, target.as_str()).await?.id),
        None => known_target(to, &app.known_bindings().await?)?.ok_or_else(|| {
            Failure::usage("no connection reaches the scanner of the binding: name one with --to-tool")
        }),
    }
}
