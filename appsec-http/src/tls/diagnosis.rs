//! Explains a failed TLS handshake.

use appsec_core::Cause;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error as TlsError};

use crate::tls::certificate::Certificate;
use crate::tls::recording_verifier::ObservedCertificate;

/// A cause, the observation behind it, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: Cause,
    pub(crate) detail: String,
    pub(crate) remedy: &'static str,
}

impl Diagnosis {
    fn new(cause: Cause, detail: impl Into<String>, remedy: &'static str) -> Self {
        Self { cause, detail: detail.into(), remedy }
    }
}

const RENEW: &str = "have the server's certificate renewed, and check this machine's clock";
const CLOCK: &str = "check this machine's clock, then the server's certificate";
const NAME: &str = "check the host in the base URL, and that DNS or a proxy does not lead to another server";
const ADD_ROOT: &str = "if this issuer is right, as that of a proxy that inspects TLS may be, add its root \
    certificate (`with_root_certificate_pem`; `ca` in appsec.toml)";
const ADD_OWN: &str = "if this is the right server, add this certificate (`with_root_certificate_pem`; `ca` in \
    appsec.toml), or accept any (`with_accept_invalid_certs`; `insecure` in appsec.toml)";
const NO_ROOTS: &str = "install the system's root certificates (`ca-certificates`), or add one \
    (`with_root_certificate_pem`; `ca` in appsec.toml)";
const NO_TLS: &str = "check the port in the base URL: it is not an https port";
const HANDSHAKE: &str =
    "ask the service's operator which TLS versions it offers; a firewall in between may interfere";

/// Explains the error of a handshake with `host`, using the recorded certificate.
pub(crate) fn diagnose(error: &TlsError, observed: Option<&ObservedCertificate>, host: &str) -> Diagnosis {
    let certificate = observed.and_then(|observed| observed.certificate.as_ref());
    match error {
        TlsError::InvalidCertificate(fault) => {
            let no_roots = observed.is_some_and(|observed| observed.no_roots);
            certificate_fault(fault, certificate, no_roots, host)
        }
        TlsError::InvalidMessage(_) => {
            Diagnosis::new(Cause::TlsHandshake, format!("{host} responds, but not with TLS"), NO_TLS)
        }
        TlsError::AlertReceived(alert) => Diagnosis::new(
            Cause::TlsHandshake,
            format!("{host} refused the TLS handshake with the alert {alert:?}"),
            HANDSHAKE,
        ),
        TlsError::NoCertificatesPresented => {
            Diagnosis::new(Cause::TlsHandshake, format!("{host} sent no certificate"), HANDSHAKE)
        }
        TlsError::PeerIncompatible(reason) => Diagnosis::new(
            Cause::TlsHandshake,
            format!("{host} offers nothing that TLS 1.2 or 1.3 needs ({reason:?})"),
            HANDSHAKE,
        ),
        _ => Diagnosis::new(Cause::TlsHandshake, format!("the TLS handshake with {host} failed"), HANDSHAKE),
    }
}

fn certificate_fault(
    fault: &CertificateError,
    certificate: Option<&Certificate>,
    no_roots: bool,
    host: &str,
) -> Diagnosis {
    let subject = certificate.map_or("the server", |certificate| certificate.subject.as_str());
    let issuer = certificate.map_or("an unknown issuer", |certificate| certificate.issuer.as_str());
    match fault {
        CertificateError::Expired => expired(subject, certificate.map(|certificate| certificate.not_after)),
        CertificateError::ExpiredContext { not_after, .. } => expired(subject, date(*not_after)),
        CertificateError::NotValidYet => {
            not_yet_valid(subject, certificate.map(|certificate| certificate.not_before))
        }
        CertificateError::NotValidYetContext { not_before, .. } => not_yet_valid(subject, date(*not_before)),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = match certificate.map(|certificate| certificate.names.join(", ")) {
                Some(names) if !names.is_empty() => names,
                _ => "no host".to_owned(),
            };
            Diagnosis::new(
                Cause::TlsWrongName,
                format!("the certificate is for {names}, not for {host}"),
                NAME,
            )
        }
        _ if no_roots => Diagnosis::new(
            Cause::TlsUntrusted,
            format!("this machine has no root certificates, so {issuer} is not trusted"),
            NO_ROOTS,
        ),
        _ if certificate.is_some_and(|certificate| certificate.self_issued) => Diagnosis::new(
            Cause::TlsUntrusted,
            format!("the certificate of {subject} is self-signed"),
            ADD_OWN,
        ),
        CertificateError::UnknownIssuer => Diagnosis::new(
            Cause::TlsUntrusted,
            format!("the certificate of {subject} is issued by {issuer}, which is not trusted"),
            ADD_ROOT,
        ),
        CertificateError::Revoked => {
            Diagnosis::new(Cause::TlsUntrusted, format!("the certificate of {subject} is revoked"), RENEW)
        }
        CertificateError::BadEncoding => Diagnosis::new(
            Cause::TlsUntrusted,
            "the server's certificate is damaged",
            "have the server's certificate replaced",
        ),
        _ => Diagnosis::new(
            Cause::TlsUntrusted,
            format!("the certificate of {subject}, issued by {issuer}, is not acceptable"),
            ADD_ROOT,
        ),
    }
}

fn expired(subject: &str, at: Option<DateTime>) -> Diagnosis {
    let on = at.map(|at| format!(" on {}", at.date())).unwrap_or_default();
    Diagnosis::new(Cause::TlsExpired, format!("the certificate of {subject} expired{on}"), RENEW)
}

fn not_yet_valid(subject: &str, at: Option<DateTime>) -> Diagnosis {
    let on = at.map(|at| format!(" before {}", at.date())).unwrap_or_default();
    Diagnosis::new(Cause::TlsExpired, format!("the certificate of {subject} is not valid{on}"), CLOCK)
}

fn date(at: UnixTime) -> Option<DateTime> {
    let at = Timestamp::from_second(i64::try_from(at.as_secs()).ok()?).ok()?;
    Some(TimeZone::UTC.to_datetime(at))
}
