//! The versioned identity of a finding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};
use crate::location::Location;

/// The identity of a finding across runs, machines, and ways to read findings.
///
/// Version 1 is the first 128 bits of a SHA-256 over these parts, each preceded by its length in bytes as a
/// 32-bit big-endian number:
///
/// 1. the scanner's key;
/// 2. the rule's id;
/// 3. the authority: host in lower case, then `:` and the port (the explicit one, else the default of the
///    scheme; no port where both are unknown);
/// 4. the path, verbatim, `/` where empty; no query, no fragment;
/// 5. each vendor part, in the order given.
///
/// Severity, texts, times and evidence do not count: they change while the weakness stays. The vendor parts
/// are, for Tenable, the set of {input type, input name} in lower case, sorted, without absent or empty
/// ones; for Salt, the method.
///
/// The text form is `v1:` and 32 hexadecimal digits.
///
/// ```
/// use appsec_core::{Fingerprint, Location};
///
/// let place = Location::from_url("https://shop.example.com/search?q=x");
/// let fingerprint = Fingerprint::v1("tenableiowas", "98104", &place, &["link", "q"]);
/// assert_eq!(fingerprint.to_string(), "v1:fa3e421df90b5bc686fb650ff173c533");
/// assert_eq!(fingerprint, Fingerprint::v1("tenableiowas", "98104", &Location::from_url("https://SHOP.example.com:443/search"), &["link", "q"]));
/// ```
///
/// # Published vectors
///
/// | scanner | rule | place | vendor parts | fingerprint |
/// | --- | --- | --- | --- | --- |
/// | `tenableiowas` | `98104` | `https://shop.example.com/search?q=x` | `link`, `q` | `v1:fa3e421df90b5bc686fb650ff173c533` |
/// | `tenableiowas` | `98009` | `http://192.0.2.119` | none | `v1:bb502aeab2ad3ae698c88343fde6e5fd` |
/// | `tenableiowas` | `112435` | `https://[2001:db8::1]:8443/a%20b` | `form` | `v1:4d2fcb866fe8fcd1ac2bc30774132ea3` |
/// | `saltsecurity` | `shadow api detection` | `portal.example.test/internal/export/{name}` | `GET` | `v1:1cb69d783c782ecbeb7cfb3ddc8519d1` |
/// | `saltsecurity` | `sensitive data exposed without authentication` | `billing.example.test:8443/v1/customers/{id}` | `POST` | `v1:f394a7e715000be2ab05ac6aa83ca2eb` |
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Computes the fingerprint by version 1 of the rules.
    pub fn v1(scanner: &str, rule: &str, location: &Location, vendor: &[&str]) -> Self {
        let mut hash = Sha256::new();
        let mut part = |pieces: &[&[u8]]| {
            // A part of 4 GiB cannot come out of a response that is capped far below.
            let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
            hash.update(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
            for piece in pieces {
                hash.update(piece);
            }
        };
        part(&[scanner.as_bytes()]);
        part(&[rule.as_bytes()]);
        let host = location.host.as_bytes();
        match location.effective_port() {
            None => part(&[host]),
            // Nearly all; the text of another port is an allocation.
            Some(443) => part(&[host, b":443"]),
            Some(number) => part(&[host, b":", number.to_string().as_bytes()]),
        }
        part(&[location.path.as_bytes()]);
        for word in vendor {
            part(&[word.as_bytes()]);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v1:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    /// Reads the text form.
    ///
    /// # Errors
    /// `InvalidRequest` for anything but `v1:` and 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse =
            || Error::new(ErrorKind::InvalidRequest, "a fingerprint is v1: and 32 hexadecimal digits");
        let digits = text.strip_prefix("v1:").filter(|digits| digits.len() == 32).ok_or_else(refuse)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| refuse())?;
            if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(refuse());
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed outside this crate, by the rules as the documentation states them.
    type Vector = (&'static str, &'static str, &'static str, &'static [&'static str], &'static str);
    const VECTORS: [Vector; 5] = [
        (
            "tenableiowas",
            "98104",
            "https://shop.example.com/search?q=x",
            &["link", "q"],
            "v1:fa3e421df90b5bc686fb650ff173c533",
        ),
        ("tenableiowas", "98009", "http://192.0.2.119", &[], "v1:bb502aeab2ad3ae698c88343fde6e5fd"),
        (
            "tenableiowas",
            "112435",
            "https://[2001:db8::1]:8443/a%20b",
            &["form"],
            "v1:4d2fcb866fe8fcd1ac2bc30774132ea3",
        ),
        (
            "saltsecurity",
            "shadow api detection",
            "portal.example.test/internal/export/{name}",
            &["GET"],
            "v1:1cb69d783c782ecbeb7cfb3ddc8519d1",
        ),
        (
            "saltsecurity",
            "sensitive data exposed without authentication",
            "billing.example.test:8443/v1/customers/{id}",
            &["POST"],
            "v1:f394a7e715000be2ab05ac6aa83ca2eb",
        ),
    ];

    fn place(text: &str) -> Location {
        match text.split_once('/') {
            Some((host, path)) if !text.contains("://") => {
                Location::from_host_and_path(host, &format!("/{path}"))
            }
            _ => Location::from_url(text),
        }
    }

    #[test]
    fn published_vectors_hold() {
        for (scanner, rule, text, vendor, expected) in VECTORS {
            assert_eq!(Fingerprint::v1(scanner, rule, &place(text), vendor).to_string(), expected, "{text}");
            assert!(
                include_str!("fingerprint.rs").contains(&format!("| `{expected}` |")),
                "{text} is published"
            );
        }
    }

    #[test]
    fn parts_cannot_run_into_each_other() {
        let at = |path: &str| Location::from_host_and_path("a", path);
        let one = Fingerprint::v1("s", "rule", &at("/x"), &["ab", "c"]);
        assert_ne!(one, Fingerprint::v1("s", "rule", &at("/x"), &["a", "bc"]));
        assert_ne!(one, Fingerprint::v1("s", "rule", &at("/x"), &["abc"]));
        assert_ne!(one, Fingerprint::v1("s", "rul", &at("e/x"), &["ab", "c"]));
    }

    #[test]
    fn query_and_fragment_do_not_count_and_ports_do() {
        let of = |text: &str| Fingerprint::v1("s", "r", &Location::from_url(text), &[]);
        assert_eq!(of("https://a.example/x?a=1#b"), of("https://A.example:443/x"));
        assert_ne!(of("https://a.example/x"), of("http://a.example/x"));
        assert_ne!(of("https://a.example/x"), of("https://a.example:8443/x"));
        assert_ne!(of("https://a.example/x"), of("https://a.example/X"), "paths tell case apart");
    }

    #[test]
    fn the_text_form_is_read_back_and_nothing_else() {
        let fingerprint = Fingerprint::v1("s", "r", &place("https://a/"), &[]);
        assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
        assert_eq!(format!("{fingerprint:?}"), format!("Fingerprint({fingerprint})"));
        for text in [
            "",
            "v1:",
            "v2:00000000000000000000000000000000",
            "v1:zz000000000000000000000000000000",
            "v1:é000000000000000000000000000000",
            "v1:+1000000000000000000000000000000",
        ] {
            assert_eq!(text.parse::<Fingerprint>().unwrap_err().kind(), ErrorKind::InvalidRequest, "{text}");
        }
    }
}
