//! The settings of a probe: where to connect, through which proxy, with which TLS settings, and for how
//! long.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{Cause, ConnectionStep, StepKind};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::options::HttpOptions;
use crate::tls::{RecordingVerifier, recording_config};

/// A host to connect to.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) tls: bool,
}

impl Endpoint {
    pub(super) fn from_url(url: &Url) -> Option<Self> {
        let host = url.host()?.to_owned();
        Some(Self { host, port: url.port_or_known_default()?, tls: url.scheme() == "https" })
    }

    /// `host:port`, as in `CONNECT`.
    pub(super) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
            Host::Ipv4(address) => Some(IpAddr::V4(*address).into()),
            Host::Ipv6(address) => Some(IpAddr::V6(*address).into()),
        }
    }
}

/// The settings that the steps need.
pub(super) struct Settings {
    pub(super) service: Endpoint,
    pub(super) service_name: ServerName<'static>,
    pub(super) proxy: Option<Endpoint>,
    pub(super) tls: ClientConfig,
    pub(super) verifier: Arc<RecordingVerifier>,
}

impl Settings {
    pub(super) fn new(base_url: &Url, options: &HttpOptions) -> Result<Self, ConnectionStep> {
        let invalid = |detail: &str| {
            let remedy = "correct the setting";
            ConnectionStep::failed(
                StepKind::Configuration,
                Cause::InvalidConfiguration,
                Duration::ZERO,
                detail,
                remedy,
            )
        };
        let service = Endpoint::from_url(base_url).ok_or_else(|| invalid("the base URL has no host"))?;
        let service_name = service
            .server_name()
            .ok_or_else(|| invalid("no certificate can be valid for the host of the base URL"))?;
        let proxy = options.proxy_url().map_err(|error| invalid(error.message()))?;
        let proxy = proxy.as_ref().and_then(Endpoint::from_url);
        let (config, verifier) = recording_config(options).map_err(|error| invalid(error.message()))?;
        Ok(Self { service, service_name, proxy, tls: config, verifier })
    }

    pub(super) fn step(&self, options: &HttpOptions) -> ConnectionStep {
        let scheme = if self.service.tls { "https" } else { "http" };
        let mut detail = format!("{scheme} to {}", self.service.authority());
        if let Some(proxy) = &self.proxy {
            detail = format!("{detail} through the proxy {}", proxy.authority());
        }
        if self.service.tls && options.accept_invalid_certs {
            return ConnectionStep::warning(
                StepKind::Configuration,
                Cause::InvalidCertificatesAccepted,
                Duration::ZERO,
                format!("{detail}; certificates are not verified"),
                "add the server's certificate (`with_root_certificate_pem`; `ca` in appsec.toml) instead of accepting any",
            );
        }
        if !self.service.tls && !is_loopback(&self.service.host) {
            return ConnectionStep::warning(
                StepKind::Configuration,
                Cause::InvalidConfiguration,
                Duration::ZERO,
                format!("{detail}: credentials travel unencrypted"),
                "use https, if the service offers it",
            );
        }
        ConnectionStep::passed(StepKind::Configuration, Duration::ZERO, detail)
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// The connect timeout, which all steps share.
#[derive(Clone, Copy)]
pub(super) struct TimeLeft {
    pub(super) begun: Instant,
    pub(super) whole: Duration,
}

impl TimeLeft {
    pub(super) fn left(self) -> Duration {
        self.whole.saturating_sub(self.begun.elapsed())
    }
}
