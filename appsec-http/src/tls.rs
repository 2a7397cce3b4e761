//! Whom a client trusts, and what it saw when it did not.

mod certificate;
mod diagnosis;

use std::sync::{Arc, Mutex, PoisonError};

use appsec_core::{Error, ErrorKind, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;

pub(crate) use self::certificate::Certificate;
pub(crate) use self::diagnosis::{Diagnosis, diagnose};
use crate::options::HttpOptions;

/// The TLS settings of a client, with the witness of its handshakes: the aws-lc-rs provider by name, since a process
/// may hold several; the platform's roots and those of the options; the protocols that the client speaks, which reqwest
/// leaves to whoever hands it settings.
///
/// # Errors
/// `Config` for a root certificate that is none.
pub(crate) fn witnessed_config(options: &HttpOptions) -> Result<(ClientConfig, Arc<Witness>)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let own = certificates(&options.root_certificates)?;
    let witness = Arc::new(Witness {
        trust: trust(&own, &provider)?,
        own,
        accept_invalid: options.accept_invalid_certs,
        provider: Arc::clone(&provider),
        last: Mutex::default(),
    });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as _)
        .with_no_client_auth();
    let protocols: &[&[u8]] = if options.http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((config, witness))
}

/// The certificates in the PEM texts of the options.
fn certificates(pems: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>> {
    let mut certificates = Vec::new();
    for pem in pems {
        let before = certificates.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            certificates.push(certificate.map_err(|_| refused("a root certificate is not valid PEM"))?);
        }
        if certificates.len() == before {
            return Err(refused("a root certificate holds no `BEGIN CERTIFICATE`"));
        }
    }
    Ok(certificates)
}

/// The platform's verifier with the extra roots; `None` where the machine has no roots and the options add none.
///
/// A client without any root can still be built, as a fake on loopback needs none; its https connections fail, and
/// the diagnosis says why.
fn trust(
    own: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>> {
    match Verifier::new_with_extra_roots(own.iter().cloned(), Arc::clone(provider)) {
        Ok(verifier) => Ok(Some(Arc::new(verifier))),
        Err(_) if own.is_empty() => Ok(None),
        Err(error) => Err(refused("a root certificate cannot be used").with_source(error)),
    }
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// Judges certificates as rustls does, and remembers the last one with the verdict.
#[derive(Debug)]
pub(crate) struct Witness {
    /// `None` where there are no roots.
    trust: Option<Arc<dyn ServerCertVerifier>>,
    /// The extra roots.
    own: Vec<CertificateDer<'static>>,
    accept_invalid: bool,
    provider: Arc<CryptoProvider>,
    last: Mutex<Option<Sighting>>,
}

/// A server's certificate, and what was made of it.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    /// `None` for one that could not be read.
    pub(crate) certificate: Option<Certificate>,
    /// What is wrong with it, whether or not that is accepted.
    pub(crate) fault: Option<rustls::Error>,
    /// Nothing could be trusted for want of roots.
    pub(crate) no_roots: bool,
}

impl Witness {
    /// The last certificate that was judged.
    pub(crate) fn last(&self) -> Option<Sighting> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        // rustls refuses a server's certificate that calls itself an authority, as most self-signed ones do. Whoever
        // added this very certificate as a root trusts this very server.
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

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let fault = self.judge(end_entity, intermediates, server_name, ocsp_response, now).err();
        let certificate = Certificate::read(end_entity);
        let sighting = Sighting { certificate, fault: fault.clone(), no_roots: self.trust.is_none() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(sighting);
        match fault {
            Some(fault) if !self.accept_invalid => Err(fault),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    // A certificate that is accepted whatever it says proves nothing by its signature either, and some that old
    // appliances make cannot be parsed for one.

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
