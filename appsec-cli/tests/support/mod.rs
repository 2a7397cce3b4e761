//! Runs the `appsec` binary against fakes in this process.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use appsec_core::Timestamp;
use salt_client::testing::FakeSalt;
use serde_json::Value;
use tempfile::TempDir;
use tenable_was_client::testing::{FakeConfig, FakeNote, FakeTenableWas, ScanScript, demo_tenant};

/// The credential of the fakes. No output may contain it.
pub(crate) const CANARY: &str = "canary-7f3a";

/// The bind target that most tests scan.
pub(crate) const STOREFRONT: &str = "storefront nightly";

/// A temporary folder with an `appsec.toml`. Commands run in it, without the environment of the test.
pub(crate) struct Workspace {
    folder: TempDir,
}

/// The exit code and output of a command.
pub(crate) struct CommandResult {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandResult {
    fn new(output: &Output) -> Self {
        let result = Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!result.output().contains(CANARY), "a secret was printed:\n{}", result.output());
        result
    }

    /// Everything that was printed, on stdout and stderr.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The JSON documents on stdout.
    pub(crate) fn documents(&self) -> Vec<Value> {
        let documents = self.stdout.lines().map(|line| serde_json::from_str(line).expect(line));
        documents.collect()
    }

    /// The only JSON document on stdout.
    pub(crate) fn document(&self) -> Value {
        let mut documents = self.documents();
        assert_eq!(documents.len(), 1, "{}", self.output());
        documents.remove(0)
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.output());
        self
    }
}

impl Workspace {
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
        command.env("XDG_CONFIG_HOME", self.path("missing")).env("HOME", self.path("missing"));
        command.env("SECRET", CANARY).stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> CommandResult {
        let command = self.command(arguments);
        self.finish(command).await
    }

    /// Runs the command to its end, on a thread of its own, so that the fakes of this process can respond.
    pub(crate) async fn finish(&self, mut command: Command) -> CommandResult {
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        CommandResult::new(&output)
    }
}

/// A fake Salt and a fake Tenable that accept the canary.
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

    /// A folder with a configuration for the fakes, followed by `more`.
    pub(crate) fn workspace(&self, more: &str) -> Workspace {
        let workspace = Workspace::new(&format!(
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
        write(&workspace.path("was.key"), &format!("{CANARY}\n"));
        workspace
    }

    /// Changes the bind target that most tests scan.
    pub(crate) fn edit_target(&self, change: impl FnOnce(&mut FakeConfig)) {
        self.tenable.edit(|tenant| {
            change(tenant.configs.iter_mut().find(|config| config.name == STOREFRONT).unwrap());
        });
    }

    /// Lets later scans find half of the weaknesses, and end with this note.
    pub(crate) fn fix_half(&self, note: Option<FakeNote>) {
        self.edit_target(|config| {
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

/// A scan with these statuses, one after the other.
pub(crate) fn script(statuses: &[&str]) -> ScanScript {
    ScanScript::new().with_statuses(statuses.iter().copied())
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// The options for the binding that most tests use.
pub(crate) const BINDING: [&str; 6] = ["-p", "shop", "-t", "was", "--bind-to", STOREFRONT];

/// The arguments of a command for that binding.
pub(crate) fn on_binding<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![command];
    arguments.extend(BINDING);
    arguments.extend(more);
    arguments
}
