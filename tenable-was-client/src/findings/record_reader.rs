//! Makes findings of the records of an export.

use std::collections::HashMap;
use std::sync::Arc;

use appsec_core::{
    Batcher, CoverageGap, Finding, GapKind, Location, PartitionKey, ScanId, UnknownValues, Verbatim,
};
use appsec_http::Element;

use super::attribution::{Attributed, Owner};
use super::event_sender::push_finding;
use super::finding_filter::FindingFilter;
use super::rule_cache::ExportRuleCache;
use super::target_assets::TargetAssets;
use super::unknown_values::{count_unknown, count_unknown_fields, undecodable_record};
use crate::export::{CHUNK_OPERATION, ChunkReader, RecordDecoder};
use crate::map::{FindingContext, finding_from_export};
use crate::model::{AssetId, ChunkId, ExportScan};

/// What the readers of all chunks share.
#[derive(Debug, Clone)]
pub(super) struct ReaderContext {
    pub(super) filter: FindingFilter,
    pub(super) other_targets: bool,
    pub(super) assets: Arc<TargetAssets>,
    pub(super) rules: Arc<ExportRuleCache>,
    pub(super) scanner: Arc<str>,
    pub(super) unattributed: PartitionKey,
    pub(super) resumed: bool,
}

/// Makes findings of the records of one chunk.
pub(super) struct RecordReader {
    context: ReaderContext,
    decoder: RecordDecoder,
    names: SharedNames,
    batcher: Batcher,
    /// For each finding in `batcher`, its place if its scan is still to be looked up.
    waiting: Vec<Option<Location>>,
    out: RecordBatch,
}

fn set_attributed(finding: &mut Finding, attributed: Attributed) {
    finding.targets = attributed.targets;
    (finding.partition, finding.profile) = (attributed.partition, attributed.profile);
}

/// Sets what a finding belongs to. Returns an error if the query excludes it, with a gap if nothing decides.
pub(super) fn set_owner(
    finding: &mut Finding,
    owner: Owner,
    other_targets: bool,
) -> Result<(), Option<CoverageGap>> {
    match owner {
        Owner::Requested(attributed) => set_attributed(finding, attributed),
        Owner::Other(attributed) if other_targets => set_attributed(finding, attributed),
        Owner::Other(_) => return Err(None),
        // The caller may know it by its id.
        Owner::Unknown | Owner::NotLookedUp if other_targets => {}
        Owner::Unknown | Owner::NotLookedUp => {
            let gap = CoverageGap::new(GapKind::Unattributed, UNATTRIBUTED);
            return Err(Some(gap.with_partition(PartitionKey::unattributed())));
        }
    }
    Ok(())
}

/// Why a record is left out although it may belong to the query.
const UNATTRIBUTED: &str = "the export has records whose scan cannot be read and whose URL is under no target of \
                            the configuration, so it is not known whose they are";

/// The scan ids of one chunk's findings, each made once.
#[derive(Debug, Default)]
struct SharedNames {
    scans: HashMap<String, ScanId>,
}

impl SharedNames {
    fn scan(&mut self, scan: Option<&ExportScan>) -> Option<ScanId> {
        let id = scan?.uuid.as_deref().filter(|id| !id.is_empty())?;
        if let Some(known) = self.scans.get(id) {
            return Some(known.clone());
        }
        let scan_id = ScanId::from(id);
        self.scans.insert(id.to_owned(), scan_id.clone());
        Some(scan_id)
    }
}

/// Findings of one chunk, and what was noticed while its records were read.
#[derive(Debug, Default)]
pub(super) struct RecordBatch {
    pub(super) findings: Vec<Finding>,
    /// For each finding, its place if its scan is still to be looked up.
    pub(super) waiting: Vec<Option<Location>>,
    pub(super) gaps: Vec<CoverageGap>,
    pub(super) unknown: UnknownValues,
    pub(super) records: u64,
}

impl RecordReader {
    pub(super) fn new(context: ReaderContext, decoder: RecordDecoder) -> Self {
        Self {
            context,
            decoder,
            names: SharedNames::default(),
            batcher: Batcher::new(),
            waiting: Vec::new(),
            out: RecordBatch::default(),
        }
    }

    /// Returns the record's finding, with its place if its scan is still to be looked up. Returns `None` if
    /// the query excludes it or it cannot be decoded.
    fn finding(&mut self, element: &Element<'_>, chunk: ChunkId) -> Option<(Finding, Option<Location>)> {
        self.out.records += 1;
        let record = match self.decoder.decode(element, CHUNK_OPERATION) {
            Ok(record) => record,
            Err(error) => {
                self.out.gaps.push(undecodable_record(&error, &format!("chunk {chunk}"), None));
                return None;
            }
        };
        let Some(plugin) = &record.plugin else {
            let gap = CoverageGap::new(GapKind::Record, format!("a record of chunk {chunk} names no plugin"));
            self.out.gaps.push(gap.with_path(format!("[{}].plugin", element.index)));
            return None;
        };
        let asset = record.asset.as_ref().and_then(|asset| asset.uuid);
        if !self.context.assets.contains(asset) {
            self.skip_foreign_asset(asset);
            return None;
        }
        let (rule, new) = self.context.rules.get_or_create(plugin);
        if new {
            count_unknown_fields(&mut self.out.unknown, "plugin", &plugin.extra);
        }
        let context = FindingContext {
            scanner: Arc::clone(&self.context.scanner),
            partition: self.context.unattributed.clone(),
            profile: None,
            targets: Vec::new(),
            scan: self.names.scan(record.scan.as_deref()),
            seen_at: None,
        };
        let change = record.severity_modification_type.as_ref().map(Verbatim::value);
        if let Some(change) = change.filter(|change| change.is_unknown()) {
            self.out.unknown.count_value("severity_modification_type", change.as_str());
        }
        let extra = record.extra.clone();
        let mut finding = finding_from_export(context, record, rule);
        count_unknown(&mut self.out.unknown, &finding, "finding", &extra);
        let owner = self.context.assets.attribution.owner(finding.scan.as_ref(), &finding.location);
        if owner == Owner::NotLookedUp {
            // Its place is kept as it is, since masking may change its path.
            let place = finding.location.clone();
            return Some((self.context.filter.apply(finding, &element.bytes)?, Some(place)));
        }
        if let Err(gap) = set_owner(&mut finding, owner, self.context.other_targets) {
            self.out.gaps.extend(gap);
            return None;
        }
        Some((self.context.filter.apply(finding, &element.bytes)?, None))
    }

    /// Skips a record of an asset that was not requested. After a resume it is a gap, since the targets may
    /// have changed after the export began.
    fn skip_foreign_asset(&mut self, asset: Option<AssetId>) {
        let asset = asset.map_or_else(|| "without an id".to_owned(), |asset| asset.to_string());
        if self.context.resumed {
            self.out.gaps.push(CoverageGap::new(
                GapKind::Shifted,
                format!("asset {asset} is in the export and does not belong to any of the targets any more"),
            ));
        } else {
            tracing::debug!(asset, "the export contains an asset that was not requested");
        }
    }

    fn take_batch(&mut self, findings: Vec<Finding>) -> RecordBatch {
        let mut batch = std::mem::take(&mut self.out);
        batch.waiting = self.waiting.drain(..findings.len()).collect();
        batch.findings = findings;
        batch
    }
}

impl ChunkReader for RecordReader {
    type Batch = RecordBatch;

    fn take(&mut self, element: &Element<'_>, chunk: ChunkId) -> Option<RecordBatch> {
        let (finding, waiting) = self.finding(element, chunk)?;
        let full = push_finding(&mut self.batcher, finding);
        let full = full.map(|findings| self.take_batch(findings));
        self.waiting.push(waiting);
        full
    }

    fn finish(&mut self) -> RecordBatch {
        let rest = self.batcher.take();
        self.take_batch(rest)
    }
}
