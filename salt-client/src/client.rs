//! The client: one method for each endpoint of the API, one file for each resource, each with its requests.
//!
//! Building a request is a pure function, so that it is tested without a server.

mod cloud_assets;
mod gap_status;
mod gaps;
mod get_json;
mod inventory;
mod list_query;
mod openapi;
mod paging;
mod region;
mod salt_client;

pub use gap_status::{UnverifiedChange, Verification};
pub use gaps::GapsQuery;
pub use list_query::ListQuery;
pub use region::Region;
pub use salt_client::SaltClient;

pub(crate) use gap_status::WRITE_STATUS;
pub(crate) use gaps::LIST_GAPS;
pub(crate) use inventory::{NO_HOST_LISTED, hosts_request};
pub(crate) use list_query::PAGE_SIZE;
pub(crate) use paging::{PageError, refuses_limit, with_retry};
pub(crate) use salt_client::Settings;
