//! The connections to scanners: those of `appsec.toml`, and those whose credentials the environment holds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use appsec_core::DastApiScanner;
use appsec_http::{HttpOptions, RetryPolicy};
use appsec_import::Binding;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;
use url::{Host, Url};

use crate::credentials::{self, SecretSource};
use crate::duration_arg;
use crate::exit::{Failure, Result};
use crate::nearest;
use crate::vendors::{self, OpenContext, Settings, VENDORS, Vendor};

/// How one scanner is reached: a section `[connections.NAME]`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Connection {
    #[serde(rename = "scanner", deserialize_with = "vendors::deserialize_key")]
    pub(crate) vendor: &'static Vendor,
    /// The base URL; the vendor's own unless set.
    base_url: Option<String>,
    /// What distinguishes tenants that have one base URL; the base URL itself unless set.
    tenant: Option<String>,
    /// The proxy, without a password.
    proxy: Option<String>,
    proxy_env: Option<String>,
    proxy_file: Option<PathBuf>,
    /// A PEM file of certificates that are trusted in addition to those of the machine.
    ca: Option<PathBuf>,
    /// Accepts any certificate: the box "Insecure" of Invicti's settings.
    #[serde(default)]
    insecure: bool,
    /// How many requests may start in a second.
    requests_per_second: Option<f64>,
    /// How many requests are made for one call, the first one included.
    max_attempts: Option<u32>,
    /// The longest time that a service that limits requests is waited for.
    #[serde(default, deserialize_with = "duration_arg::deserialize")]
    max_retry_after: Option<Duration>,
    /// The keys that belong to the vendor alone; `None` where the environment holds everything.
    #[serde(skip)]
    settings: Option<Arc<dyn Settings>>,
    /// The folder where relative paths start.
    #[serde(skip)]
    folder: PathBuf,
    /// Whether the port of an address of this machine distinguishes tenants.
    #[serde(skip)]
    port_counts: bool,
}

/// The keys of [`Connection`], which every vendor's connections have. All others belong to the vendor.
const COMMON_KEYS: [&str; 11] = [
    "scanner",
    "base_url",
    "tenant",
    "proxy",
    "proxy_env",
    "proxy_file",
    "ca",
    "insecure",
    "requests_per_second",
    "max_attempts",
    "max_retry_after",
];

/// A connection with its name.
#[derive(Debug, Clone)]
pub(crate) struct NamedConnection {
    pub(crate) name: String,
    pub(crate) connection: Connection,
}

/// The connections of `appsec.toml`, by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Connections(BTreeMap<String, Connection>);

impl Connections {
    /// Refuses connections that contradict themselves.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.0.iter().try_for_each(|(name, connection)| {
            connection.check().map_err(|why| format!("connections.{name}: {why}"))
        })
    }

    /// Refuses a connection for a binding that another one read, where nothing tells whether both reach the
    /// same tenant: they have the same scanner and base URL, and no tenant. The findings of one would close
    /// those of the other.
    pub(crate) fn check_same_tenant(&self, name: &str, other: &str) -> Result<(), String> {
        match (self.0.get(name), self.0.get(other)) {
            (Some(one), Some(another))
                if name != other && one.tenant.is_none() && another.tenant.is_none() =>
            {
                Err(format!(
                    "connections.{other} and connections.{name} have the same scanner and base URL, and both read this \
                     binding: set tenant in one of them, or the same tenant in both if they reach one tenant"
                ))
            }
            _ => Ok(()),
        }
    }

    /// Lets the port count for the tenant where several connections to one scanner, without a tenant, lead to
    /// different servers on this machine.
    pub(crate) fn distinguish_local_ports(&mut self) {
        for vendor in VENDORS {
            let of_vendor = self.0.values_mut().filter(|connection| connection.is_to(vendor));
            let mut local: Vec<_> = of_vendor
                .filter(|connection| connection.tenant.is_none())
                .filter_map(|connection| {
                    let url = connection.canonical_base_url().ok().filter(|url| is_loopback(url))?;
                    Some((url, connection))
                })
                .collect();
            let urls: BTreeSet<_> = local.iter().map(|(url, _)| url.clone()).collect();
            for (_, connection) in &mut local {
                connection.port_counts = urls.len() > 1;
            }
        }
    }

    /// Reads the keys that belong to the vendors from the document. Relative paths in it start at the
    /// folder.
    pub(crate) fn parse_vendor_settings(
        &mut self,
        document: &DeTable<'_>,
        folder: &Path,
    ) -> Result<(), toml::de::Error> {
        let Some(sections) = document.get("connections") else { return Ok(()) };
        for (name, connection) in &mut self.0 {
            folder.clone_into(&mut connection.folder);
            if let Some(section) = sections.get_ref().get(name.as_str())
                && let Some(keys) = section.get_ref().as_table()
            {
                let mut keys = keys.clone();
                for common in COMMON_KEYS {
                    keys.remove(common);
                }
                let keys = toml::Deserializer::from(Spanned::new(section.span(), keys));
                connection.settings = Some((connection.vendor.parse_settings)(keys)?);
            }
        }
        Ok(())
    }

    /// Finds the connection for a value of `-t`: by its name, or by the key of a vendor that has one
    /// connection. Without a connection to that vendor, the environment holds its credentials.
    pub(crate) fn find(&self, tool: &str) -> Result<NamedConnection> {
        if let Some(connection) = self.0.get(tool) {
            return Ok(NamedConnection::new(tool, connection.clone()));
        }
        let Some(vendor) = vendors::by_key(tool) else {
            let mut known: Vec<_> = self.0.keys().map(String::as_str).collect();
            known.extend(VENDORS.map(|vendor| vendor.key));
            nearest::sort_by_similarity(&mut known, |name| nearest::similarity(tool, name));
            let known = known.join(", ");
            return Err(Failure::usage(format!("there is no scanner {tool:?}; known are {known}")));
        };
        let mut of_vendor = self.0.iter().filter(|(_, connection)| connection.is_to(vendor));
        match (of_vendor.next(), of_vendor.next()) {
            (None, _) => Ok(NamedConnection::from_environment(vendor)),
            (Some((name, connection)), None) => Ok(NamedConnection::new(name, connection.clone())),
            (Some((one, _)), Some((another, _))) => Err(Failure::usage(format!(
                "there are several connections to {}, such as {one} and {another}: name one of them",
                vendor.key
            ))),
        }
    }

    /// The connection with exactly this name.
    pub(crate) fn by_name(&self, name: &str) -> Option<NamedConnection> {
        self.0.get(name).map(|connection| NamedConnection::new(name, connection.clone()))
    }

    /// The connection to the tenant of a binding: a configured one, else that of the environment.
    pub(crate) fn of_binding(&self, binding: &Binding) -> Result<Option<NamedConnection>> {
        let Some(vendor) = vendors::by_key(&binding.scanner) else { return Ok(None) };
        let configured =
            self.0.iter().map(|(name, connection)| NamedConnection::new(name, connection.clone()));
        let environment = std::iter::once_with(|| NamedConnection::from_environment(vendor));
        for named in configured.chain(environment) {
            if named.connection.is_to(vendor) && binding.tenant.as_ref() == Some(&named.tenant()?) {
                return Ok(Some(named));
            }
        }
        Ok(None)
    }

    /// Every configured connection, and one to each other vendor whose credentials the environment holds.
    pub(crate) fn all(&self) -> Result<Vec<NamedConnection>> {
        let configured = self.0.iter();
        let mut all: Vec<_> =
            configured.map(|(name, connection)| NamedConnection::new(name, connection.clone())).collect();
        for vendor in VENDORS {
            let is_configured = self.0.values().any(|connection| connection.is_to(vendor));
            let mut is_set = false;
            for name in vendor.credential_variables {
                is_set |= credentials::variable(name)?.is_some();
            }
            if !is_configured && is_set {
                all.push(NamedConnection::from_environment(vendor));
            }
        }
        Ok(all)
    }
}

impl NamedConnection {
    fn new(name: &str, connection: Connection) -> Self {
        Self { name: name.to_owned(), connection }
    }

    fn from_environment(vendor: &'static Vendor) -> Self {
        Self::new(vendor.key, Connection::from_environment(vendor))
    }

    /// What distinguishes the tenant of this connection from others of the scanner: a part of the identity of
    /// its bindings.
    pub(crate) fn tenant(&self) -> Result<String> {
        match &self.connection.tenant {
            Some(tenant) => Ok(tenant.clone()),
            None => self.connection.default_tenant(),
        }
    }

    /// Builds the scanner with its credentials. Sends nothing. The user is asked for a credential that is
    /// missing only where `may_prompt` is true.
    pub(crate) fn open(&self, may_prompt: bool) -> Result<Arc<dyn DastApiScanner>> {
        self.open_with_patience(may_prompt, None)
    }

    /// As [`open`](Self::open), with the time for which the user wants to wait for work of the scanner that
    /// makes no progress, instead of that of the connection.
    pub(crate) fn open_with_patience(
        &self,
        may_prompt: bool,
        patience: Option<Duration>,
    ) -> Result<Arc<dyn DastApiScanner>> {
        let Self { name, connection } = self;
        let base_url = connection.base_url()?;
        let context = OpenContext {
            name,
            folder: &connection.folder,
            base_url: base_url.as_deref(),
            http: connection.http_options(name)?,
            patience,
            may_prompt,
        };
        match &connection.settings {
            Some(settings) => settings.open(context),
            None => (connection.vendor.default_settings)().open(context),
        }
    }
}

impl Connection {
    /// A connection to this vendor for which the environment holds everything.
    fn from_environment(vendor: &'static Vendor) -> Self {
        Self {
            vendor,
            base_url: None,
            tenant: None,
            proxy: None,
            proxy_env: None,
            proxy_file: None,
            ca: None,
            insecure: false,
            requests_per_second: None,
            max_attempts: None,
            max_retry_after: None,
            settings: None,
            folder: PathBuf::new(),
            port_counts: false,
        }
    }

    /// The base URL: that of the configuration, else that of the environment, else `None`.
    fn base_url(&self) -> Result<Option<String>> {
        if let Some(url) = &self.base_url {
            return Ok(Some(url.clone()));
        }
        let variable = credentials::variable(self.vendor.base_url_variable)?;
        Ok(variable.map(|url| url.expose_secret().to_owned()))
    }

    /// The tenant where the configuration names none: the base URL, without the port of a server on this
    /// machine.
    pub(crate) fn default_tenant(&self) -> Result<String> {
        let url = self.canonical_base_url()?;
        Ok(if self.port_counts { url } else { without_local_port(url) })
    }

    /// The base URL in one form, however it was written. The identity of bindings depends on it.
    fn canonical_base_url(&self) -> Result<String> {
        Ok(canonical_url(&(self.vendor.base_url)(self.base_url()?.as_deref())))
    }

    /// Whether the configuration names the tenant.
    pub(crate) fn names_tenant(&self) -> bool {
        self.tenant.is_some()
    }

    fn is_to(&self, vendor: &Vendor) -> bool {
        self.vendor.key == vendor.key
    }

    /// Refuses a proxy that is set twice, or with its password.
    fn check(&self) -> Result<(), String> {
        if self.tenant.as_ref().is_some_and(|tenant| tenant.trim().is_empty()) {
            return Err("the tenant is empty".to_owned());
        }
        match &self.proxy {
            Some(_) if self.proxy_source().is_set() => Err("the proxy is set twice".to_owned()),
            Some(proxy) if has_password(proxy) => {
                Err("the password of the proxy must not be in this file: name a variable or a file with proxy_env or proxy_file"
                    .to_owned())
            }
            _ => Ok(()),
        }
    }

    fn proxy_source(&self) -> SecretSource {
        SecretSource::new(&self.folder, self.proxy_env.as_ref(), self.proxy_file.as_ref())
    }

    fn http_options(&self, name: &str) -> Result<HttpOptions> {
        let mut http = HttpOptions::new().with_accept_invalid_certs(self.insecure);
        let proxy_source = self.proxy_source();
        if let Some(proxy) = &self.proxy {
            http = http.with_proxy(proxy);
        } else if proxy_source.is_set() {
            let proxy = credentials::required(&format!("proxy of {name}"), &proxy_source)?;
            http = http.with_proxy(proxy.expose_secret());
        }
        if let Some(ca) = &self.ca {
            http = http.with_root_certificate_pem(read_certificates(&self.folder.join(ca))?);
        }
        if let Some(rate) = self.requests_per_second {
            http = http.with_requests_per_second(rate);
        }
        let mut retry = RetryPolicy::new();
        if let Some(attempts) = self.max_attempts {
            retry = retry.with_max_attempts(attempts);
        }
        if let Some(longest) = self.max_retry_after {
            retry = retry.with_max_retry_after(longest);
        }
        http = http.with_retry(retry);
        Ok(http)
    }
}

fn read_certificates(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Failure::usage(format!("{} cannot be read: {error}", path.display())))
}

/// The URL with its scheme and host in lower case, without a default port, credentials, query and trailing
/// slash.
fn canonical_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text.trim()) else { return text.trim().to_owned() };
    url.set_query(None);
    url.set_fragment(None);
    // Fails for URLs without a host, which have no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

fn is_loopback(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

/// The URL without its port if it leads to this machine: a tunnel or a test server has another port each time
/// it is started, and is the same tenant.
fn without_local_port(text: String) -> String {
    let Some(mut url) = Url::parse(&text).ok().filter(|_| is_loopback(&text)) else { return text };
    // Fails for URLs without a host, which do not lead to this machine.
    let _ = url.set_port(None);
    url.as_str().trim_end_matches('/').to_owned()
}

/// Whether the URL holds a password.
pub(crate) fn has_password(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        url.password().is_some() || url.query_pairs().any(|(name, _)| name.eq_ignore_ascii_case("password"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_server_on_this_machine_is_no_part_of_the_tenant() {
        for (url, tenant) in [
            ("http://127.0.0.1:8080/gateway", "http://127.0.0.1/gateway"),
            ("http://[::1]:8080", "http://[::1]"),
            ("http://localhost:8080", "http://localhost"),
            ("https://was.example.com:8443", "https://was.example.com:8443"),
        ] {
            assert_eq!(without_local_port(url.to_owned()), tenant);
        }
    }

    #[test]
    fn one_base_url_has_one_form() {
        for text in [
            "https://Cloud.Tenable.com",
            "HTTPS://cloud.tenable.com/",
            "https://cloud.tenable.com:443//",
            " https://user@cloud.tenable.com?x=1#y",
        ] {
            assert_eq!(canonical_url(text), "https://cloud.tenable.com", "{text}");
        }
        assert_eq!(canonical_url("http://127.0.0.1:8080/Gateway/"), "http://127.0.0.1:8080/Gateway");
    }

    #[test]
    fn the_vendors_own_base_url_is_that_of_an_unset_one() {
        for vendor in VENDORS {
            let own = (vendor.base_url)(None);
            assert_eq!((vendor.base_url)(Some(&format!("{own}/"))).trim_end_matches('/'), own);
        }
    }
}
