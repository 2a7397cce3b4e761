//! A TCP proxy that breaks what passes through it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::testing::http1::listen;

/// A fault of a connection.
///
/// Bytes are those of the server's responses, heads included. They are counted from the beginning of the
/// connection, or from the moment when the fault was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No fault: every byte passes.
    None,
    /// Delays the first byte of the response by this time.
    Delay(Duration),
    /// Passes at most this many bytes per second.
    Drip(NonZeroU32),
    /// Passes this many bytes, then none; the connection stays open.
    StallAfter(u64),
    /// Passes this many bytes, then closes the connection in the orderly way.
    TruncateAfter(u64),
    /// Passes this many bytes, then resets the connection.
    ResetAfter(u64),
    /// Passes this many bytes, then sends bytes that are neither HTTP nor JSON nor UTF-8, and closes the
    /// connection.
    GarbageAfter(u64),
    /// Resets the connection at once, without connecting to the server. See [`FaultProxy::close_port`] for
    /// a refusal by the system.
    Refuse,
}

impl Fault {
    /// The number of bytes that pass before the fault takes effect.
    fn passes(self) -> u64 {
        match self {
            Self::StallAfter(bytes)
            | Self::TruncateAfter(bytes)
            | Self::ResetAfter(bytes)
            | Self::GarbageAfter(bytes) => bytes,
            Self::Refuse => 0,
            Self::None | Self::Delay(_) | Self::Drip(_) => u64::MAX,
        }
    }
}

/// The bytes that [`Fault::GarbageAfter`] sends.
const GARBAGE: &[u8] = b"\xff\xfe\x00}]\"\xc3\x28\r\n\x80garbage\x00\xff";
/// The writes per second of [`Fault::Drip`]: the rate is exact to a tenth of a second.
const DRIPS_PER_SECOND: u32 = 10;
/// The time that the bytes before a reset have to arrive.
const SETTLE: Duration = Duration::from_millis(20);

/// A TCP proxy on loopback in front of a server. Requests pass unchanged; the faults apply to the
/// responses.
///
/// Faults come from two sources: a script with one entry per connection, taken in order
/// ([`FaultProxy::script`]), and, for connections beyond the script, the standing fault
/// ([`FaultProxy::set`]), which also changes on connections that are already open.
///
/// ```no_run
/// # async fn example(server: std::net::SocketAddr) -> std::io::Result<()> {
/// use appsec_http::testing::{Fault, FaultProxy};
///
/// let proxy = FaultProxy::start(server).await?;
/// proxy.script([Fault::None, Fault::ResetAfter(1_000)]); // only the second connection breaks
/// // … point a client at proxy.url() …
/// assert_eq!(proxy.connections(), 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    script: Mutex<VecDeque<Fault>>,
    standing: watch::Sender<Fault>,
    tasks: Mutex<JoinSet<()>>,
    connections: AtomicU64,
    open: AtomicU64,
    from_clients: AtomicU64,
    to_clients: AtomicU64,
}

impl FaultProxy {
    /// Starts a proxy in front of the server at this address. No fault is set.
    ///
    /// # Errors
    /// If no port can be opened.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = listen().await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            script: Mutex::default(),
            standing: watch::Sender::new(Fault::None),
            tasks: Mutex::default(),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            from_clients: AtomicU64::new(0),
            to_clients: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, accepting: Mutex::new(Some(accepting)) })
    }

    /// The address that the proxy listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the proxy, `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds faults to the script, one per connection, after those already scripted. Each [`Fault::None`]
    /// lets a connection pass.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared.script).extend(faults);
    }

    /// Sets the fault of all connections beyond the script, including those that are open.
    pub fn set(&self, fault: Fault) {
        self.shared.standing.send_replace(fault);
    }

    /// Stops listening, so that the system refuses connections, until [`FaultProxy::open_port`]. Open
    /// connections continue.
    pub async fn close_port(&self) {
        let accepting = lock(&self.accepting).take();
        if let Some(task) = accepting {
            task.abort();
            // The listener is closed once the task has ended. The task always reports that it was cancelled.
            let _cancelled = task.await;
        }
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    /// If another process has taken the port in the meantime.
    pub async fn open_port(&self) -> io::Result<()> {
        if lock(&self.accepting).is_none() {
            let listener = TcpListener::bind(self.address).await?;
            let task = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
            *lock(&self.accepting) = Some(task);
        }
        Ok(())
    }

    /// The number of connections accepted, including those that [`Fault::Refuse`] reset.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The number of connections that are open now.
    pub fn open_connections(&self) -> u64 {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The number of bytes that clients sent.
    pub fn bytes_from_clients(&self) -> u64 {
        self.shared.from_clients.load(Ordering::SeqCst)
    }

    /// The number of response bytes passed to clients, without garbage.
    pub fn bytes_to_clients(&self) -> u64 {
        self.shared.to_clients.load(Ordering::SeqCst)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.accepting).take() {
            task.abort();
        }
        lock(&self.shared.tasks).abort_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let plan = match lock(&shared.script).pop_front() {
            Some(fault) => Plan { fault, standing: None },
            None => Plan::following(&shared.standing),
        };
        let mut tasks = lock(&shared.tasks);
        tasks.spawn(serve(client, plan, Arc::clone(&shared)));
        while tasks.try_join_next().is_some() {}
    }
}

/// The fault of one connection.
struct Plan {
    fault: Fault,
    /// The standing fault, which may change while the connection is open; `None` for a scripted fault.
    standing: Option<watch::Receiver<Fault>>,
}

impl Plan {
    fn following(standing: &watch::Sender<Fault>) -> Self {
        let mut standing = standing.subscribe();
        let fault = *standing.borrow_and_update();
        Self { fault, standing: Some(standing) }
    }

    /// Waits until another fault is set. Cancel-safe.
    async fn changed(&mut self) {
        if let Some(standing) = &mut self.standing
            && standing.changed().await.is_ok()
        {
            self.fault = *standing.borrow_and_update();
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Counts a connection as open for as long as it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How the proxy ends a connection.
enum End {
    Orderly,
    Reset,
}

async fn serve(mut client: TcpStream, plan: Plan, shared: Arc<Shared>) {
    let _open = Open::new(&shared.open);
    let end = if plan.fault == Fault::Refuse {
        End::Reset
    } else {
        // An I/O error on either side only ends the connection.
        exchange(&mut client, plan, &shared).await.unwrap_or(End::Orderly)
    };
    match end {
        End::Orderly => drop(client.shutdown().await),
        End::Reset => drop(client.set_zero_linger()),
    }
}

async fn exchange(client: &mut TcpStream, plan: Plan, shared: &Shared) -> io::Result<End> {
    let mut server = TcpStream::connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let client_done = Notify::new();
    let requests = async {
        // When the client has sent everything, only the sending half to the server is closed: the response
        // still passes.
        drop(pass_requests(client_read, server_write, &shared.from_clients).await);
        client_done.notify_one();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = requests => Ok(End::Orderly),
        end = pass_responses(server_read, client_write, plan, &shared.to_clients, &client_done) => end,
    }
}

async fn pass_requests(
    mut client: ReadHalf<'_>,
    mut server: WriteHalf<'_>,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while client.read_buf(&mut buffer).await? > 0 {
        count.fetch_add(buffer.len() as u64, Ordering::SeqCst);
        server.write_all_buf(&mut buffer).await?;
    }
    server.shutdown().await
}

async fn pass_responses(
    mut server: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    mut plan: Plan,
    count: &AtomicU64,
    client_done: &Notify,
) -> io::Result<End> {
    let mut pending = BytesMut::new();
    let mut passed = 0;
    let mut delayed = false;
    loop {
        if pending.is_empty() {
            tokio::select! {
                read = server.read_buf(&mut pending) => if read? == 0 { return Ok(End::Orderly) },
                () = plan.changed() => (passed, delayed) = (0, false),
            }
            continue;
        }
        let room = plan.fault.passes().saturating_sub(passed);
        let mut part = usize::try_from(room).unwrap_or(usize::MAX).min(pending.len());
        let mut pause = None;
        match plan.fault {
            Fault::Delay(delay) if !delayed => {
                (part, pause) = (0, Some(delay));
                delayed = true;
            }
            Fault::Drip(rate) => {
                let drop = rate.get().div_ceil(DRIPS_PER_SECOND);
                part = part.min(drop as usize);
                pause = Some(Duration::from_secs(1).mul_f64(f64::from(drop) / f64::from(rate.get())));
            }
            _ => {}
        }
        client.write_all(&pending[..part]).await?;
        pending.advance(part);
        passed += part as u64;
        count.fetch_add(part as u64, Ordering::SeqCst);
        if let Some(pause) = pause {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = plan.changed() => (passed, delayed) = (0, false),
            }
        } else if passed >= plan.fault.passes() {
            match plan.fault {
                Fault::StallAfter(_) => tokio::select! {
                    () = plan.changed() => (passed, delayed) = (0, false),
                    () = client_done.notified() => return Ok(End::Orderly),
                },
                Fault::GarbageAfter(_) => {
                    client.write_all(GARBAGE).await?;
                    return Ok(End::Orderly);
                }
                Fault::ResetAfter(_) | Fault::Refuse => {
                    // A reset discards what the system has not yet delivered.
                    tokio::time::sleep(SETTLE).await;
                    return Ok(End::Reset);
                }
                _ => return Ok(End::Orderly),
            }
        }
    }
}
