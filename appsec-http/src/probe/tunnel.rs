//! The step that opens a tunnel through a proxy.

use std::io;
use std::time::Instant;

use appsec_core::{Cause, ConnectionStep, StepKind};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use url::Url;

use crate::options::HttpOptions;
use crate::probe::handshake::{Peer, Stream, handshake};
use crate::probe::settings::{Endpoint, Settings, TimeLeft};

/// The largest head of a proxy's response, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Asks the proxy to open a tunnel to the service.
pub(super) async fn open(
    stream: Stream,
    proxy: &Endpoint,
    settings: &Settings,
    options: &HttpOptions,
    time: TimeLeft,
    steps: &mut Vec<ConnectionStep>,
) -> Result<Stream, ConnectionStep> {
    let begun = Instant::now();
    let failed = |detail: String, remedy: &'static str| {
        ConnectionStep::failed(StepKind::Proxy, Cause::ProxyFailed, begun.elapsed(), detail, remedy)
    };
    let at = proxy.authority();
    let mut stream = stream;
    if proxy.tls {
        let Some(name) = proxy.server_name() else {
            return Err(failed(
                format!("no certificate can be valid for {at}"),
                "check the proxy's host name",
            ));
        };
        // A proxy that is offered HTTP/2 may choose it, and `CONNECT` is sent as HTTP/1.1.
        let mut config = settings.tls.clone();
        config.alpn_protocols.clear();
        let peer = Peer { name, host: &proxy.host.to_string() };
        stream = match handshake(stream, config, peer, &settings.verifier, time).await {
            Ok(stream) => Box::new(stream),
            Err(diagnosis) => {
                return Err(failed(
                    format!("TLS to the proxy: {}", diagnosis.detail),
                    "check the proxy's scheme and port",
                ));
            }
        };
    }
    let target = settings.service.authority();
    let credentials = options.proxy_url().ok().flatten().as_ref().and_then(credentials);
    let with_credentials = credentials.is_some();
    let status = match timeout(time.left(), connect(&mut stream, &target, credentials)).await {
        Ok(Ok(Some(status))) => status,
        Ok(Ok(None)) => {
            return Err(failed(
                format!("the response of {at} is not HTTP"),
                "check the proxy's host, port and scheme: it must be an HTTP proxy",
            ));
        }
        Ok(Err(_)) => {
            return Err(failed(
                format!("the proxy {at} closed the connection without a response"),
                "check the proxy's scheme and port, and ask its operator",
            ));
        }
        Err(_) => {
            return Err(failed(
                format!("the proxy {at} did not respond within {:?}", time.whole),
                "check that it is an HTTP proxy, and ask its operator whether it may reach the service",
            ));
        }
    };
    let refused = format!("the proxy {at} returned {status} for a tunnel to {target}");
    match status {
        200..=299 => {
            let detail = format!("the proxy {at} opened a tunnel to {target}");
            steps.push(ConnectionStep::passed(StepKind::Proxy, begun.elapsed(), detail));
            Ok(stream)
        }
        407 if with_credentials => Err(failed(
            format!("{refused}: it does not accept the credentials given"),
            "correct the user and the password in `with_proxy`; the proxy must accept the Basic scheme",
        )),
        407 => Err(failed(
            format!("{refused}: it requires credentials"),
            "add the user and the password to the URL in `with_proxy`",
        )),
        403 => Err(failed(refused, "ask the proxy's operator to allow this host and port")),
        405 | 501 => Err(failed(refused, "use a proxy that supports CONNECT")),
        502..=504 => Err(failed(
            refused,
            "the proxy cannot reach the service: check the base URL's host, and ask its operator",
        )),
        _ => Err(failed(refused, "ask the proxy's operator")),
    }
}

/// Sends the request and reads the response's head. Returns `None` for a response that is not HTTP.
async fn connect(stream: &mut Stream, target: &str, credentials: Option<String>) -> io::Result<Option<u16>> {
    let authorization =
        credentials.map(|basic| format!("Proxy-Authorization: Basic {basic}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    // Byte by byte, so that nothing of what follows the head is taken from the tunnel.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
        if head.len() > MAX_HEAD || !b"HTTP/1.".iter().zip(&head).all(|(expected, found)| expected == found) {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).and_then(|status| status.get(..3)).and_then(|status| status.parse().ok()))
}

/// User and password of the proxy's URL, encoded for the Basic scheme.
fn credentials(proxy: &Url) -> Option<String> {
    if proxy.username().is_empty() && proxy.password().is_none() {
        return None;
    }
    let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
    let pair =
        [decoded(proxy.username()), b":".to_vec(), decoded(proxy.password().unwrap_or_default())].concat();
    Some(BASE64_STANDARD.encode(pair))
}
