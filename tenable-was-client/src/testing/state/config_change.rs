//! Changes to configurations that were accepted and not yet carried out.

use crate::testing::tenant::config::FakeConfig;

/// A change that was accepted.
#[derive(Debug)]
pub(crate) struct ConfigChange {
    pub(crate) tracking_id: String,
    pub(crate) config_id: String,
    /// The number of reads that remain until it takes effect.
    pub(crate) looks: u32,
    /// `None` once it is done.
    pub(crate) change: Option<Change>,
}

#[derive(Debug)]
pub(crate) enum Change {
    Put(Box<FakeConfig>),
    Trash,
    Delete,
}
