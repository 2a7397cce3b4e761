//! The command, run as a person runs it, against fakes of this process.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use appsec_core::Timestamp;
use salt_client::testing::FakeSalt;
use serde_json::Value;
use tempfile::TempDir;
use tenable_was_client::testing::{FakeConfig, FakeNote, FakeTenableWas, ScanScript, demo_tenant};

/// Looked for in everything that is printed.
pub(crate) const CANARY: &str = "canary-7f3a";

/// The configuration that most tests scan.
pub(crate) const STOREFRONT: &str = "storefront nightly";

/// A folder to work in, with a configuration, away from that of whoever runs the tests.
pub(crate) struct Desk {
    folder: TempDir,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let ended = Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!ended.said().contains(CANARY), "a secret was printed:\n{}", ended.said());
        ended
    }

    /// Everything that was printed.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The documents on stdout.
    pub(crate) fn documents(&self) -> Vec<Value> {
        let documents = self.stdout.lines().map(|binding| serde_json::from_str(binding).expect(binding));
        documents.collect()
    }

    /// The only document on stdout.
    pub(crate) fn document(&self) -> Value {
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "{}", self.said());
        documents.remove(0)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.said());
        self
    }
}

impl Desk {
    pub(crate) fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("appsec.toml"), config).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_appsec"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("XDG_CONFIG_HOME", self.path("nobody")).env("HOME", self.path("nobody"));
        command.env("SECRET", CANARY).stdin(Stdio::null());
        command
    }

    /// Runs it to its end, while the fakes of this process answer.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let command = self.command(arguments);
        self.end(command).await
    }

    pub(crate) async fn end(&self, mut command: Command) -> Ended {
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        Ended::of(&output)
    }
}

/// A Salt and a Tenable that take the canary.
pub(crate) struct Fakes {
    pub(crate) salt: FakeSalt,
    pub(crate) tenable: FakeTenableWas,
}

impl Fakes {
    pub(crate) async fn start() -> Self {
        let salt = FakeSalt::builder().with_tenant(salt_client::testing::demo_tenant()).with_token(CANARY);
        let mut tenant = demo_tenant();
        for config in &mut tenant.configs {
            config.script = Some(script(&["completed"]));
        }
        let tenable = FakeTenableWas::builder()
            .with_keys(CANARY, CANARY)
            .with_tenant(tenant)
            .with_now(Timestamp::now());
        Self { salt: salt.start().await.unwrap(), tenable: tenable.start().await.unwrap() }
    }

    /// A folder whose configuration leads to the fakes, by a variable and by files.
    pub(crate) fn desk(&self, more: &str) -> Desk {
        let desk = Desk::new(&format!(
            r#"
            store = "sqlite:findings.db"
            [connections.salt]
            scanner = "saltsecurity"
            base_url = "{}"
            token_env = "SECRET"
            requests_per_second = 1000.0
            max_attempts = 1
            [connections.was]
            scanner = "tenableiowas"
            base_url = "{}"
            access_key_env = "SECRET"
            secret_key_file = "was.key"
            max_attempts = 1
            {more}
            "#,
            self.salt.base_url(),
            self.tenable.base_url(),
        ));
        write(&desk.path("was.key"), &format!("{CANARY}\n"));
        desk
    }

    /// Changes the configuration that most tests scan.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut FakeConfig)) {
        self.tenable.edit(|tenant| {
            change(tenant.configs.iter_mut().find(|config| config.name == STOREFRONT).unwrap());
        });
    }

    /// Coming scans find half of the weaknesses, and run into their time limit where told so.
    pub(crate) fn half(&self, note: Option<FakeNote>) {
        self.edit(|config| {
            for target in &mut config.targets {
                target.findings.truncate(target.findings.len() / 2);
            }
            let script = script(&["completed"]);
            config.script = Some(match note {
                Some(note) => script.with_note(note),
                None => script,
            });
        });
    }
}

/// How a scan goes, word by word.
pub(crate) fn script(words: &[&str]) -> ScanScript {
    ScanScript::new().with_statuses(words.iter().copied())
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// The words that name the binding which most tests scan.
pub(crate) const LINE: [&str; 6] = ["-p", "shop", "-t", "was", "--bind-to", STOREFRONT];

/// A command over that binding.
pub(crate) fn on_line<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec![command];
    words.extend(LINE);
    words.extend(more);
    words
}
