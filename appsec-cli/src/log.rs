//! The log lines of the libraries, on stderr.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::vendors::VENDORS;

/// The crates whose lines are shown, besides the clients. Lines of other crates may hold what was sent.
const TARGETS: [&str; 4] = ["appsec", "appsec_core", "appsec_http", "appsec_import"];

/// Starts logging: warnings, and more with each `-v`.
pub(crate) fn init(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
    let targets = TARGETS.into_iter().chain(VENDORS.map(|vendor| vendor.log_target));
    let filter = Targets::new().with_targets(targets.map(|target| (target, level)));
    // Fails only where a subscriber is set already.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
