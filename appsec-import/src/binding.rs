//! Bindings: a project bound to a bind target of a scanner.

use appsec_core::BindTargetId;
use serde::{Deserialize, Serialize};

appsec_core::open_enum! {
    /// The environment that a binding's findings belong to.
    pub enum Environment {
        /// The production environment.
        Production = "production",
        /// The staging environment.
        Staging = "staging",
        /// The development environment. `develop` is read as well.
        Development = "development",
        /// The environment of a feature branch.
        Feature = "feature",
    }
}

impl Environment {
    /// Parses what a user typed. KDT's `develop` is read as [`Development`](Self::Development).
    pub fn parse(text: &str) -> Self {
        if appsec_core::eq_ignore_case_and_separators(text, "develop") {
            Self::Development
        } else {
            Self::from(text)
        }
    }
}

/// What a user sets for a binding: the five fields of the dialog in Invicti `AppSec`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScanConfiguration {
    /// The bind target, from which findings are read.
    pub bind_target: BindTargetId,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The branch. It is free text, since a dynamic scanner does not know branches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Free text that separates otherwise equal bindings, for instance two services in one repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_data: Option<String>,
    /// The label of one run. It is not part of the binding's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_tag: Option<String>,
}

impl ScanConfiguration {
    /// Creates a configuration for the bind target.
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

    /// Sets the text that separates otherwise equal bindings.
    pub fn with_meta_data(mut self, text: impl Into<String>) -> Self {
        self.meta_data = Some(text.into());
        self
    }

    /// Sets the label of the next run.
    pub fn with_scan_tag(mut self, tag: impl Into<String>) -> Self {
        self.scan_tag = Some(tag.into());
        self
    }
}

/// A project bound to a bind target of a scanner.
///
/// The identity of a binding is its project, the scanner's key, the tenant, the id of the bind target, branch,
/// meta data and environment. The scan tag labels a run and is not part of it. Names of connections and of
/// bind targets are not part of it either: a connection or a target that is renamed keeps its history.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Binding {
    /// The project, as the user names it.
    pub project: String,
    /// The scanner's key, for instance `saltsecurity`.
    pub scanner: String,
    /// What distinguishes the tenants of one scanner, for instance the base URL of its service. `None` where
    /// there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// What a user set for it.
    #[serde(flatten)]
    pub configuration: ScanConfiguration,
}

impl Binding {
    /// Creates a binding of the project to the scanner with that key, without a tenant.
    pub fn new(
        project: impl Into<String>,
        scanner: impl Into<String>,
        configuration: ScanConfiguration,
    ) -> Self {
        Self { project: project.into(), scanner: scanner.into(), tenant: None, configuration }
    }

    /// Sets what distinguishes the tenants of one scanner.
    pub fn with_tenant(mut self, tenant: impl Into<Option<String>>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// Whether both are bindings to the same tenant of the same scanner.
    pub fn is_of_same_tenant(&self, other: &Self) -> bool {
        self.scanner == other.scanner && self.tenant == other.tenant
    }

    /// Returns the identity as text. It does not depend on the scan tag.
    pub fn key(&self) -> String {
        // A JSON list distinguishes an absent part from an empty one, and needs no separator that a part
        // could contain.
        serde_json::Value::from(self.parts().map(serde_json::Value::from).to_vec()).to_string()
    }

    /// Joins some parts of a binding by slashes, as a name for other tools.
    ///
    /// A part that is not set leaves its place empty, so that two bindings get one name only where a part
    /// contains a slash.
    #[cfg(any(feature = "push", feature = "report"))]
    pub(crate) fn joined_name<'a>(parts: impl IntoIterator<Item = Option<&'a str>>) -> String {
        let name = parts.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("/");
        name.trim_end_matches('/').to_owned()
    }

    /// Returns the tenant without the scheme of a URL, as a part of a name for other tools.
    #[cfg(any(feature = "push", feature = "report"))]
    pub(crate) fn tenant_name(&self) -> Option<&str> {
        let tenant = self.tenant.as_deref()?;
        Some(tenant.split_once("://").map_or(tenant, |(_, rest)| rest))
    }

    /// Returns the parts of the identity: project, scanner, tenant, bind target, branch, meta data and
    /// environment.
    pub(crate) fn parts(&self) -> [Option<&str>; 7] {
        let configuration = &self.configuration;
        [
            Some(&self.project),
            Some(&self.scanner),
            self.tenant.as_deref(),
            Some(configuration.bind_target.as_str()),
            configuration.branch.as_deref(),
            configuration.meta_data.as_deref(),
            configuration.environment.as_ref().map(Environment::as_str),
        ]
    }
}
