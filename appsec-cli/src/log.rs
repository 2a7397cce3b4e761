//! What the libraries say of their work, on stderr.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Whose words are shown. Those of other crates may hold what was sent.
const OURS: [&str; 6] =
    ["appsec", "appsec_core", "appsec_http", "appsec_import", "salt_client", "tenable_was_client"];

/// Begins to show warnings, and more where more is asked for.
pub(crate) fn begin(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
    let ours = Targets::new().with_targets(OURS.map(|name| (name, level)));
    // Fails only where a subscriber is set already.
    let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
}
