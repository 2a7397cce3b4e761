//! What a completed read proves about the hosts that it covers.

use std::collections::BTreeSet;

use appsec_core::{Coverage, CoverageGap, GapKind};

use super::record_reader::RecordReader;
use crate::map::partition;

const END_OFFSET_AHEAD: &str =
    "the service's end offset lies beyond the records that it sent; the records between were not read";

/// The result of reading the list, besides its records.
#[derive(Debug)]
pub(super) struct ListOutcome {
    /// The gaps in the read.
    pub(super) gaps: Vec<CoverageGap>,
    /// Whether an end offset lay beyond the records that were sent.
    pub(super) jumped: bool,
    /// Whether the list had no record at all.
    pub(super) empty: bool,
    /// Whether requests carried query parameters that this crate does not know.
    pub(super) custom_parameters: bool,
}

/// Returns the coverage of a read that has reached the end of the list.
pub(super) fn coverage(records: RecordReader, list: ListOutcome) -> Coverage {
    let inconclusive = inconclusive_reason(&records, &list);
    let RecordReader { filter, inventory, mut mapper, hosts, labels, .. } = records;
    let mut coverage = Coverage::new();
    let listed = inventory.hosts.iter().filter(|(host, labels)| filter.matches(host, labels));
    for host in hosts.iter().chain(listed.map(|(host, _)| host)) {
        if inconclusive.is_some() || inventory.hosts.contains_key(host) {
            coverage.mark_conclusive(partition(host));
        } else {
            let reason = match &inventory.gap {
                Some(gap) => format!("the inventory does not list the host, and has a gap: {gap}"),
                None => "the inventory does not list the host".to_owned(),
            };
            coverage.mark_inconclusive(partition(host), reason);
        }
    }
    if let Some(reason) = inconclusive {
        coverage.mark_all_inconclusive(reason);
    }
    for gap in list.gaps {
        coverage.add_gap(gap);
    }
    // Before the gaps that follow from it, since the first gap is the reason that is shown.
    if let Some(problem) = inventory.problem {
        coverage.add_gap(CoverageGap::new(GapKind::NotInInventory, problem));
    }
    for host in filter.hosts.iter().filter(|host| !inventory.hosts.contains_key(*host)) {
        if !hosts.contains(host) {
            let message = format!("neither the inventory nor any posture gap names the host {host}");
            coverage.add_gap(missing(message, inventory.gap.as_ref()).with_partition(partition(host)));
        }
    }
    let listed_labels: BTreeSet<_> = inventory.hosts.values().flatten().collect();
    for label in filter.labels.iter().filter(|label| !listed_labels.contains(label)) {
        if !labels.contains(label) {
            let message = format!("neither a host nor any posture gap has the label {label}");
            coverage.add_gap(missing(message, inventory.gap.as_ref()));
        }
    }
    if let Some(gap) = inventory.gap.filter(|_| !filter.labels.is_empty()) {
        // The host may have the label, and then gaps of it are missing.
        let message = format!("the inventory has a gap, so the labels of some hosts are unknown: {gap}");
        coverage.add_gap(CoverageGap::new(GapKind::NotInInventory, message));
    }
    if list.jumped {
        coverage.add_gap(CoverageGap::new(GapKind::Shifted, END_OFFSET_AHEAD));
    }
    coverage.with_unknown(std::mem::take(mapper.unknown_mut()))
}

/// The gap for a target that nothing names. If the inventory has a gap, the target may be in it.
fn missing(message: String, gap: Option<&CoverageGap>) -> CoverageGap {
    match gap {
        Some(gap) => CoverageGap::new(
            GapKind::NotInInventory,
            format!("{message}, but the inventory has a gap: {gap}"),
        ),
        None => CoverageGap::new(GapKind::TargetMissing, message),
    }
}

/// Returns why absence proves nothing for any host; `None` if it does.
fn inconclusive_reason(records: &RecordReader, list: &ListOutcome) -> Option<&'static str> {
    if let Some(reason) = records.query.inconclusive_reason() {
        Some(reason)
    } else if !records.filter.labels.is_empty() {
        Some("the query names a label, and a gap whose label was removed still exists")
    } else if records.host_parameter {
        Some("the service was asked for one host by a parameter whose name is a guess")
    } else if list.custom_parameters {
        Some("the service was asked with parameters whose effect is unknown")
    } else if list.empty {
        // Resolved gaps stay in the list. An empty list is also what a token without the permission receives,
        // and there is no total to compare it with.
        Some(
            "the service lists no posture gap of any status, as it does for a token without the scope perm-viewer",
        )
    } else {
        None
    }
}
