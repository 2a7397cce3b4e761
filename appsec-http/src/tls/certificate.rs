//! The fields of a certificate that a diagnosis shows.
//!
//! rustls decides on trust. It distinguishes an expired certificate from an untrusted one, but shows the
//! names of neither. The bytes come from an unknown server: reading them never panics, and the texts are
//! cut and free of control characters.

use std::net::IpAddr;

use jiff::civil::DateTime;
use x509_parser::asn1_rs::Tag;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::nom::Parser as _;
use x509_parser::oid_registry::{
    OID_X509_COMMON_NAME, OID_X509_COUNTRY_NAME, OID_X509_EXT_SUBJECT_ALT_NAME, OID_X509_ORGANIZATION_NAME,
    OID_X509_ORGANIZATIONAL_UNIT, Oid,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Name;

/// The fields of a certificate that a diagnosis shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The subject, such as `CN=api.example.com, O=Example`.
    pub(crate) subject: String,
    /// The issuer, in the same form.
    pub(crate) issuer: String,
    /// Whether subject and issuer are the same.
    pub(crate) self_issued: bool,
    /// In UTC.
    pub(crate) not_before: DateTime,
    /// In UTC.
    pub(crate) not_after: DateTime,
    /// The host names and addresses that the certificate is valid for.
    pub(crate) names: Vec<String>,
}

/// The longest text that is shown of one field, in characters.
const MAX_TEXT: usize = 80;
/// The largest number of names that are shown; some certificates have hundreds.
const MAX_NAMES: usize = 8;

impl Certificate {
    /// Reads a certificate in DER. Returns `None` for bytes that are not one.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        // One broken extension must not hide the names and dates, so extensions are not decoded here.
        let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
        let (_, certificate) = parser.parse(der).ok()?;
        let (subject, issuer) = (certificate.subject(), certificate.issuer());
        Some(Self {
            subject: distinguished_name(subject),
            issuer: distinguished_name(issuer),
            self_issued: subject.as_raw() == issuer.as_raw(),
            not_before: date_time(certificate.validity().not_before)?,
            not_after: date_time(certificate.validity().not_after)?,
            names: alternative_names(&certificate),
        })
    }
}

/// The common parts of a distinguished name.
fn distinguished_name(name: &X509Name<'_>) -> String {
    static LABELS: [(Oid<'static>, &str); 4] = [
        (OID_X509_COMMON_NAME, "CN"),
        (OID_X509_ORGANIZATION_NAME, "O"),
        (OID_X509_ORGANIZATIONAL_UNIT, "OU"),
        (OID_X509_COUNTRY_NAME, "C"),
    ];
    let parts: Vec<_> = name
        .iter_attributes()
        .filter_map(|attribute| {
            let (_, label) = LABELS.iter().find(|(oid, _)| oid == attribute.attr_type())?;
            Some(format!("{label}={}", text(attribute.attr_value().tag(), attribute.as_slice())))
        })
        .collect();
    if parts.is_empty() { "an unnamed entity".to_owned() } else { parts.join(", ") }
}

fn text(tag: Tag, value: &[u8]) -> String {
    if tag == Tag::BmpString {
        let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        printable(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)))
    } else {
        printable(String::from_utf8_lossy(value).chars())
    }
}

/// Cuts the text, and replaces what moves a terminal's cursor or changes its direction of writing.
fn printable(text: impl Iterator<Item = char>) -> String {
    let invisible = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.take(MAX_TEXT).map(|c| if invisible(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn date_time(time: ASN1Time) -> Option<DateTime> {
    // Not through a timestamp: jiff's last one precedes 99991231235959Z, which means "no expiry" (RFC 5280,
    // section 4.1.2.5).
    let time = time.to_datetime();
    let field = |value: u8| i8::try_from(value).ok();
    let (month, day) = (field(u8::from(time.month()))?, field(time.day())?);
    let (hour, minute, second) = (field(time.hour())?, field(time.minute())?, field(time.second())?);
    DateTime::new(i16::try_from(time.year()).ok()?, month, day, hour, minute, second, 0).ok()
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Some(extension) =
        certificate.extensions().iter().find(|extension| extension.oid == OID_X509_EXT_SUBJECT_ALT_NAME)
    else {
        return Vec::new();
    };
    let Ok((_, names)) = SubjectAlternativeName::from_der(extension.value) else { return Vec::new() };
    names
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(printable(name.chars())),
            GeneralName::IPAddress(bytes) => ip_address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .take(MAX_NAMES)
        .collect()
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
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
    fn a_self_issued_certificate_without_names_is_read() {
        let certificate = Certificate::read(&der(&params(&[]))).unwrap();
        assert!(certificate.self_issued);
        assert_eq!(certificate.subject, "an unnamed entity");
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
        assert_eq!(text(Tag::BmpString, &[0x00, 0x41, 0x20, 0xac]), "A€");
    }

    #[test]
    fn the_last_year_of_a_certificate_is_a_date() {
        let mut endless = params(&[]);
        let last_second = std::time::Duration::from_secs(86_399);
        endless.not_after = rcgen::date_time_ymd(9999, 12, 31) + last_second;
        let not_after = Certificate::read(&der(&endless)).map(|certificate| certificate.not_after);
        assert_eq!(not_after, Some(jiff::civil::date(9999, 12, 31).at(23, 59, 59, 0)));
    }

    proptest! {
        #[test]
        fn reading_arbitrary_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _read = Certificate::read(&bytes);
        }

        #[test]
        fn reading_a_changed_certificate_never_panics(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| der(&params(&["a.test", "::1"])));
            let mut bytes = DER.clone();
            for (position, byte) in changes {
                let position = position.index(bytes.len());
                bytes[position] = byte;
            }
            let _read = Certificate::read(&bytes);
            let _read = Certificate::read(&bytes[..cut.index(bytes.len())]);
        }
    }
}
