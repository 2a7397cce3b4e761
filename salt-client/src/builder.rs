//! Building a client.

use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{AuthHeader, HttpClient, HttpOptions, Service};
use secrecy::{ExposeSecret, SecretString};

use crate::client::{PAGE_SIZE, Region, SaltClient, Settings};
use crate::error;
use crate::model::WriteBack;

/// The environment variable that holds the token.
pub const SALT_API_TOKEN: &str = "SALT_API_TOKEN";
/// The environment variable that holds the base URL. If it is not set, the region is the US.
pub const SALT_BASE_URL: &str = "SALT_BASE_URL";

/// The service publishes no limit. This is the rate of a client that is known to work.
const REQUESTS_PER_SECOND: f64 = 5.0;

impl SaltClient {
    /// Returns a builder. The region is [`Region::Us`], [`Region::Eu`], or the base URL as a string. A
    /// token may start with `Bearer `.
    ///
    /// ```
    /// use salt_client::{Region, SaltClient};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = SaltClient::builder(Region::Eu, "the token").build()?;
    /// assert_eq!(client.base_url(), "https://api.secured-api-eu.com/");
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(region: impl Into<Region>, token: impl Into<SecretString>) -> SaltClientBuilder {
        SaltClientBuilder::new(region.into(), token.into())
    }

    /// Creates a client from the environment: [`SALT_API_TOKEN`], and [`SALT_BASE_URL`] for a region other
    /// than the US.
    ///
    /// # Errors
    /// `Config` if there is no token, or for invalid values.
    pub fn from_env() -> Result<Self> {
        SaltClientBuilder::from_env()?.build()
    }
}

/// Builds a [`SaltClient`].
#[derive(Debug, Clone)]
pub struct SaltClientBuilder {
    region: Region,
    token: SecretString,
    http: HttpOptions,
    rate: Rate,
    settings: Settings,
}

impl SaltClientBuilder {
    fn new(region: Region, token: SecretString) -> Self {
        Self {
            region,
            token,
            http: HttpOptions::new(),
            rate: Rate::Unset,
            settings: Settings {
                page_size: PAGE_SIZE,
                host_parameter: false,
                parameters: Vec::new(),
                write_back: None,
            },
        }
    }

    /// Creates a builder from the environment: [`SALT_API_TOKEN`], and [`SALT_BASE_URL`] for a region other
    /// than the US.
    ///
    /// # Errors
    /// `Config` if there is no token.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let get = |name| variable(name).filter(|value| !value.trim().is_empty());
        let token = get(SALT_API_TOKEN).ok_or_else(|| {
            let message = format!(
                "{SALT_API_TOKEN} is not set; create a token in the dashboard under Settings, Access, API Tokens"
            );
            Error::new(ErrorKind::Config, message)
        })?;
        let region = get(SALT_BASE_URL).map_or(Region::Us, Region::from);
        Ok(Self::new(region, token.into()))
    }

    /// Sets proxy, trust, timeouts, limits and retries. A request rate in these options takes effect as if
    /// set by [`with_requests_per_second`](Self::with_requests_per_second).
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Sets the maximum number of requests that start in a second; `None` for no maximum. Default: 5,
    /// unless the [`HttpOptions`] set a rate. A rate that is set in both places must be the same.
    pub fn with_requests_per_second(mut self, requests: Option<f64>) -> Self {
        self.rate = Rate::Set(requests);
        self
    }

    /// Sets the number of records of a page of findings, hosts or endpoints, 2 to 1000. Default: 100, which
    /// is known to work. If the service refuses a larger page, listings fall back to 100.
    pub fn with_page_size(mut self, records: u32) -> Self {
        self.settings.page_size = records;
        self
    }

    /// Sets whether an import of a single host asks the service for that host only, by the parameter
    /// `host`. Default: false.
    ///
    /// The name of the parameter is a guess. The client filters the findings by host in any case, and logs
    /// if the service ignores the parameter. In such an import absence is inconclusive, since the
    /// parameter may leave findings out.
    pub fn with_host_parameter(mut self, yes: bool) -> Self {
        self.settings.host_parameter = yes;
        self
    }

    /// Adds a query parameter that this crate does not know to every request of an import. In such an
    /// import absence is inconclusive, since the effect of the parameter is unknown.
    pub fn with_findings_parameter(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.settings.parameters.push((name, value.to_string()));
        self
    }

    /// Enables [`DastApiScanner::set_finding_status`](appsec_core::DastApiScanner::set_finding_status),
    /// with request bodies of this kind. Default: disabled.
    ///
    /// **Speculative**: it is unknown which body the service accepts. A change succeeds only once the gap
    /// was read again with the new status, which reads the list of gaps for each change; otherwise the
    /// change is an error. Try it with an unimportant gap first. The token needs the scope
    /// `perm-executor`, which the connection test cannot check.
    ///
    /// ```
    /// use appsec_core::DastApiScanner;
    /// use salt_client::{Region, SaltClient, SpeculativeBody};
    ///
    /// # fn main() -> salt_client::Result<()> {
    /// let salt = SaltClient::builder(Region::Us, "the token").with_write_back(SpeculativeBody::Object).build()?;
    /// assert!(salt.info().capabilities.set_finding_status);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_write_back(mut self, body: impl WriteBack + 'static) -> Self {
        self.settings.write_back = Some(Arc::new(body));
        self
    }

    /// Builds the client. Sends nothing.
    ///
    /// # Errors
    /// `Config` for a base URL that is not an API's (the message names the one to use), a token that no
    /// header can carry, a page size or an HTTP option out of bounds, or two different request rates.
    pub fn build(self) -> Result<SaltClient> {
        let Self { region, token, mut http, rate, settings } = self;
        if !(2..=1000).contains(&settings.page_size) {
            return Err(Error::new(ErrorKind::Config, "the page size must be 2 to 1000"));
        }
        if let Some(rate) = rate.resolve(http.requests_per_second())? {
            http = http.with_requests_per_second(rate);
        }
        let auth = AuthHeader::new("authorization", bearer(&token)?)?;
        let agent = concat!("salt-client/", env!("CARGO_PKG_VERSION"));
        let service = Service::new("salt", agent, error::for_region(&region));
        let http = HttpClient::new(service, &region.base_url()?, auth, http)?;
        Ok(SaltClient::new(http, region, settings))
    }
}

/// The request rate that the builder was given.
#[derive(Debug, Clone, Copy)]
enum Rate {
    Unset,
    /// Requests per second; `None` for no maximum.
    Set(Option<f64>),
}

impl Rate {
    /// Returns the rate to use, given that of the HTTP options.
    fn resolve(self, options: Option<f64>) -> Result<Option<f64>> {
        match (self, options) {
            (Self::Unset, None) => Ok(Some(REQUESTS_PER_SECOND)),
            (Self::Unset, rate) | (Self::Set(rate), None) => Ok(rate),
            // An exact comparison is right, since neither number was computed.
            (Self::Set(Some(here)), Some(there)) if here.to_bits() == there.to_bits() => Ok(Some(here)),
            (Self::Set(_), Some(_)) => Err(Error::new(
                ErrorKind::Config,
                "the builder and its HTTP options set different request rates; set one of them",
            )),
        }
    }
}

/// Returns the value of the header. A token may have been copied with its scheme.
fn bearer(token: &SecretString) -> Result<SecretString> {
    let text = token.expose_secret().trim();
    let (scheme, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let text = if scheme.eq_ignore_ascii_case("bearer") { rest.trim_start() } else { text };
    if text.is_empty() {
        return Err(Error::new(ErrorKind::Config, "the token is empty"));
    }
    Ok(format!("Bearer {text}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(token: &str) -> Result<String> {
        bearer(&token.into()).map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn a_token_may_include_its_scheme_and_white_space() {
        for token in ["abc", "Bearer abc", "bearer  abc", " abc\n", "BEARER abc "] {
            assert_eq!(header(token).unwrap(), "Bearer abc", "{token:?}");
        }
        assert_eq!(header("Bearerabc").unwrap(), "Bearer Bearerabc");
        for token in ["", "  ", "Bearer ", "é"] {
            let built = SaltClientBuilder::new(Region::Us, token.into()).build();
            assert_eq!(built.unwrap_err().kind(), ErrorKind::Config, "{token:?}");
        }
    }

    #[test]
    fn the_environment_sets_token_and_base_url() {
        let from = |pairs: &[(&str, &str)]| {
            SaltClientBuilder::from_variables(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let error = from(&[(SALT_API_TOKEN, " ")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(SALT_API_TOKEN), "{error}");
        assert_eq!(from(&[(SALT_API_TOKEN, "x")]).unwrap().region, Region::Us);
        let eu =
            from(&[(SALT_API_TOKEN, "x"), (SALT_BASE_URL, "https://api.secured-api-eu.com/v1")]).unwrap();
        assert_eq!(eu.region, Region::Eu);
    }

    #[test]
    fn the_rate_that_was_set_is_used() {
        for (builder, options, expected) in [
            (None, None, Some(REQUESTS_PER_SECOND)),
            (None, Some(50.0), Some(50.0)),
            (Some(None), None, None),
            (Some(Some(2.0)), None, Some(2.0)),
            (Some(Some(2.0)), Some(2.0), Some(2.0)),
        ] {
            let mut salt = SaltClientBuilder::new(Region::Us, "x".into());
            if let Some(rate) = options {
                salt = salt.with_http(HttpOptions::new().with_requests_per_second(rate));
            }
            if let Some(rate) = builder {
                salt = salt.with_requests_per_second(rate);
            }
            let client = salt.build().unwrap();
            assert_eq!(client.http().options().requests_per_second(), expected, "{builder:?}, {options:?}");
        }
        for builder in [None, Some(3.0)] {
            let options = HttpOptions::new().with_requests_per_second(2.0);
            let salt = SaltClientBuilder::new(Region::Us, "x".into()).with_http(options);
            let error = salt.with_requests_per_second(builder).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{builder:?}");
        }
    }

    #[test]
    fn page_sizes_out_of_bounds_are_refused() {
        for size in [0, 1, 1001] {
            let built = SaltClientBuilder::new(Region::Us, "x".into()).with_page_size(size).build();
            assert_eq!(built.unwrap_err().kind(), ErrorKind::Config, "{size}");
        }
    }

    #[test]
    fn a_dashboard_url_is_refused_before_anything_is_sent() {
        let built = SaltClientBuilder::new("https://acme.secured-api-eu.com".into(), "x".into()).build();
        assert!(built.unwrap_err().message().contains("https://api.secured-api-eu.com"));
    }
}
