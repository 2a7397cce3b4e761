//! Turns one record of the list into a finding, if the query asks for it.

use std::collections::BTreeSet;

use appsec_core::{CoverageGap, Finding, FindingQuery, FindingStatus, GapKind};
use serde_json::Value;

use super::host_filter::HostFilter;
use super::host_inventory::HostInventory;
use super::seen_records::Delivered;
use crate::map::{FindingMapper, Identity, host_key, partition, to_finding_status};
use crate::model::{PlacedRecord, PostureGap, present};

/// The host of a gap whose record names none, spelled like the service's own filler. The inventory does not
/// list it, so absence proves nothing there.
const UNKNOWN_HOST: &str = "unknown";

/// Reads records and remembers which hosts and labels they name.
#[derive(Debug)]
pub(super) struct RecordReader {
    pub(super) query: FindingQuery,
    pub(super) filter: HostFilter,
    pub(super) inventory: HostInventory,
    pub(super) mapper: FindingMapper,
    /// Whether the service was asked for a single host by the parameter `host`.
    pub(super) host_parameter: bool,
    host_parameter_ignored: bool,
    /// The hosts of the gaps that the filter selects.
    pub(super) hosts: BTreeSet<String>,
    /// The labels of the filter that were found at a gap or its host.
    pub(super) labels: BTreeSet<String>,
}

impl RecordReader {
    pub(super) fn new(
        query: FindingQuery,
        filter: HostFilter,
        mapper: FindingMapper,
        host_parameter: bool,
    ) -> Self {
        Self {
            query,
            filter,
            inventory: HostInventory::default(),
            mapper,
            host_parameter,
            host_parameter_ignored: false,
            hosts: BTreeSet::new(),
            labels: BTreeSet::new(),
        }
    }

    /// Returns the finding in a record; `None` if it is filtered out or was delivered before. `offset` is the
    /// record's place in the list.
    ///
    /// # Errors
    /// The coverage gap that an unreadable record leaves.
    pub(super) fn finding(
        &mut self,
        placed: PlacedRecord,
        delivered: Option<Delivered>,
        offset: u64,
    ) -> Result<Option<Finding>, CoverageGap> {
        let unreadable = |what: &str, path: String| {
            CoverageGap::new(GapKind::Record, format!("{what}, at offset {offset}")).with_path(path)
        };
        let path = placed.path();
        let map = placed.object().map_err(|bad| {
            unreadable(&format!("a posture gap that cannot be read: {}", bad.message), bad.path)
        })?;
        let raw = self.query.raw.then(|| Value::Object(map.clone()));
        let gap = PostureGap::from(map);
        // A filler such as "unknown" is accepted as the name of a host: the gap is a finding all the same.
        let named = gap.host.as_deref().map(str::trim).filter(|host| !host.is_empty());
        let host = named.unwrap_or(UNKNOWN_HOST);
        let key = host_key(host);
        let mut labels = gap.labels();
        for label in self.inventory.labels(&key) {
            if !labels.contains(label) {
                labels.push(label.clone());
            }
        }
        if !self.filter.matches(&key, &labels) {
            if named.is_none() {
                // It may have been a gap of a host that the query names.
                return Err(unreadable("a posture gap without a host", format!("{path}.host")));
            }
            self.note_other_host();
            return Ok(None);
        }
        self.labels.extend(labels.iter().filter(|label| self.filter.labels.contains(*label)).cloned());
        let Some(id) = present(gap.posture_gap_id.as_deref()) else {
            let unreadable = unreadable("a posture gap without an id", format!("{path}.postureGapId"));
            return Err(unreadable.with_partition(partition(&key)));
        };
        self.hosts.insert(key);
        let fixed =
            gap.status.as_ref().is_some_and(|status| to_finding_status(status) == FindingStatus::Fixed);
        if delivered.is_some_and(|delivered| fixed || delivered == Delivered::Unfixed) {
            return Ok(None);
        }
        let finding = self.mapper.finding(&gap, Identity { id, host, labels: &labels }, raw);
        Ok(self.query.matches(&finding).then_some(finding))
    }

    /// Reports once that the service returns gaps of other hosts although it was asked for one host.
    fn note_other_host(&mut self) {
        if self.host_parameter && !self.host_parameter_ignored {
            self.host_parameter_ignored = true;
            tracing::warn!(
                "the service ignores the parameter host; gaps of other hosts are read and discarded"
            );
            self.mapper.unknown_mut().count_value("parameter host", "ignored");
        }
    }
}
