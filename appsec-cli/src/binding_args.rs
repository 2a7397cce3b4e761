//! The options that name the binding of a run, which may be a new one.

use appsec_core::{BindTarget, BindTargetId, BindTargetQuery, DastApiScannerExt as _, ErrorKind};
use appsec_import::schedule::ScheduledBinding;
use appsec_import::store::KnownBinding;
use appsec_import::{Binding, ScanConfiguration, known_target};
use clap::Args;

use crate::app::App;
use crate::binding_parts::{self, BindingParts, MAX_LISTED, not_empty, with_target};
use crate::connection::NamedConnection;
use crate::exit::{Failure, Result};
use crate::nearest;
use crate::output::note;

/// With `--bind-to` the options describe the binding. Without it they have to match exactly one binding of
/// the configuration and the store.
#[derive(Debug, Clone, Args)]
pub(crate) struct BindingArgs {
    #[command(flatten)]
    parts: BindingParts,
    /// The connection, or the scanner's key where there is one connection to it
    #[arg(short, long, value_parser = not_empty, help_heading = "Binding")]
    tool: String,
}

/// The binding of a run, and the connection that reads it.
#[derive(Debug)]
pub(crate) struct RunBinding {
    pub(crate) named: NamedConnection,
    /// Its bind target is an id.
    pub(crate) binding: Binding,
    /// The webhooks of its entry in the configuration; `None` without an entry.
    pub(crate) webhooks: Option<Vec<String>>,
}

impl BindingArgs {
    /// Finds the connection and the binding.
    pub(crate) async fn resolve(&self, app: &App) -> Result<RunBinding> {
        let named = app.config.connections.find(&self.tool)?;
        let known = app.known_bindings().await?;
        let entries: Vec<_> =
            app.config.bindings.iter().filter(|entry| entry.connection == named.name).collect();
        let mut binding = match &self.parts.bind_to {
            Some(target) => self.described(&named, target)?,
            None => self.only_match(app, &named, &known, &entries)?,
        };
        let mut aliases = vec![binding.configuration.bind_target.to_string()];
        if let Some(id) = known_target(&binding, &known)? {
            aliases.extend(with_target(&known, &binding, &id).filter_map(|known| known.target_name.clone()));
            binding.configuration.bind_target = id;
        } else {
            let target = find_target(app, &named, &aliases[0]).await?;
            aliases.push(target.name);
            binding.configuration.bind_target = target.id;
        }
        aliases.push(binding.configuration.bind_target.to_string());
        match known.iter().find(|known| known.binding.key() == binding.key()) {
            Some(known) => {
                let other = known.connection.as_deref().unwrap_or(&named.name);
                app.config.connections.check_same_tenant(&named.name, other).map_err(Failure::usage)?;
            }
            None => check_tenant(app, &named, &binding, &known)?,
        }
        let entry = entries.iter().find(|entry| is_entry_of(entry, &binding, &aliases));
        let webhooks = entry.map(|entry| entry.webhooks.clone());
        Ok(RunBinding { named, binding, webhooks })
    }

    /// The binding that the options describe.
    fn described(&self, named: &NamedConnection, target: &str) -> Result<Binding> {
        let mut configuration = ScanConfiguration::new(target);
        configuration.environment.clone_from(&self.parts.env);
        configuration.branch.clone_from(&self.parts.branch);
        configuration.meta_data.clone_from(&self.parts.meta);
        let binding = Binding::new(self.parts.project.as_str(), named.connection.vendor.key, configuration);
        Ok(binding.with_tenant(named.tenant()?))
    }

    /// The only binding of the store and the configuration that matches the options. The bind target of one
    /// that was never imported may be a name.
    fn only_match(
        &self,
        app: &App,
        named: &NamedConnection,
        known: &[KnownBinding],
        entries: &[&ScheduledBinding],
    ) -> Result<Binding> {
        let template = self.described(named, BindTargetId::all().as_str())?;
        let of_tenant = known.iter().filter(|known| known.binding.is_of_same_tenant(&template)).cloned();
        let mut all: Vec<KnownBinding> = of_tenant.collect();
        for entry in entries {
            let target = known_target(&entry.binding, known)?;
            let target = target.unwrap_or_else(|| entry.binding.configuration.bind_target.clone());
            let mut binding = with_target_id(&entry.binding, &target);
            binding.configuration.scan_tag = None;
            if !all.iter().any(|known| known.binding.key() == binding.key()) {
                all.push(KnownBinding::new(binding).with_connection(named.name.clone()));
            }
        }
        let matching: Vec<_> = all.iter().filter(|known| self.parts.matches(known)).collect();
        match matching.as_slice() {
            [one] => Ok(one.binding.clone()),
            [] => Err(self.parts.unknown(
                app,
                all,
                &format!(
                    "no known binding matches these options: name the bind target of a new one with --bind-to, \
                     `appsec targets -t {}` lists them",
                    self.tool
                ),
            )),
            _ => {
                let matching: Vec<_> = matching.into_iter().cloned().collect();
                Err(Failure::usage(format!(
                    "several bindings match; add options to select one of them:\n{}",
                    binding_parts::list(app, &matching)
                )))
            }
        }
    }
}

/// Whether an entry of the configuration is that of the binding, whose bind target has these names.
fn is_entry_of(entry: &ScheduledBinding, binding: &Binding, names: &[String]) -> bool {
    let target = &entry.binding.configuration.bind_target;
    names.iter().any(|name| name == target.as_str())
        && with_target_id(&entry.binding, &binding.configuration.bind_target).key() == binding.key()
}

/// The webhooks that the entry of a known binding in the configuration names; `None` without an entry.
pub(crate) async fn webhooks_of(app: &App, binding: &Binding) -> Result<Option<Vec<String>>> {
    let known = app.known_bindings().await?;
    let known = known.into_iter().filter(|known| known.binding.key() == binding.key());
    let mut names: Vec<_> = known.filter_map(|known| known.target_name).collect();
    names.push(binding.configuration.bind_target.to_string());
    let mut entries = app.config.bindings.iter();
    let entry = entries.find(|entry| is_entry_of(entry, binding, &names));
    Ok(entry.map(|entry| entry.webhooks.clone()))
}

/// The binding with another bind target.
fn with_target_id(binding: &Binding, target: &BindTargetId) -> Binding {
    let mut binding = binding.clone();
    binding.configuration.bind_target.clone_from(target);
    binding
}

/// Asks the scanner for the bind target with this id or name. A failure lists the nearest ones.
pub(crate) async fn find_target(app: &App, named: &NamedConnection, target: &str) -> Result<BindTarget> {
    let scanner = app.open(named)?;
    match scanner.find_target(target).await {
        Ok(found) => Ok(found),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut listed = scanner.list_bind_targets(BindTargetQuery::new()).await?.targets;
            nearest::sort_by_similarity(&mut listed, |listed| {
                nearest::similarity(target, &listed.name).max(nearest::similarity(target, listed.id.as_str()))
            });
            let lines =
                listed.iter().take(MAX_LISTED).map(|target| format!("  {}  ({})", target.id, target.name));
            Err(Failure::usage(format!(
                "{} lists no bind target {target:?}; it lists, nearest first:\n{}",
                named.name,
                lines.collect::<Vec<_>>().join("\n")
            )))
        }
        Err(error) => Err(error.into()),
    }
}

/// Refuses a new binding that differs from a known one by its tenant alone, where the configuration gave the
/// same connection another tenant: its history would be orphaned.
fn check_tenant(app: &App, named: &NamedConnection, binding: &Binding, known: &[KnownBinding]) -> Result<()> {
    let default_tenant = named.connection.default_tenant()?;
    for known in known {
        let other = known.binding.clone().with_tenant(binding.tenant.clone());
        let is_of_another = app.config.connections.of_binding(&known.binding)?.is_some();
        if other.key() != binding.key() || is_of_another {
            continue;
        }
        let options = binding_parts::as_options(app, known);
        if named.connection.names_tenant() && known.binding.tenant.as_ref() == Some(&default_tenant) {
            return Err(Failure::usage(format!(
                "the store knows this binding from before its connection had a tenant: \
                 `appsec binding move {options} --to-tool {}` keeps its history",
                named.name
            )));
        }
        note(format_args!(
            "this binding is new; if {} is the tenant of {options}, end this, and move that binding with `appsec binding move`",
            named.name
        ));
    }
    Ok(())
}
