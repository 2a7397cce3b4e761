//! Findings of targets, or of the whole tenant, from the export.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use appsec_core::{
    Error, ErrorKind, Finding, FindingEvent, FindingQuery, Location, PartitionKey, Result, ResumePoint,
    StreamSender, Timestamp,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::attribution::LookUps;
use super::chunk_failures::{ChunkFailures, FailureScope, reason};
use super::event_sender::EventSender;
use super::finding_filter::FindingFilter;
use super::record_reader::{ReaderContext, RecordBatch, RecordReader, set_owner};
use super::target_assets::TargetAssets;
use super::unknown_values::add_unknown;
use crate::TenableWasClient;
use crate::export::{ChunkEvent, ChunkFetcher, ChunkLoss, ExportJob, RecordDecoder, cooldown};
use crate::map::BindTargetKind;
use crate::model::{ChunkId, ExportId, ExportRequest};

/// Why absence from an export is inconclusive.
const INCONCLUSIVE: &str =
    "an export does not prove that a missing finding is fixed; findings close when their state is fixed";

/// The state of a read of an export, as a resume point holds it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ExportResume {
    export: ExportId,
    /// The requested targets, so that an export is not resumed for other ones.
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    /// The chunks that were read to their end.
    delivered: BTreeSet<u64>,
    /// The number of records read from each chunk that was not read to its end.
    begun: BTreeMap<u64, u64>,
}

impl ExportResume {
    pub(super) fn parse(point: &ResumePoint, targets: Option<&[BindTargetKind]>) -> Result<Self> {
        let state: Self = point.state(TenableWasClient::KEY)?;
        if state.scope != scope(targets) {
            return Err(Error::new(
                ErrorKind::ResumeExpired,
                "the resume point is of a query with other targets",
            ));
        }
        Ok(state)
    }
}

/// Returns a short text that identifies the targets, which must be sorted.
fn scope(targets: Option<&[BindTargetKind]>) -> String {
    match targets {
        None => "all".to_owned(),
        Some(targets) => {
            // FNV-1a is stable across versions. The standard library's hasher is not.
            let hash = format!("{targets:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            format!("{} targets {hash:016x}", targets.len())
        }
    }
}

pub(super) async fn run(
    client: TenableWasClient,
    query: FindingQuery,
    targets: Option<Vec<BindTargetKind>>,
    resume: Option<ExportResume>,
    sender: StreamSender<FindingEvent>,
) -> Result<()> {
    let mut events = EventSender::new(sender);
    let assets = TargetAssets::fetch(&client, targets.as_deref()).await?;
    for gap in &assets.gaps {
        events.coverage.add_gap(gap.clone());
    }
    for partition in assets.attribution.requested_partitions() {
        events.coverage.mark_inconclusive(partition, INCONCLUSIVE);
    }
    let filter = assets.export_filter();
    if filter.as_ref().is_some_and(Vec::is_empty) {
        // An export whose filter names no assets may be one of the whole tenant.
        return events.send_end(query.inconclusive_reason()).await;
    }
    let mut begun = BTreeMap::new();
    let job = if let Some(resume) = resume {
        begun = resume.begun;
        client.resume_export(resume.export, resume.delivered.into_iter().map(ChunkId))
    } else {
        let everything = ExportRequest::everything().with_num_assets(client.inner.export.assets_per_chunk());
        let request = match filter {
            Some(assets) => everything.with_assets(assets),
            None => everything,
        };
        client.start_export(&request).await?
    };
    let mut reader = ExportFindingsReader {
        filter: FindingFilter::new(&query),
        other_targets: query.other_targets,
        assets: Arc::new(assets),
        look_ups: LookUps::default(),
        client,
        job,
        scope: scope(targets.as_deref()),
        begun,
        not_ready_since: BTreeMap::new(),
        failures: ChunkFailures::default(),
        events,
    };
    reader.read_chunks().await?;
    for gap in reader.job.gaps() {
        reader.events.coverage.add_gap(gap);
    }
    reader.events.send_end(query.inconclusive_reason()).await
}

/// Reads the findings of one export.
struct ExportFindingsReader {
    client: TenableWasClient,
    filter: FindingFilter,
    /// Whether records of other configurations are returned.
    other_targets: bool,
    assets: Arc<TargetAssets>,
    look_ups: LookUps,
    job: ExportJob,
    scope: String,
    begun: BTreeMap<u64, u64>,
    /// When each chunk first answered that it was not ready.
    not_ready_since: BTreeMap<ChunkId, Instant>,
    failures: ChunkFailures,
    events: EventSender,
}

/// What to do with a chunk that could not be read.
enum ChunkRetry {
    At(Instant),
    Never(ChunkLoss),
}

impl ExportFindingsReader {
    /// Reads the chunks as they become ready, until the job has ended and each chunk is read or lost.
    async fn read_chunks(&mut self) -> Result<()> {
        let mut fetcher = self.fetcher();
        let mut more = true;
        // What an earlier process read is a sign that the service serves chunks.
        if !self.begun.is_empty() || self.job.delivered_chunks().next().is_some() {
            self.failures.read();
        }
        while more || !fetcher.is_idle() {
            // The job is not stuck while chunks are read. This loop ends all the same: a chunk that never
            // becomes ready is given up after the patience of the options.
            self.job.set_reading(!fetcher.is_idle());
            tokio::select! {
                biased;
                event = fetcher.next(), if !fetcher.is_idle() => match event? {
                    ChunkEvent::Batch { chunk, position, batch } => self.send(chunk, position, batch).await?,
                    ChunkEvent::Delivered(chunk) => {
                        self.begun.remove(&chunk.0);
                        self.failures.read();
                        self.job.mark_delivered(chunk);
                    }
                    ChunkEvent::Failed(chunk, error) => {
                        let others_unread = more || !fetcher.is_idle();
                        match self.chunk_failed(chunk, error, others_unread).await? {
                            ChunkRetry::At(time) => {
                                let taken = self.begun.get(&chunk.0).copied().unwrap_or_default();
                                fetcher.push_again(chunk, time, taken);
                            }
                            ChunkRetry::Never(loss) => {
                                tracing::debug!(%chunk, ?loss, "a chunk is lost");
                                self.job.mark_lost(chunk, loss);
                                fetcher.change_end();
                            }
                        }
                    }
                },
                chunks = self.job.poll_once(), if more => match chunks? {
                    Some(chunks) => {
                        let waits = chunks.is_empty() && fetcher.is_idle();
                        for chunk in chunks {
                            fetcher.push(chunk, Instant::now());
                        }
                        if waits {
                            self.events.send_batch(Vec::new(), self.resume_point()?, None).await?;
                        }
                    }
                    None => more = false,
                },
            }
        }
        match std::mem::take(&mut self.failures).into_outage() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn fetcher(&self) -> ChunkFetcher<RecordReader> {
        let context = ReaderContext {
            filter: self.filter.clone(),
            other_targets: self.other_targets,
            assets: Arc::clone(&self.assets),
            rules: Arc::default(),
            scanner: TenableWasClient::KEY.into(),
            unattributed: PartitionKey::unattributed(),
            resumed: self.job.is_resumed(),
        };
        let plugins = Arc::clone(&self.client.inner.plugin_cache);
        let skip = self.begun.iter().map(|(chunk, records)| (ChunkId(*chunk), *records)).collect();
        ChunkFetcher::new(self.client.clone(), self.job.id(), skip, move || {
            RecordReader::new(context.clone(), RecordDecoder::new(Arc::clone(&plugins)))
        })
    }

    async fn send(&mut self, chunk: ChunkId, position: u64, batch: RecordBatch) -> Result<()> {
        self.events.records += batch.records;
        add_unknown(&mut self.events.unknown, &batch.unknown);
        for gap in batch.gaps {
            self.events.coverage.add_gap(gap);
        }
        let findings = self.attribute(batch.findings, batch.waiting).await?;
        let partitions: HashSet<_> = findings.iter().map(|finding| &finding.partition).collect();
        for partition in partitions {
            self.events.coverage.mark_inconclusive(partition.clone(), INCONCLUSIVE);
        }
        self.begun.insert(chunk.0, position);
        if batch.records > 0 {
            self.failures.read();
        }
        if findings.is_empty() {
            return Ok(());
        }
        self.events.send_batch(findings, self.resume_point()?, None).await
    }

    /// Looks up the scans that findings wait for, and leaves out the findings that do not belong to the
    /// query. `waiting` has one entry for each finding.
    async fn attribute(
        &mut self,
        findings: Vec<Finding>,
        waiting: Vec<Option<Location>>,
    ) -> Result<Vec<Finding>> {
        if waiting.iter().all(Option::is_none) {
            return Ok(findings);
        }
        let attribution = &self.assets.attribution;
        let scans = findings
            .iter()
            .zip(&waiting)
            .filter_map(|(finding, waiting)| waiting.as_ref().and_then(|_| finding.scan.clone()));
        let scans: HashSet<_> = scans.collect();
        attribution.look_up(&self.client, scans, &mut self.look_ups).await?;
        let mut kept = Vec::with_capacity(findings.len());
        for (mut finding, waiting) in findings.into_iter().zip(waiting) {
            let Some(place) = waiting else {
                kept.push(finding);
                continue;
            };
            let owner = attribution.owner(finding.scan.as_ref(), &place);
            match set_owner(&mut finding, owner, self.other_targets) {
                Ok(()) => kept.push(finding),
                Err(gap) => gap.into_iter().for_each(|gap| self.events.coverage.add_gap(gap)),
            }
        }
        Ok(kept)
    }

    /// Decides what happens to a chunk that could not be read, by the rules of
    /// [`chunk_failures`](super::chunk_failures). An error that concerns everything that is left is
    /// returned.
    async fn chunk_failed(
        &mut self,
        chunk: ChunkId,
        error: Error,
        others_unread: bool,
    ) -> Result<ChunkRetry> {
        let now = Instant::now();
        if let Some(wait) = cooldown(&error) {
            return Ok(ChunkRetry::At(now + wait));
        }
        let resumed = self.job.is_resumed();
        match error.kind() {
            ErrorKind::NotFound if resumed => {
                return Err(Error::new(
                    ErrorKind::ResumeExpired,
                    format!("chunk {chunk} has expired; start over"),
                )
                .with_source(error));
            }
            ErrorKind::ResumeExpired if resumed => return Err(error),
            ErrorKind::NotFound => {
                self.failures.lost();
                return Ok(ChunkRetry::Never(ChunkLoss::Expired));
            }
            // Here 400 means "not ready" (vendor document).
            ErrorKind::InvalidRequest if error.status() == Some(400) => {
                let options = &self.client.inner.export;
                let since = *self.not_ready_since.entry(chunk).or_insert(now);
                let waited = now.saturating_duration_since(since);
                if waited < options.patience() {
                    let pause = waited.clamp(options.first_pause(), options.longest_pause());
                    return Ok(ChunkRetry::At(now + pause));
                }
                self.failures.lost();
                return Ok(ChunkRetry::Never(ChunkLoss::NotReady));
            }
            _ => {}
        }
        let why = reason(&error, self.begun.get(&chunk.0).copied().unwrap_or_default());
        match FailureScope::of(&error) {
            FailureScope::Everything => return Err(error),
            FailureScope::Chunk => self.failures.lost(),
            FailureScope::Unclear => {
                self.check_service().await?;
                self.failures.failed(chunk, error, others_unread)?;
            }
        }
        Ok(ChunkRetry::Never(ChunkLoss::Unreadable(why)))
    }

    /// Requests the status of the export, to learn whether the service answers at all.
    async fn check_service(&self) -> Result<()> {
        loop {
            match self.client.get_export(self.job.id()).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) => sleep(cooldown(&error).ok_or(error)?).await,
            }
        }
    }

    fn resume_point(&self) -> Result<ResumePoint> {
        let state = ExportResume {
            export: self.job.id(),
            scope: self.scope.clone(),
            created: self.job.created(),
            delivered: self.job.delivered_chunks().map(|chunk| chunk.0).collect(),
            begun: self.begun.clone(),
        };
        ResumePoint::new(TenableWasClient::KEY, &state)
    }
}
