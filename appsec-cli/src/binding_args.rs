//! The options that select a binding: the fields of the scan dialogue of Invicti, with the short options of
//! KDT.

use appsec_import::{Binding, Environment, ScanConfiguration, Store as _};
use clap::Args;

use crate::app::App;
use crate::connection::NamedConnection;
use crate::exit::{Failure, Result};

/// The parts of a binding's identity.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Binding")]
pub(crate) struct BindingArgs {
    /// The project
    #[arg(short, long)]
    pub(crate) project: String,
    /// The connection, or the scanner's key where there is one connection to it
    #[arg(short, long)]
    pub(crate) tool: String,
    /// The bind target: an id or a name that `appsec targets` lists; not needed once the binding is known
    #[arg(long, value_name = "TARGET")]
    pub(crate) bind_to: Option<String>,
    /// The branch
    #[arg(short, long)]
    pub(crate) branch: Option<String>,
    /// Meta data: any text that distinguishes otherwise equal bindings
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) meta: Option<String>,
    /// The environment: production, staging, development or feature
    #[arg(long, value_name = "ENVIRONMENT", value_parser = environment)]
    pub(crate) env: Option<Environment>,
}

/// Parses an environment. KDT's `develop` is accepted too.
fn environment(text: &str) -> Result<Environment, String> {
    match Environment::parse(text) {
        Environment::Unknown(_) => Err("expected production, staging, development or feature".to_owned()),
        known => Ok(known),
    }
}

impl BindingArgs {
    /// Finds the connection and the binding. With `--bind-to` the options describe the binding; without it
    /// they have to match exactly one binding of the configuration and the store.
    pub(crate) async fn resolve(&self, app: &App) -> Result<(NamedConnection, Binding)> {
        let named = app.config.connections.find(&self.tool)?;
        let mut known: Vec<Binding> =
            app.config.bindings.iter().map(|scheduled| scheduled.binding.clone()).collect();
        known.extend(app.store().await?.bindings().await.map_err(Failure::store)?);
        // A binding may name the connection, or the scanner's key as long as there is one connection to it.
        known.retain(|binding| {
            binding.project == self.project
                && (binding.scanner == named.name
                    || app
                        .config
                        .connections
                        .find(&binding.scanner)
                        .is_ok_and(|other| other.name == named.name))
        });
        let binding = match &self.bind_to {
            Some(target) => {
                let new = self.new_binding(&named, target);
                let same = |binding: &Binding| key_within_connection(binding) == key_within_connection(&new);
                known.into_iter().find(same).unwrap_or(new)
            }
            None => self.only_match(known)?,
        };
        Ok((named, binding))
    }

    fn new_binding(&self, named: &NamedConnection, target: &str) -> Binding {
        let mut configuration = ScanConfiguration::new(target);
        configuration.environment.clone_from(&self.env);
        configuration.branch.clone_from(&self.branch);
        configuration.meta_data.clone_from(&self.meta);
        Binding::new(self.project.as_str(), named.name.as_str(), configuration)
    }

    /// The only known binding that matches the options.
    fn only_match(&self, known: Vec<Binding>) -> Result<Binding> {
        let mut matching: Vec<Binding> = known.into_iter().filter(|binding| self.matches(binding)).collect();
        matching.dedup_by_key(|binding| key_within_connection(binding));
        let Some(binding) = matching.pop() else {
            return Err(Failure::usage(format!(
                "the project {} has no such binding yet: name its bind target with --bind-to; `appsec targets -t {}` lists them",
                self.project, self.tool
            )));
        };
        match matching.iter().find(|other| key_within_connection(other) != key_within_connection(&binding)) {
            None => Ok(binding),
            Some(other) => Err(Failure::usage(format!(
                "several bindings match, such as \"{}\" and \"{}\": add options",
                describe(other),
                describe(&binding)
            ))),
        }
    }

    fn matches(&self, binding: &Binding) -> bool {
        fn same<T: PartialEq>(given: Option<&T>, known: Option<&T>) -> bool {
            given.is_none() || given == known
        }
        let configuration = &binding.configuration;
        same(self.branch.as_ref(), configuration.branch.as_ref())
            && same(self.meta.as_ref(), configuration.meta_data.as_ref())
            && same(self.env.as_ref(), configuration.environment.as_ref())
    }
}

/// The identity of the binding among those of its connection.
fn key_within_connection(binding: &Binding) -> String {
    Binding::new(binding.project.as_str(), "", binding.configuration.clone()).key()
}

/// A description of the binding for messages.
pub(crate) fn describe(binding: &Binding) -> String {
    let configuration = &binding.configuration;
    let mut text = format!("{} from {} of {}", binding.project, configuration.bind_target, binding.scanner);
    let parts = [
        ("branch", configuration.branch.as_deref()),
        ("meta", configuration.meta_data.as_deref()),
        ("environment", configuration.environment.as_ref().map(Environment::as_str)),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            text = format!("{text}, {name} {value}");
        }
    }
    text
}
