//! `appsec demo`: from a refused key to a finding that stays open, against fakes of all services.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use appsec_import::Store as _;
use appsec_import::reconcile::Change;
use clap::Parser as _;

use crate::app::App;
use crate::cli::Cli;
use crate::config::Config;
use crate::exit::{Exit, ExitCodes, Failure, Result};
use crate::finding_lookup;
use crate::output::{Output, note};
use crate::vendors::{DemoScans, Fake, FakeData, VENDORS, Vendor};

pub(crate) async fn run(app: &App) -> Result<Exit> {
    let folder = tempfile::tempdir().map_err(|error| Failure::output("a folder for the demo", &error))?;
    let demo = Demo::start(folder.path(), &app.out).await?;
    let (vendor, scans) = demo.scans()?;
    let (name, old_key, target) = (vendor.short_name, old_key(vendor), scans.target());
    scans.end_scans_quickly(false);
    demo.narrate(
        "This demo runs against fakes of the services, on loopback: nothing leaves this machine.\n\
         The configuration has a connection to each of them, and one with a key that is no longer valid:",
    )?;
    demo.narrate(demo.config_text.trim())?;

    demo.narrate("1. A connection test that fails says which step failed, why, and what to do.")?;
    demo.step(&format!("ping -t {old_key}"), Exit::Credentials).await?;
    demo.narrate("2. With valid credentials all connections work.")?;
    let tools = VENDORS.map(|vendor| format!(" -t {}", vendor.short_name)).concat();
    demo.step(&format!("ping{tools}"), Exit::Passed).await?;
    demo.narrate("3. These are the bind targets: what a project can read findings from.")?;
    demo.step(&format!("targets -t {name}"), Exit::Passed).await?;
    demo.narrate(
        "4. A scan, from its start to the gate. The gate lets no critical finding pass, so it fails.",
    )?;
    let scan = format!("scan -p shop -t {name} -b main --bind-to \"{target}\" --poll 1 --threshold-crit 0");
    demo.step(&scan, Exit::GateFailed).await?;

    scans.fix_half();
    scans.end_scans_quickly(true);
    demo.narrate(
        "5. Half of the weaknesses are fixed now, but the next scan stops at its time limit. A finding that it does not\n   \
         report may be fixed or not. So nothing closes, the exit code says that the data are partial, and the gate is\n   \
         not applied.",
    )?;
    let scan = format!("scan -p shop -t {name} -b main --poll 1");
    demo.step(&format!("{scan} --threshold-crit 0"), Exit::Partial).await?;
    demo.narrate("6. Why is this finding still open?")?;
    let explain = format!("explain -p shop -t {name} {}", demo.kept_open_finding().await?);
    demo.step(&explain, Exit::Passed).await?;

    scans.end_scans_quickly(false);
    demo.narrate("7. The next scan is complete. What it does not report is fixed, and closes.")?;
    demo.step(&scan, Exit::Passed).await?;
    demo.step(&explain, Exit::Passed).await?;
    demo.narrate(
        "8. A report for GitHub code scanning. Others are gitlab, defectdojo, ocsf, csv and jsonl.",
    )?;
    let file = folder.path().join("shop.sarif");
    let report = format!("report -p shop -t {name} -f sarif --out {}", file.display());
    demo.step(&report, Exit::Passed).await?;
    demo.narrate(
        "Next: write your own appsec.toml, or set the environment variables of a scanner, and run `appsec ping`.",
    )?;
    Ok(Exit::Passed)
}

/// The name of the connection whose key is not valid.
fn old_key(vendor: &Vendor) -> String {
    format!("{}-old-key", vendor.short_name)
}

/// The running fakes, and an app with a configuration for them.
struct Demo<'a> {
    app: App,
    out: &'a Output,
    config_text: String,
    fakes: Vec<(&'static Vendor, Box<dyn Fake>)>,
}

impl<'a> Demo<'a> {
    async fn start(folder: &Path, out: &'a Output) -> Result<Self> {
        let failed = |error| Failure::output("starting the demo", &error);
        let mut fakes = Vec::new();
        for vendor in VENDORS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let fake = (vendor.start_fake)(FakeData::Demo, address).await.map_err(failed)?;
            fakes.push((vendor, fake));
        }
        let config_text = write_config(&fakes, folder).map_err(failed)?;
        let config = Config::parse(&config_text, folder.to_path_buf()).map_err(Failure::usage)?;
        let app = App::with_config(config, Output::new(out.format));
        Ok(Self { app, out, config_text, fakes })
    }

    /// The first vendor whose scanner starts scans.
    fn scans(&self) -> Result<(&'static Vendor, &dyn DemoScans)> {
        let mut scans = self.fakes.iter().filter_map(|(vendor, fake)| Some((*vendor, fake.demo_scans()?)));
        scans.next().ok_or_else(|| Failure::new(Exit::Scanner, "the demo needs a scanner that starts scans"))
    }

    /// Writes a part of the story: to stdout, or with `-o json` to stderr.
    fn narrate(&self, text: &str) -> Result<()> {
        if self.out.is_json() {
            note(text);
            return Ok(());
        }
        self.out.text(format_args!("\n{text}"))
    }

    /// Runs a command line, and checks how it ends. Spaces within an argument are possible only between
    /// quotation marks.
    async fn step(&self, command_line: &str, expected: Exit) -> Result<()> {
        self.narrate(&format!("$ appsec {command_line}"))?;
        let arguments = command_line.split('"').enumerate().flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().collect::<Vec<_>>(),
            _ => vec![part],
        });
        let cli = Cli::try_parse_from(std::iter::once("appsec").chain(arguments))
            .map_err(|error| Failure::usage(error.to_string()))?;
        let exit = match cli.command.run(&self.app).await {
            Ok(exit) => exit,
            Err(failure) => {
                self.narrate(&failure.message)?;
                failure.exit
            }
        };
        self.narrate(&format!("[exit code {}: {}]", exit.code(ExitCodes::Own), exit.reason()))?;
        if exit == expected {
            return Ok(());
        }
        Err(Failure::new(Exit::Scanner, format!("the demo expected {}", expected.reason())))
    }

    /// The fingerprint of a finding that the last run kept open although the scan did not report it.
    async fn kept_open_finding(&self) -> Result<String> {
        let store = self.app.store().await?;
        for known in store.bindings().await.map_err(Failure::store)? {
            let binding = known.binding;
            let mut fingerprints = Vec::new();
            finding_lookup::for_each(&store, &binding, |finding| {
                fingerprints.push(finding.fingerprint);
                Ok(true)
            })
            .await?;
            for fingerprint in fingerprints {
                let explanation = store.explain(&binding, &fingerprint).await.map_err(Failure::store)?;
                let last = explanation.as_ref().and_then(|explanation| explanation.history.last());
                if last.is_some_and(|entry| entry.change == Change::KeptOpen) {
                    return Ok(fingerprint.to_string());
                }
            }
        }
        Err(Failure::new(Exit::Scanner, "the demo expected a finding that stays open"))
    }
}

/// Writes the credentials of the fakes into files of the folder, and returns a configuration that names
/// them.
fn write_config(fakes: &[(&'static Vendor, Box<dyn Fake>)], folder: &Path) -> std::io::Result<String> {
    let mut config = "store = \"sqlite:demo.db\"\n".to_owned();
    for (vendor, fake) in fakes {
        let mut names = vec![vendor.short_name.to_owned()];
        if fake.demo_scans().is_some() {
            names.push(old_key(vendor));
        }
        for name in names {
            let _ = write!(
                config,
                "[connections.{name}]\nscanner = \"{}\"\nbase_url = \"{}\"\nrequests_per_second = 1000.0\n",
                vendor.key,
                fake.base_url()
            );
            if fake.demo_scans().is_some() {
                // Both connections reach one tenant.
                let _ = writeln!(config, "tenant = \"demo\"");
            }
            for credential in fake.credentials() {
                let file = format!("{name}.{}", credential.key);
                let _ = writeln!(config, "{}_file = \"{file}\"", credential.key);
                let is_valid = name == vendor.short_name;
                let value = if is_valid { credential.value } else { "replaced-last-week".to_owned() };
                fs::write(folder.join(file), value)?;
            }
        }
    }
    Ok(config)
}
