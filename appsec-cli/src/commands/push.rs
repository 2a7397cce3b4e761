//! `appsec push`: the findings of a binding, brought to those who keep findings.

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
use crate::binding::BindingArgs;
use crate::config::{Destination, Keeper};
use crate::exit::{Exit, Failure, Result};

/// Findings read from the store at a time.
const PAGE: u32 = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    /// A destination of the configuration: the NAME of a section [push.NAME]
    #[arg(long, value_name = "NAME")]
    to: String,
    /// For GitHub: the commit, in 40 hex digits
    #[arg(long, env = "GITHUB_SHA")]
    commit: Option<String>,
    /// For GitHub: the full reference, as in refs/heads/main
    #[arg(long = "ref", env = "GITHUB_REF", value_name = "REFERENCE")]
    reference: Option<String>,
    /// For GitHub: the repository, owner/name
    #[arg(long, env = "GITHUB_REPOSITORY", value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// For GitHub and Invicti: push what is not complete as well, although findings that it does not hold are then shown as closed
    #[arg(long)]
    allow_unproven_closing: bool,
}

/// In JSON: what became of the report, as the destination tells it.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let destination = app.config.push.get(&args.to).ok_or_else(|| {
        let known: Vec<_> = app.config.push.keys().map(String::as_str).collect();
        Failure::usage(format!("the configuration has no [push.{}]; it has {known:?}", args.to))
    })?;
    let (named, binding) = args.binding.resolve(app).await?;
    let store = app.store().await?;
    let options = report::options(&store, &named, &binding).await?;
    let folder = tempfile::tempdir().map_err(|error| Failure::output("a folder for the report", &error))?;
    let pushing = Pushing {
        app,
        args,
        destination,
        store: &store,
        binding: &binding,
        options,
        file: folder.path().join("report"),
    };
    let pushed = match destination.target {
        Keeper::DefectDojo => pushing.to_defectdojo().await,
        Keeper::Invicti => pushing.to_invicti().await,
        Keeper::GitHub => pushing.to_github().await,
    }?;
    if app.out.is_json() {
        app.out.json(&pushed)?;
    } else {
        app.out.text(&pushed)?;
    }
    Ok(Exit::Passed)
}

struct Pushing<'a> {
    app: &'a App,
    args: &'a Args,
    destination: &'a Destination,
    store: &'a SqlStore,
    binding: &'a Binding,
    options: ReportOptions,
    file: PathBuf,
}

impl Pushing<'_> {
    async fn to_defectdojo(&self) -> Result<PushOutcome> {
        let dojo = DefectDojo::new(self.base_url()?, self.token()?, &PushOptions::new())?;
        let files = self.report(Format::DefectDojo).await?;
        let Some(file) = files.first() else {
            return Err(Failure::new(Exit::Output, "no report was written"));
        };
        Ok(dojo.push(&DefectDojoTest::for_binding(self.binding), file, &self.completeness().await?).await?)
    }

    async fn to_invicti(&self) -> Result<PushOutcome> {
        let project = self.destination.project.as_deref();
        let project = project.ok_or_else(|| self.lacks("project, the id of the project there"))?;
        let invicti = Invicti::new(self.base_url()?, self.token()?, &PushOptions::new())?;
        let scan = InvictiScan::for_binding(project, self.binding)
            .with_tool(self.options.scanner())
            .with_unproven_closing(self.args.allow_unproven_closing);
        self.list().await?;
        self.proven(
            invicti.push(&scan, &ReportFile::from_path(&self.file), &self.completeness().await?).await,
        )
    }

    async fn to_github(&self) -> Result<PushOutcome> {
        let repository = self.destination.repository.as_deref().or(self.args.repository.as_deref());
        let repository = repository.ok_or_else(|| self.lacks("repository, or --repository"))?;
        let (Some(commit), Some(reference)) = (&self.args.commit, &self.args.reference) else {
            return Err(Failure::usage("GitHub shows alerts for a commit: name it with --commit and --ref"));
        };
        let to = GitHubCommit::new(repository, commit, reference)?
            .with_started_at(self.options.started_at())
            .with_unproven_closing(self.args.allow_unproven_closing);
        let github = match &self.destination.base_url {
            Some(url) => GitHub::with_base_url(url, self.token()?, &PushOptions::new())?,
            None => GitHub::new(self.token()?, &PushOptions::new())?,
        };
        let files = self.report(Format::Sarif).await?;
        self.proven(github.push(&to, &files, &self.completeness().await?).await)
    }

    /// Refused for want of proof means that the data are partial.
    #[expect(clippy::unused_self, reason = "reads as one of the steps")]
    fn proven(&self, pushed: appsec_core::Result<PushOutcome>) -> Result<PushOutcome> {
        pushed.map_err(|error| {
            let partial = error.kind() == appsec_core::ErrorKind::Unsupported;
            let mut failure = Failure::from(error);
            if partial {
                failure.exit = Exit::Partial;
                failure.message.push_str("; --allow-unproven-closing pushes it all the same");
            }
            failure
        })
    }

    fn base_url(&self) -> Result<&str> {
        self.destination.base_url.as_deref().ok_or_else(|| self.lacks("base_url"))
    }

    fn token(&self) -> Result<secrecy::SecretString> {
        self.app.config.token_of(&self.args.to, self.destination)
    }

    fn lacks(&self, what: &str) -> Failure {
        Failure::usage(format!("[push.{}] lacks {what}", self.args.to))
    }

    async fn completeness(&self) -> Result<appsec_import::Completeness> {
        let run = self.store.last_run(self.binding).await.map_err(Failure::store)?;
        let run = run.ok_or_else(|| Failure::usage("the binding has no run that ended: import it first"))?;
        Ok(run.completeness())
    }

    /// The report in as many files as its reader's limits ask for.
    async fn report(&self, format: Format) -> Result<Vec<ReportFile>> {
        let mut files = Vec::new();
        let writer = ReportWriter::in_files(format, &self.options, |number| {
            let path = numbered(&self.file, number);
            let file = File::create(&path).map(BufWriter::new)?;
            files.push(ReportFile::from_path(path));
            Ok(file)
        })?;
        report::write(writer, self.store, self.binding).await?;
        Ok(files)
    }

    /// The list that Invicti takes.
    async fn list(&self) -> Result<()> {
        let failed = |error| Failure::output("the list of findings", &error);
        let mut writer = InvictiWriter::new(BufWriter::new(File::create(&self.file).map_err(failed)?))?;
        let mut after = 0;
        loop {
            let page = self.store.stored_findings(self.binding, Page { after, limit: PAGE }).await;
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
