//! Locations in the forms that reports need: a URL without query and password, a text, and the relative
//! path that SARIF needs.

use std::fmt::Write as _;

use appsec_core::Location;
use sha2::{Digest, Sha256};

use super::sanitize;

/// The longest path that is not shortened. GitHub's limit is not published; this is below that of file
/// systems and of its pages.
const MAX_PATH: usize = 700;

/// Scheme, host and port; `None` without a host. The scheme is https where the scanner names none, as
/// traffic sensors do not.
pub(super) fn origin(location: &Location) -> Option<String> {
    if location.host.is_empty() {
        return None;
    }
    let scheme = location.scheme.as_deref().unwrap_or("https");
    let mut origin = format!("{scheme}://{}", percent_encode(&location.host, "-._~[]:"));
    if let Some(port) = location.port {
        let _ = write!(origin, ":{port}");
    }
    Some(origin)
}

/// The URL, percent-encoded; only the path where there is no host.
pub(super) fn url(location: &Location) -> String {
    format!("{}{}", origin(location).unwrap_or_default(), path(location))
}

/// The URL with the port even where it is the default of the scheme, and with the path even where it is empty:
/// one text for all spellings of an endpoint that have the same fingerprint.
pub(super) fn endpoint(location: &Location) -> String {
    let mut endpoint = origin(location).unwrap_or_default();
    if let (false, None, Some(port)) = (endpoint.is_empty(), location.port, location.effective_port()) {
        let _ = write!(endpoint, ":{port}");
    }
    let path = path(location);
    endpoint.push_str(if path.is_empty() { "/" } else { &path });
    endpoint
}

/// The path, percent-encoded.
pub(super) fn path(location: &Location) -> String {
    let path = percent_encode(&location.path, "-._~/!$&'()*+,;=:@");
    if path.len() > MAX_PATH { shorten(&path, &location.path) } else { path }
}

/// Method, URL and input as one line of text. The path is verbatim.
pub(super) fn describe(location: &Location) -> String {
    let mut text = String::new();
    if let Some(method) = &location.method {
        let _ = write!(text, "{} ", sanitize::single_line(method, 32));
    }
    let _ = write!(
        text,
        "{}{}",
        origin(location).unwrap_or_default(),
        sanitize::single_line(&location.path, MAX_PATH)
    );
    if let Some(input) = &location.input {
        let parts = [input.kind.as_deref(), input.name.as_deref()];
        let parts: Vec<_> =
            parts.into_iter().flatten().map(|part| sanitize::single_line(part, 200)).collect();
        let _ = write!(text, ", input {}", parts.join(" "));
    }
    text
}

/// The relative path that represents the location in formats that know only files:
/// `dast/<host>/<path, or _root>`.
///
/// No segment is empty, `.` or `..`, so that a reader which normalizes paths does not merge two locations.
pub(super) fn artifact_path(location: &Location) -> String {
    let host = match location.port {
        _ if location.host.is_empty() => "_nohost".to_owned(),
        Some(port) => percent_encode(&format!("{}:{port}", location.host), "-._~"),
        None => percent_encode(&location.host, "-._~"),
    };
    let host =
        if host.len() > MAX_PATH { shorten(&host, &location.host) } else { replace_dots(&host).to_owned() };
    let path = location.path.strip_prefix('/').unwrap_or(&location.path);
    let count = path.split('/').count();
    let segments = path.split('/').enumerate().map(|(at, segment)| match segment {
        "" if at + 1 == count => "_root".to_owned(),
        "" => "_".to_owned(),
        _ => replace_dots(&percent_encode(segment, "-._~!$&'()*+,;=@")).to_owned(),
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let path = if path.len() > MAX_PATH { shorten(&path, &location.path) } else { path };
    format!("dast/{host}/{path}")
}

fn replace_dots(segment: &str) -> &str {
    match segment {
        "." => "_dot",
        ".." => "_dotdot",
        _ => segment,
    }
}

/// The beginning of the encoded text, and a hash of the whole text that distinguishes it from others with
/// this beginning.
fn shorten(encoded: &str, whole: &str) -> String {
    let hash = Sha256::digest(whole.as_bytes());
    // The text is ASCII, so it can be cut anywhere but inside an escape, which readers would refuse.
    let kept = &encoded[..MAX_PATH];
    let kept = kept.rfind('%').filter(|at| kept.len() - at < 3).map_or(kept, |at| &kept[..at]);
    let hash = hash.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{}~{hash}", kept.trim_end_matches('/'))
}

/// Percent-encodes everything except letters, digits, the given characters, and what is an escape already.
fn percent_encode(text: &str, keep: &str) -> String {
    let bytes = text.as_bytes();
    let mut encoded = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let escape = *byte == b'%'
            && bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if byte.is_ascii_alphanumeric() || escape || keep.as_bytes().contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifact_paths_are_relative_and_have_no_empty_segment() {
        for (text, expected) in [
            ("https://shop.example.com", "dast/shop.example.com/_root"),
            ("https://shop.example.com/", "dast/shop.example.com/_root"),
            ("https://shop.example.com:8443/a/{id}?q=1", "dast/shop.example.com%3A8443/a/%7Bid%7D"),
            ("https://u:p@a.example/x/", "dast/a.example/x/_root"),
            ("https://[::1]/a%20b//c", "dast/%5B%3A%3A1%5D/a%20b/_/c"),
            ("https://a/../.%2F/100%", "dast/a/_dotdot/.%2F/100%25"),
            ("", "dast/_nohost/_root"),
            ("https://../x", "dast/_dotdot/x"),
            ("https://é/ü:1", "dast/%C3%A9/%C3%BC%3A1"),
        ] {
            assert_eq!(artifact_path(&Location::from_url(text)), expected, "{text}");
        }
    }

    #[test]
    fn long_paths_are_shortened_and_stay_distinct() {
        let long =
            |end: &str| artifact_path(&Location::from_url(format!("https://a/{}{end}", "é/".repeat(10_000))));
        let (one, other) = (long("1"), long("2"));
        assert!(one.len() < 1_000 && one != other, "{one}");
        let escapes = one
            .split('%')
            .skip(1)
            .all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
        assert!(escapes, "{one}");
    }

    #[test]
    fn urls_have_no_query_and_no_password() {
        let location = Location::from_url("https://u:canary@A.example:8443/o/{id}?token=canary#canary")
            .with_method("post");
        assert_eq!(url(&location), "https://a.example:8443/o/%7Bid%7D");
        let location = location.with_input(Some("form"), Some("q"));
        assert_eq!(describe(&location), "POST https://a.example:8443/o/{id}, input form q");
        assert_eq!(
            url(&Location::from_host_and_path("billing.example", "/v1")),
            "https://billing.example/v1"
        );
        assert_eq!(url(&Location::from_url("/v1")), "/v1");
    }
}
