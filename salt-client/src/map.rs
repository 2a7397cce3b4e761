//! Maps posture gaps to findings.

mod finding;
mod host;
mod owasp;
mod parameter;
mod rule;
mod status;

pub(crate) use finding::{FindingMapper, Identity};
pub(crate) use host::{host_key, host_target, partition};
pub(crate) use status::{to_finding_status, to_gap_status};
