//! The options for the parts of a binding, and how bindings are shown.

use appsec_core::BindTargetId;
use appsec_import::store::KnownBinding;
use appsec_import::{Binding, Environment};
use clap::Args;

use crate::app::App;
use crate::exit::Failure;
use crate::nearest;

/// How many known bindings or targets a message lists.
pub(crate) const MAX_LISTED: usize = 10;

/// The parts of a binding's identity, apart from its connection: the fields of the scan dialogue of Invicti,
/// with the short options of KDT.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Binding")]
pub(crate) struct BindingParts {
    /// The project
    #[arg(short, long, value_parser = not_empty)]
    pub(crate) project: String,
    /// The bind target: an id or a name that `appsec targets` lists; not needed once the binding is known
    #[arg(long, value_name = "TARGET", value_parser = not_empty)]
    pub(crate) bind_to: Option<String>,
    /// The branch
    #[arg(short, long, value_parser = not_empty)]
    pub(crate) branch: Option<String>,
    /// Meta data: any text that distinguishes otherwise equal bindings
    #[arg(short, long, value_name = "TEXT", value_parser = not_empty)]
    pub(crate) meta: Option<String>,
    /// The environment: production, staging, development or feature
    #[arg(long, value_name = "ENVIRONMENT", value_parser = environment)]
    pub(crate) env: Option<Environment>,
}

/// Refuses an empty text, which in a script is a variable that is not set.
pub(crate) fn not_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("the value is empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// Parses an environment. KDT's `develop` is accepted too.
pub(crate) fn environment(text: &str) -> Result<Environment, String> {
    match Environment::parse(text) {
        Environment::Unknown(_) => Err("expected production, staging, development or feature".to_owned()),
        known => Ok(known),
    }
}

impl BindingParts {
    /// Whether every part that is given, the bind target apart, is that of the binding.
    pub(crate) fn matches_without_target(&self, binding: &Binding) -> bool {
        fn same<T: PartialEq>(given: Option<&T>, known: Option<&T>) -> bool {
            given.is_none() || given == known
        }
        let configuration = &binding.configuration;
        self.project == binding.project
            && same(self.branch.as_ref(), configuration.branch.as_ref())
            && same(self.meta.as_ref(), configuration.meta_data.as_ref())
            && same(self.env.as_ref(), configuration.environment.as_ref())
    }

    /// Whether every part that is given is that of the binding. The bind target is given by its id or name.
    pub(crate) fn matches(&self, known: &KnownBinding) -> bool {
        let target = |given: &str| {
            known.binding.configuration.bind_target.as_str() == given
                || known.target_name.as_deref() == Some(given)
        };
        self.matches_without_target(&known.binding) && self.bind_to.as_deref().is_none_or(target)
    }

    /// How similar the given parts are to those of the binding.
    fn similarity(&self, known: &KnownBinding) -> f64 {
        let configuration = &known.binding.configuration;
        let best = |given: Option<&str>, known: &[Option<&str>]| {
            let Some(given) = given else { return 0.0 };
            known.iter().flatten().map(|known| nearest::similarity(given, known)).fold(0.0, f64::max)
        };
        let environment =
            |environment: &Option<Environment>| environment.as_ref().map(Environment::to_string);
        best(Some(&self.project), &[Some(&known.binding.project)])
            + best(
                self.bind_to.as_deref(),
                &[Some(configuration.bind_target.as_str()), known.target_name.as_deref()],
            )
            + best(self.branch.as_deref(), &[configuration.branch.as_deref()])
            + best(self.meta.as_deref(), &[configuration.meta_data.as_deref()])
            + best(environment(&self.env).as_deref(), &[environment(&configuration.environment).as_deref()])
    }

    /// The failure of options that match no known binding, with the known ones, nearest first.
    pub(crate) fn unknown(&self, app: &App, mut known: Vec<KnownBinding>, what: &str) -> Failure {
        if known.is_empty() {
            return Failure::usage(format!("{what}: no binding was imported yet"));
        }
        nearest::sort_by_similarity(&mut known, |known| self.similarity(known));
        Failure::usage(format!("{what}; known are, nearest first:\n{}", list(app, &known)))
    }
}

/// The bindings as lines of options that select them, at most [`MAX_LISTED`].
pub(crate) fn list(app: &App, bindings: &[KnownBinding]) -> String {
    let mut lines: Vec<_> =
        bindings.iter().take(MAX_LISTED).map(|known| format!("  {}", as_options(app, known))).collect();
    if bindings.len() > MAX_LISTED {
        lines.push(format!("  and {} more: `appsec binding list` shows them", bindings.len() - MAX_LISTED));
    }
    lines.join("\n")
}

/// The options that select the binding.
pub(crate) fn as_options(app: &App, known: &KnownBinding) -> String {
    let configuration = &known.binding.configuration;
    let target = known.target_name.as_deref().filter(|name| *name != configuration.bind_target.as_str());
    let environment = configuration.environment.as_ref().map(Environment::to_string);
    let parts = [
        ("-p", Some(known.binding.project.as_str())),
        ("-t", Some(&*tool(app, known))),
        ("--bind-to", Some(configuration.bind_target.as_str())),
        ("-b", configuration.branch.as_deref()),
        ("-m", configuration.meta_data.as_deref()),
        ("--env", environment.as_deref()),
    ]
    .into_iter()
    .filter_map(|(option, value)| Some(format!("{option} {}", quoted(value?))))
    .collect::<Vec<_>>()
    .join(" ");
    target.map_or(parts.clone(), |name| format!("{parts}  ({name})"))
}

/// The value of `-t` for a binding: the connection of the configuration to its tenant, else the one that
/// imported it last, else the scanner's key.
pub(crate) fn tool(app: &App, known: &KnownBinding) -> String {
    match app.config.connections.of_binding(&known.binding) {
        Ok(Some(named)) => named.name,
        _ => known.connection.clone().unwrap_or_else(|| known.binding.scanner.clone()),
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@+,=%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
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

/// The known bindings of the same tenant whose bind target has this id.
pub(crate) fn with_target<'a>(
    known: &'a [KnownBinding],
    binding: &'a Binding,
    target: &'a BindTargetId,
) -> impl Iterator<Item = &'a KnownBinding> {
    known.iter().filter(move |known| {
        known.binding.is_of_same_tenant(binding) && known.binding.configuration.bind_target == *target
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_quoted_for_a_shell_where_they_must_be() {
        for (text, expected) in
            [("config:9f-1", "config:9f-1"), ("my shop", "'my shop'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quoted(text), expected);
        }
    }
}
