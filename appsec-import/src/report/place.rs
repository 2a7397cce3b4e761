//! Places as readers take them: URLs from their parts, without query and password, and the relative path that stands for a URL in SARIF.

use std::fmt::Write as _;

use appsec_core::Location;
use sha2::{Digest, Sha256};

use super::text;

/// The longest path that is kept whole. GitHub's bound is not published; this is below what file systems and its views take.
const MAX_PATH: usize = 700;

/// Scheme, host and port; `None` without a host. https is assumed where the scanner names no scheme, as those that see traffic do not.
pub(super) fn origin(place: &Location) -> Option<String> {
    if place.host.is_empty() {
        return None;
    }
    let scheme = place.scheme.as_deref().unwrap_or("https");
    let mut origin = format!("{scheme}://{}", encoded(&place.host, "-._~[]:"));
    if let Some(port) = place.port {
        let _ = write!(origin, ":{port}");
    }
    Some(origin)
}

/// The URL, percent-encoded; just the path without a host.
pub(super) fn url(place: &Location) -> String {
    format!("{}{}", origin(place).unwrap_or_default(), path(place))
}

/// The path, percent-encoded.
pub(super) fn path(place: &Location) -> String {
    let path = encoded(&place.path, "-._~/!$&'()*+,;=:@");
    if path.len() > MAX_PATH { shortened(&path, &place.path) } else { path }
}

/// Method, URL and input for a person, in one line; the path as it was written.
pub(super) fn shown(place: &Location) -> String {
    let mut shown = String::new();
    if let Some(method) = &place.method {
        let _ = write!(shown, "{} ", text::line(method, 32));
    }
    let _ = write!(shown, "{}{}", origin(place).unwrap_or_default(), text::line(&place.path, MAX_PATH));
    if let Some(input) = &place.input {
        let words = [input.kind.as_deref(), input.name.as_deref()];
        let words: Vec<_> = words.into_iter().flatten().map(|word| text::line(word, 200)).collect();
        let _ = write!(shown, ", input {}", words.join(" "));
    }
    shown
}

/// The relative path that stands for the place where only files are known: `dast/<host>/<path, or _root>`.
///
/// No segment is empty or made of dots, so that nobody who tidies paths up makes two places one.
pub(super) fn artifact(place: &Location) -> String {
    let host = match place.port {
        _ if place.host.is_empty() => "_nohost".to_owned(),
        Some(port) => encoded(&format!("{}:{port}", place.host), "-._~"),
        None => encoded(&place.host, "-._~"),
    };
    let host = if host.len() > MAX_PATH { shortened(&host, &place.host) } else { dotless(&host).to_owned() };
    let path = place.path.strip_prefix('/').unwrap_or(&place.path);
    let count = path.split('/').count();
    let segments = path.split('/').enumerate().map(|(at, segment)| match segment {
        "" if at + 1 == count => "_root".to_owned(),
        "" => "_".to_owned(),
        _ => dotless(&encoded(segment, "-._~!$&'()*+,;=@")).to_owned(),
    });
    let path = segments.collect::<Vec<_>>().join("/");
    let path = if path.len() > MAX_PATH { shortened(&path, &place.path) } else { path };
    format!("dast/{host}/{path}")
}

fn dotless(segment: &str) -> &str {
    match segment {
        "." => "_dot",
        ".." => "_dotdot",
        _ => segment,
    }
}

/// A beginning of the text, and a hash that tells it from others with that beginning.
fn shortened(encoded: &str, whole: &str) -> String {
    let hash = Sha256::digest(whole.as_bytes());
    // All of it is ASCII; an escape that is cut in two would be refused.
    let kept = &encoded[..MAX_PATH];
    let kept = kept.rfind('%').filter(|at| kept.len() - at < 3).map_or(kept, |at| &kept[..at]);
    let hash = hash.iter().take(8).fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    format!("{}~{hash}", kept.trim_end_matches('/'))
}

/// Percent-encodes all but letters, digits and the given characters; an escape that is one already stays.
fn encoded(text: &str, keep: &str) -> String {
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
    fn artifacts_are_relative_and_never_empty() {
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
            assert_eq!(artifact(&Location::from_url(text)), expected, "{text}");
        }
    }

    #[test]
    fn long_paths_are_shortened_and_stay_apart() {
        let of =
            |end: &str| artifact(&Location::from_url(&format!("https://a/{}{end}", "é/".repeat(10_000))));
        let (one, other) = (of("1"), of("2"));
        assert!(one.len() < 1_000 && one != other, "{one}");
        let escapes = one
            .split('%')
            .skip(1)
            .all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2);
        assert!(escapes, "{one}");
    }

    #[test]
    fn urls_have_no_query_and_no_password() {
        let place = Location::from_url("https://u:canary@A.example:8443/o/{id}?token=canary#canary")
            .with_method("post");
        assert_eq!(url(&place), "https://a.example:8443/o/%7Bid%7D");
        let place = place.with_input(Some("form"), Some("q"));
        assert_eq!(shown(&place), "POST https://a.example:8443/o/{id}, input form q");
        assert_eq!(
            url(&Location::from_host_and_path("billing.example", "/v1")),
            "https://billing.example/v1"
        );
        assert_eq!(url(&Location::from_url("/v1")), "/v1");
    }
}
