//! `appsec push`: pushes the findings of a binding to DefectDojo, Invicti or GitHub code scanning.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use appsec_import::push::{
    DefectDojo, DefectDojoTest, GitHub, GitHubCommit, Invicti, InvictiScan, InvictiWriter, PushOptions,
    PushOutcome, ReportFile,
};
use appsec_import::report::{Format, ReportOptions, ReportWriter};
use appsec_import::store::Page;
use appsec_import::{Binding, SqlStore, Store as _};

use super::report::{self, numbered};
use crate::app::App;
use crate::config::{PushDestination, PushTarget};
use crate::exit::{Exit, Failure, Result};
use crate::selection::SelectionArgs;

/// The number of findings that are read from the store at a time.
const PAGE_SIZE: u32 = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: SelectionArgs,
    /// The destination: a section [push.NAME] of the configuration
    #[arg(long, value_name = "NAME")]
    to: String,
    /// For GitHub: the commit, in 40 hex digits
    #[arg(long, env = "GITHUB_SHA")]
    commit: Option<String>,
    /// For GitHub: the full reference, such as refs/heads/main
    #[arg(long = "ref", env = "GITHUB_REF", value_name = "REFERENCE")]
    reference: Option<String>,
    /// For GitHub: the repository, owner/name
    #[arg(long, env = "GITHUB_REPOSITORY", value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// For GitHub and Invicti: push incomplete data as well. At GitHub they get a category of their own and
    /// close nothing; Invicti closes findings that they do not hold
    #[arg(long)]
    allow_unproven_closing: bool,
}

/// Pushes the report, and prints what the destination did with it.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let destination = app.config.push.get(&args.to).ok_or_else(|| {
        let known: Vec<_> = app.config.push.keys().map(String::as_str).collect();
        Failure::usage(format!("the configuration has no [push.{}]; it has {known:?}", args.to))
    })?;
    let binding = args.binding.select(app).await?;
    let store = app.existing_store().await?;
    let options = report::options(&store, &binding).await?;
    let folder = tempfile::tempdir().map_err(|error| Failure::output("a folder for the report", &error))?;
    let push = Push {
        app,
        args,
        destination,
        store: &store,
        binding: &binding,
        options,
        file: folder.path().join("report"),
    };
    let pushed = match destination.target {
        PushTarget::DefectDojo => push.to_defectdojo().await,
        PushTarget::Invicti => push.to_invicti().await,
        PushTarget::GitHub => push.to_github().await,
    }?;
    if app.out.is_json() {
        app.out.json(&pushed)?;
    } else {
        app.out.text(&pushed)?;
    }
    Ok(Exit::Passed)
}

/// One push of a binding to a destination.
struct Push<'a> {
    app: &'a App,
    args: &'a Args,
    destination: &'a PushDestination,
    store: &'a SqlStore,
    binding: &'a Binding,
    options: ReportOptions,
    file: PathBuf,
}

impl Push<'_> {
    async fn to_defectdojo(&self) -> Result<PushOutcome> {
        let dojo = DefectDojo::new(self.base_url()?, self.token()?, &PushOptions::new())?;
        let mut test = DefectDojoTest::for_binding(self.binding);
        let mut options = self.options.clone().with_cwe_list(self.destination.cwes);
        if let Some(service) = &self.destination.service {
            // The import names the service of its findings, or it would compare them with others.
            (test, options) = (test.with_service(service), options.with_service(service));
        }
        let files = self.write_report(Format::DefectDojo, &options).await?;
        let Some(file) = files.first() else {
            return Err(Failure::new(Exit::Output, "no report was written"));
        };
        dojo.push(&test, file, &self.completeness().await?).await.map_err(failure)
    }

    async fn to_invicti(&self) -> Result<PushOutcome> {
        let project = self.destination.project.as_deref();
        let project = project.ok_or_else(|| self.missing("project, the id of the project there"))?;
        let invicti = Invicti::new(self.base_url()?, self.token()?, &PushOptions::new())?;
        let scan = InvictiScan::for_binding(project, self.binding)
            .with_tool(self.options.scanner())
            .with_unproven_closing(self.args.allow_unproven_closing);
        self.write_list().await?;
        let completeness = self.completeness().await?;
        let pushed = invicti.push(&scan, &ReportFile::from_path(&self.file), &completeness).await;
        pushed.map_err(failure)
    }

    async fn to_github(&self) -> Result<PushOutcome> {
        let repository = self.destination.repository.as_deref().or(self.args.repository.as_deref());
        let repository = repository.ok_or_else(|| self.missing("repository, or --repository"))?;
        let (Some(commit), Some(reference)) = (&self.args.commit, &self.args.reference) else {
            return Err(Failure::usage("GitHub shows alerts for a commit: name it with --commit and --ref"));
        };
        let to = GitHubCommit::new(repository, commit, reference)?
            .with_started_at(self.options.started_at())
            .with_partial_data(self.args.allow_unproven_closing);
        let github = match &self.destination.base_url {
            Some(url) => GitHub::with_base_url(url, self.token()?, &PushOptions::new())?,
            None => GitHub::new(self.token()?, &PushOptions::new())?,
        };
        let files = self.write_report(Format::Sarif, &self.options).await?;
        github.push(&to, &files, &self.completeness().await?).await.map_err(failure)
    }

    fn base_url(&self) -> Result<&str> {
        self.destination.base_url.as_deref().ok_or_else(|| self.missing("base_url"))
    }

    fn token(&self) -> Result<secrecy::SecretString> {
        self.app.config.push_token(&self.args.to, self.destination)
    }

    fn missing(&self, what: &str) -> Failure {
        Failure::usage(format!("[push.{}] lacks {what}", self.args.to))
    }

    async fn completeness(&self) -> Result<appsec_import::Completeness> {
        let run = self.store.last_run(self.binding).await.map_err(Failure::store)?;
        let run = run.ok_or_else(|| Failure::usage("no run of the binding has ended: import it first"))?;
        Ok(run.completeness())
    }

    /// Writes the report, in as many files as the limits of its reader require.
    async fn write_report(&self, format: Format, options: &ReportOptions) -> Result<Vec<ReportFile>> {
        let mut files = Vec::new();
        let writer = ReportWriter::in_files(format, options, |number| {
            let path = numbered(&self.file, number);
            let file = File::create(&path).map(BufWriter::new)?;
            files.push(ReportFile::from_path(path));
            Ok(file)
        })?;
        report::write(writer, self.store, self.binding, options).await?;
        Ok(files)
    }

    /// Writes the list of findings that Invicti accepts.
    async fn write_list(&self) -> Result<()> {
        let failed = |error| Failure::output("the list of findings", &error);
        let mut writer = InvictiWriter::new(BufWriter::new(File::create(&self.file).map_err(failed)?))?;
        let mut after = 0;
        loop {
            let page = self.store.stored_findings(self.binding, Page { after, limit: PAGE_SIZE }).await;
            let page = page.map_err(Failure::store)?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for stored in page {
                writer.write(&stored.into())?;
            }
        }
        writer.finish()?;
        Ok(())
    }
}

/// The failure of a push. Incomplete data that were not sent have the exit of partial data.
fn failure(error: appsec_core::Error) -> Failure {
    let mut failure = Failure::destination(error);
    if failure.exit == Exit::Partial {
        failure.message.push_str("; --allow-unproven-closing pushes it anyway");
    }
    failure
}
