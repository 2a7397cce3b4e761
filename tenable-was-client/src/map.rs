//! The mapping from the service's records to the types of the contract.

mod bind_target;
mod finding;
mod partition;
mod profile;
mod rule;
mod scan;
mod scan_problem;

pub(crate) use bind_target::{BindTargetKind, parse_bind_target, parse_config_target};
pub(crate) use finding::{
    FindingContext, finding_from_export, finding_from_report, finding_from_vulnerability, no_severity,
};
pub(crate) use partition::{TargetUrl, scan_partition, target_partition};
pub(crate) use profile::Profile;
pub(crate) use rule::{rule_from_export, rule_from_id, rule_from_plugin, rule_from_report};
pub(crate) use scan::{map_scan, map_status, parse_scan_id, with_child_progress};
