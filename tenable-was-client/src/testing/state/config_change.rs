//! Changes to configurations that were accepted and not yet carried out.

use crate::testing::tenant::config::FakeConfig;

/// A change that was taken.
#[derive(Debug)]
pub(crate) struct ConfigChange {
    pub(crate) tracking_id: String,
    pub(crate) config_id: String,
    /// How often it is looked for before it is done.
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
