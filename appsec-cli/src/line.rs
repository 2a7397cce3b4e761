//! Which import line a command means: the fields of Invicti's scan dialogue, by KDT's letters.

use appsec_import::{Environment, ImportLine, ScanConfiguration, Store as _};
use clap::Args;

use crate::app::App;
use crate::exit::{Failure, Result};
use crate::scanners::{self, Named};

/// What names a line.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Whose findings")]
pub(crate) struct LineArgs {
    /// The project
    #[arg(short, long)]
    pub(crate) project: String,
    /// The connection, or the scanner's key where there is one connection to it
    #[arg(short, long)]
    pub(crate) tool: String,
    /// What the project reads from: an id or a name that `appsec targets` lists; not needed once the line is known
    #[arg(long, value_name = "TARGET")]
    pub(crate) bind_to: Option<String>,
    /// The branch
    #[arg(short, long)]
    pub(crate) branch: Option<String>,
    /// A word of your own that separates otherwise equal lines
    #[arg(short, long, value_name = "WORD")]
    pub(crate) meta: Option<String>,
    /// production, staging, development or feature
    #[arg(long, value_name = "ENVIRONMENT", value_parser = environment)]
    pub(crate) env: Option<Environment>,
}

/// The environment by its word, KDT's `develop` included.
fn environment(word: &str) -> Result<Environment, String> {
    match Environment::of_word(word) {
        Environment::Unknown(_) => Err("there are production, staging, development and feature".to_owned()),
        known => Ok(known),
    }
}

impl LineArgs {
    /// The connection and the line: the one that is spelled out, or the only known one that has what is given.
    pub(crate) async fn resolve(&self, app: &App) -> Result<(Named, ImportLine)> {
        let named = scanners::find(&app.config, &self.tool)?;
        let mut known: Vec<ImportLine> =
            app.config.lines.iter().map(|scheduled| scheduled.line.clone()).collect();
        known.extend(app.store().await?.lines().await.map_err(Failure::store)?);
        // A line is the same whether it names the connection or, while there is one of it, the scanner.
        known.retain(|line| {
            line.project == self.project
                && (line.scanner == named.name
                    || scanners::find(&app.config, &line.scanner).is_ok_and(|other| other.name == named.name))
        });
        let line = match &self.bind_to {
            Some(target) => {
                let new = self.spelled_out(&named, target);
                let same = |line: &ImportLine| key_within_connection(line) == key_within_connection(&new);
                known.into_iter().find(same).unwrap_or(new)
            }
            None => self.only(known)?,
        };
        Ok((named, line))
    }

    fn spelled_out(&self, named: &Named, target: &str) -> ImportLine {
        let mut set = ScanConfiguration::new(target);
        set.environment.clone_from(&self.env);
        set.branch.clone_from(&self.branch);
        set.meta_data.clone_from(&self.meta);
        ImportLine::new(self.project.as_str(), named.name.as_str(), set)
    }

    /// The only line that has what is given.
    fn only(&self, known: Vec<ImportLine>) -> Result<ImportLine> {
        let mut fitting: Vec<ImportLine> = known.into_iter().filter(|line| self.fits(line)).collect();
        fitting.dedup_by_key(|line| key_within_connection(line));
        let Some(line) = fitting.pop() else {
            return Err(Failure::usage(format!(
                "what does the project {} read from? Name it with --bind-to; `appsec targets -t {}` lists what there is",
                self.project, self.tool
            )));
        };
        match fitting.iter().find(|other| key_within_connection(other) != key_within_connection(&line)) {
            None => Ok(line),
            Some(other) => Err(Failure::usage(format!(
                "several lines fit, \"{}\" and \"{}\" among them: say more of it",
                words(other),
                words(&line)
            ))),
        }
    }

    fn fits(&self, line: &ImportLine) -> bool {
        fn same<T: PartialEq>(given: Option<&T>, known: Option<&T>) -> bool {
            given.is_none() || given == known
        }
        let set = &line.configuration;
        same(self.branch.as_ref(), set.branch.as_ref())
            && same(self.meta.as_ref(), set.meta_data.as_ref())
            && same(self.env.as_ref(), set.environment.as_ref())
    }
}

/// The line's identity among those of one connection.
fn key_within_connection(line: &ImportLine) -> String {
    ImportLine::new(line.project.as_str(), "", line.configuration.clone()).key()
}

/// The line for a person.
pub(crate) fn words(line: &ImportLine) -> String {
    let set = &line.configuration;
    let mut text = format!("{} from {} of {}", line.project, set.bind_target, line.scanner);
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
