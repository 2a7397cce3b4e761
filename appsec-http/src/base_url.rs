//! Checks the URLs that a client is given.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use appsec_core::{Error, ErrorKind, Result};
use url::{Host, Url};

/// Parses a base URL, and adds the slash at the end of its path.
///
/// Errors do not contain the URL, since it may hold a password.
pub(crate) fn parse(text: &str, allow_plain_http: bool) -> Result<Url> {
    let mut url = checked(text, allow_plain_http).map_err(|reason| refused("base URL", &reason))?;
    if url.query().is_some() {
        return Err(refused("base URL", "must not have a query"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// Parses a URL whose path and query are used unchanged. It must be https or on loopback.
pub(crate) fn parse_whole(text: &str) -> Result<Url> {
    checked(text, false).map_err(|reason| refused("URL", &reason))
}

/// Parses a URL. Returns the reason if secrets must not be sent to it.
fn checked(text: &str, allow_plain_http: bool) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not a URL: {error}"))?;
    let address = match url.host() {
        None => return Err("has no host".to_owned()),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)),
    };
    let local = address.map_or_else(
        || url.host_str().is_some_and(|host| host == "localhost" || host.ends_with(".localhost")),
        |address| address.is_loopback(),
    );
    match url.scheme() {
        "https" => {}
        "http" if local || allow_plain_http => {}
        "http" => return Err("must begin with https:// unless plain http is allowed".to_owned()),
        _ => return Err("must begin with https://".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user or a password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment".to_owned());
    }
    // No scanner has such an address, but the metadata service of a cloud does, and it returns credentials.
    if address.is_some_and(is_link_local) {
        return Err("is a link-local address".to_owned());
    }
    Ok(url)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => Ipv4Addr::is_link_local(&address),
        IpAddr::V6(address) => Ipv6Addr::is_unicast_link_local(&address),
    }
}

fn refused(what: &str, reason: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the {what} {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_is_accepted_anywhere_and_plain_http_on_loopback() {
        for (text, expected) in [
            ("https://cloud.tenable.com", "https://cloud.tenable.com/"),
            ("https://gateway.example:8443/salt", "https://gateway.example:8443/salt/"),
            ("https://gateway.example/salt/", "https://gateway.example/salt/"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://localhost:1/x", "http://localhost:1/x/"),
        ] {
            assert_eq!(parse(text, false).unwrap().as_str(), expected);
        }
        assert!(parse("http://10.0.0.1/", true).is_ok());
    }

    #[test]
    fn invalid_urls_are_refused_without_echoing_them() {
        for text in [
            "http://canary.example/",
            "http://127.0.0.1.canary.example/",
            "http://localhost.canary/",
            "http://10.0.0.1/",
            "https://canary:canary@api.example/",
            "https://canary@api.example/",
            "https://api.example/?token=canary",
            "https://api.example/#canary",
            "ftp://api.example/",
            "file:///canary",
            "canary",
            "",
            "https://",
            "https://169.254.169.254/",
            "https://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
        ] {
            let error = parse(text, false).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            // `parse_whole` allows a query, and refuses the others too.
            assert!(text.contains('?') || parse_whole(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_whole_url_keeps_path_and_query() {
        for text in ["https://hooks.example/a?sig=x%2Fy", "https://hooks.example/a/", "http://127.0.0.1:1/a"]
        {
            assert_eq!(parse_whole(text).unwrap().as_str(), text);
        }
    }
}
