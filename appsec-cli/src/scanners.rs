//! From a connection to a scanner. The only place that knows the vendors.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use appsec_core::DastApiScanner;
use salt_client::{
    HttpOptions, Region, RetryPolicy, SALT_API_TOKEN, SALT_BASE_URL, SaltClient, SpeculativeBody,
};
use secrecy::ExposeSecret as _;
use tenable_was_client::{TENABLE_ACCESS_KEY, TENABLE_BASE_URL, TENABLE_SECRET_KEY, TenableWasClient};

use crate::config::{Config, Connection, Tool, WriteBack};
use crate::credentials::{self, Reference};
use crate::exit::{Failure, Result};

/// A connection with its name.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) connection: Connection,
}

/// The connection that a word of `-t` means: its name, or the key of a scanner of which there is one. A key of which none is configured
/// means the environment.
pub(crate) fn find(config: &Config, word: &str) -> Result<Named> {
    if let Some(connection) = config.connections.get(word) {
        return Ok(Named { name: word.to_owned(), connection: connection.clone() });
    }
    let Some(tool) = Tool::of_key(word) else {
        let mut known: Vec<_> = config.connections.keys().map(String::as_str).collect();
        known.extend(Tool::ALL.map(Tool::key));
        return Err(Failure::usage(format!("there is no scanner {word:?}; known are {}", known.join(", "))));
    };
    let mut of_tool = config.connections.iter().filter(|(_, connection)| connection.scanner == tool);
    match (of_tool.next(), of_tool.next()) {
        (None, _) => Ok(Named { name: tool.key().to_owned(), connection: Connection::of(tool) }),
        (Some((name, connection)), None) => Ok(Named { name: name.clone(), connection: connection.clone() }),
        (Some((one, _)), Some((another, _))) => Err(Failure::usage(format!(
            "there are several connections to {}, {one} and {another} among them: name one",
            tool.key()
        ))),
    }
}

/// Every connection that is configured, and those of other scanners whose credentials the environment holds.
pub(crate) fn all(config: &Config) -> Vec<Named> {
    let configured = config.connections.iter();
    let mut all: Vec<_> = configured
        .map(|(name, connection)| Named { name: name.clone(), connection: connection.clone() })
        .collect();
    for tool in Tool::ALL {
        let variables: &[&str] = match tool {
            Tool::Salt => &[SALT_API_TOKEN],
            Tool::TenableWas => &[TENABLE_ACCESS_KEY, TENABLE_SECRET_KEY],
        };
        let known = all.iter().any(|named| named.connection.scanner == tool);
        if !known && variables.iter().any(|name| credentials::variable(name).is_some()) {
            all.push(Named { name: tool.key().to_owned(), connection: Connection::of(tool) });
        }
    }
    all
}

/// The scanner at the end of a connection, with its credentials. Nothing is sent.
pub(crate) fn open(config: &Config, named: &Named, may_ask: bool) -> Result<Arc<dyn DastApiScanner>> {
    let Named { name, connection } = named;
    let http = http(config, named)?;
    let secret = |what: &str, env: &Option<String>, file: &Option<std::path::PathBuf>, usual| {
        let file = file.as_ref().map(|file| config.path(file));
        let reference = Reference::new(env.as_ref(), file.as_deref());
        credentials::read(&format!("{what} of {name}"), reference, usual, may_ask)
    };
    let base_url = |variable| {
        let of_environment = || credentials::variable(variable).map(|url| url.expose_secret().to_owned());
        connection.base_url.clone().or_else(of_environment)
    };
    match connection.scanner {
        Tool::Salt => {
            let token = secret("API token", &connection.token_env, &connection.token_file, SALT_API_TOKEN)?;
            let region = base_url(SALT_BASE_URL).map_or(Region::Us, Region::from);
            let mut salt = SaltClient::builder(region, token).with_http(http);
            if let Some(body) = connection.write_back {
                salt = salt.with_write_back(match body {
                    WriteBack::Object => SpeculativeBody::Object,
                    WriteBack::List => SpeculativeBody::List,
                    WriteBack::Ids => SpeculativeBody::Ids,
                });
            }
            Ok(Arc::new(salt.build()?))
        }
        Tool::TenableWas => {
            let (env, file) = (&connection.access_key_env, &connection.access_key_file);
            let access = secret("access key", env, file, TENABLE_ACCESS_KEY)?;
            let (env, file) = (&connection.secret_key_env, &connection.secret_key_file);
            let key = secret("secret key", env, file, TENABLE_SECRET_KEY)?;
            let mut was = TenableWasClient::builder(access, key).with_http(http);
            if let Some(url) = base_url(TENABLE_BASE_URL) {
                was = was.with_base_url(url);
            }
            Ok(Arc::new(was.build()?))
        }
    }
}

fn http(config: &Config, named: &Named) -> Result<HttpOptions> {
    let Named { name, connection } = named;
    let mut http = HttpOptions::new().with_accept_invalid_certs(connection.insecure);
    let file = connection.proxy_file.as_ref().map(|file| config.path(file));
    let reference = Reference::new(connection.proxy_env.as_ref(), file.as_deref());
    if let Some(proxy) = &connection.proxy {
        http = http.with_proxy(proxy);
    } else if reference.is_given() {
        let proxy = credentials::required(&format!("proxy of {name}"), reference)?;
        http = http.with_proxy(proxy.expose_secret());
    }
    if let Some(ca) = &connection.ca {
        http = http.with_root_certificate_pem(certificates(&config.path(ca))?);
    }
    if let Some(rate) = connection.requests_per_second {
        http = http.with_requests_per_second(rate);
    }
    if let Some(attempts) = connection.max_attempts {
        http = http.with_retry(RetryPolicy::new().with_max_attempts(attempts));
    }
    Ok(http)
}

fn certificates(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}
