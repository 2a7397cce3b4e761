//! Which binding a command means: the fields of Invicti's scan dialogue, by KDT's letters.

use appsec_import::{Binding, Environment, ScanConfiguration, Store as _};
use clap::Args;

use crate::app::App;
use crate::exit::{Failure, Result};
use crate::scanners::{self, Named};

/// What names a binding.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Whose findings")]
pub(crate) struct BindingArgs {
    /// The project
    #[arg(short, long)]
    pub(crate) project: String,
    /// The connection, or the scanner's key where there is one connection to it
    #[arg(short, long)]
    pub(crate) tool: String,
    /// What the project reads from: an id or a name that `appsec targets` lists; not needed once the binding is known
    #[arg(long, value_name = "TARGET")]
    pub(crate) bind_to: Option<String>,
    /// The branch
    #[arg(short, long)]
    pub(crate) branch: Option<String>,
    /// A word of your own that separates otherwise equal bindings
    #[arg(short, long, value_name = "WORD")]
    pub(crate) meta: Option<String>,
    /// production, staging, development or feature
    #[arg(long, value_name = "ENVIRONMENT", value_parser = environment)]
    pub(crate) env: Option<Environment>,
}

/// The environment by its word, KDT's `develop` included.
fn environment(word: &str) -> Result<Environment, String> {
    match Environment::parse(word) {
        Environment::Unknown(_) => Err("there are production, staging, development and feature".to_owned()),
        known => Ok(known),
    }
}

impl BindingArgs {
    /// The connection and the binding: the one that is spelled out, or the only known one that has what is given.
    pub(crate) async fn resolve(&self, app: &App) -> Result<(Named, Binding)> {
        let named = scanners::find(&app.config, &self.tool)?;
        let mut known: Vec<Binding> =
            app.config.bindings.iter().map(|scheduled| scheduled.binding.clone()).collect();
        known.extend(app.store().await?.bindings().await.map_err(Failure::store)?);
        // A binding is the same whether it names the connection or, while there is one of it, the scanner.
        known.retain(|binding| {
            binding.project == self.project
                && (binding.scanner == named.name
                    || scanners::find(&app.config, &binding.scanner)
                        .is_ok_and(|other| other.name == named.name))
        });
        let binding = match &self.bind_to {
            Some(target) => {
                let new = self.spelled_out(&named, target);
                let same = |binding: &Binding| key_within_connection(binding) == key_within_connection(&new);
                known.into_iter().find(same).unwrap_or(new)
            }
            None => self.only(known)?,
        };
        Ok((named, binding))
    }

    fn spelled_out(&self, named: &Named, target: &str) -> Binding {
        let mut set = ScanConfiguration::new(target);
        set.environment.clone_from(&self.env);
        set.branch.clone_from(&self.branch);
        set.meta_data.clone_from(&self.meta);
        Binding::new(self.project.as_str(), named.name.as_str(), set)
    }

    /// The only binding that has what is given.
    fn only(&self, known: Vec<Binding>) -> Result<Binding> {
        let mut fitting: Vec<Binding> = known.into_iter().filter(|binding| self.fits(binding)).collect();
        fitting.dedup_by_key(|binding| key_within_connection(binding));
        let Some(binding) = fitting.pop() else {
            return Err(Failure::usage(format!(
                "what does the project {} read from? Name it with --bind-to; `appsec targets -t {}` lists what there is",
                self.project, self.tool
            )));
        };
        match fitting.iter().find(|other| key_within_connection(other) != key_within_connection(&binding)) {
            None => Ok(binding),
            Some(other) => Err(Failure::usage(format!(
                "several bindings fit, \"{}\" and \"{}\" among them: say more of it",
                words(other),
                words(&binding)
            ))),
        }
    }

    fn fits(&self, binding: &Binding) -> bool {
        fn same<T: PartialEq>(given: Option<&T>, known: Option<&T>) -> bool {
            given.is_none() || given == known
        }
        let set = &binding.configuration;
        same(self.branch.as_ref(), set.branch.as_ref())
            && same(self.meta.as_ref(), set.meta_data.as_ref())
            && same(self.env.as_ref(), set.environment.as_ref())
    }
}

/// The binding's identity among those of one connection.
fn key_within_connection(binding: &Binding) -> String {
    Binding::new(binding.project.as_str(), "", binding.configuration.clone()).key()
}

/// The binding for a person.
pub(crate) fn words(binding: &Binding) -> String {
    let set = &binding.configuration;
    let mut text = format!("{} from {} of {}", binding.project, set.bind_target, binding.scanner);
    let parts = [
        ("branch", set.branch.as_deref()),
        ("meta", set.meta_data.as_deref()),
        ("environment", set.environment.as_ref().map(Environment::as_str)),
    ];
    for (name, value) in parts {
        if let Some(value) = value {
            text = format!("{text}, {name} {value}");
        }
    }
    text
}
