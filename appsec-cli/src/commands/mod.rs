//! The commands, one per file.

mod ping;

use clap::Subcommand;

use crate::app::App;
use crate::exit::{Exit, Result};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Test connections, step by step, and say what to do about what fails
    Ping(ping::Args),
}

impl Command {
    pub(crate) async fn run(self, app: &App) -> Result<Exit> {
        match self {
            Self::Ping(args) => ping::run(app, &args).await,
        }
    }
}
