//! The command line.

use clap::Parser;
use clap::builder::styling::{AnsiColor, Styles};

use crate::commands::Command;
use crate::global_args::GlobalArgs;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes: 0 pass, 1 gate failed, 2 usage, 3 credentials, 4 network, 5 timeout (the scan continues), 6 scan failed, \
7 partial data, 8 scanner or push destination failed, 9 store or output failed, 130 ended by a signal. \
`schedule due` exits 1 if a binding waits for a scanner that refuses or fails.

Start with: appsec demo";

/// Test connections, start scans, import findings, apply a gate and write reports, for any supported
/// scanner
#[derive(Debug, Parser)]
#[command(name = "appsec", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}
