//! The service's records as they are sent. Fields that this crate does not know are kept.

#[cfg(test)]
pub(crate) mod arbitrary;
mod cloud_asset;
mod gap;
mod gap_change;
mod inventory;
mod lenient;
mod list_record;
mod page;
#[cfg(test)]
mod property_tests;
mod record_key;
mod time;

pub use cloud_asset::CloudAsset;
pub use gap::{GapSeverity, GapStatus, PostureGap};
pub use gap_change::{GapChange, SpeculativeBody, WriteBack};
pub use inventory::{Endpoint, Host};
pub(crate) use lenient::{names, present, scalar, text};
pub(crate) use list_record::{ListRecord, Strict};
pub use page::{BadRecord, Page};
pub(crate) use page::{LISTS, PlacedRecord, RawPage};
pub(crate) use record_key::{asset_key, endpoint_key, gap_key, host_record_key};
