//! The measured clients. Each runs in a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use appsec_core::{DastApiScanner, FindingEvent, FindingQuery};
use appsec_http::HttpOptions;
use clap::ValueEnum;
use futures_util::{StreamExt as _, TryStreamExt as _};
use salt_client::SaltClient;
use serde::{Deserialize, Serialize};
use tenable_was_client::model::{ChunkId, ExportFinding, ExportId, ExportRequest};
use tenable_was_client::{ErrorKind, ExportOptions, TenableWasClient};

use crate::resources;

/// The work of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Downloads the chunks without parsing them.
    Raw,
    /// Reads the records of the export.
    Typed,
    /// Imports findings with fingerprints and masked evidence, as by default.
    Findings,
    /// Imports findings with unmasked evidence.
    Unmasked,
    /// Reads the records and keeps all of them in memory.
    KeepTyped,
    /// Imports findings and keeps all of them in memory.
    KeepFindings,
    /// Reads a decompression bomb.
    GzipBomb,
    /// Makes a hundred concurrent calls to a service that is down.
    Outage,
    /// Downloads pages of posture gaps without parsing them.
    SaltRaw,
    /// Reads posture gaps.
    SaltTyped,
    /// Imports posture gaps as findings.
    SaltFindings,
}

/// The measurements of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measurement {
    /// Wall-clock time in seconds.
    pub wall: f64,
    /// Processor time of this process in seconds.
    pub cpu: f64,
    /// Peak resident memory in MiB; 0 where the system does not report it.
    pub peak: f64,
    /// Peak resident memory before the run, in MiB.
    pub idle: f64,
    /// The number of records, findings, or requests.
    pub count: u64,
    /// A remark.
    pub note: String,
}

/// Runs a mode and returns its measurements.
///
/// # Errors
/// When the run ends with an unexpected result.
pub async fn run(mode: Mode, port: u16, in_flight: usize) -> anyhow::Result<Measurement> {
    let idle = resources::resident_mib();
    let (start, cpu) = (Instant::now(), resources::processor_seconds());
    let mut note = String::new();
    let count = match mode {
        Mode::Raw => download(port, in_flight).await?,
        Mode::Typed => read_typed(port, in_flight, |_| ()).await?.0,
        Mode::Findings => {
            read_findings(tenable(port, in_flight)?, FindingQuery::all(), &mut Vec::new(), false).await?
        }
        Mode::Unmasked => {
            let query = FindingQuery::all().with_unmasked_evidence(true);
            read_findings(tenable(port, in_flight)?, query, &mut Vec::new(), false).await?
        }
        Mode::KeepTyped => {
            let (count, kept) = read_typed(port, in_flight, |record| record).await?;
            ensure!(kept.len() as u64 == count, "records are missing");
            count
        }
        Mode::KeepFindings => {
            let mut kept = Vec::new();
            read_findings(tenable(port, in_flight)?, FindingQuery::all(), &mut kept, true).await?
        }
        Mode::GzipBomb => {
            note = read_bomb(port).await?;
            0
        }
        Mode::Outage => {
            let (requests, text) = call_during_outage(port).await?;
            note = text;
            requests
        }
        Mode::SaltRaw => download_salt(port).await?,
        Mode::SaltTyped => {
            let client = salt(port)?;
            let pages = client.gaps(salt_client::GapsQuery::new().with_details(true));
            pages.try_fold(0, |count, page| async move { Ok(count + page.records.len() as u64) }).await?
        }
        Mode::SaltFindings => read_findings(salt(port)?, FindingQuery::all(), &mut Vec::new(), false).await?,
    };
    let (wall, cpu) = (start.elapsed().as_secs_f64(), resources::processor_seconds() - cpu);
    Ok(Measurement { wall, cpu, peak: resources::peak_mib(), idle, count, note })
}

fn base_url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn tenable(port: u16, in_flight: usize) -> anyhow::Result<TenableWasClient> {
    let export = ExportOptions::new().with_chunks_in_flight(in_flight);
    let http = HttpOptions::new().with_max_streams(in_flight.max(4));
    Ok(TenableWasClient::builder("access", "secret")
        .with_base_url(base_url(port))
        .with_export(export)
        .with_http(http)
        .build()?)
}

fn salt(port: u16) -> anyhow::Result<SaltClient> {
    // Without this, the client's own rate limit would dominate the measurement.
    Ok(SaltClient::builder(base_url(port).as_str(), "token").with_requests_per_second(None).build()?)
}

/// Downloads the same responses as cheaply as possible.
async fn download(port: u16, in_flight: usize) -> anyhow::Result<u64> {
    #[derive(Deserialize)]
    struct Accepted {
        export_uuid: String,
    }
    #[derive(Deserialize)]
    struct Status {
        chunks_available: Vec<u64>,
    }
    let client = reqwest::Client::builder().no_proxy().build()?;
    let exports = format!("{}/was/v1/export/vulns", base_url(port));
    let accepted = client.post(&exports).body("{}").send().await?.bytes().await?;
    let Accepted { export_uuid } = serde_json::from_slice(&accepted)?;
    let status = client.get(format!("{exports}/{export_uuid}/status")).send().await?.bytes().await?;
    let Status { chunks_available } = serde_json::from_slice(&status)?;
    let bytes = Arc::new(AtomicU64::new(0));
    let downloads = chunks_available.into_iter().map(|chunk| {
        let request = client.get(format!("{exports}/{export_uuid}/chunks/{chunk}"));
        let bytes = Arc::clone(&bytes);
        tokio::spawn(async move {
            let mut body = request.send().await?.error_for_status()?.bytes_stream();
            while let Some(piece) = body.try_next().await? {
                bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            anyhow::Ok(())
        })
    });
    run_bounded(downloads, in_flight).await?;
    Ok(bytes.load(Ordering::Relaxed))
}

/// Runs tasks, at most `in_flight` at a time.
async fn run_bounded<T>(
    tasks: impl Iterator<Item = tokio::task::JoinHandle<anyhow::Result<T>>>,
    in_flight: usize,
) -> anyhow::Result<Vec<T>> {
    let mut done = Vec::new();
    let mut running = futures_util::stream::iter(tasks).buffer_unordered(in_flight);
    while let Some(ended) = running.next().await {
        done.push(ended??);
    }
    Ok(done)
}

async fn read_typed<T: Send + 'static>(
    port: u16,
    in_flight: usize,
    keep: fn(ExportFinding) -> T,
) -> anyhow::Result<(u64, Vec<T>)> {
    async fn chunk<T>(
        client: TenableWasClient,
        export: ExportId,
        chunk: ChunkId,
        keep: fn(ExportFinding) -> T,
    ) -> anyhow::Result<(u64, Vec<T>)> {
        let mut records = client.export_chunk(export, chunk)?;
        let (mut count, mut kept) = (0, Vec::new());
        while let Some(record) = records.next().await {
            let record = record?;
            ensure!(record.finding_id.is_some() && record.plugin.is_some(), "a record is incomplete");
            count += 1;
            // Without keeping, this pushes `()`, which takes no memory.
            kept.push(keep(record));
        }
        Ok((count, kept))
    }

    let client = tenable(port, in_flight)?;
    let mut job = client.start_export(&ExportRequest::everything()).await?;
    let (mut count, mut kept) = (0, Vec::new());
    while let Some(chunks) = job.next_chunks().await? {
        let tasks = chunks.iter().map(|number| tokio::spawn(chunk(client.clone(), job.id(), *number, keep)));
        for (records, records_kept) in run_bounded(tasks, in_flight).await? {
            count += records;
            kept.extend(records_kept);
        }
        for chunk in chunks {
            job.mark_delivered(chunk);
        }
    }
    ensure!(job.gaps().is_empty(), "the export has gaps: {:?}", job.gaps());
    Ok((count, kept))
}

async fn read_findings(
    scanner: impl DastApiScanner,
    query: FindingQuery,
    kept: &mut Vec<Vec<appsec_core::Finding>>,
    keep: bool,
) -> anyhow::Result<u64> {
    let mut events = scanner.findings(query);
    let mut count = 0;
    while let Some(event) = events.try_next().await? {
        match event {
            FindingEvent::Batch(batch) => {
                count += batch.findings.len() as u64;
                if keep {
                    kept.push(batch.findings);
                }
            }
            FindingEvent::End(coverage) => {
                ensure!(coverage.gaps().is_empty(), "the import has gaps: {:?}", coverage.gaps());
                return Ok(count);
            }
            _ => {}
        }
    }
    bail!("the stream ended without its final event")
}

/// Returns the error and the time until it, as text.
async fn read_bomb(port: u16) -> anyhow::Result<String> {
    let client = tenable(port, 1)?;
    let mut job = client.start_export(&ExportRequest::everything()).await?;
    let chunks = job.next_chunks().await?.context("no chunk")?;
    let chunk = *chunks.first().context("no chunk")?;
    let start = Instant::now();
    match client.export_chunk(job.id(), chunk)?.next().await {
        Some(Err(error)) if error.kind() == ErrorKind::Decode => {
            Ok(format!("{error} after {:.0} ms", start.elapsed().as_secs_f64() * 1e3))
        }
        other => bail!("the bomb was not rejected: {:?}", other.map(|record| record.map(|_| ()))),
    }
}

/// Returns the number of requests that a hundred calls send, and the number of calls as text.
async fn call_during_outage(port: u16) -> anyhow::Result<(u64, String)> {
    const CALLS: usize = 100;
    let client = tenable(port, 1)?;
    let id: ExportId = "bf000000-53aa-4e70-9ef3-87cfca1d2be0".parse()?;
    let calls = (0..CALLS).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { Ok(client.get_export(id).await) })
    });
    for ended in run_bounded(calls, CALLS).await? {
        let error = ended.err().context("a call succeeded")?;
        ensure!(error.kind() == ErrorKind::Server, "an unexpected error: {error}");
    }
    let count = reqwest::get(format!("{}/requests", base_url(port))).await?.text().await?.parse()?;
    Ok((count, format!("{CALLS} calls")))
}

async fn download_salt(port: u16) -> anyhow::Result<u64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut offset = 0;
    loop {
        let url =
            format!("{}/v1/apigovern/posture/gaps?limit=100&offset={offset}&details=true", base_url(port));
        let body = client.get(url).timeout(Duration::from_secs(30)).send().await?.bytes().await?;
        if body.starts_with(br#"{"response":[]"#) {
            return Ok(offset);
        }
        offset += 100;
    }
}
