//! An export job: its chunks and its progress.

use std::collections::BTreeMap;
use std::time::Duration;

use appsec_core::Timestamp;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::testing::state::export_script::{ExportEnd, ExportScript};

pub(crate) const CHUNK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const JOB_LIFE: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// An export job. Its findings are those of the time of the request.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) echo: Value,
    pub(crate) num_assets: usize,
    pub(crate) created: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) script: ExportScript,
    pub(crate) polls: usize,
    pub(crate) chunks: BTreeMap<u32, Bytes>,
    /// Chunk ids in the order in which they become available.
    pub(crate) order: Vec<u32>,
    pub(crate) available: usize,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
    pub(crate) cancelled: Vec<u32>,
}

impl Job {
    pub(crate) fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    pub(crate) fn failed(&self) -> Vec<u32> {
        self.script.failed.iter().copied().filter(|id| self.chunks.contains_key(id)).collect()
    }

    pub(crate) fn available(&self) -> &[u32] {
        self.order.get(..self.available).unwrap_or(&self.order)
    }

    /// Advances the job by one poll.
    pub(crate) fn poll(&mut self, now: Timestamp) {
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
        // One more poll in `PROCESSING` before the end, so that a client sees chunks appear.
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

    pub(crate) fn end(&mut self, status: &str, now: Timestamp) {
        status.clone_into(&mut self.status);
        self.ended = Some(now);
        let mut dropped = self.order.get(self.available..).unwrap_or_default().to_vec();
        dropped.sort_unstable();
        self.cancelled = dropped;
    }

    pub(crate) fn json(&self) -> Value {
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

    pub(crate) fn is_older(&self, age: Duration, now: Timestamp) -> bool {
        self.created.checked_add(age).is_ok_and(|end| end < now)
    }
}
