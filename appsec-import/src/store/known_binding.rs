//! Bindings that a store knows, with the names that users know them by.

use appsec_core::Timestamp;
use serde::Serialize;

use crate::binding::Binding;

/// A binding that had a run, with its aliases. Aliases are for people, and are not part of its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KnownBinding {
    /// The binding.
    #[serde(flatten)]
    pub binding: Binding,
    /// The name of the bind target at the scanner, as the last run that listed it read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_name: Option<String>,
    /// The name of the connection of the last run that had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// When the last concluded run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run_at: Option<Timestamp>,
}

impl KnownBinding {
    /// Creates a known binding without aliases and without a concluded run.
    pub fn new(binding: Binding) -> Self {
        Self { binding, target_name: None, connection: None, last_run_at: None }
    }

    /// Sets the name of the bind target at the scanner.
    pub fn with_target_name(mut self, name: impl Into<Option<String>>) -> Self {
        self.target_name = name.into();
        self
    }

    /// Sets the name of the connection.
    pub fn with_connection(mut self, name: impl Into<Option<String>>) -> Self {
        self.connection = name.into();
        self
    }

    /// Sets when the last concluded run ended.
    pub fn with_last_run_at(mut self, at: impl Into<Option<Timestamp>>) -> Self {
        self.last_run_at = at.into();
        self
    }
}
