//! Bindings: what is imported for whom, and what tells one line from another.

use appsec_core::BindTargetId;
use serde::{Deserialize, Serialize};

appsec_core::open_enum! {
    /// The environment that a binding's findings belong to.
    pub enum Environment {
        /// What users see.
        Production = "production",
        /// The rehearsal.
        Staging = "staging",
        /// Where it is made; `develop` is read as well.
        Development = "development",
        /// A short-lived branch.
        Feature = "feature",
    }
}

impl Environment {
    /// The environment from a word that a person typed, KDT's `develop` included.
    pub fn of_word(word: &str) -> Self {
        if appsec_core::same_word(word, "develop") { Self::Development } else { Self::from(word) }
    }
}

/// What a person sets for a scan: the five fields of the dialogue in Invicti `AppSec`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScanConfiguration {
    /// What the project reads from.
    pub bind_target: BindTargetId,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The branch; free text, since what a dynamic scanner sees has no branch of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A word of the user's that separates otherwise equal bindings, as two services in one repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<String>,
    /// A label of one run. Not part of a binding's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_tag: Option<String>,
}

impl ScanConfiguration {
    /// A configuration that reads from the target.
    pub fn new(bind_target: impl Into<BindTargetId>) -> Self {
        Self {
            bind_target: bind_target.into(),
            environment: None,
            branch: None,
            meta_data: None,
            scan_tag: None,
        }
    }

    /// Sets the environment.
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Sets the branch.
    pub fn with_branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// Sets the word that separates otherwise equal bindings.
    pub fn with_meta_data(mut self, word: impl Into<String>) -> Self {
        self.meta_data = Some(word.into());
        self
    }

    /// Labels the next run.
    pub fn with_scan_tag(mut self, tag: impl Into<String>) -> Self {
        self.scan_tag = Some(tag.into());
        self
    }
}

/// What is imported for whom. Two bindings with the same identity are one: project, scanner, bind target, branch, meta data and
/// environment. The scan tag labels a run and is no part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Binding {
    /// The project, in the words of whoever keeps it.
    pub project: String,
    /// The scanner's key, as in `saltsecurity`.
    pub scanner: String,
    /// What a person set for it.
    #[serde(flatten)]
    pub configuration: ScanConfiguration,
}

impl Binding {
    /// A binding of the project, from the scanner with that key.
    pub fn new(
        project: impl Into<String>,
        scanner: impl Into<String>,
        configuration: ScanConfiguration,
    ) -> Self {
        Self { project: project.into(), scanner: scanner.into(), configuration }
    }

    /// The identity as a text, the same for equal bindings whatever the scan tag.
    pub fn key(&self) -> String {
        // A JSON list tells an absent part from an empty one, and no separator can be mistaken for a part's own text.
        serde_json::Value::from(self.parts().map(serde_json::Value::from).to_vec()).to_string()
    }

    /// Some of its parts as one word for other tools: each in its place, also beside one that is not set, so that two bindings have one only
    /// where a part holds a slash itself.
    #[cfg(any(feature = "push", feature = "report"))]
    pub(crate) fn word_of<'a>(parts: impl IntoIterator<Item = Option<&'a str>>) -> String {
        let word = parts.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("/");
        word.trim_end_matches('/').to_owned()
    }

    /// What its identity is made of: project, scanner, bind target, branch, meta data and environment.
    pub(crate) fn parts(&self) -> [Option<&str>; 6] {
        let set = &self.configuration;
        [
            Some(&self.project),
            Some(&self.scanner),
            Some(set.bind_target.as_str()),
            set.branch.as_deref(),
            set.meta_data.as_deref(),
            set.environment.as_ref().map(Environment::as_str),
        ]
    }
}
