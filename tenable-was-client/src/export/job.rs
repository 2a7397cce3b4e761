//! An export job: asked for or taken up, watched until it ends, and accounted for.

use std::time::Duration;

use appsec_core::{CoverageGap, Error, ErrorKind, Result, ResumePoint, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::ledger::{ExportEnding, Ledger, LostChunk, ending};
use super::poll::Pacer;
use crate::TenableWasClient;
use crate::error::id_in;
use crate::model::{ChunkId, ExportId, ExportRequest, ExportStatus};

/// How long a job that was just asked for may take to show (assumed; scans take some seconds).
const APPEARS_WITHIN: Duration = Duration::from_secs(60);

/// An export under way at the service.
///
/// It ends in every case: finished, cancelled, failed, vanished, or given up after [`ExportOptions::with_patience`](crate::ExportOptions::with_patience) without a movement;
/// and whatever did not come is one of its [`gaps`](Self::gaps). Dropping it cancels nothing: the job goes on at the
/// service and can be taken up with [`TenableWasClient::resume_export`].
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
///         job.delivered(chunk);
///     }
/// }
/// assert!(job.gaps().is_empty(), "something is missing: {:?}", job.gaps());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ExportJob {
    client: TenableWasClient,
    id: ExportId,
    origin: Origin,
    created: Option<Timestamp>,
    ledger: Ledger,
    pacer: Pacer,
    next_look: Instant,
    /// The look under way; ended when the job is dropped.
    looking: JoinSet<Result<ExportStatus>>,
    seen: bool,
    reading: bool,
    /// The word of an unknown state, while the job stands in one.
    unknown: Option<String>,
    ending: Option<ExportEnding>,
}

/// How a job came to be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It was asked for.
    Asked,
    /// An equal one was running.
    Adopted,
    /// It was asked for before.
    Resumed,
}

/// Where a job can be taken up. A walk of the scanner has more to say, so that its points are none of these.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resume {
    export: ExportId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    delivered: Vec<u64>,
}

impl ExportJob {
    fn new(client: TenableWasClient, id: ExportId, ledger: Ledger) -> Self {
        let now = Instant::now();
        Self {
            pacer: Pacer::new(&client.inner.export, now),
            client,
            id,
            origin: Origin::Asked,
            created: None,
            ledger,
            next_look: now,
            looking: JoinSet::new(),
            seen: false,
            reading: false,
            unknown: None,
            ending: None,
        }
    }

    /// Asks for an export. Where an equal one is running, it is taken up; where another one stands in the way, that one is waited for.
    pub(crate) async fn start(client: TenableWasClient, request: &ExportRequest) -> Result<Self> {
        let options = client.inner.export;
        let mut pacer = Pacer::new(&options, Instant::now());
        let mut asked_again = false;
        loop {
            let refusal = match client.request_export(request).await {
                Ok(id) => return Ok(Self::new(client, id, Ledger::default())),
                Err(error) => error,
            };
            if refusal.outcome_unknown() && !asked_again {
                // If the request did get through, this one meets its job, and takes it up.
                asked_again = true;
                continue;
            }
            let active = id_in(refusal.message()).map(ExportId);
            let (ErrorKind::Conflict, Some(active)) = (refusal.kind(), active) else { return Err(refusal) };
            match client.get_export(active).await {
                Ok(status) if is_ours(request, &status) => {
                    tracing::info!(export = %active, "an equal export is running and is taken up");
                    let mut job = Self::new(client, active, Ledger::default());
                    job.origin = Origin::Adopted;
                    return Ok(job);
                }
                // Just ended, and gone: ask again.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if pacer.is_stuck(Instant::now()) {
                return Err(refusal);
            }
            tokio::time::sleep(pacer.pause()).await;
            pacer.stand();
        }
    }

    /// Takes up an export where a stored point says. Nothing is sent until it is watched; chunks that were delivered before are not handed out.
    ///
    /// # Errors
    /// `ResumeExpired` for a point that no job has made, or one of another version.
    pub fn resume(client: &TenableWasClient, point: &ResumePoint) -> Result<Self> {
        let state: Resume = point.state(TenableWasClient::KEY)?;
        let mut job = Self::taken_up(client.clone(), state.export, state.delivered.into_iter().map(ChunkId));
        job.created = state.created;
        Ok(job)
    }

    /// Where the export can be taken up again: after the chunks that were [`delivered`](Self::delivered). Chunks live for a day (vendor
    /// document), and a point as long.
    ///
    /// # Errors
    /// `Unexpected` where it cannot be written, which does not happen.
    pub fn resume_point(&self) -> Result<ResumePoint> {
        let delivered = self.all_delivered().map(|chunk| chunk.0).collect();
        ResumePoint::new(TenableWasClient::KEY, &Resume { export: self.id, created: self.created, delivered })
    }

    /// Takes up an export of which some chunks were delivered before.
    pub(crate) fn taken_up(
        client: TenableWasClient,
        id: ExportId,
        delivered: impl IntoIterator<Item = ChunkId>,
    ) -> Self {
        let mut job = Self::new(client, id, Ledger::with_delivered(delivered));
        job.origin = Origin::Resumed;
        job
    }

    /// The job's id.
    pub fn id(&self) -> ExportId {
        self.id
    }

    /// True when someone else had asked for it.
    pub fn is_adopted(&self) -> bool {
        self.origin == Origin::Adopted
    }

    /// When it was asked for, once the service has said so.
    pub fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// How it ended; `None` while more chunks may come.
    pub fn ending(&self) -> Option<&ExportEnding> {
        self.ending.as_ref()
    }

    /// How many chunks there are, as far as the service has said.
    pub fn total_chunks(&self) -> Option<u64> {
        self.ledger.total()
    }

    /// Waits for chunks that can be fetched; `None` once the job has ended and all were handed out. Each chunk comes once. Cancel-safe.
    ///
    /// # Errors
    /// `Deadline` when nothing has moved for too long; `ResumeExpired` when a job that is taken up exists no more; `NotFound` when a new one
    /// never shows; those of the status call.
    pub async fn next_chunks(&mut self) -> Result<Option<Vec<ChunkId>>> {
        loop {
            if self.ending.is_some() {
                return Ok(None);
            }
            let looked = self.look().await;
            let now = Instant::now();
            let new = match looked {
                Ok(status) => self.observe(&status, now),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.missing(error)?;
                    Vec::new()
                }
                Err(error) => return Err(error),
            };
            if self.ending.is_none() && !self.reading && self.pacer.is_stuck(now) {
                self.give_up(now)?;
            }
            self.next_look = now + self.pacer.pause();
            if !new.is_empty() {
                return Ok(Some(new));
            }
        }
    }

    /// Looks at the job when it is time to. A task does, so that whoever gives up waiting does not send the question again, and a slow
    /// consumer does not let it time out.
    async fn look(&mut self) -> Result<ExportStatus> {
        if self.looking.is_empty() {
            sleep_until(self.next_look).await;
            let (client, id) = (self.client.clone(), self.id);
            self.looking.spawn(async move { client.get_export(id).await });
        }
        match self.looking.join_next().await {
            Some(Ok(looked)) => looked,
            Some(Err(cause)) => {
                Err(Error::new(ErrorKind::Unexpected, "the task that looked at the export broke down")
                    .with_source(cause))
            }
            None => Err(Error::new(ErrorKind::Unexpected, "the look at the export was lost")),
        }
    }

    fn observe(&mut self, status: &ExportStatus, now: Instant) -> Vec<ChunkId> {
        self.seen = true;
        self.created =
            status.created.as_ref().and_then(crate::model::ApiTimestamp::timestamp).or(self.created);
        self.pacer.observe(status, now);
        self.ending = ending(status);
        if self.ending.is_none()
            && let Some(word) =
                status.status.as_ref().map(appsec_core::Verbatim::value).filter(|word| word.is_unknown())
        {
            tracing::warn!(export = %self.id, state = %word, "the export stands in an unknown state");
            self.unknown = Some(word.to_string());
        } else {
            self.unknown = None;
        }
        self.ledger.observe(status)
    }

    /// What it means that the service does not know the job.
    fn missing(&mut self, error: Error) -> Result<()> {
        if self.is_resumed() {
            return Err(Error::new(ErrorKind::ResumeExpired, "the export exists no more; start over")
                .with_source(error));
        }
        if self.seen {
            self.ending = Some(ExportEnding::Vanished);
            return Ok(());
        }
        let now = Instant::now();
        if self.pacer.is_stuck(now) || self.pacer.standing_for(now) >= APPEARS_WITHIN {
            return Err(error);
        }
        self.pacer.stand();
        Ok(())
    }

    fn give_up(&mut self, now: Instant) -> Result<()> {
        if let Some(word) = self.unknown.take() {
            self.ending = Some(ExportEnding::Unknown(word));
            return Ok(());
        }
        let minutes = self.pacer.standing_for(now).as_secs() / 60;
        Err(Error::new(
            ErrorKind::Deadline,
            format!("the export has not moved for {minutes} min; it goes on at the service as {}", self.id),
        )
        .with_operation("tenable: watch export"))
    }

    /// Notes that a chunk was read to its end.
    pub fn delivered(&mut self, chunk: ChunkId) {
        self.ledger.delivered(chunk);
        self.pacer.moved(Instant::now());
    }

    /// Notes whether chunks are being read: however long one takes, the job does not stand still meanwhile.
    pub(crate) fn reading(&mut self, yes: bool) {
        if yes || self.reading {
            self.pacer.alive(Instant::now());
        }
        self.reading = yes;
    }

    /// Notes that a chunk will not come.
    pub fn lost(&mut self, chunk: ChunkId, lost: LostChunk) {
        self.ledger.lost(chunk, lost);
    }

    /// The chunks that were read to their end, those from before it was taken up included.
    pub fn all_delivered(&self) -> impl Iterator<Item = ChunkId> {
        self.ledger.all_delivered()
    }

    /// What is missing, once the job has ended; before, that it has not ended.
    pub fn gaps(&self) -> Vec<CoverageGap> {
        match &self.ending {
            Some(ending) => self.ledger.gaps(ending),
            None => self.ledger.gaps(&ExportEnding::Unknown("not yet ended".to_owned())),
        }
    }

    /// Asks the service to end the job. Chunks that are done stay for three days (vendor document).
    ///
    /// # Errors
    /// `InvalidRequest` where the job cannot be cancelled, as when it has ended; those of the call.
    pub async fn cancel(&self) -> Result<()> {
        self.client.cancel_export(self.id).await.map(|_| ())
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.origin == Origin::Resumed
    }
}

/// True when a running job's echoed filters ask for what the request asks for, so that its chunks are an answer to it.
///
/// Whether assets outside the licence are included is not echoed (observed); the odd time bound of
/// [`ExportRequest::everything`] makes it unlikely that another's job has these filters.
fn is_ours(request: &ExportRequest, status: &ExportStatus) -> bool {
    let bad_end = matches!(ending(status), Some(ExportEnding::Cancelled | ExportEnding::Failed));
    // Whether an echo would name them is not known.
    let of_all_members = request.properties.is_empty();
    let asked = request.filters.essence(false);
    !bad_end && of_all_members && status.filters.as_ref().is_some_and(|echoed| echoed.essence(true) == asked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::AssetId;

    const ASSET: &str = "77778888-9999-4aaa-8bbb-ccccddddeeee";

    #[test]
    fn a_running_export_is_ours_only_if_its_echoed_filters_are() {
        let request = ExportRequest::everything().with_assets([ASSET.parse::<AssetId>().unwrap()]);
        let ours = json!({"state": ["fixed", "OPEN", "REOPENED"], "severity": [], "since": 1_000_000_000, "first_found": 0,
            "last_found": 0, "last_fixed": 0, "indexed_at": 0, "asset_uuid": [ASSET], "plugin_ids": [], "vpr_score": {}});
        let with = |name: &str, value: serde_json::Value| {
            let mut filters = ours.clone();
            filters[name] = value;
            serde_json::from_value(json!({"status": "PROCESSING", "filters": filters})).unwrap()
        };
        assert!(is_ours(&request, &with("since", json!(1_000_000_000))));
        assert!(is_ours(&request, &with("severity", json!(["INFO", "low", "MEDIUM", "HIGH", "CRITICAL"]))));
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
            assert!(!is_ours(&request, &with(name, value.clone())), "{name} {value}");
        }
        let no_echo = serde_json::from_value(json!({"status": "PROCESSING"})).unwrap();
        assert!(!is_ours(&request, &no_echo));
        let cancelled = serde_json::from_value(json!({"status": "CANCELLED", "filters": ours})).unwrap();
        assert!(!is_ours(&request, &cancelled));
    }
}
