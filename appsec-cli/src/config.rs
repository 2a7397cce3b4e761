//! `appsec.toml`: which scanners there are, where findings are kept, and who is told.
//!
//! It holds no credential, only the names of the variables and files that do, so that it can be checked in. Relative paths in it
//! start at its own folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use appsec_import::gate::Gate;
use appsec_import::outbox::EventKind;
use appsec_import::schedule::ScheduledBinding;
use appsec_import::webhook::Endpoint;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::credentials::{self, Reference};
use crate::exit::{Failure, Result};
use crate::scanners;

/// The name of the file, in the working folder and in that of the user's configuration.
const FILE: &str = "appsec.toml";

/// The variable that holds the store's URL, password included.
pub(crate) const STORE_VARIABLE: &str = "APPSEC_STORE";

/// The store where none is named: a file of the working folder.
const DEFAULT_STORE: &str = "sqlite:appsec.db";

/// What the file says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The store's URL, without a password.
    store: Option<String>,
    store_env: Option<String>,
    store_file: Option<PathBuf>,
    /// The scanners, by names of the user's own.
    #[serde(default)]
    pub(crate) connections: BTreeMap<String, Connection>,
    /// What is imported for whom, and when.
    #[serde(default)]
    pub(crate) bindings: Vec<ScheduledBinding>,
    /// Who is told what an import meant.
    #[serde(default)]
    webhooks: BTreeMap<String, Webhook>,
    /// What may pass.
    pub(crate) gate: Option<Gate>,
    /// Where reports are brought to, by names of the user's own.
    #[serde(default)]
    pub(crate) push: BTreeMap<String, Destination>,
    /// Where the file is.
    #[serde(skip)]
    folder: PathBuf,
}

/// A kind of scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Tool {
    /// Salt Security.
    #[serde(rename = "saltsecurity")]
    Salt,
    /// Tenable Web App Scanning.
    #[serde(rename = "tenableiowas")]
    TenableWas,
}

impl Tool {
    pub(crate) const ALL: [Self; 2] = [Self::Salt, Self::TenableWas];

    /// The scanner's key.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Salt => "saltsecurity",
            Self::TenableWas => "tenableiowas",
        }
    }

    /// Its name for a person.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Salt => "Salt Security",
            Self::TenableWas => "Tenable Web App Scanning",
        }
    }

    pub(crate) fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.key().eq_ignore_ascii_case(key))
    }
}

/// How one scanner is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    /// Its kind, by its key.
    pub(crate) scanner: Tool,
    /// The base URL; the vendor's own where it is not given.
    pub(crate) base_url: Option<String>,
    /// The proxy, without a password.
    pub(crate) proxy: Option<String>,
    pub(crate) proxy_env: Option<String>,
    pub(crate) proxy_file: Option<PathBuf>,
    /// A file of certificates in PEM that are trusted besides those of the machine.
    pub(crate) ca: Option<PathBuf>,
    /// Accepts any certificate: the box "Insecure".
    #[serde(default)]
    pub(crate) insecure: bool,
    /// Salt's token.
    pub(crate) token_env: Option<String>,
    pub(crate) token_file: Option<PathBuf>,
    /// Tenable's keys.
    pub(crate) access_key_env: Option<String>,
    pub(crate) access_key_file: Option<PathBuf>,
    pub(crate) secret_key_env: Option<String>,
    pub(crate) secret_key_file: Option<PathBuf>,
    /// How many requests may start in a second.
    pub(crate) requests_per_second: Option<f64>,
    /// How many requests are made for one call, the first one included.
    pub(crate) max_attempts: Option<u32>,
    /// Lets statuses be written back to Salt, by a body of this form. Nobody knows which one it takes.
    pub(crate) write_back: Option<WriteBack>,
}

/// The forms of a status change that Salt may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WriteBack {
    Object,
    List,
    Ids,
}

impl Connection {
    /// A connection of which only the kind is known: the rest comes from the environment.
    pub(crate) fn of(scanner: Tool) -> Self {
        Self {
            scanner,
            base_url: None,
            proxy: None,
            proxy_env: None,
            proxy_file: None,
            ca: None,
            insecure: false,
            token_env: None,
            token_file: None,
            access_key_env: None,
            access_key_file: None,
            secret_key_env: None,
            secret_key_file: None,
            requests_per_second: None,
            max_attempts: None,
            write_back: None,
        }
    }

    /// Refuses what contradicts itself or belongs to another kind of scanner.
    fn check(&self) -> Result<(), String> {
        let given = |env: &Option<String>, file: &Option<PathBuf>| env.is_some() || file.is_some();
        let token = given(&self.token_env, &self.token_file);
        let keys = given(&self.access_key_env, &self.access_key_file)
            || given(&self.secret_key_env, &self.secret_key_file);
        match self.scanner {
            Tool::Salt if keys => return Err("saltsecurity takes a token, not keys".to_owned()),
            Tool::TenableWas if token => {
                return Err("tenableiowas takes an access key and a secret key, not a token".to_owned());
            }
            Tool::TenableWas if self.write_back.is_some() => {
                return Err("tenableiowas takes no status back".to_owned());
            }
            _ => {}
        }
        match &self.proxy {
            Some(_) if given(&self.proxy_env, &self.proxy_file) => {
                Err("the proxy is named twice".to_owned())
            }
            Some(proxy) if has_password(proxy) => {
                Err("the proxy's password has no place here: name a variable or a file with proxy_env or proxy_file".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Somebody who is told what an import meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    /// Where messages go.
    url: Option<String>,
    url_env: Option<String>,
    url_file: Option<PathBuf>,
    /// What signs them: `whsec_…`.
    secret_env: Option<String>,
    secret_file: Option<PathBuf>,
    /// What signed them before, while the receiver changes over.
    previous_secret_env: Option<String>,
    previous_secret_file: Option<PathBuf>,
    /// Which events; all where none is named.
    #[serde(default)]
    events: Vec<EventKind>,
    /// Headers of the receiver's own: for each the variable that holds its value.
    #[serde(default)]
    headers_env: BTreeMap<String, String>,
}

/// Who keeps findings and takes reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Keeper {
    DefectDojo,
    Invicti,
    GitHub,
}

/// Where reports are brought to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Destination {
    /// Who keeps findings there.
    pub(crate) target: Keeper,
    /// The base URL; for GitHub that of the API, `https://api.github.com` where it is not given.
    pub(crate) base_url: Option<String>,
    /// The token.
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    /// The id of the project at Invicti.
    pub(crate) project: Option<String>,
    /// The repository at GitHub, `owner/name`; that of the workflow where it is not given.
    pub(crate) repository: Option<String>,
}

impl Config {
    /// The token for a destination.
    pub(crate) fn token_of(&self, name: &str, destination: &Destination) -> Result<SecretString> {
        let file = destination.token_file.as_ref().map(|file| self.path(file));
        let reference = Reference::new(destination.token_env.as_ref(), file.as_deref());
        credentials::required(&format!("token of {name}"), reference)
    }

    /// Reads the file that was named; else `appsec.toml` of the working folder; else that of the user's configuration; else nothing
    /// is configured.
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

    /// The configuration, or where and why it cannot be one. What stands in the file is not quoted: it may be a secret in the wrong
    /// place.
    pub(crate) fn parse(text: &str, folder: PathBuf) -> Result<Self, String> {
        let mut config: Self = toml::from_str(text).map_err(|error| explain(text, &error))?;
        for (name, connection) in &config.connections {
            connection.check().map_err(|why| format!(": connections.{name}: {why}"))?;
        }
        if config.store.as_deref().is_some_and(has_password) {
            let why = "the store's password has no place here: name a variable or a file with store_env or store_file";
            return Err(format!(": {why}"));
        }
        config.folder = folder;
        config.check_bindings()?;
        Ok(config)
    }

    /// Refuses bindings that are one by name, and those of a connection or a webhook that is not there.
    fn check_bindings(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for binding in &self.bindings {
            let refused = |why: String| format!(": the binding {:?}: {why}", binding.name);
            if !names.insert(&binding.name) {
                return Err(refused("another has that name".to_owned()));
            }
            scanners::find(self, &binding.binding.scanner).map_err(|failure| refused(failure.message))?;
            if let Some(nobody) = binding.webhooks.iter().find(|name| !self.webhooks.contains_key(*name)) {
                return Err(refused(format!("there is no webhook {nobody:?}")));
            }
        }
        Ok(())
    }

    /// A path of the file, as seen from the working folder.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// The store's URL: the one given, which must hold no password, else that of the environment, else that of the file, else a file
    /// of the working folder.
    pub(crate) fn store_url(&self, given: Option<&str>) -> Result<String> {
        if let Some(url) = given {
            return if has_password(url) {
                Err(Failure::usage(format!("a password is never an argument: set {STORE_VARIABLE}")))
            } else {
                Ok(url.to_owned())
            };
        }
        if let Some(url) = credentials::variable(STORE_VARIABLE) {
            return Ok(url.expose_secret().to_owned());
        }
        let file = self.store_file.as_ref().map(|file| self.path(file));
        let reference = Reference::new(self.store_env.as_ref(), file.as_deref());
        match (&self.store, reference.is_given()) {
            (Some(_), true) => Err(Failure::usage("the store is named twice in the configuration")),
            (None, true) => Ok(credentials::required("store's URL", reference)?.expose_secret().to_owned()),
            (Some(url), false) => Ok(self.of_folder(url)),
            (None, false) => Ok(DEFAULT_STORE.to_owned()),
        }
    }

    /// A SQLite URL whose relative path starts at the file's folder.
    fn of_folder(&self, url: &str) -> String {
        let Some(rest) = url.strip_prefix("sqlite:") else { return url.to_owned() };
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, options) =
            rest.split_once('?').map_or((rest, None), |(path, options)| (path, Some(options)));
        if path.is_empty() || path.starts_with(':') {
            return url.to_owned();
        }
        let options = options.map(|options| format!("?{options}")).unwrap_or_default();
        format!("sqlite:{}{options}", self.path(Path::new(path)).display())
    }

    /// The endpoints of the webhooks, with their secrets.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        self.webhooks.iter().map(|(name, webhook)| self.endpoint(name, webhook)).collect()
    }

    fn endpoint(&self, name: &str, webhook: &Webhook) -> Result<Endpoint> {
        let secret = |what: &str, env: &Option<String>, file: &Option<PathBuf>| {
            let file = file.as_ref().map(|file| self.path(file));
            let reference = Reference::new(env.as_ref(), file.as_deref());
            credentials::required(&format!("{what} of the webhook {name}"), reference)
        };
        let url = match &webhook.url {
            Some(url) => url.as_str().into(),
            None => secret("URL", &webhook.url_env, &webhook.url_file)?,
        };
        let key = secret("secret", &webhook.secret_env, &webhook.secret_file)?;
        let mut endpoint = Endpoint::new(name, url, key)?.with_events(webhook.events.iter().copied());
        if webhook.previous_secret_env.is_some() || webhook.previous_secret_file.is_some() {
            let (env, file) = (&webhook.previous_secret_env, &webhook.previous_secret_file);
            endpoint = endpoint.with_previous_secret(secret("previous secret", env, file)?)?;
        }
        for (header, variable) in &webhook.headers_env {
            let value = secret(&format!("header {header}"), &Some(variable.clone()), &None)?;
            endpoint = endpoint.with_header(header, value)?;
        }
        Ok(endpoint)
    }
}

/// Where the user's configuration is.
fn user_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual =
        || if cfg!(windows) { set("APPDATA") } else { std::env::home_dir().map(|home| home.join(".config")) };
    set("XDG_CONFIG_HOME").or_else(usual)
}

/// True for a URL with a password in it.
fn has_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.password().is_some() || url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case("password"))
    })
}

/// Where the file is wrong, and how, as `:3:1: …`.
fn explain(text: &str, error: &toml::de::Error) -> String {
    let place = error.span().map(|span| {
        let before = text.get(..span.start).unwrap_or(text);
        let binding = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!(":{binding}:{column}")
    });
    format!("{}: {}", place.unwrap_or_default(), without_values(error.message()))
}

/// The parser's message without the value that it quotes, and with a word on credentials.
fn without_values(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let credential = ["`token`", "`access_key`", "`secret_key`", "`secret`", "`password`"];
        let hint = if credential.iter().any(|name| rest.starts_with(name)) {
            "; credentials stay out of this file, name a variable (…_env) or a file (…_file) that holds it"
        } else {
            ""
        };
        return format!("unknown key {rest}{hint}");
    }
    // `invalid type: string "what was written", expected a boolean`
    for kind in ["invalid type", "invalid value", "invalid length"] {
        if message.starts_with(kind)
            && let Some((_, expected)) = message.rsplit_once(", expected ")
        {
            return format!("{kind}: expected {expected}");
        }
    }
    match message.split_once("unknown variant ").and_then(|(_, rest)| rest.rsplit_once(", expected ")) {
        Some((_, expected)) => format!("unknown word: expected {expected}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, PathBuf::from("/etc/appsec"))
    }

    #[test]
    fn a_whole_file_is_read() {
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
        assert_eq!(config.connections["was"].scanner, Tool::TenableWas);
        assert_eq!(config.bindings[0].binding.project, "shop");
        assert_eq!(config.of_folder("sqlite:findings.db"), "sqlite:/etc/appsec/findings.db");
        assert_eq!(config.of_folder("sqlite:///var/x.db?mode=ro"), "sqlite:/var/x.db?mode=ro");
        assert_eq!(config.of_folder("sqlite::memory:"), "sqlite::memory:");
        assert_eq!(config.path(Path::new("ca.pem")), Path::new("/etc/appsec/ca.pem"));
    }

    const LINE: &str = "[[bindings]]\nname = \"n\"\nproject = \"p\"\nscanner = \"was\"\nbind_target = \"t\"\n\
                        schedule = { cron = \"@daily\", time_zone = \"UTC\" }\nwebhooks = [\"chat\"]\n";

    #[test]
    fn what_cannot_work_is_refused_with_its_place_and_never_quoted() {
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
            ("store = \"postgres://me:canary@host/db\"", ": the store's password"),
            (
                "[connections.x]\nscanner = \"saltsecurity\"\nproxy = \"http://me:canary@p\"",
                ": connections.x: the proxy's password",
            ),
            (
                "[connections.x]\nscanner = \"saltsecurity\"\nsecret_key_env = \"A\"",
                ": connections.x: saltsecurity takes a token",
            ),
            (LINE, ": the binding \"n\": there is no scanner \"was\""),
            (&LINE.replace("was", "saltsecurity"), ": the binding \"n\": there is no webhook \"chat\""),
            (&LINE.replace("name =", "nam ="), ":2:1: unknown key `nam`"),
            (&LINE.replace("@daily", "canary"), ":"),
            (
                "[connections.x]\nscanner = \"tenableiowas\"\nwrite_back = \"ids\"",
                ": connections.x: tenableiowas takes no status",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("canary"), "{error}");
        }
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
