//! `appsec man`: the manual pages.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::app::App;
use crate::cli::Cli;
use crate::exit::{Exit, Failure, Result};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder for the pages, one for each command; without it the first page goes to stdout
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(app: &App, args: &Args) -> Result<Exit> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|error| Failure::output("the manual page", &error))?;
        app.out.raw(&page)?;
        return Ok(Exit::Passed);
    };
    let written = fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    written.map_err(|error| Failure::output(format_args!("writing to {}", folder.display()), &error))?;
    Ok(Exit::Passed)
}
