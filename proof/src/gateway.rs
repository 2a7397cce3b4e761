//! A gateway before a service, which lets every request pass but those that it is told to spoil.
//!
//! Where `FaultProxy` breaks connections, this one breaks answers: the third chunk, the first look at an export's status.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::twist::{Reply, Twist};

/// Bytes that are neither HTTP nor JSON nor UTF-8.
const GARBAGE: &[u8] = b"\xff\xfe\x00}]\"\xc3\x28\r\n\x80garbage\x00\xff";
/// How long the bytes before a reset get to arrive.
const SETTLE: Duration = Duration::from_millis(5);
/// The pause between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(20);

/// Which of the requests to a place are spoiled, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// That one.
    Nth(u64),
    /// So many, from the first on.
    First(u64),
    /// Every one from that on.
    From(u64),
    /// Every one.
    Always,
}

impl When {
    fn fires(self, before: u64) -> bool {
        match self {
            Self::Nth(nth) => before == nth,
            Self::First(count) => before < count,
            Self::From(first) => before >= first,
            Self::Always => true,
        }
    }
}

#[derive(Debug)]
struct Rule {
    place: String,
    when: When,
    twist: Twist,
    seen: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<String>>,
    /// Requests that are being answered now.
    under_way: AtomicU64,
}

/// A gateway on loopback. It stops when dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Gateway {
    /// Starts a gateway before the service at this address.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            rules: Mutex::default(),
            requests: Mutex::default(),
            under_way: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, Arc::clone(&serving)));
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

    /// Spoils requests whose method and target, as in `GET /v1/things?page=2`, contain that text. Of several rules for one request
    /// the first counts; all of them count the request.
    pub fn spoil(&self, place: &str, when: When, twist: Twist) {
        self.shared.rules.lock().unwrap().push(Rule { place: place.to_owned(), when, twist, seen: 0 });
    }

    /// Spoils nothing any more.
    pub fn recover(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// The requests that came, as method and target.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many requests whose method and target contain that text came.
    pub fn requests_to(&self, place: &str) -> usize {
        self.shared.requests.lock().unwrap().iter().filter(|request| request.contains(place)).count()
    }

    /// How many requests are being answered now.
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::SeqCst)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// What happens to this request.
    fn twist(&self, request: &str) -> Option<Twist> {
        self.requests.lock().unwrap().push(request.to_owned());
        let mut picked = None;
        for rule in self.rules.lock().unwrap().iter_mut().filter(|rule| request.contains(&rule.place)) {
            let fires = rule.when.fires(rule.seen);
            rule.seen += 1;
            if fires && picked.is_none() {
                picked = Some(rule.twist.clone());
            }
        }
        picked
    }
}

/// Counts a request as under way for as long as it lives.
struct UnderWay<'a>(&'a AtomicU64);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A message of HTTP/1.1 with a length.
struct Message {
    first_line: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Reads one; `None` when the peer has closed.
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

    fn into_reply(self) -> Reply {
        let status = self.first_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let framing = ["content-length", "transfer-encoding", "connection"];
        let mut headers = self.headers;
        headers.retain(|(name, _)| !framing.contains(&name.as_str()));
        Reply { status, headers, body: self.body }
    }
}

/// How a connection goes on after an answer.
#[derive(PartialEq)]
enum Then {
    Next,
    Close,
    Reset,
}

async fn serve(client: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = BufReader::new(client);
    let mut upstream = None;
    while let Some(request) = Message::read(&mut client).await? {
        let _under_way = UnderWay::new(&shared.under_way);
        let mut words = request.first_line.split(' ');
        let target = format!("{} {}", words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let twist = shared.twist(&target);
        let reply = if twist.as_ref().is_none_or(Twist::is_heard) {
            ask(&mut upstream, shared.upstream, &request).await?
        } else {
            Reply::status(200)
        };
        match answer(&mut client, &target, reply, twist).await? {
            Then::Next => {}
            Then::Close => break,
            Then::Reset => {
                tokio::time::sleep(SETTLE).await;
                client.get_ref().set_zero_linger()?;
                return Ok(());
            }
        }
    }
    client.shutdown().await
}

/// The service's own answer.
async fn ask(
    upstream: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    request: &Message,
) -> io::Result<Reply> {
    if upstream.is_none() {
        *upstream = Some(BufReader::new(TcpStream::connect(address).await?));
    }
    let stream = upstream.as_mut().unwrap();
    request.write(stream).await?;
    let answer = Message::read(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(answer.into_reply())
}

async fn answer(
    client: &mut BufReader<TcpStream>,
    target: &str,
    mut reply: Reply,
    twist: Option<Twist>,
) -> io::Result<Then> {
    let Some(twist) = twist else { return whole(client, &reply).await };
    let part = |reply: &Reply, percent: u64| {
        reply.body.len() * usize::try_from(percent.min(100)).unwrap_or(100) / 100
    };
    match twist {
        Twist::Instead(instead) => whole(client, &instead).await,
        Twist::Computed(compute) => whole(client, &compute(target)).await,
        Twist::Pieces(pieces) => {
            head(client, &reply, "transfer-encoding: chunked").await?;
            for piece in (0..).map_while(|number| pieces(number)) {
                chunk(client, &piece).await?;
            }
            client.write_all(b"0\r\n\r\n").await?;
            Ok(Then::Next)
        }
        Twist::Change(change) => {
            change(&mut reply);
            whole(client, &reply).await
        }
        Twist::Late(by) => {
            tokio::time::sleep(by).await;
            whole(client, &reply).await
        }
        Twist::Unheard | Twist::Unanswered => Ok(Then::Close),
        Twist::Reset(percent) => {
            some(client, &reply, part(&reply, percent)).await?;
            Ok(Then::Reset)
        }
        Twist::Cut(percent) => {
            some(client, &reply, part(&reply, percent)).await?;
            Ok(Then::Close)
        }
        Twist::Unended => {
            head(client, &reply, "transfer-encoding: chunked").await?;
            chunk(client, &reply.body).await?;
            Ok(Then::Close)
        }
        Twist::Short(percent) => {
            reply.body.truncate(part(&reply, percent));
            whole(client, &reply).await
        }
        Twist::Stall(percent) => {
            some(client, &reply, part(&reply, percent)).await?;
            // Until the client gives up and closes.
            let _ = client.read_u8().await;
            Ok(Then::Close)
        }
        Twist::Drip => {
            some(client, &reply, 0).await?;
            for byte in &reply.body {
                client.write_all(&[*byte]).await?;
                tokio::time::sleep(DRIP).await;
            }
            Ok(Then::Next)
        }
        Twist::Garbage(percent) => {
            some(client, &reply, part(&reply, percent)).await?;
            client.write_all(GARBAGE).await?;
            Ok(Then::Close)
        }
        Twist::Noise => {
            client.write_all(b"220 mail.example.test ready\r\n\r\n").await?;
            Ok(Then::Close)
        }
        Twist::Endless(first, again) => {
            head(client, &reply, "transfer-encoding: chunked").await?;
            chunk(client, &first).await?;
            loop {
                chunk(client, &again).await?;
            }
        }
    }
}

async fn head(client: &mut BufReader<TcpStream>, reply: &Reply, framing: &str) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Test\r\n{framing}\r\n", reply.status);
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    client.write_all(head.as_bytes()).await
}

async fn chunk(client: &mut BufReader<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    client.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
    client.write_all(bytes).await?;
    client.write_all(b"\r\n").await
}

async fn whole(client: &mut BufReader<TcpStream>, reply: &Reply) -> io::Result<Then> {
    some(client, reply, reply.body.len()).await?;
    Ok(Then::Next)
}

/// The head, and so many bytes of the body whose whole length it announces.
async fn some(client: &mut BufReader<TcpStream>, reply: &Reply, bytes: usize) -> io::Result<()> {
    // An answer without content has no length either.
    let framing = match reply.status {
        204 => "x-framing: none".to_owned(),
        _ => format!("content-length: {}", reply.body.len()),
    };
    head(client, reply, &framing).await?;
    client.write_all(&reply.body[..bytes]).await?;
    client.flush().await
}
