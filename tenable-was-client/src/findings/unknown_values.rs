//! Records, fields and values that this version cannot interpret: counted or reported, never dropped
//! unnoticed.

use appsec_core::{CoverageGap, Error, Finding, GapKind, PartitionKey, UnknownValues, mask};

use crate::model::Extra;

/// Returns the gap for a record that cannot be decoded.
pub(super) fn undecodable_record(
    error: &Error,
    source: &str,
    partition: Option<&PartitionKey>,
) -> CoverageGap {
    // The decoder may quote a value of the record.
    let message = format!("a record of {source} could not be decoded: {}", mask(error.message()));
    let gap = CoverageGap::new(GapKind::Record, message).with_path(error.path().unwrap_or("?"));
    match partition {
        Some(partition) => gap.with_partition(partition.clone()),
        None => gap,
    }
}

/// Counts the unknown severity, status and fields of a finding.
pub(super) fn count_unknown(unknown: &mut UnknownValues, finding: &Finding, record: &str, extra: &Extra) {
    if finding.severity.is_unknown() {
        unknown.count_value("severity", finding.severity.as_str());
    }
    if let Some(status) = finding.status.as_ref().filter(|status| status.is_unknown()) {
        unknown.count_value("state", status.as_str());
    }
    count_unknown_fields(unknown, record, extra);
}

/// Counts the unknown fields of a record.
pub(super) fn count_unknown_fields(unknown: &mut UnknownValues, record: &str, extra: &Extra) {
    for (name, _) in extra.iter() {
        unknown.count_field(&format!("{record}.{name}"));
    }
}

/// Adds the counts of `from` to `to`.
pub(super) fn add_unknown(to: &mut UnknownValues, from: &UnknownValues) {
    for (what, times) in from.iter() {
        for _ in 0..times {
            to.count_field(what);
        }
    }
}
