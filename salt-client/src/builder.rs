//! How a client is made.

use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{AuthHeader, HttpClient, HttpOptions, Service};
use secrecy::{ExposeSecret, SecretString};

use crate::client::{SaltClient, Settings};
use crate::error;
use crate::region::Region;
use crate::request::PAGE_SIZE;
use crate::write_back::WriteBack;

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
    rate: Rate,
    settings: Settings,
}

impl SaltClientBuilder {
    pub(crate) fn new(region: Region, token: SecretString) -> Self {
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

    /// Sets proxy, trust, timeouts, limits and retries. A rate of requests that is set there counts as set here.
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }

    /// Spaces requests so that no more than this many start in a second, or not at all. Default: 5, unless the [`HttpOptions`] set
    /// a rate. A rate that is set in both places must be the same.
    pub fn with_requests_per_second(mut self, requests: Option<f64>) -> Self {
        self.rate = Rate::Set(requests);
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

    /// Lets the client write statuses back through the trait, by bodies of this kind. Default: it cannot.
    ///
    /// **Speculative**: which body the service takes is unknown. A change counts only once the gap was read again with the new
    /// status, which takes a walk over gaps for each change; where it was not, the change is an error. Try it with a gap of no
    /// importance first. The token needs the scope `perm-executor`, and the connection test cannot tell whether it has it.
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

    /// The client. Sends nothing.
    ///
    /// # Errors
    /// `Config` for a base URL that is no API's (the message names the one to use), a token that no header can carry, a page
    /// size or an HTTP option out of bounds, two rates of requests.
    pub fn build(self) -> Result<SaltClient> {
        let Self { region, token, mut http, rate, settings } = self;
        if !(2..=1000).contains(&settings.page_size) {
            return Err(Error::new(ErrorKind::Config, "the page size must be 2 to 1000"));
        }
        if let Some(rate) = rate.with(http.requests_per_second())? {
            http = http.with_requests_per_second(rate);
        }
        let auth = AuthHeader::new("authorization", bearer(&token)?)?;
        let agent = concat!("salt-client/", env!("CARGO_PKG_VERSION"));
        let service = Service::new("salt", agent, error::for_region(&region));
        let http = HttpClient::new(service, &region.base_url()?, auth, http)?;
        Ok(SaltClient::new(http, region, settings))
    }
}

/// The rate of requests, as the builder was told.
#[derive(Debug, Clone, Copy)]
enum Rate {
    Unset,
    /// So many in a second; `None` for as many as come.
    Set(Option<f64>),
}

impl Rate {
    /// The one rate, where the HTTP options may set one as well.
    fn with(self, options: Option<f64>) -> Result<Option<f64>> {
        match (self, options) {
            (Self::Unset, None) => Ok(Some(REQUESTS_PER_SECOND)),
            (Self::Unset, rate) | (Self::Set(rate), None) => Ok(rate),
            // The same number or another: nothing was computed on the way.
            (Self::Set(Some(here)), Some(there)) if here.to_bits() == there.to_bits() => Ok(Some(here)),
            (Self::Set(_), Some(_)) => Err(Error::new(
                ErrorKind::Config,
                "the builder and its HTTP options set different rates of requests; set one of them",
            )),
        }
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
    fn a_rate_is_the_one_that_was_set() {
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
