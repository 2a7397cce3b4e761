//! The identity of an occurrence of a finding.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};
use crate::location::{Input, Location};

/// The identity of one occurrence among those of its finding: its verbatim URL and input, or the scanner's
/// own id where there is no path.
///
/// Findings with one [`Fingerprint`](crate::Fingerprint) are occurrences of one finding. The fingerprint
/// leaves the query and the fragment of a URL out, so `index.php?page=users` and `index.php?page=orders`
/// are one finding with two occurrences. The key tells the two apart. It is the first 64 bits of a SHA-256
/// over these parts, each preceded by its length in bytes as a 64-bit big-endian number:
///
/// * where the location has a path, see [`Location::has_path`]: the text `url`; the authority, with the
///   port of the scheme where the text names none; the path, `/` where empty; the query and the fragment,
///   verbatim; and the set of input kind and input name, in lower case and sorted, without empty ones;
/// * where it has none: the text `id` and the first alias; without an alias, the parts above.
///
/// Neither the method nor the evidence counts, since one way to read findings shows them and another does
/// not. Two records with one key are one occurrence: the second is a repeat.
///
/// The key is a digest, so it reveals no part of a URL that [`Finding::mask_evidence`] masks, except to
/// someone who can guess the whole URL. The text form is 16 hexadecimal digits.
///
/// [`Finding::mask_evidence`]: crate::Finding::mask_evidence
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OccurrenceKey(u64);

impl OccurrenceKey {
    /// Computes the key of a location, and of the scanner's own id of the finding there.
    pub fn new(location: &Location, alias: Option<&str>) -> Self {
        if let Some(id) = alias.filter(|_| !location.has_path()) {
            return Self::from_parts(&["id", id]);
        }
        let text = &location.text;
        let rest = text.find(['?', '#']).and_then(|start| text.get(start..)).unwrap_or_default();
        let [kind, name] = input_parts(location.input.as_ref());
        Self::from_parts(&["url", &location.authority(), &location.path, rest, &kind, &name])
    }

    fn from_parts(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize()[..8].iter().fold(0, |key, byte| key << 8 | u64::from(*byte)))
    }

    /// Creates the key from the number that [`to_bits`](Self::to_bits) returns.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Returns the 64 bits of the key. Keys are evenly distributed over all numbers.
    pub fn to_bits(self) -> u64 {
        self.0
    }
}

/// Returns the kind and the name in lower case and sorted. The empty text sorts first, and an equal one is
/// left out. It is a set because the vendors' documents swap the two.
fn input_parts(input: Option<&Input>) -> [Cow<'_, str>; 2] {
    fn lower(text: Option<&String>) -> Cow<'_, str> {
        match text {
            Some(text) if text.bytes().any(|byte| !byte.is_ascii() || byte.is_ascii_uppercase()) => {
                Cow::Owned(text.to_lowercase())
            }
            Some(text) => Cow::Borrowed(text.as_str()),
            None => Cow::Borrowed(""),
        }
    }
    let kind = lower(input.and_then(|input| input.kind.as_ref()));
    let name = lower(input.and_then(|input| input.name.as_ref()));
    match kind.cmp(&name) {
        std::cmp::Ordering::Less => [kind, name],
        std::cmp::Ordering::Equal => [Cow::Borrowed(""), name],
        std::cmp::Ordering::Greater => [name, kind],
    }
}

impl fmt::Display for OccurrenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for OccurrenceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OccurrenceKey({self})")
    }
}

impl FromStr for OccurrenceKey {
    type Err = Error;

    /// Reads the text form.
    ///
    /// # Errors
    /// `InvalidRequest` for anything but 16 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let is_key = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bits = u64::from_str_radix(text, 16).ok().filter(|_| is_key);
        bits.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::InvalidRequest, "the key of an occurrence is 16 hexadecimal digits")
        })
    }
}

impl Serialize for OccurrenceKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OccurrenceKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(url: &str, kind: Option<&str>, name: Option<&str>) -> OccurrenceKey {
        OccurrenceKey::new(&Location::from_url(url).with_input(kind, name), Some("id-1"))
    }

    #[test]
    fn urls_that_differ_by_query_or_fragment_alone_are_further_occurrences() {
        let users = of("https://a.example/index.php?page=users", None, None);
        for other in [
            "https://a.example/index.php?page=orders",
            "https://a.example/index.php?page=Users",
            "https://a.example/index.php",
            "https://a.example/index.php?page=users#top",
            "https://a.example/index.php/?page=users",
        ] {
            assert_ne!(of(other, None, None), users, "{other}");
        }
        assert_eq!(of("HTTPS://A.example:443/index.php?page=users", None, None), users);
        assert_eq!(of("https://a.example", None, None), of("https://a.example/", None, None));
    }

    #[test]
    fn the_input_counts_as_the_fingerprint_counts_it() {
        let form = of("https://a.example/x", Some("form"), Some("q"));
        assert_eq!(of("https://a.example/x", Some("FORM"), Some("Q")), form);
        assert_eq!(of("https://a.example/x", Some("q"), Some("form")), form, "a set");
        assert_ne!(of("https://a.example/x", Some("form"), Some("r")), form);
        assert_ne!(of("https://a.example/x", None, None), form);
        assert_eq!(
            of("https://a.example/x", Some("q"), Some("q")),
            of("https://a.example/x", Some("q"), None)
        );
    }

    #[test]
    fn the_method_does_not_count_since_not_every_route_shows_it() {
        let place = Location::from_url("https://a.example/x");
        let by = |place: &Location| OccurrenceKey::new(place, None);
        assert_eq!(by(&place.clone().with_method("GET")), by(&place));
    }

    #[test]
    fn without_a_path_the_scanners_own_id_is_the_occurrence() {
        let host = Location::from_host_and_path("api.example.test:8443", "");
        let key = |id: Option<&str>| OccurrenceKey::new(&host, id);
        assert_ne!(key(Some("gap-1")), key(Some("gap-2")));
        assert_eq!(key(Some("gap-1")), key(Some("gap-1")));
        assert_ne!(key(None), key(Some("gap-1")));
        let with_path = Location::from_host_and_path("api.example.test", "/v1");
        assert_eq!(
            OccurrenceKey::new(&with_path, Some("gap-1")),
            OccurrenceKey::new(&with_path, Some("gap-2"))
        );
    }

    #[test]
    fn the_text_form_is_read_back_and_nothing_else() {
        let key = of("https://a.example/x", None, None);
        assert_eq!(key.to_string().parse::<OccurrenceKey>().unwrap(), key);
        assert_eq!(
            serde_json::from_str::<OccurrenceKey>(&serde_json::to_string(&key).unwrap()).unwrap(),
            key
        );
        assert_eq!(OccurrenceKey::from_bits(key.to_bits()), key);
        for text in ["", "0123", "+123456789abcdef", "zz23456789abcdef", "0123456789abcdef0"] {
            assert_eq!(
                text.parse::<OccurrenceKey>().unwrap_err().kind(),
                ErrorKind::InvalidRequest,
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_two_queries_are_one_occurrence_only_if_they_are_equal(a in "[a-z=&]{0,8}", b in "[a-z=&]{0,8}") {
            let key = |query: &str| of(&format!("https://a.example/x?{query}"), None, None);
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }

        #[test]
        fn the_case_of_a_host_never_makes_a_further_occurrence(host in "[a-z]{1,6}", rest in "[a-z/?#=]{0,12}") {
            let upper = of(&format!("https://{}/{rest}", host.to_uppercase()), None, None);
            prop_assert_eq!(upper, of(&format!("https://{host}:443/{rest}"), None, None));
        }

        #[test]
        fn any_text_form_is_read_back(bits in any::<u64>()) {
            let key = OccurrenceKey::from_bits(bits);
            prop_assert_eq!(key.to_string().parse::<OccurrenceKey>().unwrap(), key);
        }
    }
}
