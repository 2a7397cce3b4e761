//! What the service sends: records as they are, unknown parts kept.

mod asset;
mod gap;
mod inventory;
mod lenient;
mod page;
mod time;

pub use asset::CloudAsset;
pub use gap::{GapSeverity, GapStatus, PostureGap};
pub use inventory::{Endpoint, Host};
pub(crate) use lenient::{names, present, scalar, text};
pub(crate) use page::kind_of;
pub use page::{BadRecord, Page};
