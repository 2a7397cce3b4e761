//! From what the service sends to the vocabulary of every scanner.

mod finding;
mod rule;
mod scan;

pub(crate) use finding::{
    Common, bare_rule, no_severity, of_export, of_report, of_vulnerability, partition_of_asset,
    partition_of_scan,
};
#[cfg(test)]
pub(crate) use rule::of_export_plugin;
pub(crate) use rule::{RuleCache, of_plugin, of_report_finding};
pub(crate) use scan::{
    Target, config_of, problem_of_note, scan_id_of, scan_of, status_of, target_of, with_child_progress,
};
