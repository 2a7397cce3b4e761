//! The options of every command.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::kdt;
use crate::output::Format;

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The configuration file [default: ./appsec.toml, else appsec/appsec.toml in the user's configuration
    /// folder]
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
    /// Use the exit codes of KDT, Invicti's command-line client, and accept its options
    #[arg(long, global = true, env = kdt::VARIABLE, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) kdt_compat: bool,
    /// Always exit with this code, even on success
    #[arg(long, global = true, value_name = "N", hide_short_help = true)]
    pub(crate) exit_code: Option<u8>,
}
