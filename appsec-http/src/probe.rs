//! Diagnosis of the way to a service, layer by layer, on sockets of its own: an error of the HTTP stack says "error
//! sending request", and which layer failed is what a person needs to know.

mod tunnel;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use appsec_core::{Cause, ConnectionStep, StepKind};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::options::HttpOptions;
use crate::resolve::no_address;
use crate::tls::{Diagnosis, Sighting, Witness, diagnose, witnessed_config};

/// Takes the steps from configuration to TLS, in order, up to the first that fails. Nothing is sent to the service
/// beyond the handshake.
///
/// All steps together get the connect timeout, as a connection of the client does.
pub(crate) async fn probe(base_url: &Url, options: &HttpOptions) -> Vec<ConnectionStep> {
    let mut steps = Vec::new();
    // The failed step ends the walk and is the last one of the report.
    if let Err(failed) = walk(base_url, options, &mut steps).await {
        steps.push(failed);
    }
    steps
}

async fn walk(
    base_url: &Url,
    options: &HttpOptions,
    steps: &mut Vec<ConnectionStep>,
) -> Result<(), ConnectionStep> {
    let settings = Settings::of(base_url, options)?;
    steps.push(settings.step(options));

    let clock = Clock { begun: Instant::now(), whole: options.connect_timeout };
    let nearest = settings.proxy.as_ref().unwrap_or(&settings.service);
    let addresses = look_up(nearest, settings.proxy.is_some(), options, clock, steps).await?;
    let stream = connect(nearest, &addresses, clock, steps).await?;
    let stream = match &settings.proxy {
        Some(proxy) if settings.service.tls => {
            tunnel::open(stream, proxy, &settings, options, clock, steps).await?
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
        steps.push(secure(stream, &settings, options, clock).await?);
    } else {
        steps.push(skip(StepKind::Tls, "the base URL is plain http"));
    }
    Ok(())
}

/// A host to connect to.
#[derive(Debug)]
struct Endpoint {
    host: Host<String>,
    port: u16,
    tls: bool,
}

impl Endpoint {
    fn of(url: &Url) -> Option<Self> {
        let host = url.host()?.to_owned();
        Some(Self { host, port: url.port_or_known_default()?, tls: url.scheme() == "https" })
    }

    /// `host:port`, as in a `CONNECT`.
    fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
            Host::Ipv4(address) => Some(IpAddr::V4(*address).into()),
            Host::Ipv6(address) => Some(IpAddr::V6(*address).into()),
        }
    }
}

/// The parts of the settings that the steps need.
struct Settings {
    service: Endpoint,
    service_name: ServerName<'static>,
    proxy: Option<Endpoint>,
    tls: ClientConfig,
    witness: Arc<Witness>,
}

impl Settings {
    fn of(base_url: &Url, options: &HttpOptions) -> Result<Self, ConnectionStep> {
        let wrong = |saw: &str| {
            let remedy = "correct the settings named";
            ConnectionStep::failed(
                StepKind::Configuration,
                Cause::InvalidConfiguration,
                Duration::ZERO,
                saw,
                remedy,
            )
        };
        let service = Endpoint::of(base_url).ok_or_else(|| wrong("the base URL has no host"))?;
        let service_name = service
            .server_name()
            .ok_or_else(|| wrong("the base URL's host cannot stand in a certificate"))?;
        let proxy = options.proxy_url().map_err(|error| wrong(error.message()))?;
        let proxy = proxy.as_ref().and_then(Endpoint::of);
        let (config, witness) = witnessed_config(options).map_err(|error| wrong(error.message()))?;
        Ok(Self { service, service_name, proxy, tls: config, witness })
    }

    fn step(&self, options: &HttpOptions) -> ConnectionStep {
        let scheme = if self.service.tls { "https" } else { "http" };
        let mut saw = format!("{scheme} to {}", self.service.authority());
        if let Some(proxy) = &self.proxy {
            saw = format!("{saw} through the proxy {}", proxy.authority());
        }
        if self.service.tls && options.accept_invalid_certs {
            return ConnectionStep::warning(
                StepKind::Configuration,
                Cause::InvalidCertificatesAccepted,
                Duration::ZERO,
                format!("{saw}; certificates are not verified"),
                "add the server's certificate with `with_root_certificate_pem` instead of `with_accept_invalid_certs`",
            );
        }
        if !self.service.tls && !is_loopback(&self.service.host) {
            return ConnectionStep::warning(
                StepKind::Configuration,
                Cause::InvalidConfiguration,
                Duration::ZERO,
                format!("{saw}: credentials travel unencrypted"),
                "use https, if the service offers it",
            );
        }
        ConnectionStep::passed(StepKind::Configuration, Duration::ZERO, saw)
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// What is left of the connect timeout.
#[derive(Clone, Copy)]
struct Clock {
    begun: Instant,
    whole: Duration,
}

impl Clock {
    fn left(self) -> Duration {
        self.whole.saturating_sub(self.begun.elapsed())
    }
}

fn skip(kind: StepKind, why: &str) -> ConnectionStep {
    ConnectionStep::skipped(kind, why)
}

async fn look_up(
    endpoint: &Endpoint,
    is_proxy: bool,
    options: &HttpOptions,
    clock: Clock,
    steps: &mut Vec<ConnectionStep>,
) -> Result<Vec<IpAddr>, ConnectionStep> {
    let name = match &endpoint.host {
        Host::Domain(name) => name,
        Host::Ipv4(address) => return Ok(given(IpAddr::V4(*address), steps)),
        Host::Ipv6(address) => return Ok(given(IpAddr::V6(*address), steps)),
    };
    let begun = Instant::now();
    let addresses = match timeout(clock.left(), options.resolver.resolve(name)).await {
        Ok(Ok(addresses)) if addresses.is_empty() => {
            Err(format!("{name} does not resolve: {}", no_address()))
        }
        Ok(Ok(addresses)) => Ok(addresses),
        Ok(Err(error)) => Err(format!("{name} does not resolve: {error}")),
        Err(_) => Err(format!("the look-up of {name} had no answer within {:?}", clock.whole)),
    };
    let took = begun.elapsed();
    let addresses = addresses.map_err(|saw| {
        let remedy = if is_proxy {
            "check the proxy's host name, and this machine's DNS"
        } else {
            "check the host in the base URL and this machine's DNS; where only a proxy knows the way out, set \
             `with_proxy`"
        };
        ConnectionStep::failed(StepKind::Dns, Cause::DnsFailed, took, saw, remedy)
    })?;
    steps.push(ConnectionStep::passed(
        StepKind::Dns,
        took,
        format!("{name} resolves to {}", list(&addresses)),
    ));
    Ok(addresses)
}

/// An address needs no look-up.
fn given(address: IpAddr, steps: &mut Vec<ConnectionStep>) -> Vec<IpAddr> {
    steps.push(skip(StepKind::Dns, "an address is given, not a name"));
    vec![address]
}

/// The first few; some services have dozens.
fn list(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 4;
    let mut shown: Vec<_> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    if addresses.len() > SHOWN {
        shown.push(format!("{} more", addresses.len() - SHOWN));
    }
    shown.join(", ")
}

async fn connect(
    endpoint: &Endpoint,
    addresses: &[IpAddr],
    clock: Clock,
    steps: &mut Vec<ConnectionStep>,
) -> Result<Stream, ConnectionStep> {
    let begun = Instant::now();
    let mut worst: Option<Fault> = None;
    for (tried, address) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*address, endpoint.port);
        // Each address gets its share, so that one that does not answer leaves time for the others.
        let share = clock.left() / u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let fault = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let mut saw = format!("{address} accepts connections");
                if let Some(fault) = worst {
                    saw = format!("{saw}, though {}", fault.saw);
                }
                steps.push(ConnectionStep::passed(StepKind::Tcp, begun.elapsed(), saw));
                return Ok(Box::new(stream));
            }
            Ok(Err(error)) => Fault::of(address, &error),
            Err(_) => Fault::silence(address, clock.whole),
        };
        if worst.as_ref().is_none_or(|worst| fault.weight < worst.weight) {
            worst = Some(fault);
        }
    }
    let fault = worst.unwrap_or_else(Fault::nowhere);
    Err(ConnectionStep::failed(StepKind::Tcp, fault.cause, begun.elapsed(), fault.saw, fault.remedy))
}

/// Why an address cannot be connected to. Of several, the one that says most is reported: a refusal comes from the
/// machine itself, silence from something between, and another fault often means only that there is no IPv6 here.
struct Fault {
    weight: u8,
    cause: Cause,
    saw: String,
    remedy: &'static str,
}

impl Fault {
    fn of(address: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self {
                weight: 0,
                cause: Cause::ConnectRefused,
                saw: format!("{address} refuses connections"),
                remedy: "check the port, and that the service runs",
            },
            io::ErrorKind::TimedOut => Self::unanswered(format!("{address} does not answer")),
            _ => Self {
                weight: 2,
                cause: Cause::ConnectFailed,
                saw: format!("no connection to {address}: {error}"),
                remedy: "check this machine's network and routes",
            },
        }
    }

    fn silence(address: SocketAddr, within: Duration) -> Self {
        Self::unanswered(format!("{address} does not answer within {within:?}"))
    }

    fn unanswered(saw: String) -> Self {
        Self {
            weight: 1,
            cause: Cause::ConnectTimeout,
            saw,
            remedy: "ask whether a firewall drops the connection; where only a proxy knows the way out, set \
                     `with_proxy`",
        }
    }

    fn nowhere() -> Self {
        Self {
            weight: 2,
            cause: Cause::ConnectFailed,
            saw: "there is no address to connect to".to_owned(),
            remedy: "check the host in the base URL",
        }
    }
}

/// A connection of any make.
type Stream = Box<dyn Duplex>;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The handshake with the service.
async fn secure(
    stream: Stream,
    settings: &Settings,
    options: &HttpOptions,
    clock: Clock,
) -> Result<ConnectionStep, ConnectionStep> {
    let begun = Instant::now();
    let host = settings.service.host.to_string();
    let peer = Peer { name: settings.service_name.clone(), host: &host };
    let shaken = handshake(stream, settings.tls.clone(), peer, &settings.witness, clock).await;
    let took = begun.elapsed();
    let stream = shaken.map_err(|Diagnosis { cause, saw, remedy }| {
        ConnectionStep::failed(StepKind::Tls, cause, took, saw, remedy)
    })?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    let sighting = settings.witness.last();
    if let Some(Sighting { fault: Some(fault), .. }) = &sighting
        && options.accept_invalid_certs
    {
        let Diagnosis { cause, saw, remedy } = diagnose(fault, sighting.as_ref(), &host);
        let saw = format!("{version}; accepted by option although {saw}");
        return Ok(ConnectionStep::warning(StepKind::Tls, cause, took, saw, remedy));
    }
    let certificate = sighting.and_then(|sighting| sighting.certificate).map(|certificate| {
        format!(
            "; certificate issued by {}, valid until {}",
            certificate.issuer,
            certificate.not_after.date()
        )
    });
    Ok(ConnectionStep::passed(StepKind::Tls, took, format!("{version}{}", certificate.unwrap_or_default())))
}

/// Whose certificate is expected, and the name to tell a person.
struct Peer<'a> {
    name: ServerName<'static>,
    host: &'a str,
}

async fn handshake(
    stream: Stream,
    config: ClientConfig,
    Peer { name, host }: Peer<'_>,
    witness: &Witness,
    clock: Clock,
) -> Result<tokio_rustls::client::TlsStream<Stream>, Diagnosis> {
    let connector = TlsConnector::from(Arc::new(config));
    let failed = |saw: String, remedy| Diagnosis { cause: Cause::TlsHandshake, saw, remedy };
    match timeout(clock.left(), connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => {
            Err(match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                Some(error) => diagnose(error, witness.last().as_ref(), host),
                None => failed(
                    format!("{host} closed the connection during the TLS handshake"),
                    "check the port in the base URL, and whether a firewall between forbids the connection",
                ),
            })
        }
        Err(_) => Err(failed(
            format!("{host} did not finish the TLS handshake within {:?}", clock.whole),
            "check the port in the base URL, and whether a firewall between holds the connection up",
        )),
    }
}
