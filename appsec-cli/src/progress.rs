//! The progress of an import, on stderr: a bar at a terminal, else a line for each change of the scan.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use appsec_core::{Printable, Progress as ReadProgress, Scan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{note, stderr_is_terminal};

/// The template of the bar once the total is known.
const BAR_TEMPLATE: &str = "{spinner} {bar:40} {pos}/{len}  {msg}";

#[derive(Debug)]
pub(crate) struct Progress {
    /// `None` where stderr is no terminal.
    bar: Option<ProgressBar>,
    /// The last line about the scan, so that it is not repeated.
    last_line: Mutex<String>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = stderr_is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, last_line: Mutex::default() }
    }

    /// Shows the state of the scan.
    pub(crate) fn scan(&self, scan: &Scan) {
        let percent = scan.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
        let targets = if scan.children.is_empty() {
            String::new()
        } else {
            let ended = scan.children.iter().filter(|child| child.is_ended()).count();
            format!(", {ended} of {} targets", scan.children.len())
        };
        let text = format!("scan {}: {}{percent}{targets}", scan.id, scan.status);
        let text = Printable(&text).to_string();
        let mut last_line = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if *last_line == text {
            return;
        }
        match &self.bar {
            Some(bar) => bar.set_message(text.clone()),
            None => note(&text),
        }
        *last_line = text;
    }

    /// Shows how many findings were received so far.
    pub(crate) fn findings(&self, received: u64, progress: Option<ReadProgress>) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(format!("{received} findings"));
        if let Some((done, total)) = progress.and_then(|progress| Some((progress.done, progress.total?))) {
            if let (None, Ok(style)) = (bar.length(), ProgressStyle::with_template(BAR_TEMPLATE)) {
                bar.set_style(style);
            }
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// Writes a line that stays above the bar.
    pub(crate) fn message(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}
