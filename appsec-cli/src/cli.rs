//! The command line.

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgAction, Args, Parser};

use crate::commands::Command;
use crate::output::Format;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes: 0 pass, 1 gate failed, 2 usage, 3 credentials, 4 network, 5 timeout (the scan continues), 6 scan failed, \
7 partial data, 8 scanner failed, 9 store or output failed, 130 ended by a signal. \
`schedule due` exits 1 if a binding waits for a scanner that refuses or fails.

Start with: appsec demo";

/// Test connections, start scans, import findings, apply a gate and write reports, for any supported scanner
#[derive(Debug, Parser)]
#[command(name = "appsec", version, styles = STYLES, after_help = EXIT_CODES, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The configuration file [default: ./appsec.toml, else appsec/appsec.toml in the user's configuration folder]
    #[arg(long, global = true, value_name = "FILE", env = "APPSEC_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// The store for findings: `sqlite:FILE` or `postgres://HOST/DATABASE`, without a password
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// The format of the output on stdout
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
    /// Write more log lines to stderr; repeat for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Never prompt for a credential
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    /// Use the exit codes of KDT, and accept its options
    #[arg(long, global = true, env = crate::kdt::VARIABLE, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) kdt_compat: bool,
    /// Always exit with this code, even on success
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    pub(crate) exit_code: Option<u8>,
}
