//! The server: prepared bodies on loopback, with one port per way of serving them.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

use crate::data::{self, Export};

/// The id of the export.
const EXPORT: &str = "bf000000-53aa-4e70-9ef3-87cfca1d2be0";
/// The approximate number of records in a chunk of 111 MB.
const BIG_CHUNK: usize = 20_000;
/// The decompressed size of the bomb in bytes.
const BOMB_BYTES: usize = 1 << 30;

/// The port of each way of serving, and the sizes of the bodies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ports {
    /// Responds immediately.
    pub plain: u16,
    /// Responds after 50 ms.
    pub slow: u16,
    /// The first chunks, compressed.
    pub gzip: u16,
    /// The same chunks uncompressed, for comparison.
    pub few: u16,
    /// All chunks, repeated ten times.
    pub tenfold: u16,
    /// Chunks of 20,000 records.
    pub big: u16,
    /// One chunk of a mebibyte that decompresses to a gibibyte.
    pub bomb: u16,
    /// Responds with 503 to every request.
    pub outage: u16,
    /// Posture gaps.
    pub salt: u16,
    /// The number of records of `plain`, and of `few`.
    pub records: u64,
    /// The number of records of `few`.
    pub few_records: u64,
    /// The size of the export in bytes.
    pub bytes: u64,
    /// The total number of posture gaps.
    pub gaps: u64,
}

/// A chunk as it is sent.
#[derive(Debug, Clone)]
enum Chunk {
    Plain(Bytes),
    Gzip(Bytes),
    /// Joins several JSON arrays into one.
    Joined(Vec<Bytes>),
}

#[derive(Debug, Default)]
struct Service {
    chunks: Vec<Chunk>,
    gaps: Vec<String>,
    latency: Duration,
    outage: bool,
    requests: AtomicU64,
}

impl Service {
    /// Waits before a response if there is a delay. A timer of zero would still take a millisecond.
    async fn delay(&self) {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }
}

/// Prepares the bodies, prints the ports in one line, and serves until standard input ends, which happens
/// when the parent process ends.
///
/// # Errors
/// When a port cannot be bound.
pub async fn serve(records: usize) -> anyhow::Result<()> {
    let export = data::export(records);
    let plain: Vec<Chunk> = export.chunks.iter().cloned().map(Chunk::Plain).collect();
    let big = join_chunks(&export);
    let few = (20_000 / 750).min(export.chunks.len());
    let zipped = export.chunks.iter().take(few).map(|body| gzip(body)).collect::<Result<_, _>>()?;
    let bomb = vec![Chunk::Gzip(bomb()?)];
    let gaps = data::gaps((records / 10).max(200));
    let few_records = export.chunks.iter().take(few).map(|body| count_records(body)).sum();
    let tenfold = (0..10).flat_map(|_| plain.clone()).collect();
    let chunks = |chunks| Service { chunks, ..Service::default() };
    let ports = Ports {
        records: export.records as u64,
        few_records,
        bytes: export.bytes() as u64,
        gaps: gaps.len() as u64,
        slow: start(Service { latency: Duration::from_millis(50), ..chunks(plain.clone()) }).await?,
        few: start(chunks(plain.iter().take(few).cloned().collect())).await?,
        plain: start(chunks(plain)).await?,
        gzip: start(chunks(zipped)).await?,
        tenfold: start(chunks(tenfold)).await?,
        big: start(chunks(big)).await?,
        bomb: start(chunks(bomb)).await?,
        outage: start(Service { outage: true, ..Service::default() }).await?,
        salt: start(Service { gaps, ..Service::default() }).await?,
    };
    let mut line = serde_json::to_vec(&ports)?;
    line.push(b'\n');
    std::io::stdout().write_all(&line)?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn start(service: Service) -> anyhow::Result<u16> {
    let routes = Router::new()
        .route("/was/v1/export/vulns", post(accept))
        .route("/was/v1/export/vulns/{export}/status", get(status))
        .route("/was/v1/export/vulns/{export}/chunks/{chunk}", get(chunk))
        .route("/was/v2/configs/search", post(no_configs))
        .route("/v1/apigovern/posture/gaps", get(page))
        .route("/v1/inventory/hosts", get(hosts))
        .route("/requests", get(requests))
        .with_state(Arc::new(service));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(port)
}

type Shared = State<Arc<Service>>;

fn json_response(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

async fn accept(State(service): Shared) -> Response {
    service.delay().await;
    json_response(json!({"export_uuid": EXPORT}).to_string())
}

async fn status(State(service): Shared) -> Response {
    service.requests.fetch_add(1, Ordering::Relaxed);
    if service.outage {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    service.delay().await;
    let chunks: Vec<usize> = (1..=service.chunks.len()).collect();
    let count = chunks.len();
    json_response(
        json!({"uuid": EXPORT, "status": "FINISHED", "chunks_available": chunks, "chunks_failed": [], "chunks_cancelled": [],
            "total_chunks": count, "chunks_available_count": count, "empty_chunks_count": 0, "finished_chunks": count,
            "filters": {}, "num_assets_per_chunk": 500, "created": "2026-11-01T00:00:00Z"})
        .to_string(),
    )
}

async fn chunk(State(service): Shared, Path((_, number)): Path<(String, usize)>) -> Response {
    service.delay().await;
    let kind = (header::CONTENT_TYPE, "application/octet-stream");
    match number.checked_sub(1).and_then(|index| service.chunks.get(index)) {
        None => StatusCode::NOT_FOUND.into_response(),
        Some(Chunk::Plain(body)) => ([kind], body.clone()).into_response(),
        Some(Chunk::Gzip(body)) => ([kind, (header::CONTENT_ENCODING, "gzip")], body.clone()).into_response(),
        Some(Chunk::Joined(parts)) => {
            let parts = parts.clone().into_iter().map(Ok::<_, std::io::Error>);
            ([kind], Body::from_stream(stream::iter(parts))).into_response()
        }
    }
}

/// No configurations, so the client exports the whole tenant.
async fn no_configs(State(service): Shared) -> Response {
    service.delay().await;
    json_response(json!({"pagination": {"total": 0, "offset": 0, "limit": 200}, "items": []}).to_string())
}

#[derive(Deserialize)]
struct Range {
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

async fn page(State(service): Shared, Query(range): Query<Range>) -> Response {
    let end = range.offset.saturating_add(range.limit.unwrap_or(100)).min(service.gaps.len());
    let records = service.gaps.get(range.offset..end).unwrap_or_default().join(",");
    json_response(format!(r#"{{"response":[{records}],"endOffset":{end}}}"#))
}

/// The inventory: all hosts with gaps, so that their absence can be conclusive.
async fn hosts(Query(range): Query<Range>) -> Response {
    let end = range.offset.saturating_add(range.limit.unwrap_or(100)).min(data::HOSTS);
    let hosts: Vec<_> =
        (range.offset..end).map(|number| json!({"host": data::host(number), "labels": []})).collect();
    json_response(json!({"response": hosts, "endOffset": end}).to_string())
}

async fn requests(State(service): Shared) -> Response {
    json_response(service.requests.load(Ordering::Relaxed).to_string())
}

/// Chunks of about 20,000 records, assembled from the others without a copy.
fn join_chunks(export: &Export) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut parts = Vec::new();
    let mut records = 0;
    for (number, body) in export.chunks.iter().enumerate() {
        parts.push(Bytes::from_static(if parts.is_empty() { b"[" } else { b"," }));
        parts.push(body.slice(1..body.len() - 1));
        records += count_records(body);
        if records >= BIG_CHUNK as u64 || number + 1 == export.chunks.len() {
            parts.push(Bytes::from_static(b"]"));
            chunks.push(Chunk::Joined(std::mem::take(&mut parts)));
            records = 0;
        }
    }
    chunks
}

/// The number of records in a body.
fn count_records(body: &[u8]) -> u64 {
    body.windows(13).filter(|window| window == br#""finding_id":"#).count() as u64
}

fn gzip(body: &[u8]) -> std::io::Result<Chunk> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body)?;
    encoder.finish().map(|packed| Chunk::Gzip(packed.into()))
}

/// One record with an output of one gibibyte.
fn bomb() -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(br#"[{"finding_id":"x","output":""#)?;
    let zeros = vec![b'0'; 1 << 20];
    for _ in 0..BOMB_BYTES / zeros.len() {
        encoder.write_all(&zeros)?;
    }
    encoder.write_all(br#""}]"#)?;
    encoder.finish().map(Bytes::from)
}
