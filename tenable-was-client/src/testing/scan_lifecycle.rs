//! The progress of scans, by polls or by time, parents with their children.

use std::time::Duration;

use appsec_core::Timestamp;

use crate::testing::state::State;
use crate::testing::state::scan_run::{ScanRun, is_ended};
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::scan_script::Advance;

impl State {
    pub(crate) fn run(&self, id: &str) -> Option<&ScanRun> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// The children of a parent scan, in the order of its targets.
    pub(crate) fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a ScanRun> {
        self.runs.iter().filter(move |run| run.parent.as_deref() == Some(id))
    }

    /// The scan of a configuration that was launched last.
    pub(crate) fn last_run(&self, config_id: &str) -> Option<&ScanRun> {
        let runs = self.runs.iter().filter(|run| run.config_id == config_id && run.parent.is_none());
        runs.max_by_key(|run| run.created_at)
    }

    /// The scan of a configuration that has not ended.
    pub(crate) fn active_run(&self, config_id: &str) -> Option<&ScanRun> {
        let mut runs = self.runs.iter().filter(|run| run.config_id == config_id && run.parent.is_none());
        runs.find(|run| !is_ended(&run.status))
    }

    /// Launches a scan and returns its id.
    pub(crate) fn launch(&mut self, config: &FakeConfig) -> String {
        let now = self.now();
        let script = config.script.clone().unwrap_or_else(|| self.settings.scan_script.clone());
        let mut run = ScanRun::new(self.new_id("scan"), &config.id, now);
        run.remaining = script.statuses.iter().cloned().collect();
        run.hidden_polls = script.hidden_polls;
        run.report_polls = self.settings.report_polls;
        run.script = script;
        let id = run.id.clone();
        let root = self.runs.len();
        if let [target] = config.targets.as_slice() {
            self.runs.push(run.for_target(target));
        } else {
            let children: Vec<_> = config.targets.iter().map(|target| run.child(target)).collect();
            self.runs.push(run);
            self.runs.extend(children);
        }
        self.step(root, now);
        id
    }

    /// Advances the scans that advance by time.
    pub(crate) fn catch_up(&mut self) {
        let now = self.now();
        for root in 0..self.runs.len() {
            while let Some(run) = self.runs.get(root)
                && let Advance::Every(time) = run.script.advance
                && let Ok(due) = run.updated_at.checked_add(time.max(Duration::from_millis(1)))
                && due <= now
                && !run.remaining.is_empty()
            {
                self.step(root, due);
            }
        }
    }

    /// Advances the polled scan if it advances by polls. A poll of a child advances its parent.
    pub(crate) fn polled(&mut self, id: &str) {
        let root = self.run(id).map(|run| run.parent.clone().unwrap_or_else(|| run.id.clone()));
        let root = self.runs.iter().position(|run| Some(&run.id) == root.as_ref());
        let by_poll = root
            .filter(|&root| self.runs.get(root).is_some_and(|run| run.script.advance == Advance::EachPoll));
        if let Some(root) = by_poll {
            self.step(root, self.now());
        }
    }

    /// Applies a request to pause, resume or stop a scan. Returns false if the scan's status does not allow
    /// it.
    pub(crate) fn ask(&mut self, id: &str, action: &str) -> bool {
        let now = self.now();
        let Some(root) = self.runs.iter().position(|run| run.id == id) else { return false };
        let Some(run) = self.runs.get_mut(root) else { return false };
        let (word, next): (_, &[&str]) = match (action, run.status.as_str()) {
            ("stop", "running") => ("stopping", &["canceled"]),
            ("pause", "running") => ("pausing", &["paused"]),
            ("resume", "paused") => ("running", &[]),
            _ => return false,
        };
        action.clone_into(&mut run.action);
        if action == "resume" {
            // The scan continues in the step in which it was paused; the step does not count again.
            run.remaining = std::mem::take(&mut run.held);
            run.running_seen = run.running_seen.saturating_sub(1);
        } else {
            run.held =
                std::mem::replace(&mut run.remaining, next.iter().map(|&word| word.to_owned()).collect());
        }
        self.enter(root, word, now);
        true
    }

    fn step(&mut self, root: usize, at: Timestamp) {
        let word = self.runs.get_mut(root).and_then(|run| run.remaining.pop_front());
        if let Some(word) = word {
            self.enter(root, &word, at);
        }
    }

    fn enter(&mut self, root: usize, word: &str, at: Timestamp) {
        let Some(run) = self.runs.get_mut(root) else { return };
        let ahead = run.remaining.iter().filter(|word| *word == "running").count();
        run.running_seen += usize::from(word == "running");
        let (seen, id) = (run.running_seen, run.id.clone());
        let (has_target, notes) = (run.target.is_some(), run.script.notes.clone());
        let positions = self.runs.iter().enumerate();
        let children: Vec<_> = positions
            .filter(|(_, run)| run.parent.as_ref() == Some(&id) && !is_ended(&run.status))
            .map(|(position, _)| position)
            .collect();
        let all = self.children(&id).count();
        // While the parent runs its children end one by one; all have ended when it is processed.
        let (ended, done) = match word {
            "running" => ("completed", all * seen / (seen + ahead + 1)),
            "processing" | "completed" => ("completed", all),
            word if is_ended(word) => (word, all),
            _ => ("completed", 0),
        };
        let mut left = done.saturating_sub(all - children.len());
        for child in children {
            if left > 0 {
                left -= 1;
                self.set(child, ended, at);
            } else {
                self.set(child, word, at);
            }
        }
        self.set(root, word, at);
        if is_ended(word)
            && let Some(run) = self.runs.get_mut(root)
            && (run.notes.is_empty() || !has_target)
        {
            run.notes = notes;
        }
    }

    /// Sets the status of one scan, without its parent or children.
    fn set(&mut self, position: usize, word: &str, at: Timestamp) {
        let Some(run) = self.runs.get_mut(position) else { return };
        let url = run.target.as_ref().map(|(url, _)| url.as_str());
        let config = self.tenant.configs.iter_mut().find(|config| config.id == run.config_id);
        let mut targets = config.map(|config| &mut config.targets).into_iter().flatten();
        let target = targets.find(|target| Some(target.url.as_str()) == url);
        word.clone_into(&mut run.status);
        run.updated_at = at;
        if word == "running" {
            run.started_at.get_or_insert(at);
        }
        if !is_ended(word) {
            return;
        }
        if let Some((status, notes)) = target.as_ref().and_then(|target| target.outcome.clone()) {
            (run.status, run.notes) = (status, notes);
        }
        run.finalized_at = Some(at);
        let Some(target) = target else { return };
        let seen = target.findings.iter_mut().filter(|finding| finding.visible);
        let mut seen: Vec<_> = seen.collect();
        if run.status != "completed" {
            // A scan that did not complete keeps the findings up to its end.
            seen.truncate(seen.len() / 2);
        }
        for finding in &mut seen {
            finding.last_found = at;
        }
        run.findings = seen.into_iter().map(|finding| finding.clone()).collect();
    }
}
