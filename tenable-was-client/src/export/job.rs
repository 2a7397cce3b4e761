//! An export job: started or resumed, and watched until it ends.

use std::time::Duration;

use appsec_core::{CoverageGap, Error, ErrorKind, Result, ResumePoint, Timestamp, Verbatim};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::chunk_tracker::{ChunkLoss, ChunkTracker, ExportEnding, ending};
use super::cooldown::cooldown;
use super::poll_schedule::PollSchedule;
use crate::TenableWasClient;
use crate::model::{ChunkId, ExportId, ExportRequest, ExportStatus};

/// How long a new job may take to become visible (assumed; scans take some seconds).
const VISIBLE_WITHIN: Duration = Duration::from_secs(60);

/// How often an export is requested while others are in the way. With the default pauses, the last request
/// comes 18 min after the first.
const MAX_REQUESTS: u32 = 8;

/// How much longer each pause between two such requests is than the one before.
const PAUSE_FACTOR: u32 = 3;

/// An export job at the service.
///
/// Watching a job always ends: it is finished, cancelled, failed, or unknown to the service, or it makes no
/// progress for the time of [`ExportOptions::with_patience`](crate::ExportOptions::with_patience), not
/// counting the time in which a rate limit keeps it from being polled. Whatever could not be read is one of
/// its [`gaps`](Self::gaps). Dropping an `ExportJob` does not cancel the job,
/// which continues at the service and can be resumed with [`TenableWasClient::resume_export`].
///
/// ```no_run
/// # async fn run(client: tenable_was_client::TenableWasClient) -> appsec_core::Result<()> {
/// use tenable_was_client::model::ExportRequest;
///
/// let mut job = client.start_export(&ExportRequest::everything()).await?;
/// while let Some(chunks) = job.next_chunks().await? {
///     for chunk in chunks {
///         let mut records = client.export_chunk(job.id(), chunk)?;
///         while let Some(record) = records.next().await {
///             println!("{:?}", record?.finding_id);
///         }
///         job.mark_delivered(chunk);
///     }
/// }
/// assert!(job.gaps().is_empty(), "the export is incomplete: {:?}", job.gaps());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ExportJob {
    client: TenableWasClient,
    id: ExportId,
    origin: Origin,
    created: Option<Timestamp>,
    chunks: ChunkTracker,
    schedule: PollSchedule,
    next_poll: Instant,
    /// The poll in progress. It is aborted when the job is dropped.
    polling: JoinSet<Result<ExportStatus>>,
    /// Whether the service has shown the job.
    seen: bool,
    /// Whether chunks are being read.
    reading: bool,
    /// The current state, if this version does not know it.
    unknown_state: Option<String>,
    ending: Option<ExportEnding>,
}

/// Where a job comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was started.
    Started,
    /// It was running already, for an equal request.
    Adopted,
    /// It was started before.
    Resumed,
}

/// The state of a job, as a resume point holds it. Unknown fields are refused: the resume points of
/// [`DastApiScanner::findings`](appsec_core::DastApiScanner::findings) have more of them, and are not for a
/// job.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobResume {
    export: ExportId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    delivered: Vec<u64>,
}

impl ExportJob {
    fn new(client: TenableWasClient, id: ExportId, chunks: ChunkTracker) -> Self {
        let now = Instant::now();
        Self {
            schedule: PollSchedule::new(&client.inner.export, now),
            client,
            id,
            origin: Origin::Started,
            created: None,
            chunks,
            next_poll: now,
            polling: JoinSet::new(),
            seen: false,
            reading: false,
            unknown_state: None,
            ending: None,
        }
    }

    /// Requests an export. A running job for an equal request is adopted. Any other job in the way is
    /// waited for by reading its status; the request itself is repeated after growing pauses, and not often.
    pub(crate) async fn start(client: TenableWasClient, request: &ExportRequest) -> Result<Self> {
        let options = client.inner.export;
        let mut schedule = PollSchedule::new(&options, Instant::now());
        let (mut requests, mut pause) = (0, options.first_pause());
        let mut repeated = false;
        loop {
            let refusal = match client.request_export(request).await {
                Ok(id) => return Ok(Self::new(client, id, ChunkTracker::default())),
                Err(error) => error,
            };
            if refusal.outcome_unknown() && !repeated {
                // If the first request did reach the service, the second one conflicts with its job and
                // adopts it.
                repeated = true;
                continue;
            }
            requests += 1;
            let active = refusal.conflicting_id().and_then(|id| id.parse::<ExportId>().ok());
            let (ErrorKind::Conflict, Some(active)) = (refusal.kind(), active) else { return Err(refusal) };
            match client.get_export(active).await {
                Ok(status) if is_equal_request(request, &status) => {
                    tracing::info!(export = %active, "adopting the running export of an equal request");
                    let mut job = Self::new(client, active, ChunkTracker::default());
                    job.origin = Origin::Adopted;
                    return Ok(job);
                }
                Ok(status) if ending(&status).is_none() => {
                    wait_for_end(&client, active, &mut schedule).await?;
                }
                // The job has ended meanwhile, or is of another user: request again.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if requests >= MAX_REQUESTS || schedule.is_stalled(Instant::now()) {
                return Err(refusal);
            }
            sleep(pause).await;
            pause = pause.saturating_mul(PAUSE_FACTOR).min(options.patience());
        }
    }

    /// Resumes an export at a stored point. No request is sent before [`next_chunks`](Self::next_chunks) is
    /// called, which does not return the chunks that were delivered before.
    ///
    /// # Errors
    /// `ResumeExpired` for a point that was not made by [`resume_point`](Self::resume_point), or by another
    /// version.
    pub fn resume(client: &TenableWasClient, point: &ResumePoint) -> Result<Self> {
        let state: JobResume = point.state(TenableWasClient::KEY)?;
        let mut job = Self::resumed(client.clone(), state.export, state.delivered.into_iter().map(ChunkId));
        job.created = state.created;
        Ok(job)
    }

    /// Returns the point at which the export can be resumed: after the chunks that were
    /// [marked as delivered](Self::mark_delivered). The service keeps chunks for a day (vendor document),
    /// so a point expires after a day.
    ///
    /// # Errors
    /// `Unexpected` if the point cannot be serialized, which does not happen.
    pub fn resume_point(&self) -> Result<ResumePoint> {
        let delivered = self.delivered_chunks().map(|chunk| chunk.0).collect();
        ResumePoint::new(
            TenableWasClient::KEY,
            &JobResume { export: self.id, created: self.created, delivered },
        )
    }

    /// Resumes an export of which some chunks were delivered before.
    pub(crate) fn resumed(
        client: TenableWasClient,
        id: ExportId,
        delivered: impl IntoIterator<Item = ChunkId>,
    ) -> Self {
        let mut job = Self::new(client, id, ChunkTracker::with_delivered(delivered));
        job.origin = Origin::Resumed;
        job
    }

    /// The job's id.
    pub fn id(&self) -> ExportId {
        self.id
    }

    /// Whether it was running already, for an equal request, when it was requested.
    pub fn is_adopted(&self) -> bool {
        self.origin == Origin::Adopted
    }

    /// When it was created, once the service has said so.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// How it ended; `None` while more chunks may become available.
    pub fn ending(&self) -> Option<&ExportEnding> {
        self.ending.as_ref()
    }

    /// The total number of chunks, if the service has announced it.
    pub fn total_chunks(&self) -> Option<u64> {
        self.chunks.total()
    }

    /// Waits for chunks that can be fetched. Returns `None` once the job has ended and all chunks were
    /// returned. Each chunk is returned once. Cancel-safe.
    ///
    /// # Errors
    /// `ResumeExpired` if a resumed job does not exist any more; `NotFound` if a new job does not become
    /// visible; those of [`get_export`](TenableWasClient::get_export).
    pub async fn next_chunks(&mut self) -> Result<Option<Vec<ChunkId>>> {
        loop {
            match self.poll_once().await? {
                Some(none) if none.is_empty() => {}
                chunks => return Ok(chunks),
            }
        }
    }

    /// As [`next_chunks`](Self::next_chunks), but returns after one poll, also if it shows no new chunk.
    pub(crate) async fn poll_once(&mut self) -> Result<Option<Vec<ChunkId>>> {
        if self.ending.is_some() {
            return Ok(None);
        }
        let status = self.poll().await;
        let now = Instant::now();
        let mut new = Vec::new();
        match status {
            Ok(status) => new = self.update(&status, now),
            Err(error) if error.kind() == ErrorKind::NotFound => self.not_found(error)?,
            Err(error) => {
                let wait = cooldown(&error).ok_or(error)?;
                // Waiting for a rate limit is not a lack of progress.
                self.schedule.reset_stall(now + wait);
                self.next_poll = now + wait;
                return Ok(Some(new));
            }
        }
        if self.ending.is_none() && !self.reading && self.schedule.is_stalled(now) {
            self.ending = Some(match self.unknown_state.take() {
                Some(state) => ExportEnding::Unknown(state),
                None => ExportEnding::Stalled(self.schedule.stalled_for(now)),
            });
        }
        self.next_poll = now + self.schedule.pause();
        Ok(Some(new))
    }

    /// Gets the status when the next poll is due. The request runs in a task, so that a caller who stops
    /// waiting does not cause a second request, and a slow caller does not cause a timeout.
    async fn poll(&mut self) -> Result<ExportStatus> {
        if self.polling.is_empty() {
            sleep_until(self.next_poll).await;
            let (client, id) = (self.client.clone(), self.id);
            self.polling.spawn(async move { client.get_export(id).await });
        }
        match self.polling.join_next().await {
            Some(Ok(status)) => status,
            Some(Err(cause)) => {
                Err(Error::new(ErrorKind::Unexpected, "the task that polls the export panicked")
                    .with_source(cause))
            }
            None => Err(Error::new(ErrorKind::Unexpected, "the task that polls the export is missing")),
        }
    }

    fn update(&mut self, status: &ExportStatus, now: Instant) -> Vec<ChunkId> {
        self.seen = true;
        self.created =
            status.created.as_ref().and_then(crate::model::ApiTimestamp::timestamp).or(self.created);
        self.schedule.update(status, now);
        self.ending = ending(status);
        if self.ending.is_none()
            && let Some(state) =
                status.status.as_ref().map(Verbatim::value).filter(|state| state.is_unknown())
        {
            tracing::warn!(export = %self.id, %state, "the export is in an unknown state");
            self.unknown_state = Some(state.to_string());
        } else {
            self.unknown_state = None;
        }
        self.chunks.update(status)
    }

    /// Handles the answer that the service does not know the job.
    fn not_found(&mut self, error: Error) -> Result<()> {
        if self.is_resumed() {
            return Err(
                Error::new(ErrorKind::ResumeExpired, "the export has expired; start over").with_source(error)
            );
        }
        if self.seen {
            self.ending = Some(ExportEnding::Vanished);
            return Ok(());
        }
        let now = Instant::now();
        if self.schedule.is_stalled(now) || self.schedule.stalled_for(now) >= VISIBLE_WITHIN {
            return Err(error);
        }
        self.schedule.no_progress();
        Ok(())
    }

    /// Marks a chunk as read to its end.
    pub fn mark_delivered(&mut self, chunk: ChunkId) {
        self.chunks.mark_delivered(chunk);
        self.schedule.progress(Instant::now());
    }

    /// Sets whether chunks are being read. The job counts as making progress meanwhile, however long a
    /// chunk takes.
    pub(crate) fn set_reading(&mut self, reading: bool) {
        if reading || self.reading {
            self.schedule.reset_stall(Instant::now());
        }
        self.reading = reading;
    }

    /// Marks a chunk as one that cannot be read.
    pub fn mark_lost(&mut self, chunk: ChunkId, loss: ChunkLoss) {
        self.chunks.mark_lost(chunk, loss);
    }

    /// The chunks that were read to their end, including those read before the job was resumed.
    pub fn delivered_chunks(&self) -> impl Iterator<Item = ChunkId> {
        self.chunks.delivered()
    }

    /// Returns what is missing from the export. Before the job has ended, that is a gap too.
    pub fn gaps(&self) -> Vec<CoverageGap> {
        match &self.ending {
            Some(ending) => self.chunks.gaps(ending),
            None => self.chunks.gaps(&ExportEnding::Unknown("not yet ended".to_owned())),
        }
    }

    /// Cancels the job. The service keeps finished chunks for three days (vendor document).
    ///
    /// # Errors
    /// `InvalidRequest` if the job cannot be cancelled, such as after its end; those of
    /// [`cancel_export`](TenableWasClient::cancel_export).
    pub async fn cancel(&self) -> Result<()> {
        self.client.cancel_export(self.id).await.map(|_| ())
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.origin == Origin::Resumed
    }
}

/// Waits until a job of another request has ended, is gone, or has made no progress for too long.
async fn wait_for_end(client: &TenableWasClient, id: ExportId, schedule: &mut PollSchedule) -> Result<()> {
    loop {
        sleep(schedule.pause()).await;
        match client.get_export(id).await {
            Ok(status) => {
                let now = Instant::now();
                schedule.update(&status, now);
                if ending(&status).is_some() || schedule.is_stalled(now) {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => sleep(cooldown(&error).ok_or(error)?).await,
        }
    }
}

/// Whether a running job has the filters of the request, according to the service's echo, so that it can be
/// adopted.
///
/// The echo does not show whether unlicensed assets are included (observed). The unusual time bound of
/// [`ExportRequest::everything`] makes it unlikely that a foreign job has these filters.
fn is_equal_request(request: &ExportRequest, status: &ExportStatus) -> bool {
    let ended_early = matches!(ending(status), Some(ExportEnding::Cancelled | ExportEnding::Failed));
    // It is not known whether an echo names the properties.
    let all_properties = request.properties.is_empty();
    let requested = request.filters.normalized(false);
    !ended_early
        && all_properties
        && status.filters.as_ref().is_some_and(|echoed| echoed.normalized(true) == requested)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::AssetId;

    const ASSET: &str = "77778888-9999-4aaa-8bbb-ccccddddeeee";

    #[test]
    fn a_running_export_is_adopted_only_if_its_echoed_filters_are_equal() {
        let request = ExportRequest::everything().with_assets([ASSET.parse::<AssetId>().unwrap()]);
        let ours = json!({"state": ["fixed", "OPEN", "REOPENED"], "severity": [], "since": 1_000_000_000, "first_found": 0,
            "last_found": 0, "last_fixed": 0, "indexed_at": 0, "asset_uuid": [ASSET], "plugin_ids": [], "vpr_score": {}});
        let with = |name: &str, value: serde_json::Value| {
            let mut filters = ours.clone();
            filters[name] = value;
            serde_json::from_value(json!({"status": "PROCESSING", "filters": filters})).unwrap()
        };
        assert!(is_equal_request(&request, &with("since", json!(1_000_000_000))));
        assert!(is_equal_request(
            &request,
            &with("severity", json!(["INFO", "low", "MEDIUM", "HIGH", "CRITICAL"]))
        ));
        for (name, value) in [
            ("since", json!(0)),
            ("state", json!(["OPEN", "REOPENED"])),
            ("severity", json!(["HIGH"])),
            ("asset_uuid", json!([])),
            ("asset_uuid", json!(["88887777-9999-4aaa-8bbb-ccccddddeeee"])),
            ("last_found", json!(1_790_000_000)),
            ("plugin_ids", json!([98104])),
            ("asset_name", json!("shop.example.com")),
            ("vpr_score", json!({"gte": 7.0})),
        ] {
            assert!(!is_equal_request(&request, &with(name, value.clone())), "{name} {value}");
        }
        let no_echo = serde_json::from_value(json!({"status": "PROCESSING"})).unwrap();
        assert!(!is_equal_request(&request, &no_echo));
        let cancelled = serde_json::from_value(json!({"status": "CANCELLED", "filters": ours})).unwrap();
        assert!(!is_equal_request(&request, &cancelled));
    }
}
