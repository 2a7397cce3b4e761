//! Diagnoses the connection to a service, layer by layer, on sockets of its own. An error of reqwest states
//! only "error sending request"; a probe states which layer failed.

mod handshake;
mod settings;
mod tcp;
mod tunnel;

use std::net::IpAddr;
use std::time::Instant;

use appsec_core::{Cause, ConnectionStep, StepKind};
use tokio::time::timeout;
use url::{Host, Url};

use crate::options::HttpOptions;
use crate::probe::handshake::{Peer, Stream, handshake};
use crate::probe::settings::{Endpoint, Settings, TimeLeft};
use crate::probe::tcp::connect;
use crate::resolve::no_address;
use crate::tls::{Diagnosis, ObservedCertificate, diagnose};

/// Runs the steps from configuration to TLS, in order, up to the first that fails. Nothing is sent to the
/// service beyond the handshake.
///
/// All steps together have the connect timeout, as a connection of the client has.
pub(crate) async fn probe(base_url: &Url, options: &HttpOptions) -> Vec<ConnectionStep> {
    let mut steps = Vec::new();
    // The failed step is the last one of the report.
    if let Err(failed) = run_steps(base_url, options, &mut steps).await {
        steps.push(failed);
    }
    steps
}

async fn run_steps(
    base_url: &Url,
    options: &HttpOptions,
    steps: &mut Vec<ConnectionStep>,
) -> Result<(), ConnectionStep> {
    let settings = Settings::new(base_url, options)?;
    steps.push(settings.step(options));

    let time = TimeLeft { begun: Instant::now(), whole: options.connect_timeout };
    let nearest = settings.proxy.as_ref().unwrap_or(&settings.service);
    let addresses = look_up(nearest, settings.proxy.is_some(), options, time, steps).await?;
    let stream = connect(nearest, &addresses, time, steps).await?;
    let stream = match &settings.proxy {
        Some(proxy) if settings.service.tls => {
            tunnel::open(stream, proxy, &settings, options, time, steps).await?
        }
        Some(_) => {
            steps.push(skip(StepKind::Proxy, "plain http is sent to the proxy itself, without a tunnel"));
            stream
        }
        None => {
            steps.push(skip(StepKind::Proxy, "no proxy is set"));
            stream
        }
    };
    if settings.service.tls {
        steps.push(secure(stream, &settings, options, time).await?);
    } else {
        steps.push(skip(StepKind::Tls, "the base URL is plain http"));
    }
    Ok(())
}

fn skip(kind: StepKind, why: &str) -> ConnectionStep {
    ConnectionStep::skipped(kind, why)
}

async fn look_up(
    endpoint: &Endpoint,
    is_proxy: bool,
    options: &HttpOptions,
    time: TimeLeft,
    steps: &mut Vec<ConnectionStep>,
) -> Result<Vec<IpAddr>, ConnectionStep> {
    let name = match &endpoint.host {
        Host::Domain(name) => name,
        Host::Ipv4(address) => return Ok(literal(IpAddr::V4(*address), steps)),
        Host::Ipv6(address) => return Ok(literal(IpAddr::V6(*address), steps)),
    };
    let begun = Instant::now();
    let addresses = match timeout(time.left(), options.resolver.resolve(name)).await {
        Ok(Ok(addresses)) if addresses.is_empty() => {
            Err(format!("{name} does not resolve: {}", no_address()))
        }
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(format!("{name} does not resolve: {error}")),
        Err(_) => Err(format!("the DNS look-up of {name} timed out after {:?}", time.whole)),
    };
    let took = begun.elapsed();
    let addresses = addresses.map_err(|detail| {
        let remedy = if is_proxy {
            "check the proxy's host name, and this machine's DNS"
        } else {
            "check the host in the base URL and this machine's DNS; if the network requires a proxy, set `with_proxy`"
        };
        ConnectionStep::failed(StepKind::Dns, Cause::DnsFailed, took, detail, remedy)
    })?;
    steps.push(ConnectionStep::passed(
        StepKind::Dns,
        took,
        format!("{name} resolves to {}", list(&addresses)),
    ));
    Ok(addresses)
}

/// Skips the look-up of an address.
fn literal(address: IpAddr, steps: &mut Vec<ConnectionStep>) -> Vec<IpAddr> {
    steps.push(skip(StepKind::Dns, "the URL has an address instead of a name"));
    vec![address]
}

/// Lists the first addresses; some services have dozens.
fn list(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 4;
    let mut shown: Vec<_> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    if addresses.len() > SHOWN {
        shown.push(format!("{} more", addresses.len() - SHOWN));
    }
    shown.join(", ")
}

/// The handshake with the service.
async fn secure(
    stream: Stream,
    settings: &Settings,
    options: &HttpOptions,
    time: TimeLeft,
) -> Result<ConnectionStep, ConnectionStep> {
    let begun = Instant::now();
    let host = settings.service.host.to_string();
    let peer = Peer { name: settings.service_name.clone(), host: &host };
    let result = handshake(stream, settings.tls.clone(), peer, &settings.verifier, time).await;
    let took = begun.elapsed();
    let stream = result.map_err(|Diagnosis { cause, detail, remedy }| {
        ConnectionStep::failed(StepKind::Tls, cause, took, detail, remedy)
    })?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let observed = settings.verifier.last();
    if let Some(ObservedCertificate { fault: Some(fault), .. }) = &observed
        && options.accept_invalid_certs
    {
        let Diagnosis { cause, detail, remedy } = diagnose(fault, observed.as_ref(), &host);
        let detail = format!("{version}; accepted by option although {detail}");
        return Ok(ConnectionStep::warning(StepKind::Tls, cause, took, detail, remedy));
    }
    let certificate = observed.and_then(|observed| observed.certificate).map(|certificate| {
        format!(
            "; certificate issued by {}, valid until {}",
            certificate.issuer,
            certificate.not_after.date()
        )
    });
    Ok(ConnectionStep::passed(StepKind::Tls, took, format!("{version}{}", certificate.unwrap_or_default())))
}
