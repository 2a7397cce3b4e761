//! `appsec.toml`: the connections to scanners, the store, the bindings, webhooks, the gate, and where
//! reports are pushed.
//!
//! The file holds no credentials, only the names of the variables and files that hold them, so that it can
//! be checked in. Relative paths in it start at its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use appsec_import::Binding;
use appsec_import::gate::Gate;
use appsec_import::outbox::EventKind;
use appsec_import::schedule::ScheduledBinding;
use appsec_import::webhook::Endpoint;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use toml::de::DeTable;

use crate::connection::{Connections, has_password};
use crate::credentials::{self, SecretSource};
use crate::exit::{Failure, Result};
use crate::toml_error;

/// The name of the file, in the working folder and in the user's configuration folder.
const FILE: &str = "appsec.toml";

/// The environment variable that holds the store's URL, password included.
const STORE_VARIABLE: &str = "APPSEC_STORE";

/// The store unless one is named: a file in the working folder.
const DEFAULT_STORE: &str = "sqlite:appsec.db";

/// The content of the file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The store's URL, without a password.
    store: Option<String>,
    store_env: Option<String>,
    store_file: Option<PathBuf>,
    #[serde(default)]
    pub(crate) connections: Connections,
    /// What is imported for which project, and when.
    #[serde(default)]
    pub(crate) bindings: Vec<ScheduledBinding>,
    /// Who is notified of the results of imports, by name.
    #[serde(default)]
    webhooks: BTreeMap<String, Webhook>,
    /// How many findings may pass.
    pub(crate) gate: Option<Gate>,
    /// Where reports are pushed, by name.
    #[serde(default)]
    pub(crate) push: BTreeMap<String, PushDestination>,
    /// The folder of the file.
    #[serde(skip)]
    folder: PathBuf,
}

/// A receiver of notifications: a section `[webhooks.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    /// Where messages are sent.
    url: Option<String>,
    url_env: Option<String>,
    url_file: Option<PathBuf>,
    /// The secret that signs messages: `whsec_…`.
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
    /// The previous secret, which signs as well while the receiver changes to the new one.
    previous_secret_env: Option<String>,
    previous_secret_file: Option<PathBuf>,
    /// The events that are sent; all of them if empty.
    #[serde(default)]
    events: Vec<EventKind>,
    /// Additional headers, each with the environment variable that holds its value.
    #[serde(default)]
    headers_env: BTreeMap<String, String>,
}

/// A system that takes reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PushTarget {
    DefectDojo,
    Invicti,
    GitHub,
}

/// Where reports are pushed: a section `[push.NAME]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushDestination {
    pub(crate) target: PushTarget,
    /// The base URL; for GitHub that of the API, `https://api.github.com` unless set.
    pub(crate) base_url: Option<String>,
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    /// The id of the project at Invicti.
    pub(crate) project: Option<String>,
    /// The repository at GitHub, `owner/name`; that of the workflow unless set.
    pub(crate) repository: Option<String>,
    /// The service at `DefectDojo`, a part of the product.
    pub(crate) service: Option<String>,
    /// Whether the report for `DefectDojo` has all CWEs of a finding.
    #[serde(default)]
    pub(crate) cwes: bool,
}

impl Config {
    /// Reads the file that is named; else `appsec.toml` of the working folder; else that of the user's
    /// configuration folder. Without any of them the configuration is empty.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self> {
        if let Some(path) = named {
            return Self::read(path);
        }
        let mut places = vec![PathBuf::from(FILE)];
        places.extend(user_folder().map(|folder| folder.join("appsec").join(FILE)));
        match places.iter().find(|path| path.is_file()) {
            Some(path) => Self::read(path),
            None => Ok(Self::default()),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self::parse(&text, folder).map_err(|why| Failure::usage(format!("{}{why}", path.display())))
    }

    /// Parses the text of a file of this folder. The error is where and why it is wrong, as `:3:1: …`; it
    /// does not quote values, since one may be a secret in the wrong place.
    pub(crate) fn parse(text: &str, folder: PathBuf) -> Result<Self, String> {
        let mut config =
            Self::deserialize_sections(text, &folder).map_err(|error| toml_error::describe(text, &error))?;
        config.folder = folder;
        config.check_and_identify().map_err(|why| format!(": {why}"))?;
        Ok(config)
    }

    /// Deserializes the text in two passes: the first one finds the vendor of each connection, the second
    /// one reads the keys that belong to that vendor.
    fn deserialize_sections(text: &str, folder: &Path) -> Result<Self, toml::de::Error> {
        let document = DeTable::parse(text)?;
        let mut config = Self::deserialize(toml::Deserializer::from(document.clone()))?;
        config.connections.parse_vendor_settings(document.get_ref(), folder)?;
        Ok(config)
    }

    /// Refuses passwords in the file, bindings with the same name, and bindings with an empty part or an
    /// unknown connection or webhook. Gives the bindings the identity that their connections have.
    fn check_and_identify(&mut self) -> Result<(), String> {
        self.connections.check()?;
        self.connections.distinguish_local_ports();
        if self.store.as_deref().is_some_and(has_password) {
            return Err(
                "the password of the store must not be in this file: name a variable or a file with \
                        store_env or store_file"
                    .to_owned(),
            );
        }
        let (mut known_names, mut connections) = (BTreeSet::new(), BTreeMap::new());
        for binding in &mut self.bindings {
            let name = binding.name.clone();
            let refused = |why: &str| format!("the binding {name:?}: {why}");
            if !known_names.insert(name.clone()) {
                return Err(refused("another binding has the same name"));
            }
            if let Some(part) = empty_part(&binding.binding) {
                return Err(refused(&format!("{part} is empty")));
            }
            if binding.binding.tenant.is_some() {
                return Err(refused("tenant is a key of its connection"));
            }
            let named =
                self.connections.find(&binding.connection).map_err(|failure| refused(&failure.message))?;
            named.connection.vendor.key.clone_into(&mut binding.binding.scanner);
            binding.binding.tenant = Some(named.tenant().map_err(|failure| refused(&failure.message))?);
            binding.connection = named.name;
            let other =
                connections.entry(binding.binding.key()).or_insert_with(|| binding.connection.clone());
            self.connections.check_same_tenant(&binding.connection, other).map_err(|why| refused(&why))?;
            if let Some(unknown) = binding.webhooks.iter().find(|name| !self.webhooks.contains_key(*name)) {
                return Err(refused(&format!("there is no webhook {unknown:?}")));
            }
        }
        Ok(())
    }

    /// The store's URL. The argument comes first and must hold no password; then the environment variable,
    /// then the file, then a file in the working folder.
    pub(crate) fn store_url(&self, argument: Option<&str>) -> Result<String> {
        if let Some(url) = argument {
            return if has_password(url) {
                Err(Failure::usage(format!("a password must not be an argument: set {STORE_VARIABLE}")))
            } else {
                Ok(url.to_owned())
            };
        }
        if let Some(url) = credentials::variable(STORE_VARIABLE)? {
            return Ok(url.expose_secret().to_owned());
        }
        let source = SecretSource::new(&self.folder, self.store_env.as_ref(), self.store_file.as_ref());
        match (&self.store, source.is_set()) {
            (Some(_), true) => Err(Failure::usage("the configuration names the store twice")),
            (None, true) => Ok(credentials::required("store's URL", &source)?.expose_secret().to_owned()),
            (Some(url), false) => Ok(self.resolve_sqlite_path(url)),
            (None, false) => Ok(DEFAULT_STORE.to_owned()),
        }
    }

    /// The URL; in one of SQLite, a relative path is resolved against the folder of the file.
    fn resolve_sqlite_path(&self, url: &str) -> String {
        let Some(rest) = url.strip_prefix("sqlite:") else { return url.to_owned() };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, options) =
            rest.split_once('?').map_or((rest, None), |(path, options)| (path, Some(options)));
        if path.is_empty() || path.starts_with(':') {
            return url.to_owned();
        }
        let options = options.map(|options| format!("?{options}")).unwrap_or_default();
        format!("sqlite:{}{options}", self.folder.join(path).display())
    }

    /// The token of a push destination.
    pub(crate) fn push_token(&self, name: &str, destination: &PushDestination) -> Result<SecretString> {
        let (env, file) = (destination.token_env.as_ref(), destination.token_file.as_ref());
        credentials::required(&format!("token of {name}"), &SecretSource::new(&self.folder, env, file))
    }

    /// The endpoints of the webhooks, with their secrets.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.webhooks.iter().map(|(name, webhook)| self.endpoint(name, webhook)).collect()
    }

    fn endpoint(&self, name: &str, webhook: &Webhook) -> Result<Endpoint> {
        let secret = |label: &str, env: Option<&String>, file: Option<&PathBuf>| {
            let source = SecretSource::new(&self.folder, env, file);
            credentials::required(&format!("{label} of the webhook {name}"), &source)
        };
        let url = match &webhook.url {
            Some(url) => url.as_str().into(),
            None => secret("URL", webhook.url_env.as_ref(), webhook.url_file.as_ref())?,
        };
        let key = secret("secret", webhook.secret_env.as_ref(), webhook.secret_file.as_ref())?;
        let mut endpoint = Endpoint::new(name, url, key)?.with_events(webhook.events.iter().copied());
        let (env, file) = (webhook.previous_secret_env.as_ref(), webhook.previous_secret_file.as_ref());
        if env.is_some() || file.is_some() {
            endpoint = endpoint.with_previous_secret(secret("previous secret", env, file)?)?;
        }
        for (header, variable) in &webhook.headers_env {
            let value = secret(&format!("header {header}"), Some(variable), None)?;
            endpoint = endpoint.with_header(header, value)?;
        }
        Ok(endpoint)
    }
}

/// The part of the binding that is given and empty.
fn empty_part(binding: &Binding) -> Option<&'static str> {
    let configuration = &binding.configuration;
    let parts = [
        ("project", Some(binding.project.as_str())),
        ("bind_target", Some(configuration.bind_target.as_str())),
        ("branch", configuration.branch.as_deref()),
        ("meta_data", configuration.meta_data.as_deref()),
    ];
    parts.iter().find(|(_, text)| text.is_some_and(|text| text.trim().is_empty())).map(|(name, _)| *name)
}

/// The folder of the user's configuration files.
fn user_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let default =
        || if cfg!(windows) { set("APPDATA") } else { std::env::home_dir().map(|home| home.join(".config")) };
    set("XDG_CONFIG_HOME").or_else(default)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, PathBuf::from("/etc/appsec"))
    }

    #[test]
    fn a_complete_file_is_parsed() {
        let config = parse(
            r#"
            store = "sqlite:findings.db"
            [connections.salt]
            scanner = "saltsecurity"
            token_file = "salt.token"
            write_back = "object"
            [connections.was]
            scanner = "tenableiowas"
            access_key_env = "A"
            secret_key_env = "S"
            proxy = "http://user@proxy:3128"
            ca = "ca.pem"
            insecure = true
            [webhooks.chat]
            url = "https://hooks.example/T0"
            secret_env = "CHAT"
            events = ["finding.new", "import.partial"]
            [[bindings]]
            name = "shop nightly"
            project = "shop"
            scanner = "was"
            bind_target = "config:1"
            webhooks = ["chat"]
            schedule = { cron = "30 2 * * 1-5", time_zone = "Europe/Berlin" }
            "#,
        )
        .unwrap();
        assert_eq!(config.connections.find("was").unwrap().connection.vendor.key, "tenableiowas");
        let scheduled = &config.bindings[0];
        assert_eq!((scheduled.connection.as_str(), scheduled.binding.project.as_str()), ("was", "shop"));
        assert_eq!(scheduled.binding.scanner, "tenableiowas");
        assert_eq!(scheduled.binding.tenant.as_deref(), Some("https://cloud.tenable.com"));
        assert_eq!(config.resolve_sqlite_path("sqlite:findings.db"), "sqlite:/etc/appsec/findings.db");
        assert_eq!(config.resolve_sqlite_path("sqlite:///var/x.db?mode=ro"), "sqlite:/var/x.db?mode=ro");
        assert_eq!(config.resolve_sqlite_path("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(config.folder.join("ca.pem"), Path::new("/etc/appsec/ca.pem"));
    }

    const BINDING: &str = "[[bindings]]\nname = \"n\"\nproject = \"p\"\nscanner = \"was\"\nbind_target = \"t\"\n\
                        schedule = { cron = \"@daily\", time_zone = \"UTC\" }\nwebhooks = [\"chat\"]\n";

    #[test]
    fn errors_name_the_place_and_never_quote_a_value() {
        for (text, expected) in [
            ("stor = \"canary\"", ":1:1: unknown key `stor`, expected one of"),
            (
                "\n[connections.salt]\nscanner = \"saltsecurity\"\ntoken = \"canary\"",
                ":4:1: unknown key `token`",
            ),
            (
                "[connections.x]\nscanner = \"canary\"",
                ":2:11: unknown word: expected `saltsecurity` or `tenableiowas`",
            ),
            (
                "[connections.x]\nscanner = \"saltsecurity\"\ninsecure = \"canary\"",
                ":3:12: invalid type: expected a boolean",
            ),
            ("[connections.x]\nproxy = \"canary\"", ":1:1: missing field `scanner`"),
            ("store = canary", ":1:9: "),
            ("store = \"postgres://me:canary@host/db\"", ": the password of the store"),
            (
                "[connections.x]\nscanner = \"saltsecurity\"\nproxy = \"http://me:canary@p\"",
                ": connections.x: the password of the proxy",
            ),
            (
                "[connections.x]\nscanner = \"saltsecurity\"\nsecret_key_env = \"A\"",
                ":3:1: unknown key `secret_key_env`, expected one of `token_env`",
            ),
            (BINDING, ": the binding \"n\": there is no scanner \"was\""),
            (&BINDING.replace("was", "saltsecurity"), ": the binding \"n\": there is no webhook \"chat\""),
            (&BINDING.replace("name =", "nam ="), ":2:1: unknown key `nam`"),
            (&BINDING.replace("\"p\"", "\" \""), ": the binding \"n\": project is empty"),
            (
                &BINDING.replace("\"was\"", "\"saltsecurity\"\ntenant = \"canary\""),
                ": the binding \"n\": tenant is",
            ),
            (
                "[connections.a]\nscanner = \"saltsecurity\"\n[connections.b]\nscanner = \"saltsecurity\"\n\
                 [[bindings]]\nname = \"m\"\nproject = \"shop\"\nscanner = \"a\"\nbind_target = \"all\"\nschedule = { cron = \"@daily\" }\n\
                 [[bindings]]\nname = \"n\"\nproject = \"shop\"\nscanner = \"b\"\nbind_target = \"all\"\nschedule = { cron = \"@daily\" }",
                ": the binding \"n\": connections.a and connections.b have the same scanner and base URL",
            ),
            (
                "[connections.a]\nscanner = \"saltsecurity\"\ntenant = \"\"",
                ": connections.a: the tenant is empty",
            ),
            (&BINDING.replace("@daily", "canary"), ":"),
            (
                "[connections.x]\nscanner = \"tenableiowas\"\nwrite_back = \"ids\"",
                ":3:1: unknown key `write_back`",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn connections_with_one_base_url_are_told_apart_by_their_tenants() {
        let connections = |one: &str, other: &str| {
            parse(&format!(
                "[connections.a]\nscanner = \"saltsecurity\"\n{one}\n[connections.b]\nscanner = \"saltsecurity\"\n{other}"
            ))
        };
        let tenant = |config: &Config, name: &str| config.connections.find(name).unwrap().tenant().unwrap();
        let config = connections("", "tenant = \"b\"").unwrap();
        assert_eq!(tenant(&config, "a"), "https://api.secured-api.com");
        assert_eq!(tenant(&config, "b"), "b");
        connections("tenant = \"one\"", "tenant = \"one\"").unwrap();
        connections("", "base_url = \"https://api.secured-api-eu.com\"").unwrap();
        // Without bindings of both it does not matter whether they reach one tenant.
        let config = connections("base_url = \"https://API.secured-api.com:443/v1/\"", "").unwrap();
        assert_eq!(tenant(&config, "a"), tenant(&config, "b"));
    }

    #[test]
    fn a_password_is_refused_as_an_argument() {
        let config = Config::default();
        for url in ["postgres://me:canary@host/db", "postgres://host/db?password=canary"] {
            let failure = config.store_url(Some(url)).unwrap_err();
            assert!(!failure.message.contains("canary"), "{}", failure.message);
        }
        assert_eq!(config.store_url(Some("postgres://me@host/db")).unwrap(), "postgres://me@host/db");
    }
}
