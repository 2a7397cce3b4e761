//! The client: one method per operation of the API, one file per resource.
//!
//! In each file, functions without IO build the requests.

mod applications;
mod attachments;
mod configs;
mod download;
mod exports;
mod filters;
mod folders;
mod handle;
mod imports;
mod pages;
mod plugins;
mod reports;
mod scans;
mod templates;
mod tenant;
mod user_templates;
mod vulnerabilities;

pub use handle::TenableWasClient;
pub use imports::MAX_IMPORT_BYTES;
pub use pages::{Order, PageQuery};
pub use reports::ReportFindings;
pub use vulnerabilities::VulnerabilityPage;

pub(crate) use handle::Inner;
pub(crate) use pages::{MAX_IDLE_PAGES, no_paging};
pub(crate) use reports::OPERATION as REPORT_OPERATION;
pub(crate) use vulnerabilities::OPERATION as VULNERABILITIES_OPERATION;
