//! A gateway in front of a service. It passes every request on, except those with an injected fault.
//!
//! `FaultProxy` breaks connections; this gateway breaks single responses, such as the third chunk or the
//! first export status.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::response_fault::{Response, ResponseFault};

/// Bytes that are neither HTTP nor JSON nor UTF-8.
const GARBAGE: &[u8] = b"\xff\xfe\x00}]\"\xc3\x28\r\n\x80garbage\x00\xff";
/// The delay before a reset, in which the bytes before it arrive.
const FLUSH_TIME: Duration = Duration::from_millis(5);
/// The pause between two bytes of a slow response.
const BYTE_PAUSE: Duration = Duration::from_millis(20);

/// Which of the matching requests get the fault, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The one with that index.
    Nth(u64),
    /// That many, starting with the first.
    First(u64),
    /// Every one starting with that index.
    From(u64),
    /// Every request.
    Always,
}

impl When {
    fn applies(self, index: u64) -> bool {
        match self {
            Self::Nth(nth) => index == nth,
            Self::First(count) => index < count,
            Self::From(first) => index >= first,
            Self::Always => true,
        }
    }
}

#[derive(Debug)]
struct Rule {
    pattern: String,
    when: When,
    fault: ResponseFault,
    matches: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<String>>,
    /// The number of requests in progress.
    in_progress: AtomicU64,
}

/// A gateway on loopback. It stops when dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Gateway {
    /// Starts a gateway in front of the service at this address.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            rules: Mutex::default(),
            requests: Mutex::default(),
            in_progress: AtomicU64::new(0),
        });
        let server = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, Arc::clone(&server)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, shared, task: task.abort_handle() }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Injects a fault into requests whose method and target, as in `GET /v1/things?page=2`, contain the
    /// text. If several rules match, the first applies; all of them count the request.
    pub fn inject(&self, pattern: &str, when: When, fault: ResponseFault) {
        self.shared.rules.lock().unwrap().push(Rule { pattern: pattern.to_owned(), when, fault, matches: 0 });
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// The requests received, as method and target.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The number of requests received whose method and target contain the text.
    pub fn requests_to(&self, pattern: &str) -> usize {
        self.shared.requests.lock().unwrap().iter().filter(|request| request.contains(pattern)).count()
    }

    /// The number of requests in progress.
    pub fn in_progress(&self) -> u64 {
        self.shared.in_progress.load(Ordering::SeqCst)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// The fault for this request.
    fn fault(&self, request: &str) -> Option<ResponseFault> {
        self.requests.lock().unwrap().push(request.to_owned());
        let mut fault = None;
        for rule in self.rules.lock().unwrap().iter_mut().filter(|rule| request.contains(&rule.pattern)) {
            let applies = rule.when.applies(rule.matches);
            rule.matches += 1;
            if applies && fault.is_none() {
                fault = Some(rule.fault.clone());
            }
        }
        fault
    }
}

/// Counts a request as in progress until it is dropped.
struct InProgress<'a>(&'a AtomicU64);

impl<'a> InProgress<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An HTTP/1.1 message with a content length.
struct Message {
    first_line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Reads a message; `None` if the peer has closed.
    async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) if head.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let first_line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        Ok(Some(Self { first_line, headers, body }))
    }

    async fn write(&self, stream: &mut BufReader<TcpStream>) -> io::Result<()> {
        let mut head = format!("{}\r\n", self.first_line);
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await
    }

    fn into_response(self) -> Response {
        let status = self.first_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let framing = ["content-length", "transfer-encoding", "connection"];
        let mut headers = self.headers;
        headers.retain(|(name, _)| !framing.contains(&name.as_str()));
        Response { status, headers, body: self.body }
    }
}

/// What happens to the connection after a response.
#[derive(PartialEq)]
enum AfterResponse {
    KeepAlive,
    Close,
    Reset,
}

async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    let mut upstream = None;
    while let Some(request) = Message::read(&mut client).await? {
        let _under_way = InProgress::new(&shared.in_progress);
        let mut parts = request.first_line.split(' ');
        let target = format!("{} {}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let fault = shared.fault(&target);
        let response = if fault.as_ref().is_none_or(ResponseFault::reaches_service) {
            forward(&mut upstream, shared.upstream, &request).await?
        } else {
            Response::status(200)
        };
        match respond(&mut client, &target, response, fault).await? {
            AfterResponse::KeepAlive => {}
            AfterResponse::Close => break,
            AfterResponse::Reset => {
                tokio::time::sleep(FLUSH_TIME).await;
                client.get_ref().set_zero_linger()?;
                return Ok(());
            }
        }
    }
    client.shutdown().await
}

/// Forwards a request to the service and returns its response.
async fn forward(
    upstream: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    request: &Message,
) -> io::Result<Response> {
    if upstream.is_none() {
        *upstream = Some(BufReader::new(TcpStream::connect(address).await?));
    }
    let stream = upstream.as_mut().unwrap();
    request.write(stream).await?;
    let response = Message::read(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(response.into_response())
}

async fn respond(
    client: &mut BufReader<TcpStream>,
    target: &str,
    mut response: Response,
    fault: Option<ResponseFault>,
) -> io::Result<AfterResponse> {
    let Some(fault) = fault else { return send_whole(client, &response).await };
    let prefix_length = |response: &Response, percent: u64| {
        response.body.len() * usize::try_from(percent.min(100)).unwrap_or(100) / 100
    };
    match fault {
        ResponseFault::Replace(instead) => send_whole(client, &instead).await,
        ResponseFault::Compute(compute) => send_whole(client, &compute(target)).await,
        ResponseFault::Generate(pieces) => {
            send_head(client, &response, "transfer-encoding: chunked").await?;
            for piece in (0..).map_while(|number| pieces(number)) {
                send_chunk(client, &piece).await?;
            }
            client.write_all(b"0\r\n\r\n").await?;
            Ok(AfterResponse::KeepAlive)
        }
        ResponseFault::Change(change) => {
            change(&mut response);
            send_whole(client, &response).await
        }
        ResponseFault::Delay(by) => {
            tokio::time::sleep(by).await;
            send_whole(client, &response).await
        }
        ResponseFault::CloseBeforeRequest | ResponseFault::CloseBeforeResponse => Ok(AfterResponse::Close),
        ResponseFault::Reset(percent) => {
            send_part(client, &response, prefix_length(&response, percent)).await?;
            Ok(AfterResponse::Reset)
        }
        ResponseFault::CloseEarly(percent) => {
            send_part(client, &response, prefix_length(&response, percent)).await?;
            Ok(AfterResponse::Close)
        }
        ResponseFault::MissingLastChunk => {
            send_head(client, &response, "transfer-encoding: chunked").await?;
            send_chunk(client, &response.body).await?;
            Ok(AfterResponse::Close)
        }
        ResponseFault::Truncate(percent) => {
            response.body.truncate(prefix_length(&response, percent));
            send_whole(client, &response).await
        }
        ResponseFault::Stall(percent) => {
            send_part(client, &response, prefix_length(&response, percent)).await?;
            // Waits until the client gives up and closes.
            let _ = client.read_u8().await;
            Ok(AfterResponse::Close)
        }
        ResponseFault::ByteByByte => {
            send_part(client, &response, 0).await?;
            for byte in &response.body {
                client.write_all(&[*byte]).await?;
                tokio::time::sleep(BYTE_PAUSE).await;
            }
            Ok(AfterResponse::KeepAlive)
        }
        ResponseFault::Garbage(percent) => {
            send_part(client, &response, prefix_length(&response, percent)).await?;
            client.write_all(GARBAGE).await?;
            Ok(AfterResponse::Close)
        }
        ResponseFault::NotHttp => {
            client.write_all(b"220 mail.example.test ready\r\n\r\n").await?;
            Ok(AfterResponse::Close)
        }
        ResponseFault::EndlessBody { first, then } => {
            send_head(client, &response, "transfer-encoding: chunked").await?;
            send_chunk(client, &first).await?;
            loop {
                send_chunk(client, &then).await?;
            }
        }
    }
}

async fn send_head(client: &mut BufReader<TcpStream>, response: &Response, framing: &str) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Test\r\n{framing}\r\n", response.status);
    for (name, value) in &response.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    client.write_all(head.as_bytes()).await
}

async fn send_chunk(client: &mut BufReader<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    client.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    client.write_all(bytes).await?;
    client.write_all(b"\r\n").await
}

async fn send_whole(client: &mut BufReader<TcpStream>, response: &Response) -> io::Result<AfterResponse> {
    send_part(client, response, response.body.len()).await?;
    Ok(AfterResponse::KeepAlive)
}

/// Sends the head with the full content length, and only that many bytes of the body.
async fn send_part(client: &mut BufReader<TcpStream>, response: &Response, bytes: usize) -> io::Result<()> {
    // A response without content has no content length.
    let framing = match response.status {
        204 => "x-framing: none".to_owned(),
        _ => format!("content-length: {}", response.body.len()),
    };
    send_head(client, response, &framing).await?;
    client.write_all(&response.body[..bytes]).await?;
    client.flush().await
}
