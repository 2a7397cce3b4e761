//! Partitions of a binding, as a store knows them.

use appsec_core::{PartitionKey, Timestamp};
use serde::{Deserialize, Serialize};

/// A partition with open findings of a binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KnownPartition {
    /// The partition.
    pub partition: PartitionKey,
    /// The number of open findings that it holds, or may hold.
    pub open: u64,
    /// When one of them was last seen.
    pub last_seen: Timestamp,
}

impl KnownPartition {
    /// Creates a partition.
    pub fn new(partition: PartitionKey, open: u64, last_seen: Timestamp) -> Self {
        Self { partition, open, last_seen }
    }
}
