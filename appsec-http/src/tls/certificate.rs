//! What a certificate says about itself, for a person to read.
//!
//! Trust is decided by rustls, which tells an expired certificate from an untrusted one and shows neither's names. This
//! reads the few fields that a diagnosis quotes, so that no certificate library is needed for them. What it reads
//! comes from an unknown server: it never panics, and what it gives is cut and free of control characters.

use std::net::IpAddr;

use jiff::civil::DateTime;

/// The fields that a diagnosis quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// Whom it is for, such as `CN=api.example.com, O=Example`.
    pub(crate) subject: String,
    /// Who vouches for it.
    pub(crate) issuer: String,
    /// It vouches for itself.
    pub(crate) self_issued: bool,
    /// In UTC.
    pub(crate) not_before: DateTime,
    /// In UTC.
    pub(crate) not_after: DateTime,
    /// The host names and addresses it is for.
    pub(crate) names: Vec<String>,
}

/// The longest text that is quoted from one field, in characters.
const MAX_TEXT: usize = 80;
/// The most names that are quoted; some certificates have hundreds.
const MAX_NAMES: usize = 8;

mod tag {
    pub(super) const BOOLEAN: u8 = 0x01;
    pub(super) const INTEGER: u8 = 0x02;
    pub(super) const OCTETS: u8 = 0x04;
    pub(super) const OID: u8 = 0x06;
    pub(super) const UTC_TIME: u8 = 0x17;
    pub(super) const GENERALIZED_TIME: u8 = 0x18;
    pub(super) const BMP_STRING: u8 = 0x1e;
    pub(super) const SEQUENCE: u8 = 0x30;
    pub(super) const SET: u8 = 0x31;
    pub(super) const VERSION: u8 = 0xa0;
    pub(super) const EXTENSIONS: u8 = 0xa3;
    pub(super) const DNS_NAME: u8 = 0x82;
    pub(super) const IP_ADDRESS: u8 = 0x87;
}

const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

impl Certificate {
    /// Reads a certificate in DER; `None` for what is none.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        // Certificate and TBSCertificate of RFC 5280, section 4.1.
        let mut outer = Der(der);
        let mut certificate = Der(outer.take(tag::SEQUENCE)?);
        let mut body = Der(certificate.take(tag::SEQUENCE)?);
        let _version = body.take(tag::VERSION);
        let _serial = body.take(tag::INTEGER)?;
        let _algorithm = body.take(tag::SEQUENCE)?;
        let issuer = body.take(tag::SEQUENCE)?;
        let mut validity = Der(body.take(tag::SEQUENCE)?);
        let not_before = time(validity.next()?)?;
        let not_after = time(validity.next()?)?;
        let subject = body.take(tag::SEQUENCE)?;
        let _key = body.take(tag::SEQUENCE)?;
        Some(Self {
            subject: name(subject)?,
            issuer: name(issuer)?,
            self_issued: subject == issuer,
            not_before,
            not_after,
            names: alternative_names(body).unwrap_or_default(),
        })
    }
}

/// A run of tag, length and value, taken from the front.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = if first < 0x80 {
            usize::from(first)
        } else {
            // Four bytes of length are more than any certificate has.
            let (length, after) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(l, _)| l.len() <= 4)?;
            rest = after;
            length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte))
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }

    /// The next value, if it has this tag; else it stays.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        match self.next() {
            Some((found, value)) if found == tag => Some(value),
            _ => {
                self.0 = before;
                None
            }
        }
    }
}

/// A distinguished name, as far as people know its parts.
fn name(der: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    let mut sets = Der(der);
    while let Some(set) = sets.take(tag::SET) {
        let mut attribute = Der(Der(set).take(tag::SEQUENCE)?);
        let label = match attribute.take(tag::OID)? {
            [0x55, 0x04, 0x03] => "CN",
            [0x55, 0x04, 0x0a] => "O",
            [0x55, 0x04, 0x0b] => "OU",
            [0x55, 0x04, 0x06] => "C",
            _ => continue,
        };
        let (kind, value) = attribute.next()?;
        parts.push(format!("{label}={}", text(kind, value)));
    }
    Some(if parts.is_empty() { "a nameless party".to_owned() } else { parts.join(", ") })
}

fn text(kind: u8, value: &[u8]) -> String {
    if kind == tag::BMP_STRING {
        let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        printable(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)))
    } else {
        printable(String::from_utf8_lossy(value).chars())
    }
}

/// Cut, and without what moves a terminal's cursor or turns its direction of writing.
fn printable(text: impl Iterator<Item = char>) -> String {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.take(MAX_TEXT).map(|c| if unseen(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn time((kind, value): (u8, &[u8])) -> Option<DateTime> {
    let text = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    let (year, rest) = match kind {
        tag::UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            // Two digits mean 1950 to 2049 (RFC 5280, section 4.1.2.5.1).
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let field = |at: usize| -> Option<i8> { rest.get(at..at + 2)?.parse().ok() };
    DateTime::new(year, field(0)?, field(2)?, field(4)?, field(6)?, field(8)?, 0).ok()
}

fn alternative_names(mut body: Der<'_>) -> Option<Vec<String>> {
    let extensions = loop {
        let (kind, value) = body.next()?;
        if kind == tag::EXTENSIONS {
            break value;
        }
    };
    let mut extensions = Der(Der(extensions).take(tag::SEQUENCE)?);
    while let Some(extension) = extensions.take(tag::SEQUENCE) {
        let mut extension = Der(extension);
        let id = extension.take(tag::OID)?;
        let _critical = extension.take(tag::BOOLEAN);
        if id != SUBJECT_ALT_NAME {
            continue;
        }
        let mut names = Der(Der(extension.take(tag::OCTETS)?).take(tag::SEQUENCE)?);
        let mut found = Vec::new();
        while let Some((kind, value)) = names.next() {
            match kind {
                tag::DNS_NAME => found.push(printable(String::from_utf8_lossy(value).chars())),
                tag::IP_ADDRESS => found.extend(address(value).map(|address| address.to_string())),
                _ => {}
            }
            if found.len() == MAX_NAMES {
                break;
            }
        }
        return Some(found);
    }
    None
}

fn address(value: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(value)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(value).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    use super::*;

    fn params(names: &[&str]) -> CertificateParams {
        let mut params =
            CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
    }

    fn der(params: &CertificateParams) -> Vec<u8> {
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_dates_and_issuer_are_read() {
        let mut ca = params(&[]);
        ca.distinguished_name.push(DnType::CommonName, "Example Root");
        ca.distinguished_name.push(DnType::OrganizationName, "Example Ltd");
        let issuer = rcgen::Issuer::new(ca, KeyPair::generate().unwrap());
        let mut leaf = params(&["api.example.test", "*.example.test", "127.0.0.1", "::1"]);
        leaf.distinguished_name.push(DnType::CommonName, "api");
        leaf.not_before = rcgen::date_time_ymd(1999, 12, 31);
        leaf.not_after = rcgen::date_time_ymd(2050, 1, 2);
        let certificate = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        assert_eq!(
            Certificate::read(certificate.der()),
            Some(Certificate {
                subject: "CN=api".into(),
                issuer: "CN=Example Root, O=Example Ltd".into(),
                self_issued: false,
                not_before: jiff::civil::date(1999, 12, 31).at(0, 0, 0, 0),
                not_after: jiff::civil::date(2050, 1, 2).at(0, 0, 0, 0),
                names: ["api.example.test", "*.example.test", "127.0.0.1", "::1"].map(Into::into).into(),
            })
        );
    }

    #[test]
    fn a_certificate_without_names_that_vouches_for_itself() {
        let certificate = Certificate::read(&der(&params(&[]))).unwrap();
        assert!(certificate.self_issued);
        assert_eq!(certificate.subject, "a nameless party");
        assert_eq!(certificate.names, [""; 0]);
    }

    #[test]
    fn a_hostile_name_is_cut_and_cannot_move_the_cursor() {
        let mut hostile = params(&[]);
        let name = format!("\u{1b}[2J\n\u{202e}{}", "x".repeat(10_000));
        hostile.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name));
        let subject = Certificate::read(&der(&hostile)).unwrap().subject;
        assert!(subject.chars().count() <= MAX_TEXT + "CN=".len());
        assert!(!subject.contains(['\u{1b}', '\n', '\u{202e}']));
    }

    #[test]
    fn a_two_byte_string_is_read() {
        assert_eq!(text(tag::BMP_STRING, &[0x00, 0x41, 0x20, 0xac]), "A€");
    }

    #[test]
    fn the_year_without_end_is_a_date() {
        let year = time((tag::GENERALIZED_TIME, b"99991231235959Z")).map(DateTime::year);
        assert_eq!(year, Some(9999));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = Certificate::read(&bytes);
        }

        #[test]
        fn no_changed_certificate_makes_it_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| der(&params(&["a.test", "::1"])));
            let mut bytes = DER.clone();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let _read = Certificate::read(&bytes);
            let _read = Certificate::read(&bytes[..cut.index(bytes.len())]);
        }
    }
}
