//! How a client is made.

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{AuthHeader, HttpClient, HttpOptions, Service};
use secrecy::{ExposeSecret, SecretString};

use crate::client::{SaltClient, Settings};
use crate::error;
use crate::region::Region;
use crate::request::PAGE_SIZE;

/// The environment variable that holds the token.
pub const SALT_API_TOKEN: &str = "SALT_API_TOKEN";
/// The environment variable that holds the base URL. Without it the region is the US.
pub const SALT_BASE_URL: &str = "SALT_BASE_URL";

/// The service publishes no limit; a client that is known to work keeps to this one.
const REQUESTS_PER_SECOND: f64 = 5.0;

/// Makes a [`SaltClient`].
#[derive(Debug, Clone)]
pub struct SaltClientBuilder {
    region: Region,
    token: SecretString,
    http: HttpOptions,
    requests_per_second: Option<f64>,
    settings: Settings,
}

impl SaltClientBuilder {
    pub(crate) fn new(region: Region, token: SecretString) -> Self {
        Self {
            region,
            token,
            http: HttpOptions::new(),
            requests_per_second: Some(REQUESTS_PER_SECOND),
            settings: Settings { page_size: PAGE_SIZE, host_parameter: false, parameters: Vec::new() },
        }
    }

    /// What the environment says: [`SALT_API_TOKEN`], and [`SALT_BASE_URL`] where it is not the US.
    ///
    /// # Errors
    /// `Config` when there is no token.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let token = set(SALT_API_TOKEN).ok_or_else(|| {
            let message = format!(
                "{SALT_API_TOKEN} is not set; a token is made in the dashboard under Settings, Access, API Tokens"
            );
            Error::new(ErrorKind::Config, message)
        })?;
        let region = set(SALT_BASE_URL).map_or(Region::Us, Region::from);
        Ok(Self::new(region, token.into()))
    }

    /// Sets proxy, trust, timeouts, limits and retries. The rate of requests is set by
    /// [`with_requests_per_second`](Self::with_requests_per_second).
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Spaces requests so that no more than this many start in a second. Default: 5. With `None` nothing is spaced but what the
    /// [`HttpOptions`] say.
    pub fn with_requests_per_second(mut self, requests: Option<f64>) -> Self {
        self.requests_per_second = requests;
        self
    }

    /// How many records a page of findings, hosts or endpoints has, 2 to 1000. Default: 100, which is known to work. Where the
    /// service refuses more than 100, listings fall back to it.
    pub fn with_page_size(mut self, records: u32) -> Self {
        self.settings.page_size = records;
        self
    }

    /// Lets an import of a single host ask the service for that host only, by the parameter `host`. Default: false.
    ///
    /// The parameter's name is a guess. Findings are compared with the target in any case; where the service ignores the
    /// parameter this is logged. Absence says nothing in such an import, since a guess may leave findings out.
    pub fn with_host_parameter(mut self, yes: bool) -> Self {
        self.settings.host_parameter = yes;
        self
    }

    /// Adds a query parameter to every request of an import, for what this crate does not know. Absence says nothing in such an
    /// import, since nobody knows what the parameter leaves out.
    pub fn with_findings_parameter(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.settings.parameters.push((name, value.to_string()));
        self
    }

    /// The client. Sends nothing.
    ///
    /// # Errors
    /// `Config` for a base URL that is no API's (the message names the one to use), a token that no header can carry, a page
    /// size or an HTTP option out of bounds.
    pub fn build(self) -> Result<SaltClient> {
        let Self { region, token, mut http, requests_per_second, settings } = self;
        if !(2..=1000).contains(&settings.page_size) {
            return Err(Error::new(ErrorKind::Config, "the page size must be 2 to 1000"));
        }
        if let Some(rate) = requests_per_second {
            http = http.with_requests_per_second(rate);
        }
        let auth = AuthHeader::new("authorization", bearer(&token)?)?;
        let agent = concat!("salt-client/", env!("CARGO_PKG_VERSION"));
        let service = Service::new("salt", agent, error::for_region(&region));
        let http = HttpClient::new(service, &region.base_url()?, auth, http)?;
        Ok(SaltClient::new(http, region, settings))
    }
}

/// The header's value for a token, which may have been copied with its scheme.
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
    fn a_token_may_bring_its_scheme_and_white_space() {
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
    fn the_environment_names_token_and_base_url() {
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
