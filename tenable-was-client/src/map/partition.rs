//! Partitions: a configuration and one of its target URLs. Scans, their children and the export use the same
//! key.

use appsec_core::{Location, PartitionKey, mask};
use url::Url;

use crate::model::ConfigId;

/// Returns the partition of what a configuration's scans find from one target URL.
///
/// `url` is the target as the configuration names it, not an address that a redirect led to. An asset is no
/// part of the key: it covers a host, which several targets and configurations can share.
pub(crate) fn target_partition(config: ConfigId, url: &str) -> PartitionKey {
    let url = normalized_url(url);
    // A query of the target may hold a token, and partitions are shown and stored.
    PartitionKey::new(format!("config:{config}/target:{}", mask(&url)))
}

/// Returns the partition of a scan's results, or the key of unattributed findings where the scan does not
/// name its target.
pub(crate) fn scan_partition(config: ConfigId, url: Option<&str>) -> PartitionKey {
    url.map_or_else(PartitionKey::unattributed, |url| target_partition(config, url))
}

/// Returns the URL with scheme and host in lower case, without default port, user and fragment, and with `/`
/// for an empty path. The query is kept. A text that is no URL is returned without white space around it.
fn normalized_url(text: &str) -> String {
    let text = text.trim();
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    url.set_fragment(None);
    // Only a URL without a host refuses this, and such a URL has no user.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

/// A target URL of a configuration, to find the records below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetUrl {
    pub(crate) partition: PartitionKey,
    pub(crate) host: String,
    scheme: Option<String>,
    port: Option<u16>,
    /// The path without a slash at its end.
    path: String,
}

impl TargetUrl {
    pub(crate) fn new(config: ConfigId, url: &str) -> Self {
        let place = Location::from_url(normalized_url(url));
        Self {
            partition: target_partition(config, url),
            port: place.effective_port(),
            path: place.path.trim_end_matches('/').to_owned(),
            host: place.host,
            scheme: place.scheme,
        }
    }

    /// Returns the length of the target's path if the place is at it or below it: scheme, host and port are
    /// equal, and the path is a prefix that ends where a segment ends.
    pub(crate) fn matched_length(&self, place: &Location) -> Option<usize> {
        let rest = place.path.strip_prefix(&*self.path)?;
        let is_below = (rest.is_empty() || rest.starts_with('/'))
            && place.host == self.host
            && place.scheme == self.scheme
            && place.effective_port() == self.port;
        is_below.then_some(self.path.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";

    fn key(url: &str) -> String {
        let key = target_partition(CONFIG.parse().unwrap(), url);
        key.as_str().strip_prefix(&format!("config:{CONFIG}/target:")).unwrap().to_owned()
    }

    #[test]
    fn forms_of_one_target_url_have_one_key() {
        for (url, expected) in [
            ("https://shop.example.com", "https://shop.example.com/"),
            ("HTTPS://Shop.Example.com:443/", "https://shop.example.com/"),
            (" http://shop.example.com:80#top ", "http://shop.example.com/"),
            ("https://shop.example.com:8443/a", "https://shop.example.com:8443/a"),
            ("https://shop.example.com/a/?page=2#x", "https://shop.example.com/a/?page=2"),
            ("https://user:word@shop.example.com/", "https://shop.example.com/"),
            ("shop.example.com", "shop.example.com"),
            ("", ""),
        ] {
            assert_eq!(key(url), expected, "{url}");
        }
    }

    #[test]
    fn path_and_query_distinguish_targets_of_one_host() {
        let keys =
            ["https://h/a", "https://h/b", "https://h/a/", "https://h/a?x=1", "http://h/a", "https://h:1/a"];
        let distinct: std::collections::BTreeSet<_> = keys.iter().map(|url| key(url)).collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn a_token_in_the_query_of_a_target_is_masked() {
        let masked = key("https://shop.example.com/?access_token=s3cr3t-value-0123456789");
        assert!(!masked.contains("s3cr3t") && masked.starts_with("https://shop.example.com/?"), "{masked}");
    }

    #[test]
    fn a_place_is_below_a_target_at_the_end_of_a_segment() {
        let target = TargetUrl::new(CONFIG.parse().unwrap(), "https://Shop.example.com/app/?x=1");
        for (place, expected) in [
            ("https://shop.example.com/app", Some(4)),
            ("https://shop.example.com:443/app/orders?page=2", Some(4)),
            ("https://shop.example.com/application", None),
            ("https://shop.example.com/", None),
            ("http://shop.example.com/app", None),
            ("https://shop.example.com:8443/app", None),
            ("https://other.example.com/app", None),
        ] {
            assert_eq!(target.matched_length(&Location::from_url(place)), expected, "{place}");
        }
        let whole = TargetUrl::new(CONFIG.parse().unwrap(), "https://shop.example.com");
        assert_eq!(whole.matched_length(&Location::from_url("https://shop.example.com/app")), Some(0));
    }
}
