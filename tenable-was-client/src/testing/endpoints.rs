//! Every operation of the service, resource by resource.

mod applications;
mod config_exports;
mod config_form;
mod config_writes;
mod configs;
mod export_chunks;
mod export_filter;
mod exports;
mod filter;
mod folders;
mod imports;
mod paging;
mod platform;
mod plugins;
mod report_forms;
mod reports;
mod scans;
mod templates;
mod user_templates;
mod vulnerabilities;

use crate::testing::endpoint::Endpoint;

/// Every operation, resource by resource. Fixed words come before placeholders.
pub(crate) fn all() -> impl Iterator<Item = &'static Endpoint> {
    [
        platform::ENDPOINTS,
        applications::ENDPOINTS,
        folders::ENDPOINTS,
        configs::ENDPOINTS,
        config_writes::ENDPOINTS,
        config_exports::ENDPOINTS,
        imports::ENDPOINTS,
        scans::ENDPOINTS,
        reports::ENDPOINTS,
        vulnerabilities::ENDPOINTS,
        templates::ENDPOINTS,
        user_templates::ENDPOINTS,
        plugins::ENDPOINTS,
        exports::ENDPOINTS,
    ]
    .into_iter()
    .flatten()
}
