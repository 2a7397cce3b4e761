//! pyTenable, installed into a virtual environment.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::ensure;
use benches::client::Outcome;

const REQUIREMENT: &str = "pyTenable>=26,<27";
const SCRIPT: &str = include_str!("pytenable.py");

/// A Python interpreter with pyTenable.
#[derive(Debug)]
pub(crate) struct Peer {
    python: PathBuf,
}

impl Peer {
    /// Installs pyTenable next to the built programs. Prints a line and returns `None` where that is not
    /// possible.
    pub(crate) fn install() -> Option<Self> {
        let home = std::env::current_exe().ok()?.parent()?.join("pytenable");
        let python = home.join("bin").join("python");
        let quiet = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let there = |python: &PathBuf| quiet(Command::new(python).args(["-c", "import tenable.io"]));
        if !there(&python) {
            quiet(Command::new("python3").args(["-m", "venv"]).arg(&home));
            quiet(Command::new(&python).args(["-m", "pip", "install", "--quiet", REQUIREMENT]));
        }
        if there(&python) {
            return Some(Self { python });
        }
        println!("pyTenable is skipped: there is no Python 3, or it cannot be installed");
        None
    }

    /// Iterates the export.
    pub(crate) fn run(&self, port: u16, processor: usize, keep: bool) -> anyhow::Result<Outcome> {
        let mut command = Command::new(&self.python);
        command.args(["-c", SCRIPT, &port.to_string(), &processor.to_string()]);
        if keep {
            command.arg("keep");
        }
        let output = command.output()?;
        ensure!(output.status.success(), "pyTenable failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
