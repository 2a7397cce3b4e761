//! The TLS settings of a client: the trusted roots, and a verifier that records certificates.

mod certificate;
mod diagnosis;
mod recording_verifier;

use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

pub(crate) use self::diagnosis::{Diagnosis, diagnose};
pub(crate) use self::recording_verifier::{ObservedCertificate, RecordingVerifier};
use crate::options::HttpOptions;

/// Returns the TLS settings of a client, and the verifier that records its handshakes.
///
/// The provider is aws-lc-rs, by name, since a process may hold several. The roots are those of the
/// platform and of the options. The protocols are those that the client supports; reqwest leaves them to a
/// caller that passes its own settings.
///
/// # Errors
/// `Config` for a root certificate that cannot be read.
pub(crate) fn recording_config(options: &HttpOptions) -> Result<(ClientConfig, Arc<RecordingVerifier>)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let own = certificates(&options.root_certificates)?;
    let verifier = Arc::new(RecordingVerifier::new(
        trust(&own, &provider)?,
        own,
        options.accept_invalid_certs,
        Arc::clone(&provider),
    ));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Config, "TLS cannot be set up").with_source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
        .with_no_client_auth();
    let protocols: &[&[u8]] = if options.http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok((config, verifier))
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

/// The platform's verifier with the extra roots; `None` if the machine has no roots and the options add
/// none.
///
/// A client without any root can still be built, since a fake on loopback needs none. Its https connections
/// fail, and the diagnosis states the reason.
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
