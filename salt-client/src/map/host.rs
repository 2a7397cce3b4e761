//! Hosts as keys, bind targets and partitions.

use appsec_core::{BindTargetId, PartitionKey};

/// Returns a host as a key: in lower case, since host names are compared without regard to case.
pub(crate) fn host_key(host: &str) -> String {
    host.trim().to_lowercase()
}

/// Returns the bind target of a host.
pub(crate) fn host_target(host: &str) -> BindTargetId {
    BindTargetId::from_parts("host", &host_key(host))
}

/// Returns the partition of a host: the unit whose findings can be absent.
pub(crate) fn partition(host: &str) -> PartitionKey {
    PartitionKey::new(format!("host:{}", host_key(host)))
}
