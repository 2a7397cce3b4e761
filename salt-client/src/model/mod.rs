//! What the service sends: records as they are, unknown parts kept.

mod gap;
mod inventory;
mod lenient;
mod page;
mod time;

pub use gap::{GapSeverity, GapStatus, PostureGap};
pub use inventory::{Endpoint, Host};
pub(crate) use lenient::{names, present, scalar};
pub(crate) use page::kind_of;
pub use page::{BadRecord, Page};
