//! The location of a finding: the parts that identify it, and the text as the scanner wrote it.

use serde::{Deserialize, Serialize};

/// An input of the page or API that a finding concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Input {
    /// Its kind, as the scanner names it: `form`, `link`, `cookie`, `header`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The location of a finding.
///
/// The text is kept verbatim and the parts are cut from it without changing a character: path templates
/// such as `/orders/{id}` stay as they are, which a URL parser would percent-encode.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Location {
    /// The place as the scanner wrote it, a URL where it wrote one. Query values in it are masked when the
    /// finding's evidence is.
    pub text: String,
    /// `https` or `http`, lower case, where the text says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// The host, lower case, without a port; empty where the text has none.
    pub host: String,
    /// The port, where the text names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The path, verbatim; `/` where it is empty.
    pub path: String,
    /// The HTTP method, upper case, where the scanner names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The vulnerable input, where the scanner names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
}

impl Location {
    /// Parses a URL. Never fails: a text that is no URL becomes the path.
    ///
    /// ```
    /// use appsec_core::Location;
    /// let place = Location::from_url("https://Shop.example.com:8443/orders/{id}?page=2#top");
    /// assert_eq!((place.host.as_str(), place.port), ("shop.example.com", Some(8443)));
    /// assert_eq!(place.path, "/orders/{id}");
    /// ```
    pub fn from_url(text: impl Into<String>) -> Self {
        let text = text.into();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme.to_ascii_lowercase()), rest),
            _ => (None, text.strip_prefix("//").unwrap_or("")),
        };
        let absolute = scheme.is_some() || text.starts_with("//");
        let (authority, path) = if absolute {
            rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
        } else {
            ("", text.as_str())
        };
        let host_and_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(host_and_port);
        let (host, path) = (host.to_lowercase(), clean_path(path));
        Self { text, scheme, host, port, path, method: None, input: None }
    }

    /// Builds the location of a host and a path, for scanners without URLs. The host may have a port.
    pub fn from_host_and_path(host: &str, path: &str) -> Self {
        let (bare, port) = split_port(host);
        let clean = clean_path(path);
        Self {
            text: format!("{host}{}{path}", if path.starts_with('/') || path.is_empty() { "" } else { "/" }),
            scheme: None,
            host: bare.to_lowercase(),
            port,
            path: clean,
            method: None,
            input: None,
        }
    }

    /// Sets the HTTP method; kept in upper case. An empty text clears it.
    pub fn with_method(mut self, method: &str) -> Self {
        self.method = (!method.trim().is_empty()).then(|| method.trim().to_ascii_uppercase());
        self
    }

    /// Sets the vulnerable input. Empty texts count as `None`.
    pub fn with_input(mut self, kind: Option<&str>, name: Option<&str>) -> Self {
        let kind = kind.filter(|text| !text.is_empty()).map(str::to_owned);
        let name = name.filter(|text| !text.is_empty()).map(str::to_owned);
        self.input = (kind.is_some() || name.is_some()).then_some(Input { kind, name });
        self
    }

    /// The explicit port, else the default port of the scheme.
    pub fn effective_port(&self) -> Option<u16> {
        self.port.or(match self.scheme.as_deref() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        })
    }

    /// Whether the text names a place on the host: it is a URL, or it has a path of its own. A host alone,
    /// and an empty text, have none.
    pub fn has_path(&self) -> bool {
        match &self.scheme {
            Some(_) => true,
            None if self.host.is_empty() => !self.text.is_empty(),
            None => self.text.contains(['/', '?', '#']),
        }
    }

    /// Host and effective port, as in `shop.example.com:443`; just the host where no port is known.
    pub fn authority(&self) -> String {
        match self.effective_port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        f.write_str(&self.text)
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    // The colons inside a bracketed IPv6 address, or of a bare one, are not a port's.
    if let Some((host, port)) = authority.rsplit_once(':')
        && (!host.contains(':') || host.ends_with(']'))
    {
        if port.is_empty() {
            return (host, None);
        }
        if let Ok(port) = port.parse() {
            return (host, Some(port));
        }
    }
    (authority, None)
}

fn clean_path(path: &str) -> String {
    let path = &path[..path.find(['?', '#']).unwrap_or(path.len())];
    match path {
        "" => "/".to_owned(),
        rooted if rooted.starts_with('/') => rooted.to_owned(),
        bare => format!("/{bare}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Option<String>, String, Option<u16>, String) {
        let place = Location::from_url(text);
        assert_eq!(place.text, text, "the text stays verbatim");
        (place.scheme, place.host, place.port, place.path)
    }

    #[test]
    fn urls_are_cut_without_changing_a_character() {
        for (text, scheme, host, port, path) in [
            ("https://a.example", Some("https"), "a.example", None, "/"),
            ("HTTPS://A.Example/x", Some("https"), "a.example", None, "/x"),
            ("http://a:8080?q=1", Some("http"), "a", Some(8080), "/"),
            ("https://u:p@a.example/x", Some("https"), "a.example", None, "/x"),
            ("https://[::1]:8443/x", Some("https"), "[::1]", Some(8443), "/x"),
            ("https://[::1]/x", Some("https"), "[::1]", None, "/x"),
            ("https://a:/x", Some("https"), "a", None, "/x"),
            ("https://a:99999/x", Some("https"), "a:99999", None, "/x"),
            ("//a.example/x", None, "a.example", None, "/x"),
            ("/v1/{name}/%7Bx%7D", None, "", None, "/v1/{name}/%7Bx%7D"),
            ("tools/list", None, "", None, "/tools/list"),
            ("", None, "", None, "/"),
            ("https://a/x?next=http://b/y", Some("https"), "a", None, "/x"),
        ] {
            let expected = (scheme.map(str::to_owned), host.to_owned(), port, path.to_owned());
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn host_and_path_make_a_place() {
        let place = Location::from_host_and_path("Billing.example.test", "v1/{id}").with_method("post");
        assert_eq!(place.to_string(), "POST Billing.example.test/v1/{id}");
        assert_eq!((place.host.as_str(), place.path.as_str()), ("billing.example.test", "/v1/{id}"));
        assert_eq!(place.authority(), "billing.example.test");
    }

    #[test]
    fn a_host_alone_has_no_path() {
        for (place, expected) in [
            (Location::from_url("https://a.example"), true),
            (Location::from_url("//a.example"), true),
            (Location::from_url("tools/list"), true),
            (Location::from_url(""), false),
            (Location::from_host_and_path("a.example:8443", ""), false),
            (Location::from_host_and_path("a.example", "/"), true),
            (Location::from_host_and_path("", "tools"), true),
        ] {
            assert_eq!(place.has_path(), expected, "{place:?}");
        }
    }

    #[test]
    fn the_effective_port_is_the_default_of_the_scheme() {
        assert_eq!(Location::from_url("https://a/x").authority(), "a:443");
        assert_eq!(Location::from_url("http://a/x").authority(), "a:80");
        assert_eq!(Location::from_url("https://a:443/x").authority(), "a:443");
    }
}
