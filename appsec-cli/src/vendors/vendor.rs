//! What the command has to know of a vendor.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use appsec_core::DastApiScanner;
use appsec_http::HttpOptions;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::fake::{Fake, FakeData};
use crate::credentials::{self, SecretSource};
use crate::exit::Result;

/// A vendor with one kind of scanner.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// The scanner's key: `scanner = "…"` in `appsec.toml`, and a value of `-t`.
    pub(crate) key: &'static str,
    /// The scanner's name in messages and reports.
    pub(crate) name: &'static str,
    /// The name of its connection in `appsec demo`.
    pub(crate) short_name: &'static str,
    /// The option of `appsec mock` that sets the port of the fake.
    pub(crate) port_option: &'static str,
    /// The name of the client crate, whose log lines are shown.
    pub(crate) log_target: &'static str,
    /// The environment variable that holds the base URL.
    pub(crate) base_url_variable: &'static str,
    /// The base URL of the service: the given one without the version of the API, else the vendor's own.
    pub(crate) base_url: fn(Option<&str>) -> String,
    /// The environment variables that hold the credentials.
    pub(crate) credential_variables: &'static [&'static str],
    /// The settings of a connection that `appsec.toml` does not have: the environment holds everything.
    pub(crate) default_settings: fn() -> Arc<dyn Settings>,
    /// Reads the keys of a section `[connections.NAME]` that belong to this vendor alone.
    pub(crate) parse_settings: fn(toml::Deserializer<'_>) -> Result<Arc<dyn Settings>, toml::de::Error>,
    /// Starts a fake of the service on this address.
    pub(crate) start_fake: fn(FakeData, SocketAddr) -> BoxFuture<'static, StartedFake>,
}

/// A running fake, or why it could not listen on its address.
pub(crate) type StartedFake = io::Result<Box<dyn Fake>>;

/// The settings of a connection that belong to one vendor.
pub(crate) trait Settings: fmt::Debug + Send + Sync {
    /// Builds the scanner with its credentials. Sends nothing.
    fn open(&self, context: OpenContext<'_>) -> Result<Arc<dyn DastApiScanner>>;
}

/// The value of [`Vendor::default_settings`] for a type of settings.
pub(super) fn default_settings<S: Settings + Default + 'static>() -> Arc<dyn Settings> {
    Arc::new(S::default())
}

/// The value of [`Vendor::parse_settings`] for a type of settings.
pub(super) fn parse_settings<S: Settings + DeserializeOwned + 'static>(
    keys: toml::Deserializer<'_>,
) -> Result<Arc<dyn Settings>, toml::de::Error> {
    Ok(Arc::new(S::deserialize(keys)?))
}

/// What a connection offers to the vendor that opens it.
#[derive(Debug)]
pub(crate) struct OpenContext<'a> {
    /// The connection's name.
    pub(crate) name: &'a str,
    /// The folder of `appsec.toml`, where relative paths start.
    pub(crate) folder: &'a Path,
    /// The base URL that the connection or the environment sets.
    pub(crate) base_url: Option<&'a str>,
    pub(crate) http: HttpOptions,
    /// How long the user wants to wait for work of the scanner that makes no progress, such as an export.
    pub(crate) patience: Option<Duration>,
    /// Whether the user may be asked for a credential.
    pub(crate) may_prompt: bool,
}

impl OpenContext<'_> {
    /// A credential: from the variable or file that the settings name, else from the usual environment
    /// variable, else from the user. `label` names it in messages, as in "API token".
    pub(super) fn secret(
        &self,
        label: &str,
        (env, file): (Option<&String>, Option<&PathBuf>),
        usual_variable: &str,
    ) -> Result<SecretString> {
        let source = SecretSource::new(self.folder, env, file);
        credentials::read(&format!("{label} of {}", self.name), &source, usual_variable, self.may_prompt)
    }
}
