//! The export of findings: jobs, their chunks, and every way in which they end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use appsec_core::Timestamp;
use bytes::Bytes;
use serde_json::{Value, json};

use super::calls::{Call, Route};
use super::export_chunks::cut;
use super::export_filter::ExportFilter;
use super::plugins::object;
use super::reply::Reply;
use super::server::Endpoint;
use super::state::State;

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::RequestExport, "POST", "/was/v1/export/vulns", 16, request),
    Endpoint::new(Route::ListExports, "GET", "/was/v1/export/vulns/status", 16, list),
    Endpoint::new(Route::GetExport, "GET", "/was/v1/export/vulns/{id}/status", 16, status),
    Endpoint::new(Route::GetChunk, "GET", "/was/v1/export/vulns/{id}/chunks/{}", 16, chunk),
    Endpoint::new(Route::CancelExport, "POST", "/was/v1/export/vulns/{id}/cancel", 16, cancel),
];

const MAX_RUNNING: usize = 10;
const CHUNK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
const JOB_LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// How an export ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportEnd {
    /// It finishes.
    Finished,
    /// It fails once so many chunks are there; they stay, the others are dropped.
    Error(usize),
    /// It is cancelled by someone else once so many chunks are there; they stay, the others are dropped.
    Cancelled(usize),
    /// It says `PROCESSING` for ever once so many chunks are there.
    Stuck(usize),
    /// It says a word that nobody knows for ever once all chunks are there.
    Unknown(String),
}

/// The course of an export. Each time its status is read it moves on.
///
/// ```
/// use tenable_was_client::testing::{ExportEnd, ExportScript};
///
/// let partial = ExportScript::new().with_failed_chunks([2]);
/// let broken = ExportScript::new().with_end(ExportEnd::Error(1));
/// # let _ = (partial, broken);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportScript {
    /// How often it says `QUEUED`.
    pub queued_polls: usize,
    /// How many chunks each poll adds.
    pub chunks_per_poll: usize,
    /// How it ends.
    pub end: ExportEnd,
    /// The ids of chunks that fail.
    pub failed: BTreeSet<u32>,
    /// The ids of chunks that are said to be there and have expired.
    pub expired: BTreeSet<u32>,
    /// So many chunks count in the total and hold nothing; their ids come before the others'.
    pub empty: u32,
    /// So many chunks count in the total and are never heard of again.
    pub missing: u32,
}

impl Default for ExportScript {
    fn default() -> Self {
        Self {
            queued_polls: 1,
            chunks_per_poll: 1,
            end: ExportEnd::Finished,
            failed: BTreeSet::new(),
            expired: BTreeSet::new(),
            empty: 0,
            missing: 0,
        }
    }
}

impl ExportScript {
    /// An export that is queued for one poll and then adds a chunk with each, until it finishes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how often it says `QUEUED`.
    pub fn with_queued_polls(mut self, polls: usize) -> Self {
        self.queued_polls = polls;
        self
    }

    /// Sets how many chunks each poll adds.
    pub fn with_chunks_per_poll(mut self, chunks: usize) -> Self {
        self.chunks_per_poll = chunks;
        self
    }

    /// Sets how it ends.
    pub fn with_end(mut self, end: ExportEnd) -> Self {
        self.end = end;
        self
    }

    /// Sets the ids of chunks that fail. The first chunk has the id 1.
    pub fn with_failed_chunks(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.failed = ids.into_iter().collect();
        self
    }

    /// Sets the ids of chunks that are said to be there and have expired.
    pub fn with_expired_chunks(mut self, ids: impl IntoIterator<Item = u32>) -> Self {
        self.expired = ids.into_iter().collect();
        self
    }

    /// Sets how many chunks hold nothing. They have the first ids and are never available.
    pub fn with_empty_chunks(mut self, chunks: u32) -> Self {
        self.empty = chunks;
        self
    }

    /// Sets how many chunks count in the total and are never heard of again.
    pub fn with_missing_chunks(mut self, chunks: u32) -> Self {
        self.missing = chunks;
        self
    }
}

/// An export job. Its findings are those of the moment it was asked for.
#[derive(Debug)]
pub(super) struct Job {
    id: String,
    body: Value,
    echo: Value,
    num_assets: usize,
    created: Timestamp,
    ended: Option<Timestamp>,
    script: ExportScript,
    polls: usize,
    chunks: BTreeMap<u32, Bytes>,
    /// Chunk ids in the order in which they become available.
    order: Vec<u32>,
    available: usize,
    status: String,
    reason: Option<String>,
    cancelled: Vec<u32>,
}

impl Job {
    fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    fn failed(&self) -> Vec<u32> {
        self.script.failed.iter().copied().filter(|id| self.chunks.contains_key(id)).collect()
    }

    fn available(&self) -> &[u32] {
        self.order.get(..self.available).unwrap_or(&self.order)
    }

    /// Moves on by one poll.
    fn poll(&mut self, now: Timestamp) {
        if !self.is_running() {
            return;
        }
        let Some(progress) = self.polls.checked_sub(self.script.queued_polls) else {
            self.polls += 1;
            return;
        };
        self.polls += 1;
        "PROCESSING".clone_into(&mut self.status);
        let most = match self.script.end {
            ExportEnd::Error(chunks) | ExportEnd::Cancelled(chunks) | ExportEnd::Stuck(chunks) => chunks,
            ExportEnd::Finished | ExportEnd::Unknown(_) => usize::MAX,
        };
        let most = most.min(self.order.len());
        self.available = progress.saturating_mul(self.script.chunks_per_poll).min(most);
        // Once more in `PROCESSING` before the end, so that a client sees chunks appear.
        if self.available < most || progress == 0 {
            return;
        }
        let failed = self.failed();
        match &self.script.end {
            ExportEnd::Stuck(_) => {}
            ExportEnd::Unknown(word) => word.clone_into(&mut self.status),
            ExportEnd::Finished => {
                let all = self.order.len() + failed.len();
                self.reason = (!failed.is_empty()).then(|| {
                    format!(
                        "{} of {all} chunks failed to process. The remaining chunks are available for download.",
                        failed.len()
                    )
                });
                self.end("FINISHED", now);
            }
            ExportEnd::Error(_) => {
                self.reason = Some("The export ended because of an unexpected error.".to_owned());
                self.end("ERROR", now);
            }
            ExportEnd::Cancelled(_) => self.end("CANCELLED", now),
        }
    }

    fn end(&mut self, status: &str, now: Timestamp) {
        status.clone_into(&mut self.status);
        self.ended = Some(now);
        let mut dropped = self.order.get(self.available..).unwrap_or_default().to_vec();
        dropped.sort_unstable();
        self.cancelled = dropped;
    }

    fn json(&self) -> Value {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let total = count(self.chunks.len()) + self.script.empty + self.script.missing;
        let mut job = json!({
            "uuid": self.id,
            "status": self.status,
            "chunks_available": self.available(),
            "chunks_failed": if self.is_running() { Vec::new() } else { self.failed() },
            "chunks_cancelled": self.cancelled,
            "total_chunks": total,
            "chunks_available_count": self.available().len(),
            "empty_chunks_count": self.script.empty,
            "finished_chunks": count(self.available().len()) + self.script.empty,
            "filters": self.echo,
            "num_assets_per_chunk": self.num_assets,
            "created": self.created.as_millisecond(),
        });
        if let Some(reason) = &self.reason {
            job["reason"] = json!(reason);
        }
        job
    }

    fn is_older(&self, age: Duration, now: Timestamp) -> bool {
        self.created.checked_add(age).is_ok_and(|end| end < now)
    }
}

/// The answer for a job or a chunk whose time is over.
pub(super) fn expired() -> Reply {
    Reply::json(404, &json!({"status": 404, "message": "Export expired or not found"}))
}

/// The shape of refusals here is not documented; this is the sibling export's.
fn refused(message: &str) -> Reply {
    Reply::json(400, &json!({"status": 400, "message": message}))
}

fn request(state: &mut State, call: &Call) -> Reply {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else { return refused("The body is no JSON") };
    let now = state.now();
    let filter = match ExportFilter::parse(&body, now) {
        Ok(filter) => filter,
        Err(reason) => return refused(&reason),
    };
    if let Some(running) = state.jobs.iter().find(|job| job.is_running() && job.body == body) {
        let conflict =
            json!({"active_job_id": running.id, "failure_reason": "conflict with a running export"});
        return Reply::json(409, &conflict);
    }
    if state.jobs.iter().filter(|job| job.is_running()).count() >= MAX_RUNNING {
        return Reply::too_many_requests("30");
    }
    let asked = body["num_assets"].as_i64().unwrap_or(50).clamp(50, 5000);
    let clamped = usize::try_from(asked).unwrap_or(50);
    let num_assets = state.settings.assets_per_chunk.unwrap_or(clamped);
    let script = if state.next_exports.is_empty() {
        state.settings.export_script.clone()
    } else {
        state.next_exports.remove(0)
    };
    let chunks = cut(state, &filter, num_assets, script.empty);
    // Out of order, as the service's workers finish: every other one first.
    let ready = chunks.keys().copied().filter(|id| !script.failed.contains(id));
    let (first, second): (Vec<_>, Vec<_>) = ready.enumerate().partition(|(index, _)| index % 2 == 1);
    let order = first.into_iter().chain(second).map(|(_, id)| id).collect();
    let id = state.new_id("export");
    state.jobs.push(Job {
        id: id.clone(),
        echo: filter.echo(),
        body,
        num_assets,
        created: now,
        ended: None,
        script,
        polls: 0,
        chunks,
        order,
        available: 0,
        status: "QUEUED".to_owned(),
        reason: None,
        cancelled: Vec::new(),
    });
    Reply::ok(&json!({"export_uuid": id}))
}

fn list(state: &mut State, _: &Call) -> Reply {
    let now = state.now();
    let recent = state.jobs.iter().rev().filter(|job| job.is_running() || !job.is_older(JOB_LIFE, now));
    let jobs = recent.take(1000).map(|job| {
        let mut job = object(job.json());
        job.retain(|key, _| {
            !["chunks_available", "chunks_failed", "chunks_cancelled"].contains(&key.as_str())
        });
        Value::Object(job)
    });
    Reply::ok(&json!({"exports": jobs.collect::<Vec<_>>()}))
}

fn status(state: &mut State, call: &Call) -> Reply {
    let now = state.now();
    let Some(job) = state.jobs.iter_mut().find(|job| job.id == call.param(0)) else { return expired() };
    if job.is_older(JOB_LIFE, now) {
        return expired();
    }
    job.poll(now);
    Reply::ok(&job.json())
}

fn chunk(state: &mut State, call: &Call) -> Reply {
    let now = state.now();
    let Some(job) = state.jobs.iter().find(|job| job.id == call.param(0)) else { return expired() };
    let Ok(number) = call.param(1).parse::<u32>() else { return refused("The chunk's id must be a number") };
    // What was complete when a job was cancelled lives on.
    let life = if job.status == "CANCELLED" { JOB_LIFE } else { CHUNK_LIFE };
    if job.is_older(life, now) || job.script.expired.contains(&number) {
        return expired();
    }
    let Some(bytes) = job.chunks.get(&number) else {
        return Reply::json(404, &json!({"error": "Chunk does not exist"}));
    };
    if !job.available().contains(&number) {
        return refused("The chunk is not ready");
    }
    Reply::raw(200, "application/octet-stream", bytes.clone())
}

fn cancel(state: &mut State, call: &Call) -> Reply {
    let now = state.now();
    let Some(job) = state.jobs.iter_mut().find(|job| job.id == call.param(0)) else { return expired() };
    if !job.is_running() {
        return refused("The export has ended and cannot be cancelled");
    }
    job.end("CANCELLED", now);
    Reply::ok(&json!({"status": "CANCELLED"}))
}
