//! The builder of the client.

use std::fmt;
use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{AuthHeader, HttpClient, HttpOptions, Service};
use secrecy::{ExposeSecret, SecretString};

use crate::TenableWasClient;
use crate::client::Inner;
use crate::error::to_error;
use crate::export::ExportOptions;
use crate::workflows::WaitOptions;

/// The vendor's cloud, which hosts all but a few tenants.
pub const DEFAULT_BASE_URL: &str = "https://cloud.tenable.com";

/// The environment variable of the access key, for [`TenableWasClient::from_env`].
pub const TENABLE_ACCESS_KEY: &str = "TENABLE_ACCESS_KEY";
/// The environment variable of the secret key, for [`TenableWasClient::from_env`].
pub const TENABLE_SECRET_KEY: &str = "TENABLE_SECRET_KEY";
/// The environment variable of the base URL, for [`TenableWasClient::from_env`]. The default is
/// [`DEFAULT_BASE_URL`].
pub const TENABLE_BASE_URL: &str = "TENABLE_BASE_URL";

/// Builds a [`TenableWasClient`].
#[derive(Clone)]
#[must_use = "a builder does nothing before `build`"]
pub struct TenableWasClientBuilder {
    access_key: SecretString,
    secret_key: SecretString,
    base_url: String,
    http: HttpOptions,
    export: ExportOptions,
    waits: WaitOptions,
    vendor: String,
    product: String,
    version: String,
}

impl TenableWasClientBuilder {
    pub(crate) fn new(access_key: SecretString, secret_key: SecretString) -> Self {
        Self {
            access_key,
            secret_key,
            base_url: DEFAULT_BASE_URL.to_owned(),
            http: HttpOptions::new(),
            export: ExportOptions::new(),
            waits: WaitOptions::new(),
            vendor: "appsec-sdk".to_owned(),
            product: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Creates a builder with the keys and the base URL of the environment: [`TENABLE_ACCESS_KEY`],
    /// [`TENABLE_SECRET_KEY`] and, if set, [`TENABLE_BASE_URL`].
    ///
    /// # Errors
    /// `Config` if a key is not set, naming its variable.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(read: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let read = |name: &str| read(name).filter(|value| !value.trim().is_empty());
        let key = |name: &str| {
            read(name).map(SecretString::from).ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("the environment variable {name} is not set"))
            })
        };
        let builder = TenableWasClient::builder(key(TENABLE_ACCESS_KEY)?, key(TENABLE_SECRET_KEY)?);
        Ok(match read(TENABLE_BASE_URL) {
            Some(url) => builder.with_base_url(url),
            None => builder,
        })
    }

    /// Sets the base URL, without `/was/v2`. Default: [`DEFAULT_BASE_URL`].
    pub fn with_base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = url.into();
        self
    }

    /// Sets the HTTP options: proxy, trust, timeouts, retries, limits.
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Sets the options of exports.
    pub fn with_export(mut self, options: ExportOptions) -> Self {
        self.export = options;
        self
    }

    /// Sets how the client waits for background work of the service other than exports.
    pub fn with_waits(mut self, options: WaitOptions) -> Self {
        self.waits = options;
        self
    }

    /// Sets the name of the integration in the user agent, in the form that the vendor requests:
    /// `Integration/1.0 (<vendor>; <product>; Build/<version>)`. Default: this crate. A user agent set in
    /// the HTTP options takes precedence.
    pub fn with_integration(
        mut self,
        vendor: impl Into<String>,
        product: impl Into<String>,
        version: impl Into<String>,
    ) -> Self {
        (self.vendor, self.product, self.version) = (vendor.into(), product.into(), version.into());
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    /// `Config` for invalid keys, base URL or options. No error contains a key.
    pub fn build(self) -> Result<TenableWasClient> {
        self.export.check()?;
        self.waits.check()?;
        let auth = AuthHeader::new("X-ApiKeys", self.keys()?)?;
        let service =
            Service::new("tenable", self.user_agent()?, to_error).with_request_id_header("x-request-uuid");
        let http = HttpClient::new(service, &self.base_url, auth, self.http)?;
        Ok(TenableWasClient {
            inner: Arc::new(Inner {
                http,
                export: self.export,
                waits: self.waits,
                plugin_cache: Arc::default(),
            }),
        })
    }

    /// The value of the header. A key with a separator in it would change its meaning.
    fn keys(&self) -> Result<SecretString> {
        for (name, key) in [("access", &self.access_key), ("secret", &self.secret_key)] {
            let key = key.expose_secret();
            let problem = if key.trim().is_empty() {
                "is empty"
            } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) || key.contains([';', '=', ',']) {
                "contains a character that no key has, such as a line break or a name that was copied with it"
            } else {
                continue;
            };
            return Err(Error::new(ErrorKind::Config, format!("the {name} key {problem}")));
        }
        let (access, secret) = (self.access_key.expose_secret(), self.secret_key.expose_secret());
        Ok(SecretString::from(format!("accessKey={access};secretKey={secret}")))
    }

    fn user_agent(&self) -> Result<String> {
        for (name, part) in [("vendor", &self.vendor), ("product", &self.product), ("version", &self.version)]
        {
            let is_allowed = |c: char| c.is_ascii_graphic() || c == ' ';
            if part.trim().is_empty() || !part.chars().all(is_allowed) || part.contains([';', '(', ')']) {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!(
                        "the integration's {name} is not valid in a user agent: it must be visible ASCII without ; ( )"
                    ),
                ));
            }
        }
        Ok(format!("Integration/1.0 ({}; {}; Build/{})", self.vendor, self.product, self.version))
    }
}

/// Shows all fields but the keys.
impl fmt::Debug for TenableWasClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenableWasClientBuilder")
            .field("base_url", &self.base_url)
            .field("http", &self.http)
            .field("export", &self.export)
            .field("waits", &self.waits)
            .field("vendor", &self.vendor)
            .field("product", &self.product)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl TenableWasClient {
    /// Creates a builder with the API keys of a user. The default base URL is [`DEFAULT_BASE_URL`].
    ///
    /// The vendor requests one user, and so one pair of keys, per integration: new keys invalidate the old
    /// ones immediately.
    pub fn builder(
        access_key: impl Into<SecretString>,
        secret_key: impl Into<SecretString>,
    ) -> TenableWasClientBuilder {
        TenableWasClientBuilder::new(access_key.into(), secret_key.into())
    }

    /// Builds a client from the environment: see [`TenableWasClientBuilder::from_env`].
    ///
    /// # Errors
    /// `Config` if a variable is missing or invalid.
    pub fn from_env() -> Result<Self> {
        TenableWasClientBuilder::from_env()?.build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> TenableWasClientBuilder {
        TenableWasClient::builder("canary-access", "canary-secret")
    }

    #[test]
    fn no_debug_output_or_error_contains_a_key() {
        let client = builder().build().unwrap();
        let shown = format!("{:?} {client:?}", builder());
        assert!(!shown.contains("canary"), "{shown}");
        for (access, secret) in
            [("canary\n", "x"), ("x", ""), ("canary;secretKey=x", "x"), ("canäry", "x"), ("a b", "x")]
        {
            let error = TenableWasClient::builder(access, secret).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{access:?} {secret:?}");
            let shown = format!("{error:?} {error}");
            assert!(!shown.contains("canary") && !shown.contains('ä'), "{shown}");
        }
    }

    #[test]
    fn the_user_agent_has_the_form_of_the_vendor() {
        let agent = builder().with_integration("Example Corp", "Importer", "1.2").user_agent().unwrap();
        assert_eq!(agent, "Integration/1.0 (Example Corp; Importer; Build/1.2)");
        for part in ["", "a;b", "a(b", "a\nb", "é"] {
            let error = builder().with_integration(part, "x", "1").build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{part:?}");
        }
    }

    #[test]
    fn invalid_settings_are_refused() {
        for options in [
            ExportOptions::new().with_assets_per_chunk(49),
            ExportOptions::new().with_assets_per_chunk(5001),
            ExportOptions::new().with_chunks_in_flight(0),
            ExportOptions::new()
                .with_pauses(std::time::Duration::from_secs(2), std::time::Duration::from_secs(1)),
        ] {
            assert_eq!(
                builder().with_export(options).build().unwrap_err().kind(),
                ErrorKind::Config,
                "{options:?}"
            );
        }
        assert_eq!(
            builder().with_base_url("http://example.com").build().unwrap_err().kind(),
            ErrorKind::Config
        );
    }

    #[test]
    fn the_environment_variables_are_read() {
        let variables = |name: &str| match name {
            TENABLE_ACCESS_KEY => Some("a".to_owned()),
            TENABLE_SECRET_KEY => Some("s".to_owned()),
            TENABLE_BASE_URL => Some("https://tenable.example".to_owned()),
            _ => None,
        };
        assert_eq!(
            TenableWasClientBuilder::from_variables(variables).unwrap().base_url,
            "https://tenable.example"
        );
        let without = |missing: &'static str| {
            TenableWasClientBuilder::from_variables(move |name| variables(name).filter(|_| name != missing))
        };
        assert_eq!(without(TENABLE_BASE_URL).unwrap().base_url, DEFAULT_BASE_URL);
        for missing in [TENABLE_ACCESS_KEY, TENABLE_SECRET_KEY] {
            assert!(without(missing).unwrap_err().message().contains(missing));
        }
    }
}
