//! How far an import is, on stderr: a bar where a person watches, a line for each change of the scan where none does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use appsec_core::{Progress as Done, Scan};
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{is_watched, note, one_line};

/// A bar with its numbers, once it is known how much there is.
const WITH_TOTAL: &str = "{spinner} {bar:40} {pos}/{len}  {msg}";

#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    /// The last line said of the scan, so that it is said once.
    said: Mutex<String>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = is_watched().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, said: Mutex::default() }
    }

    /// The scan as it is now.
    pub(crate) fn scan(&self, scan: &Scan) {
        let percent = scan.percent.map(|percent| format!(", {percent} %")).unwrap_or_default();
        let targets = if scan.children.is_empty() {
            String::new()
        } else {
            let ended = scan.children.iter().filter(|child| child.is_ended()).count();
            format!(", {ended} of {} targets", scan.children.len())
        };
        let text = one_line(&format!("scan {}: {}{percent}{targets}", scan.id, scan.status));
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said == text {
            return;
        }
        match &self.bar {
            Some(bar) => bar.set_message(text.clone()),
            None => note(&text),
        }
        *said = text;
    }

    /// How many findings came so far.
    pub(crate) fn findings(&self, received: u64, done: Option<Done>) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(format!("{received} findings"));
        if let Some((done, total)) = done.and_then(|done| Some((done.done, done.total?))) {
            if let (None, Ok(style)) = (bar.length(), ProgressStyle::with_template(WITH_TOTAL)) {
                bar.set_style(style);
            }
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Takes the bar away.
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
