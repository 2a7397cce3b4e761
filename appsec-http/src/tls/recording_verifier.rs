//! A certificate verifier that records the certificates of servers.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use crate::tls::certificate::Certificate;

/// Verifies certificates as rustls does, and records the last one with the result.
#[derive(Debug)]
pub(crate) struct RecordingVerifier {
    /// `None` if there are no roots.
    trust: Option<Arc<dyn ServerCertVerifier>>,
    /// The extra roots.
    own: Vec<CertificateDer<'static>>,
    accept_invalid: bool,
    provider: Arc<CryptoProvider>,
    last: Mutex<Option<ObservedCertificate>>,
}

/// A server's certificate, and the result of its verification.
#[derive(Debug, Clone)]
pub(crate) struct ObservedCertificate {
    /// `None` for a certificate that cannot be read.
    pub(crate) certificate: Option<Certificate>,
    /// What is wrong with the certificate, whether or not the options accept it.
    pub(crate) fault: Option<rustls::Error>,
    /// Whether there are no root certificates at all.
    pub(crate) no_roots: bool,
}

impl RecordingVerifier {
    pub(crate) fn new(
        trust: Option<Arc<dyn ServerCertVerifier>>,
        own: Vec<CertificateDer<'static>>,
        accept_invalid: bool,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { trust, own, accept_invalid, provider, last: Mutex::default() }
    }

    /// The last certificate that was verified.
    pub(crate) fn last(&self) -> Option<ObservedCertificate> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        // rustls refuses a server certificate that is marked as an authority, as most self-signed ones are. A
        // caller that added this certificate as a root trusts this server.
        if self.own.contains(end_entity)
            && let Some(facts) = Certificate::read(end_entity)
        {
            let now = i64::try_from(now.as_secs()).ok().and_then(|now| Timestamp::from_second(now).ok());
            let now = TimeZone::UTC.to_datetime(now.ok_or(rustls::Error::FailedToGetCurrentTime)?);
            if now < facts.not_before {
                return Err(CertificateError::NotValidYet.into());
            }
            if now > facts.not_after {
                return Err(CertificateError::Expired.into());
            }
            return verify_server_name(&ParsedCertificate::try_from(end_entity)?, host);
        }
        match &self.trust {
            Some(trust) => {
                trust.verify_server_cert(end_entity, intermediates, host, ocsp_response, now).map(|_| ())
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fault = self.verify(end_entity, intermediates, server_name, ocsp_response, now).err();
        let certificate = Certificate::read(end_entity);
        let observed =
            ObservedCertificate { certificate, fault: fault.clone(), no_roots: self.trust.is_none() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(observed);
        match fault {
            Some(fault) if !self.accept_invalid => Err(fault),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    // If any certificate is accepted, its signature proves nothing either, and the certificates of some old
    // appliances cannot be parsed to check one.

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.accept_invalid {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.accept_invalid {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
