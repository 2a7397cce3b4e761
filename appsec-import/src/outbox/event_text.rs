//! Limits and masks the texts of an event that come from a scanner.

use appsec_core::{mask, truncate};

/// The most bytes of any text from a scanner, so that the size of an event is bounded.
pub(super) const MAX_TEXT: usize = 512;

/// The text with secrets masked, truncated to [`MAX_TEXT`] bytes.
pub(super) fn mask_and_truncate(text: &str) -> String {
    truncate(mask(text), MAX_TEXT)
}

/// A location without query, fragment, user and password, and with everything else that looks like a secret
/// masked.
pub(super) fn strip_location(location: &str) -> String {
    let location = &location[..location.find(['?', '#']).unwrap_or(location.len())];
    let Some((scheme, rest)) = location.split_once("://") else { return mask_and_truncate(location) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    mask_and_truncate(&format!("{scheme}://{host}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_loses_query_fragment_user_and_password() {
        for (location, expected) in [
            ("GET https://a.example/x?token=canary#canary", "GET https://a.example/x"),
            ("https://canary:canary@a.example:8443/x", "https://a.example:8443/x"),
            ("https://canary@a.example", "https://a.example"),
            ("https://a.example/me@x", "https://a.example/me@x"),
            ("POST billing.example/v1/{id}", "POST billing.example/v1/{id}"),
            ("/v1?canary", "/v1"),
            ("", ""),
        ] {
            assert_eq!(strip_location(location), expected, "{location}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        for text in ["x".repeat(10_000), "ü".repeat(10_000), "€".repeat(200)] {
            let cut = mask_and_truncate(&text);
            assert!(cut.len() <= MAX_TEXT && cut.ends_with('…'), "{} bytes", cut.len());
        }
        assert_eq!(mask_and_truncate(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
    }
}
