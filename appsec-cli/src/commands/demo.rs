//! `appsec demo`: one story, from a wrong key to a finding that stays open, against fakes of both services.

use std::fs;
use std::path::Path;

use appsec_core::Timestamp;
use appsec_import::Store as _;
use appsec_import::reconcile::Change;
use clap::Parser as _;
use salt_client::testing::FakeSalt;
use tenable_was_client::testing::{FakeNote, FakeTenableWas, ScanScript};

use crate::app::App;
use crate::cli::Cli;
use crate::config::Config;
use crate::exit::{Codes, Exit, Failure, Result};
use crate::find;
use crate::output::{Output, note};

/// The configuration that is scanned.
const TARGET: &str = "storefront nightly";

const CONFIG: &str = r#"
store = "sqlite:demo.db"
[connections.salt]
scanner = "saltsecurity"
base_url = "SALT_URL"
token_file = "salt.token"
requests_per_second = 1000.0
[connections.was]
scanner = "tenableiowas"
base_url = "WAS_URL"
access_key_file = "was.access"
secret_key_file = "was.secret"
[connections.was-old-key]
scanner = "tenableiowas"
base_url = "WAS_URL"
access_key_file = "was.access"
secret_key_file = "was.old-secret"
"#;

pub(crate) async fn run(app: &App) -> Result<Exit> {
    let folder = tempfile::tempdir().map_err(|error| Failure::output("a folder for the demo", &error))?;
    let stage = Stage::set(folder.path(), &app.out).await?;
    stage.tell(
        "This is a story against fakes of both services, on loopback: nothing leaves this machine.\n\
         The configuration names a Salt, a Tenable, and that Tenable again with a key that was replaced:",
    )?;
    stage.tell(stage.config_text.trim())?;

    stage.tell("1. A connection that fails says which step, why, and what to do.")?;
    stage.step("ping -t was-old-key", Exit::Credentials).await?;
    stage.tell("2. With the right credentials both work.")?;
    stage.step("ping -t was -t salt", Exit::Passed).await?;
    stage.tell("3. What a project can read from.")?;
    stage.step("targets -t was", Exit::Passed).await?;
    stage.tell("4. A scan, from its start to the gate: no critical finding may pass, and some are there.")?;
    let scan = format!("scan -p shop -t was -b main --bind-to \"{TARGET}\" --poll 1 --threshold-crit 0");
    stage.step(&scan, Exit::GateFailed).await?;

    stage.half_of_it_is_fixed(Some(FakeNote::time_limit()));
    stage.tell(
        "5. Half of it is fixed now. But the next scan runs into its time limit: what it did not see may be gone, or not.\n   \
         So nothing closes, the exit code says that the data are partial, and the gate does not judge.",
    )?;
    stage.step("scan -p shop -t was -b main --poll 1 --threshold-crit 0", Exit::Partial).await?;
    stage.tell("6. Why is this one still open?")?;
    let finding = stage.kept_open().await?;
    stage.step(&format!("explain -p shop -t was {finding}"), Exit::Passed).await?;

    stage.half_of_it_is_fixed(None);
    stage.tell("7. The next scan is whole, so its silence proves something: the fixed half closes.")?;
    stage.step("scan -p shop -t was -b main --poll 1", Exit::Passed).await?;
    stage.step(&format!("explain -p shop -t was {finding}"), Exit::Passed).await?;
    stage.tell(
        "8. A report for GitHub code scanning; gitlab, defectdojo, ocsf, csv and jsonl are there as well.",
    )?;
    let file = folder.path().join("shop.sarif");
    stage.step(&format!("report -p shop -t was -f sarif --out {}", file.display()), Exit::Passed).await?;
    stage.tell("Next: write an appsec.toml of your own, or set the variables of one scanner, and begin with `appsec ping`.")?;
    Ok(Exit::Passed)
}

/// The fakes and the configuration that leads to them.
struct Stage<'a> {
    app: App,
    out: &'a Output,
    config_text: String,
    tenable: FakeTenableWas,
    _salt: FakeSalt,
}

impl<'a> Stage<'a> {
    async fn set(folder: &Path, out: &'a Output) -> Result<Self> {
        let failed = |error| Failure::output("setting up the demo", &error);
        let salt = FakeSalt::builder().with_tenant(salt_client::testing::demo_tenant());
        let salt = salt.start().await.map_err(failed)?;
        let mut tenant = tenable_was_client::testing::demo_tenant();
        tenant.configs.iter_mut().for_each(|config| config.script = Some(script(None)));
        let tenable = FakeTenableWas::builder().with_tenant(tenant).with_now(Timestamp::now());
        let tenable = tenable.start().await.map_err(failed)?;
        for (file, secret) in [
            ("salt.token", salt.token()),
            ("was.access", tenable.access_key()),
            ("was.secret", tenable.secret_key()),
            ("was.old-secret", "replaced-last-week".to_owned()),
        ] {
            fs::write(folder.join(file), secret).map_err(failed)?;
        }
        let config_text =
            CONFIG.replace("SALT_URL", &salt.base_url()).replace("WAS_URL", &tenable.base_url());
        let config = Config::parse(&config_text, folder.to_path_buf()).map_err(Failure::usage)?;
        let app = App::of(config, Output::new(out.format), None, false);
        Ok(Self { app, out, config_text, tenable, _salt: salt })
    }

    /// A part of the story; where stdout is for programs it is told on stderr.
    fn tell(&self, text: &str) -> Result<()> {
        if self.out.is_json() {
            note(text);
            return Ok(());
        }
        self.out.line(format_args!("\n{text}"))
    }

    /// One command as a person would type it, and how it is expected to end.
    async fn step(&self, binding: &str, expected: Exit) -> Result<()> {
        self.tell(&format!("$ appsec {binding}"))?;
        // Blanks stand within quotation marks only.
        let words = binding.split('"').enumerate().flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect::<Vec<_>>(),
            _ => vec![part],
        });
        let cli = Cli::try_parse_from(std::iter::once("appsec").chain(words))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let exit = match cli.command.run(&self.app).await {
            Ok(exit) => exit,
            Err(failure) => {
                self.tell(&failure.message)?;
                failure.exit
            }
        };
        self.tell(&format!("[exit code {}: {}]", exit.code(Codes::Own), exit.reason()))?;
        if exit == expected {
            return Ok(());
        }
        Err(Failure::new(Exit::Scanner, format!("the demo expected {}", expected.reason())))
    }

    /// Half of the target's weaknesses go; coming scans see that, and get the remark.
    fn half_of_it_is_fixed(&self, remark: Option<FakeNote>) {
        self.tenable.edit(|tenant| {
            let Some(config) = tenant.configs.iter_mut().find(|config| config.name == TARGET) else { return };
            // Told again, half of it is fixed already.
            if remark.is_some() {
                for target in &mut config.targets {
                    target.findings.truncate(target.findings.len() / 2);
                }
            }
            config.script = Some(script(remark));
        });
    }

    /// A finding that the last run kept open unseen.
    async fn kept_open(&self) -> Result<String> {
        let store = self.app.store().await?;
        for binding in store.bindings().await.map_err(Failure::store)? {
            let mut known = Vec::new();
            find::each(&store, &binding, |finding| {
                known.push(finding.fingerprint);
                Ok(true)
            })
            .await?;
            for fingerprint in known {
                let why = store.explain(&binding, &fingerprint).await.map_err(Failure::store)?;
                let last = why.as_ref().and_then(|why| why.history.last());
                if last.is_some_and(|verdict| verdict.change == Change::KeptOpen) {
                    return Ok(fingerprint.to_string());
                }
            }
        }
        Err(Failure::new(Exit::Scanner, "the demo expected a finding that stays open"))
    }
}

/// How scans go: quickly.
fn script(remark: Option<FakeNote>) -> ScanScript {
    let script = ScanScript::new().with_statuses(["running", "completed"]);
    match remark {
        Some(remark) => script.with_note(remark),
        None => script,
    }
}
