//! A scanner with many targets that logs which process reads which target, and the processes that read it.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, Coverage,
    DastApiScanner, Error, ErrorKind, FindingBatch, FindingEvent, FindingQuery, FindingScope, PartitionKey,
    Result, ResumePoint, ScanMode, ScannerInfo, async_trait,
};
use futures_util::{StreamExt, stream};

/// The number of findings in one page.
pub(crate) const PER_PAGE: usize = 5;

/// A tenant with targets from `app:0` to `app:399`. Its name decides its behaviour: `busy` responds with 429,
/// `locked` with 401.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    info: ScannerInfo,
    pub(crate) name: String,
    pub(crate) log: PathBuf,
    pub(crate) pages: usize,
    /// A pause before each response.
    pub(crate) pause: Duration,
}

impl Tenant {
    pub(crate) fn new(name: &str, log: &Path, pages: usize, pause: Duration) -> Self {
        let can = Capabilities::none().with_findings_by_target(true);
        let info = ScannerInfo::new("tenant", "Tenant", ScanMode::Passive, can);
        Self { info, name: name.to_owned(), log: log.to_owned(), pages, pause }
    }

    fn refusal(&self) -> Option<Error> {
        let (kind, status) = match self.name.as_str() {
            "busy" => (ErrorKind::RateLimited, 429),
            "locked" => (ErrorKind::Auth, 401),
            _ => return None,
        };
        let error = Error::new(kind, "refused").with_status(status);
        Some(if status == 429 { error.with_retry_after(Duration::from_mins(10)) } else { error })
    }
}

/// The connections of a worker: one for each name, to a tenant of that name.
#[cfg(feature = "worker")]
pub(crate) fn connections(
    log: PathBuf,
    pages: usize,
    pause: Duration,
) -> impl appsec_import::schedule::Connections {
    move |name: &str| {
        let scanner = std::sync::Arc::new(Tenant::new(name, &log, pages, pause));
        Ok(appsec_import::schedule::OpenConnection::new(scanner).with_tenant(name.to_owned()))
    }
}

/// Adds a line to the log: one write, so that lines of several processes do not mix.
fn note(log: &Path, what: &str, whose: &str) {
    let binding = format!("{what} {} {whose}\n", std::process::id());
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    file.write_all(binding.as_bytes()).unwrap();
}

#[async_trait]
impl DastApiScanner for Tenant {
    fn info(&self) -> &ScannerInfo {
        &self.info
    }

    async fn test_connection(&self) -> ConnectionReport {
        ConnectionReport::new("tenant", "tenant:")
    }

    fn bind_targets(&self, _: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        if let Some(error) = self.refusal() {
            note(&self.log, "refuse", &self.name);
            return appsec_core::stream_error(error);
        }
        let targets =
            (0..400).map(|number| BindTarget::new(format!("app:{number}"), format!("App {number}")));
        let (targets, pause) = (targets.collect(), self.pause);
        stream::once(async move {
            tokio::time::sleep(pause).await;
            Ok(BindTargetBatch::new(targets))
        })
        .boxed()
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        let FindingScope::Targets(targets) = &query.scope else {
            return appsec_core::stream_error(Error::unsupported("all"));
        };
        let target = targets[0].clone();
        let whose = format!("{}/{target}", self.name);
        let first = query.resume.as_ref().map_or(0, |point| point.state::<usize>("tenant").unwrap());
        let partition = PartitionKey::from(target.as_str());
        let mut events = Vec::new();
        for page in first..self.pages {
            let findings = (0..PER_PAGE).map(|number| {
                let id = format!("{target}-{page}-{number}");
                let mut finding = super::finding(partition.as_str(), &format!("/{id}"), Some(&id));
                finding.targets = vec![target.clone()];
                finding
            });
            let point = ResumePoint::new("tenant", &(page + 1)).unwrap();
            events.push(FindingEvent::Batch(FindingBatch::new(findings.collect(), point)));
        }
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(partition);
        if let Some(reason) = query.inconclusive_reason() {
            coverage.mark_all_inconclusive(reason);
        }
        events.push(FindingEvent::End(coverage));
        note(&self.log, "begin", &whose);
        let (log, pause) = (self.log.clone(), self.pause);
        stream::iter(events)
            .then(move |event| {
                let (log, whose) = (log.clone(), whose.clone());
                async move {
                    tokio::time::sleep(pause).await;
                    note(&log, if matches!(event, FindingEvent::End(_)) { "end" } else { "page" }, &whose);
                    Ok(event)
                }
            })
            .boxed()
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Noted {
    pub(crate) what: String,
    pub(crate) process: u32,
    pub(crate) whose: String,
}

/// The lines that the tenants logged.
pub(crate) fn noted(log: &Path) -> Vec<Noted> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let bindings = text.lines().map(|binding| {
        let mut words = binding.splitn(3, ' ');
        let mut word = || words.next().unwrap().to_owned();
        Noted { what: word(), process: word().parse().unwrap(), whose: word() }
    });
    bindings.collect()
}

/// The number of times that a target was read to the end.
pub(crate) fn ended(log: &[Noted], whose: &str) -> usize {
    log.iter().filter(|noted| noted.what == "end" && noted.whose == whose).count()
}

/// The number of times that a process began to read a target while another live process was reading it.
pub(crate) fn overlaps(log: &[Noted], dead: &[u32]) -> usize {
    let mut open: Vec<(&str, u32)> = Vec::new();
    let mut overlaps = 0;
    for Noted { what, process, whose } in log {
        match what.as_str() {
            "begin" => {
                overlaps += open.iter().filter(|(other, by)| other == whose && !dead.contains(by)).count();
                open.push((whose, *process));
            }
            "end" => open.retain(|(other, by)| !(other == whose && by == process)),
            _ => {}
        }
    }
    overlaps
}

/// The set-up of a worker process.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) log: PathBuf,
    pub(crate) pages: usize,
    pub(crate) pause: Duration,
    /// How long imports may continue after the process is asked to stop.
    pub(crate) grace: Duration,
}

impl Setup {
    /// Starts a worker process. It stops when its input ends, so also when it is dropped.
    pub(crate) fn spawn(&self) -> Process {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env("APPSEC_WORKER_URL", &self.url)
            .env("APPSEC_WORKER_LOG", &self.log)
            .env("APPSEC_WORKER_PAGES", self.pages.to_string())
            .env("APPSEC_WORKER_PAUSE", self.pause.as_millis().to_string())
            .env("APPSEC_WORKER_GRACE", self.grace.as_secs().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("RUST_LOG").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .unwrap();
        Process(child)
    }

    /// The set-up from the environment of a worker process.
    pub(crate) fn of_environment() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).unwrap();
        Some(Self {
            url: std::env::var("APPSEC_WORKER_URL").ok()?,
            log: variable("APPSEC_WORKER_LOG").into(),
            pages: variable("APPSEC_WORKER_PAGES").parse().unwrap(),
            pause: Duration::from_millis(variable("APPSEC_WORKER_PAUSE").parse().unwrap()),
            grace: Duration::from_secs(variable("APPSEC_WORKER_GRACE").parse().unwrap()),
        })
    }
}

/// A worker process. It ends with the test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Sends a signal to the process, for instance `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Asks the process to stop, and waits until it has exited successfully.
    pub(crate) fn stop(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success(), "the worker's process failed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
