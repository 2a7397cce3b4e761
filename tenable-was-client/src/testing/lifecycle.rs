//! How scans go: step by step, by polls or by time, parents with their children.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use appsec_core::Timestamp;

use super::finding::FakeFinding;
use super::ids::uuid_of;
use super::state::State;
use super::world::{FakeConfig, FakeNote, FakeScan, FakeTarget};

/// What moves a scan on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pace {
    /// Each time its details are read, after they were given out.
    EachPoll,
    /// So much time on the fake's clock.
    Every(Duration),
}

/// The course of a scan from launch to end.
///
/// ```
/// use tenable_was_client::testing::{FakeNote, ScanScript};
///
/// let unlucky = ScanScript::new().with_statuses(["queued", "running", "aborted"]).with_note(FakeNote::crashed());
/// let stuck = ScanScript::new().with_statuses(["queued"]);
/// # let _ = (unlucky, stuck);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScanScript {
    /// The status words, one after the other; it stays at the last.
    pub statuses: Vec<String>,
    /// What moves it on.
    pub pace: Pace,
    /// How often its details answer 404 after the launch.
    pub hidden_polls: u32,
    /// The scanner's remarks once it has ended.
    pub notes: Vec<FakeNote>,
}

impl Default for ScanScript {
    fn default() -> Self {
        Self {
            statuses: ["queued", "pending", "running", "running", "processing", "completed"]
                .map(str::to_owned)
                .to_vec(),
            pace: Pace::EachPoll,
            hidden_polls: 0,
            notes: Vec::new(),
        }
    }
}

impl ScanScript {
    /// A scan that completes after five polls.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status words, one after the other; it stays at the last.
    pub fn with_statuses<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.statuses = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what moves it on.
    pub fn with_pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Lets its details answer 404 so often after the launch.
    pub fn with_hidden_polls(mut self, polls: u32) -> Self {
        self.hidden_polls = polls;
        self
    }

    /// Adds a remark, there once it has ended.
    pub fn with_note(mut self, note: FakeNote) -> Self {
        self.notes.push(note);
        self
    }
}

/// A scan: launched, or said to have run before.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) config_id: String,
    /// URL and asset; none for a parent.
    pub(super) target: Option<(String, String)>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finalized_at: Option<Timestamp>,
    pub(super) action: String,
    pub(super) status: String,
    pub(super) notes: Vec<FakeNote>,
    pub(super) findings: Vec<FakeFinding>,
    pub(super) has_metadata: bool,
    pub(super) hidden_polls: u32,
    pub(super) report_polls: u32,
    /// The forms in which its report was asked for.
    pub(super) asked: BTreeSet<&'static str>,
    script: ScanScript,
    remaining: VecDeque<String>,
    /// What remains after a pause.
    held: VecDeque<String>,
    running_seen: usize,
}

/// True for the three words after which nothing changes.
pub(super) fn is_ended(status: &str) -> bool {
    matches!(status, "completed" | "canceled" | "aborted")
}

impl Run {
    fn new(id: String, config_id: &str, created_at: Timestamp) -> Self {
        Self {
            id,
            parent: None,
            config_id: config_id.to_owned(),
            target: None,
            created_at,
            updated_at: created_at,
            started_at: None,
            finalized_at: None,
            action: "start".to_owned(),
            status: String::new(),
            notes: Vec::new(),
            findings: Vec::new(),
            has_metadata: true,
            hidden_polls: 0,
            report_polls: 0,
            asked: BTreeSet::new(),
            script: ScanScript::default(),
            remaining: VecDeque::new(),
            held: VecDeque::new(),
            running_seen: 0,
        }
    }

    fn for_target(mut self, target: &FakeTarget) -> Self {
        self.target = Some((target.url.clone(), target.asset_id.clone()));
        self
    }

    fn child(&self, target: &FakeTarget) -> Self {
        let id = uuid_of(&["child", &self.id, &target.url]);
        let child = Self::new(id, &self.config_id, self.created_at).for_target(target);
        Self { parent: Some(self.id.clone()), has_metadata: self.has_metadata, ..child }
    }

    /// The scans that a configuration has run already, children after their parents.
    pub(super) fn past(config: &FakeConfig) -> Vec<Self> {
        let mut runs = Vec::new();
        for (number, scan) in config.scans.iter().enumerate() {
            let id = uuid_of(&["scan", &config.id, &number.to_string()]);
            let mut run = Self::new(id, &config.id, scan.created_at);
            run.has_metadata = scan.has_metadata;
            if let [target] = config.targets.as_slice() {
                run = run.for_target(target);
                run.has_run(scan, Some(target));
                runs.push(run);
            } else {
                let children = config.targets.iter().map(|target| {
                    let mut child = run.child(target);
                    child.has_run(scan, Some(target));
                    child
                });
                let children: Vec<_> = children.collect();
                run.has_run(scan, None);
                runs.push(run);
                runs.extend(children);
            }
        }
        runs
    }

    fn has_run(&mut self, scan: &FakeScan, target: Option<&FakeTarget>) {
        (self.status, self.notes) = (scan.status.clone(), scan.notes.clone());
        let mut limit = scan.limit.unwrap_or(usize::MAX);
        if let Some((status, notes)) = target.and_then(|target| target.outcome.clone()) {
            (self.status, self.notes) = (status, notes);
            // What was found before the end.
            limit = limit.min(target.map_or(0, |target| target.findings.len() / 2));
        }
        let after = |time| self.created_at.checked_add(time).unwrap_or(self.created_at);
        let (started, finalized) = (after(Duration::from_secs(118)), after(scan.took));
        if scan.has_metadata {
            self.started_at = Some(started);
        }
        if is_ended(&self.status) {
            (self.updated_at, self.finalized_at) = (finalized, Some(finalized));
        }
        let saw = |finding: &&FakeFinding| {
            finding.visible || finding.last_fixed.is_some_and(|fixed| fixed > finalized)
        };
        let findings = target.map(|target| &target.findings).into_iter().flatten().filter(saw);
        self.findings = findings.take(limit).cloned().collect();
    }
}

impl State {
    pub(super) fn run(&self, id: &str) -> Option<&Run> {
        self.runs.iter().find(|run| run.id == id)
    }

    /// A parent's children, in the order of its targets.
    pub(super) fn children<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| run.parent.as_deref() == Some(id))
    }

    /// The scan of a configuration that was launched last.
    pub(super) fn last_run(&self, config_id: &str) -> Option<&Run> {
        let runs = self.runs.iter().filter(|run| run.config_id == config_id && run.parent.is_none());
        runs.max_by_key(|run| run.created_at)
    }

    /// The scan of a configuration that has not ended.
    pub(super) fn active_run(&self, config_id: &str) -> Option<&Run> {
        let mut runs = self.runs.iter().filter(|run| run.config_id == config_id && run.parent.is_none());
        runs.find(|run| !is_ended(&run.status))
    }

    /// Launches a scan and gives its id.
    pub(super) fn launch(&mut self, config: &FakeConfig) -> String {
        let now = self.now();
        let script = config.script.clone().unwrap_or_else(|| self.settings.scan_script.clone());
        let mut run = Run::new(self.new_id("scan"), &config.id, now);
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

    /// Moves on what time moves on.
    pub(super) fn catch_up(&mut self) {
        let now = self.now();
        for root in 0..self.runs.len() {
            while let Some(run) = self.runs.get(root)
                && let Pace::Every(time) = run.script.pace
                && let Ok(due) = run.updated_at.checked_add(time.max(Duration::from_millis(1)))
                && due <= now
                && !run.remaining.is_empty()
            {
                self.step(root, due);
            }
        }
    }

    /// Moves on what this poll moves on. A poll of a child moves its parent.
    pub(super) fn polled(&mut self, id: &str) {
        let root = self.run(id).map(|run| run.parent.clone().unwrap_or_else(|| run.id.clone()));
        let root = self.runs.iter().position(|run| Some(&run.id) == root.as_ref());
        let by_poll =
            root.filter(|&root| self.runs.get(root).is_some_and(|run| run.script.pace == Pace::EachPoll));
        if let Some(root) = by_poll {
            self.step(root, self.now());
        }
    }

    /// Takes a request to pause, resume or stop; false when it comes out of turn.
    pub(super) fn ask(&mut self, id: &str, action: &str) -> bool {
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
            // It goes on in the step in which it was held, which does not count again.
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

    /// Sets the status of one scan, and what follows from it for the scan alone.
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
            // What was found before the end stays.
            seen.truncate(seen.len() / 2);
        }
        for finding in &mut seen {
            finding.last_found = at;
        }
        run.findings = seen.into_iter().map(|finding| finding.clone()).collect();
    }
}
