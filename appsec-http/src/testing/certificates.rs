//! Certificates that a client must distinguish: trusted, expired, self-signed and others.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls;

/// A certificate authority that is trusted only where its certificate was added as a root.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// use appsec_http::testing::TestCa;
///
/// let ca = TestCa::new("Example Test CA")?;
/// let certificate = ca.issue(&["localhost", "127.0.0.1"])?;
/// assert!(certificate.pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl TestCa {
    /// Returns an authority with a new key. The name becomes the issuer's common name.
    ///
    /// # Errors
    /// If the name is not allowed in a certificate.
    pub fn new(name: &str) -> io::Result<Self> {
        let mut params = params(&[], name)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)? })
    }

    /// The certificate of the authority, to be added as a root.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a certificate that is valid for these host names and addresses.
    ///
    /// # Errors
    /// If a name is not allowed in a certificate.
    pub fn issue(&self, names: &[&str]) -> io::Result<TestCertificate> {
        self.sign(&params(names, "server of a test")?)
    }

    /// Issues a certificate that was valid in the year 2020 only.
    ///
    /// # Errors
    /// As for [`TestCa::issue`].
    pub fn issue_expired(&self, names: &[&str]) -> io::Result<TestCertificate> {
        let mut params = params(names, "server of a test")?;
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    /// Issues a certificate that becomes valid in the year 3000.
    ///
    /// # Errors
    /// As for [`TestCa::issue`].
    pub fn issue_not_yet_valid(&self, names: &[&str]) -> io::Result<TestCertificate> {
        let mut params = params(names, "server of a test")?;
        params.not_before = rcgen::date_time_ymd(3000, 1, 1);
        params.not_after = rcgen::date_time_ymd(3001, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> io::Result<TestCertificate> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        TestCertificate::new(&certificate, &key)
    }
}

/// A server's certificate with its key.
#[derive(Debug)]
pub struct TestCertificate {
    pem: String,
    config: Arc<ServerConfig>,
}

impl TestCertificate {
    /// Returns a self-signed certificate that is not an authority.
    ///
    /// # Errors
    /// If a name is not allowed in a certificate.
    pub fn self_signed(names: &[&str]) -> io::Result<Self> {
        Self::self_sign(&params(names, "self-signed server of a test")?)
    }

    /// Returns a self-signed certificate that is marked as an authority, as `openssl req -x509` makes them.
    ///
    /// # Errors
    /// If a name is not allowed in a certificate.
    pub fn self_signed_authority(names: &[&str]) -> io::Result<Self> {
        let mut params = params(names, "self-signed server of a test")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self::self_sign(&params)
    }

    /// The certificate without its key.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server's TLS settings with this certificate, on the aws-lc-rs provider.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    fn self_sign(params: &CertificateParams) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        Self::new(&certificate, &key)
    }

    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> io::Result<Self> {
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(io::Error::other)?;
        Ok(Self { pem: certificate.pem(), config: Arc::new(config) })
    }
}

fn params(names: &[&str], common_name: &str) -> io::Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}
