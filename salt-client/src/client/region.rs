//! The region that a token belongs to, and the base URL of its API.

use std::fmt;

use appsec_core::{Error, ErrorKind, Result};
use url::Url;

const US: &str = "https://api.secured-api.com";
const EU: &str = "https://api.secured-api-eu.com";

/// The region that a token belongs to.
///
/// Each region refuses the tokens of the other. A URL converts into its region, so that a setting can hold
/// any base URL:
///
/// ```
/// use salt_client::Region;
///
/// assert_eq!(Region::from("https://api.secured-api-eu.com/v1/"), Region::Eu);
/// assert_eq!(Region::Eu.url(), "https://api.secured-api-eu.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// `https://api.secured-api.com`.
    Us,
    /// `https://api.secured-api-eu.com`.
    Eu,
    /// Another base URL, such as that of a gateway or of a test fake.
    Custom(String),
}

impl Region {
    /// Returns the base URL; a custom one verbatim.
    pub fn url(&self) -> &str {
        match self {
            Self::Us => US,
            Self::Eu => EU,
            Self::Custom(url) => url,
        }
    }

    /// Returns the base URL without the API version and the trailing slash.
    ///
    /// # Errors
    /// `Config` for an invalid URL, and for the URL of a dashboard; the message names the base URL to use.
    pub(crate) fn base_url(&self) -> Result<String> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        let text = self.url().trim();
        let Ok(url) = Url::parse(text) else {
            return refuse(format!("the base URL is not a valid URL; use {US} or {EU}"));
        };
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let below = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
        if below("salt.security") {
            return refuse(format!(
                "{host} is a web site instead of the API; use {US}, or {EU} for a tenant in the EU"
            ));
        }
        for (domain, base) in [("secured-api.com", US), ("secured-api-eu.com", EU)] {
            if below(domain) && host != format!("api.{domain}") {
                return refuse(format!("{host} is a dashboard instead of the API; use {base}"));
            }
        }
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix("/v1").unwrap_or(text);
        Ok(text.trim_end_matches('/').to_owned())
    }
}

impl From<&str> for Region {
    fn from(text: &str) -> Self {
        let custom = Self::Custom(text.to_owned());
        match custom.base_url().as_deref().map(str::to_ascii_lowercase).as_deref() {
            Ok(US) => Self::Us,
            Ok(EU) => Self::Eu,
            _ => custom,
        }
    }
}

impl From<String> for Region {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

/// Writes `US`, `EU` or `custom`.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Us => "US",
            Self::Eu => "EU",
            Self::Custom(_) => "custom",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_and_trailing_slashes_are_removed() {
        for text in [
            "https://api.secured-api.com",
            "https://api.secured-api.com/",
            "https://api.secured-api.com/v1",
            "https://api.secured-api.com/v1//",
            " https://API.secured-api.com/v1/ ",
        ] {
            assert_eq!(Region::from(text), Region::Us, "{text}");
        }
        for (text, base) in [
            ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080"),
            ("https://gateway.example/salt/v1", "https://gateway.example/salt"),
            ("https://gateway.example/v10", "https://gateway.example/v10"),
        ] {
            assert_eq!(Region::from(text).base_url().unwrap(), base);
        }
    }

    #[test]
    fn a_dashboard_is_refused_with_the_base_url_to_use() {
        for (text, base) in [
            ("https://app.salt.security", US),
            ("https://salt.security/", EU),
            ("https://acme.secured-api.com/acme-prod/govern", US),
            ("https://secured-api.com", US),
            ("https://acme.secured-api-eu.com/", EU),
            ("https://api.acme.secured-api-eu.com/v1", EU),
            ("https://acme.secured-api.com./", US),
        ] {
            let error = Region::from(text).base_url().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.message().contains(base), "{text}: {error}");
        }
        assert!(Region::from("https://notsecured-api.com").base_url().is_ok());
    }

    #[test]
    fn an_invalid_url_is_refused() {
        for text in ["", "api.secured-api.com", "US"] {
            let error = Region::from(text).base_url().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.message().contains(US) && error.message().contains(EU), "{error}");
        }
    }
}
