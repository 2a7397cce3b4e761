//! Findings of targets, or of the whole tenant: by the export.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use appsec_core::{
    Batcher, CoverageGap, Error, ErrorKind, Finding, FindingEvent, FindingQuery, GapKind, PartitionKey,
    Result, ResumePoint, ScanId, Timestamp, UnknownWords,
};
use appsec_http::Element;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::assets::Assets;
use super::emit::Emit;
use super::output::{Output, Wanted, add_unknown, bad_record, collect, count_fields, count_unknown};
use crate::TenableWasClient;
use crate::export::{CHUNK_OPERATION, Decoder, Event, ExportJob, Fetcher, LostChunk, Reader};
use crate::map::{Common, RuleCache, Target, of_export, partition_of_asset};
use crate::model::{AssetId, ChunkId, ExportId, ExportRequest, ExportScan};

/// Why an export's silence says nothing.
const SILENCE: &str = "the export does not say what is gone; findings close by their state";

/// Where an export can be taken up.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resume {
    export: ExportId,
    /// What was asked for, so that no other question is answered from this export.
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    /// Chunks read to their end.
    delivered: BTreeSet<u64>,
    /// Records read of chunks that were being read.
    begun: BTreeMap<u64, u64>,
}

impl Resume {
    pub(crate) fn read(point: &ResumePoint, targets: Option<&[Target]>) -> Result<Self> {
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

/// The question in a few characters; the targets are sorted.
fn scope(targets: Option<&[Target]>) -> String {
    match targets {
        None => "all".to_owned(),
        Some(targets) => {
            // FNV-1a: stable across versions, which the standard library's hasher is not.
            let hash = format!("{targets:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            format!("{} targets {hash:016x}", targets.len())
        }
    }
}

pub(crate) async fn run(
    client: TenableWasClient,
    query: FindingQuery,
    targets: Option<Vec<Target>>,
    resume: Option<Resume>,
    emit: Emit<FindingEvent>,
) -> Result<()> {
    let mut output = Output::new(emit);
    let assets = Assets::of(&client, targets.as_deref()).await?;
    for gap in &assets.gaps {
        output.coverage.add_gap(gap.clone());
    }
    for asset in assets.known() {
        output.coverage.mark_inconclusive(partition_of_asset(Some(asset)), SILENCE);
    }
    let filter = assets.filter();
    if filter.as_ref().is_some_and(Vec::is_empty) {
        // An export without assets in its filter may be one of the whole tenant.
        return output.end(query.silence()).await;
    }
    let mut state = State { begun: BTreeMap::new(), scope: scope(targets.as_deref()) };
    let job = if let Some(resume) = resume {
        state.begun = resume.begun;
        client.resume_export(resume.export, resume.delivered.into_iter().map(ChunkId))
    } else {
        let everything = ExportRequest::everything().with_num_assets(client.inner.export.assets_per_chunk);
        let request = match filter {
            Some(assets) => everything.with_assets(assets),
            None => everything,
        };
        client.start_export(&request).await?
    };
    let job = walk(&client, &query, Arc::new(assets), job, state, &mut output).await?;
    for gap in job.gaps() {
        output.coverage.add_gap(gap);
    }
    output.end(query.silence()).await
}

/// What of the walk is not the job's.
struct State {
    begun: BTreeMap<u64, u64>,
    scope: String,
}

impl State {
    fn resume_point(&self, job: &ExportJob) -> Result<ResumePoint> {
        let state = Resume {
            export: job.id(),
            scope: self.scope.clone(),
            created: job.created(),
            delivered: job.all_delivered().map(|chunk| chunk.0).collect(),
            begun: self.begun.clone(),
        };
        ResumePoint::new(TenableWasClient::KEY, &state)
    }
}

/// Reads the chunks as they become ready, until the job has ended and each was read or is lost.
async fn walk(
    client: &TenableWasClient,
    query: &FindingQuery,
    assets: Arc<Assets>,
    mut job: ExportJob,
    mut state: State,
    output: &mut Output,
) -> Result<ExportJob> {
    let parts = Parts {
        wanted: Wanted::new(query),
        assets,
        rules: Arc::default(),
        scanner: TenableWasClient::KEY.into(),
        resumed: job.is_resumed(),
    };
    let known = Arc::clone(&client.inner.known_plugins);
    let skip = state.begun.iter().map(|(chunk, records)| (ChunkId(*chunk), *records)).collect();
    let mut fetcher = Fetcher::new(client.clone(), job.id(), skip, move || {
        RecordReader::new(parts.clone(), Decoder::new(Arc::clone(&known)))
    });
    let mut not_ready: BTreeMap<ChunkId, Instant> = BTreeMap::new();
    let mut more = true;
    while more || !fetcher.is_idle() {
        // A chunk that is never ready has a patience of its own, so this ends too.
        job.reading(!fetcher.is_idle());
        tokio::select! {
            biased;
            event = fetcher.next(), if !fetcher.is_idle() => match event? {
                Event::Batch { chunk, position, batch } => {
                    output.records += batch.records;
                    add_unknown(&mut output.unknown, &batch.unknown);
                    for gap in batch.gaps {
                        output.coverage.add_gap(gap);
                    }
                    for partition in batch.partitions {
                        output.coverage.mark_inconclusive(partition, SILENCE);
                    }
                    state.begun.insert(chunk.0, position);
                    if !batch.findings.is_empty() {
                        output.batch(batch.findings, state.resume_point(&job)?, None).await?;
                    }
                }
                Event::Delivered(chunk) => {
                    state.begun.remove(&chunk.0);
                    job.delivered(chunk);
                }
                Event::Failed(chunk, error) => match chunk_failed(client, &job, &mut not_ready, chunk, error)? {
                    Retry::At(time) => {
                        let taken = state.begun.get(&chunk.0).copied().unwrap_or_default();
                        fetcher.push_again(chunk, time, taken);
                    }
                    Retry::Never(lost) => job.lost(chunk, lost),
                },
            },
            chunks = job.next_chunks(), if more => match chunks? {
                Some(chunks) => chunks.into_iter().for_each(|chunk| fetcher.push(chunk, Instant::now())),
                None => more = false,
            },
        }
    }
    Ok(job)
}

enum Retry {
    At(Instant),
    Never(LostChunk),
}

/// What becomes of a chunk that could not be read. Anything but the two answers that concern the chunk alone ends the walk.
fn chunk_failed(
    client: &TenableWasClient,
    job: &ExportJob,
    not_ready: &mut BTreeMap<ChunkId, Instant>,
    chunk: ChunkId,
    error: Error,
) -> Result<Retry> {
    match error.kind() {
        ErrorKind::NotFound if job.is_resumed() => {
            Err(Error::new(ErrorKind::ResumeExpired, format!("chunk {chunk} exists no more; start over"))
                .with_source(error))
        }
        ErrorKind::NotFound => Ok(Retry::Never(LostChunk::Expired)),
        // 400 is said to mean "not ready" here (vendor document).
        ErrorKind::InvalidRequest if error.status() == Some(400) => {
            let options = &client.inner.export;
            let now = Instant::now();
            let since = *not_ready.entry(chunk).or_insert(now);
            let waited = now.saturating_duration_since(since);
            if waited >= options.patience {
                return Ok(Retry::Never(LostChunk::NotReady));
            }
            let pause = waited.clamp(options.first_pause, options.longest_pause);
            Ok(Retry::At(now + pause))
        }
        _ => Err(error),
    }
}

/// What the readers of all chunks share.
#[derive(Debug, Clone)]
struct Parts {
    wanted: Wanted,
    assets: Arc<Assets>,
    rules: Arc<RuleCache>,
    scanner: Arc<str>,
    resumed: bool,
}

/// Makes findings of the records of one chunk.
struct RecordReader {
    parts: Parts,
    decoder: Decoder,
    names: Names,
    batcher: Batcher,
    out: Batch,
}

/// The names that findings of one asset and of one scan share, made once for each of a chunk.
#[derive(Debug, Default)]
struct Names {
    partitions: HashMap<Option<AssetId>, PartitionKey>,
    scans: HashMap<String, ScanId>,
}

impl Names {
    fn partition(&mut self, asset: Option<AssetId>) -> PartitionKey {
        self.partitions.entry(asset).or_insert_with(|| partition_of_asset(asset)).clone()
    }

    fn scan(&mut self, scan: Option<&ExportScan>) -> Option<ScanId> {
        let id = scan?.uuid.as_deref().filter(|id| !id.is_empty())?;
        if let Some(known) = self.scans.get(id) {
            return Some(known.clone());
        }
        let name = ScanId::from(id);
        self.scans.insert(id.to_owned(), name.clone());
        Some(name)
    }
}

#[derive(Debug, Default)]
struct Batch {
    findings: Vec<Finding>,
    gaps: Vec<CoverageGap>,
    partitions: BTreeSet<PartitionKey>,
    unknown: UnknownWords,
    records: u64,
}

impl RecordReader {
    fn new(parts: Parts, decoder: Decoder) -> Self {
        Self { parts, decoder, names: Names::default(), batcher: Batcher::new(), out: Batch::default() }
    }

    /// The record's finding; `None` where it is not asked for or cannot be decoded.
    fn finding(&mut self, element: &Element<'_>, chunk: ChunkId) -> Option<Finding> {
        self.out.records += 1;
        let record = match self.decoder.decode(element, CHUNK_OPERATION) {
            Ok(record) => record,
            Err(error) => {
                self.out.gaps.push(bad_record(&error, &format!("chunk {chunk}"), None));
                return None;
            }
        };
        let Some(plugin) = &record.plugin else {
            let gap = CoverageGap::new(GapKind::Record, format!("a record of chunk {chunk} names no plugin"));
            self.out.gaps.push(gap.with_path(format!("[{}].plugin", element.index)));
            return None;
        };
        let asset = record.asset.as_ref().and_then(|asset| asset.uuid);
        let Some(targets) = self.parts.assets.targets(asset) else {
            self.foreign(asset);
            return None;
        };
        let (rule, new) = self.parts.rules.of(plugin);
        if new {
            count_fields(&mut self.out.unknown, "plugin", &plugin.extra);
        }
        let common = Common {
            scanner: Arc::clone(&self.parts.scanner),
            partition: self.names.partition(asset),
            targets,
            scan: self.names.scan(record.scan.as_deref()),
            seen_at: None,
        };
        let change = record.severity_modification_type.as_ref().map(appsec_core::Verbatim::value);
        if let Some(change) = change.filter(|change| change.is_unknown()) {
            self.out.unknown.word("severity_modification_type", change.as_str());
        }
        let extra = record.extra.clone();
        let finding = of_export(common, record, rule);
        count_unknown(&mut self.out.unknown, &finding, "finding", &extra);
        self.parts.wanted.finish(finding, &element.bytes)
    }

    /// A record of an asset that was not asked for. In a walk that was taken up, the targets may have changed since it began.
    fn foreign(&mut self, asset: Option<AssetId>) {
        let asset = asset.map_or_else(|| "without an id".to_owned(), |asset| asset.to_string());
        if self.parts.resumed {
            self.out.gaps.push(CoverageGap::new(
                GapKind::Shifted,
                format!("asset {asset} is in the export and belongs to none of the targets any more"),
            ));
        } else {
            tracing::debug!(asset, "the export holds an asset that was not asked for");
        }
    }

    fn send(&mut self, findings: Vec<Finding>) -> Batch {
        let mut batch = std::mem::take(&mut self.out);
        batch.partitions = findings.iter().map(|finding| finding.partition.clone()).collect();
        batch.findings = findings;
        batch
    }
}

impl Reader for RecordReader {
    type Batch = Batch;

    fn take(&mut self, element: &Element<'_>, chunk: ChunkId) -> Option<Batch> {
        let finding = self.finding(element, chunk)?;
        let full = collect(&mut self.batcher, finding)?;
        Some(self.send(full))
    }

    fn finish(&mut self) -> Batch {
        let rest = self.batcher.take();
        self.send(rest)
    }
}
