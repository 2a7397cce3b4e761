//! The body of a response as it arrives, with a size limit and protection against stalls.

use std::fmt;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};
use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use crate::options::HttpOptions;
use crate::stack::retry::Failure;
use crate::stack::transport::{ByteStream, Incoming, TransportError};

/// The body of a response, chunk by chunk, decompressed.
///
/// Reading is subject to the idle timeout and the minimum throughput of the options; both count only time
/// in which [`chunk`](Self::chunk) is awaited. The body occupies one of the permits for streams until it
/// ends or is dropped.
pub struct Body {
    operation: &'static str,
    status: u16,
    headers: HeaderMap,
    received: u64,
    cap: u64,
    /// `None` after the end or an error, which release connection and permit at once.
    open: Option<Open>,
    /// The failure that ended the body, to be returned after the bytes before it.
    failed: Option<Failure>,
}

/// Pieces that have arrived are joined up to about this size. TLS and decompression yield a few kilobytes
/// at a time, and each border between chunks costs a reader time.
const PIECE: usize = 64 << 10;

struct Open {
    chunks: ByteStream,
    watch: Watch,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Body {
    /// A body that a caller reads at its own speed.
    pub(crate) fn streamed(
        operation: &'static str,
        incoming: Incoming,
        options: &HttpOptions,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let watch = Watch::new(options.idle_timeout, options.min_throughput);
        Self::new(operation, incoming, options.max_stream_bytes, watch, Some(permit))
    }

    /// A body that is read at once, up to this many bytes. The deadline of the call replaces the minimum
    /// throughput.
    pub(crate) fn whole(
        operation: &'static str,
        incoming: Incoming,
        options: &HttpOptions,
        cap: u64,
    ) -> Self {
        Self::new(operation, incoming, cap, Watch::new(options.idle_timeout, 0), None)
    }

    fn new(
        operation: &'static str,
        incoming: Incoming,
        cap: u64,
        watch: Watch,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let Incoming { status, headers, body } = incoming;
        let open = Some(Open { chunks: body, watch, _permit: permit });
        Self { operation, status, headers, received: 0, cap, open, failed: None }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header, if it is text. Names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the next chunk, or `None` at the end and after an error. Cancel-safe.
    ///
    /// # Errors
    /// `Transport` if the body breaks off, stalls or is too slow; `Decode` if it is larger than the options
    /// allow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.next().await.map_err(|failure| failure.error.with_operation(self.operation))
    }

    /// As [`chunk`](Self::chunk), with the classified failure.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        let piece = self.next_piece().await?;
        Ok(piece.map(|piece| self.with_more(piece)))
    }

    /// Joins a piece with what else has arrived, up to [`PIECE`], without waiting.
    fn with_more(&mut self, piece: Bytes) -> Bytes {
        if piece.len() >= PIECE {
            return piece;
        }
        let mut together = BytesMut::new();
        while piece.len().max(together.len()) < PIECE {
            match self.next_piece().now_or_never() {
                Some(Ok(Some(more))) => {
                    if together.is_empty() {
                        together.reserve(2 * PIECE);
                        together.extend_from_slice(&piece);
                    }
                    together.extend_from_slice(&more);
                }
                Some(Err(failure)) => {
                    self.failed = Some(failure);
                    break;
                }
                Some(Ok(None)) | None => break,
            }
        }
        if together.is_empty() { piece } else { together.freeze() }
    }

    /// Returns a piece as it came, for a caller that joins them anyway.
    pub(crate) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(open) = &mut self.open else { return Ok(None) };
            let waiting = open.watch.wait();
            let next = timeout(waiting.left(), open.chunks.next()).await;
            drop(waiting);
            let result = match next {
                Err(_) => Err(open.watch.stalled().into()),
                Ok(None) => Ok(None),
                Ok(Some(Err(broken))) => Err(broken.into()),
                Ok(Some(Ok(chunk))) => {
                    self.received += chunk.len() as u64;
                    match open.watch.arrived(chunk.len()) {
                        Err(slow) => Err(slow.into()),
                        Ok(()) if self.received > self.cap => Err(too_big(self.cap)),
                        // An empty piece is not the end, but a reader could mistake it for the end.
                        Ok(()) if chunk.is_empty() => continue,
                        Ok(()) => Ok(Some(chunk)),
                    }
                }
            };
            if !matches!(result, Ok(Some(_))) {
                self.open = None;
            }
            return result;
        }
    }
}

fn too_big(cap: u64) -> Failure {
    let error = Error::new(ErrorKind::Decode, format!("the response has more than {cap} bytes"));
    Failure { outcome_unknown: true, ..Failure::permanent(error) }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("operation", &self.operation)
            .field("status", &self.status)
            .field("received", &self.received)
            .field("ended", &self.open.is_none())
            .finish_non_exhaustive()
    }
}

/// Checks that a body keeps arriving, counting only the time in which it is awaited.
#[derive(Debug)]
struct Watch {
    /// The longest pause, and the length of a window.
    idle: Duration,
    min_throughput: u32,
    /// The time awaited since the last piece.
    idle_for: Duration,
    /// The time awaited and the bytes received in the current window.
    window: Duration,
    bytes: u64,
}

impl Watch {
    fn new(idle: Duration, min_throughput: u32) -> Self {
        Self { idle, min_throughput, idle_for: Duration::ZERO, window: Duration::ZERO, bytes: 0 }
    }

    fn wait(&mut self) -> Waiting<'_> {
        Waiting { watch: self, since: Instant::now() }
    }

    fn stalled(&self) -> TransportError {
        TransportError::interrupted(format!("the response's body stalled for {:?}", self.idle))
    }

    fn arrived(&mut self, bytes: usize) -> Result<(), TransportError> {
        self.idle_for = Duration::ZERO;
        self.bytes += bytes as u64;
        if self.window < self.idle {
            return Ok(());
        }
        let due = u128::from(self.min_throughput) * self.window.as_millis() / 1000;
        let enough = u128::from(self.bytes) >= due;
        self.window = Duration::ZERO;
        self.bytes = 0;
        if enough {
            return Ok(());
        }
        Err(TransportError::interrupted(format!(
            "the response's body trickles at less than {} bytes per second",
            self.min_throughput
        )))
    }
}

/// Adds the time until it is dropped, also if the wait is cancelled, so that waiting in small portions does
/// not evade the limits.
struct Waiting<'a> {
    watch: &'a mut Watch,
    since: Instant,
}

impl Waiting<'_> {
    fn left(&self) -> Duration {
        self.watch.idle.saturating_sub(self.watch.idle_for)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.since.elapsed();
        self.watch.idle_for += waited;
        self.watch.window += waited;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    /// A body of pieces, each after a pause.
    fn body(options: &HttpOptions, pieces: Vec<(u64, &'static [u8])>) -> Body {
        let chunks = stream::iter(pieces).then(|(pause, bytes)| async move {
            sleep(Duration::from_secs(pause)).await;
            Ok(Bytes::from_static(bytes))
        });
        let incoming = Incoming { status: 200, headers: HeaderMap::new(), body: Box::pin(chunks) };
        let watch = Watch::new(options.idle_timeout, options.min_throughput);
        Body::new("test: read", incoming, options.max_stream_bytes, watch, None)
    }

    async fn read(body: &mut Body) -> Result<usize> {
        let mut read = 0;
        while let Some(chunk) = body.chunk().await? {
            read += chunk.len();
        }
        Ok(read)
    }

    #[tokio::test(start_paused = true)]
    async fn a_streamed_body_has_no_total_timeout() {
        let pieces = vec![(29, b"0123456789".as_slice()); 100];
        let options = HttpOptions::new().with_min_throughput(0);
        assert_eq!(read(&mut body(&options, pieces)).await.unwrap(), 1000, "48 minutes, and no total");
    }

    #[tokio::test]
    async fn arrived_pieces_are_joined_and_a_failure_follows_them() {
        let options = HttpOptions::new();
        let piece = |length| Ok(Bytes::from(vec![b'x'; length]));
        let pieces = vec![piece(3), piece(PIECE - 4), piece(5), piece(6), piece(PIECE), piece(1)];
        let pieces =
            stream::iter(pieces.into_iter().chain([Err(TransportError::interrupted("it broke off"))]));
        let incoming = Incoming { status: 200, headers: HeaderMap::new(), body: Box::pin(pieces) };
        let watch = Watch::new(options.idle_timeout, options.min_throughput);
        let mut body = Body::new("test: read", incoming, options.max_stream_bytes, watch, None);
        for expected in [3 + PIECE - 4 + 5, 6 + PIECE, 1] {
            assert_eq!(body.chunk().await.unwrap().map(|piece| piece.len()), Some(expected));
        }
        assert_eq!(body.chunk().await.unwrap_err().kind(), ErrorKind::Transport);
        assert!(body.chunk().await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_the_body() {
        let mut body = body(&HttpOptions::new(), vec![(1, b"x"), (31, b"x")]);
        let error = read(&mut body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport);
        assert!(error.to_string().contains("stalled for 30s"), "{error}");
        assert!(body.chunk().await.unwrap().is_none(), "an error ends the body");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_is_detected_across_short_waits() {
        let mut body = body(&HttpOptions::new(), vec![(3600, b"x")]);
        let error = loop {
            if let Ok(result) = timeout(Duration::from_secs(1), body.chunk()).await {
                break result.unwrap_err();
            }
        };
        assert!(error.to_string().contains("stalled"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_ends_the_body() {
        let error = read(&mut body(&HttpOptions::new(), vec![(1, b"12345"); 1000])).await.unwrap_err();
        assert!(error.to_string().contains("trickles"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_consumer_causes_no_error() {
        let mut body = body(&HttpOptions::new(), vec![(0, b"x"); 5]);
        let mut read = 0;
        while let Some(chunk) = body.chunk().await.unwrap() {
            read += chunk.len();
            sleep(Duration::from_secs(3600)).await;
        }
        assert_eq!(read, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_bytes_end_the_body_and_empty_pieces_do_not() {
        let options = HttpOptions::new().with_max_stream_bytes(4);
        assert_eq!(read(&mut body(&options, vec![(0, b""), (0, b"1234"), (0, b"")])).await.unwrap(), 4);
        let error = read(&mut body(&options, vec![(0, b"1234"), (0, b"5")])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(!error.is_retryable());
    }
}
