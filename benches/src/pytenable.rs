//! pyTenable, installed into a virtual environment.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::ensure;
use benches::client::Measurement;

const REQUIREMENT: &str = "pyTenable>=26,<27";
const SCRIPT: &str = include_str!("pytenable.py");

/// A Python interpreter with pyTenable.
#[derive(Debug)]
pub(crate) struct PyTenable {
    python: PathBuf,
}

impl PyTenable {
    /// Installs pyTenable next to the built programs. Prints a line and returns `None` where that is not
    /// possible.
    pub(crate) fn install() -> Option<Self> {
        let environment = std::env::current_exe().ok()?.parent()?.join("pytenable");
        let python = environment.join("bin").join("python");
        let run_quietly = |command: &mut Command| {
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        let is_installed =
            |python: &PathBuf| run_quietly(Command::new(python).args(["-c", "import tenable.io"]));
        if !is_installed(&python) {
            run_quietly(Command::new("python3").args(["-m", "venv"]).arg(&environment));
            run_quietly(Command::new(&python).args(["-m", "pip", "install", "--quiet", REQUIREMENT]));
        }
        if is_installed(&python) {
            return Some(Self { python });
        }
        println!("pyTenable is skipped: Python 3 is missing, or the installation failed");
        None
    }

    /// Iterates the export, and keeps the records if `keep` is set.
    pub(crate) fn run(&self, port: u16, processor: usize, keep: bool) -> anyhow::Result<Measurement> {
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
