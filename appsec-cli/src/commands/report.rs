//! `appsec report`: what is known of a binding, as others read it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use appsec_import::report::{Format as ReportFormat, ReportOptions, ReportSummary, ReportWriter};
use appsec_import::{Binding, SqlStore, Store as _};
use serde_json::json;

use crate::app::App;
use crate::binding::BindingArgs;
use crate::exit::{Exit, Failure, Result};
use crate::output::note;
use crate::scanners::Named;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: BindingArgs,
    /// sarif, gitlab, defectdojo, ocsf, csv or jsonl
    #[arg(short, long, value_name = "FORMAT", value_parser = format)]
    format: ReportFormat,
    /// The file; else stdout. A SARIF report that is too big for GitHub goes on in FILE-2, FILE-3 and so on
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn format(text: &str) -> Result<ReportFormat, String> {
    text.parse().map_err(|error: appsec_core::Error| error.message().to_owned())
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let (named, binding) = args.binding.resolve(app).await?;
    let store = app.store().await?;
    let options = options(&store, &named, &binding).await?;
    for missing in options.missing() {
        note(format_args!("missing from the report: {missing}"));
    }
    let Some(path) = &args.out else {
        let gone = Arc::new(AtomicBool::new(false));
        let out = Stdout(Arc::clone(&gone));
        let written = match ReportWriter::new(args.format, &options, out) {
            Ok(report) => write(report, &store, &binding).await,
            Err(error) => Err(error.into()),
        };
        return match written {
            // A reader that has gone has what it wanted.
            Err(failure) if !gone.load(Ordering::Relaxed) => Err(failure),
            _ => Ok(Exit::Passed),
        };
    };
    let mut files = Vec::new();
    let report = ReportWriter::in_files(args.format, &options, |number| {
        let path = numbered(path, number);
        let file = File::create(&path).map(BufWriter::new)?;
        files.push(path);
        Ok(file)
    });
    let written = write(report?, &store, &binding).await?;
    if app.out.is_json() {
        app.out.json(&json!({
            "format": args.format.as_str(),
            "files": files,
            "findings": written.findings,
            "omitted": written.omitted,
            "bytes": written.bytes,
        }))?;
    } else {
        for file in &files {
            app.out.line(file.display())?;
        }
        note(format_args!(
            "{} findings, {} left out since the format holds open ones only",
            written.findings, written.omitted
        ));
    }
    Ok(Exit::Passed)
}

/// What the report says of itself: the scanner, and what the last run did not see.
pub(super) async fn options(store: &SqlStore, named: &Named, binding: &Binding) -> Result<ReportOptions> {
    let mut options = ReportOptions::for_binding(binding);
    let key = named.connection.scanner.key();
    if binding.scanner != key {
        // Two connections to one kind of scanner are two targets to whoever compares reports.
        let target = format!("{}/{}", binding.scanner, options.target());
        options = options.with_target(target);
    }
    let options = options.with_scanner(key);
    let run = store.last_run(binding).await.map_err(Failure::store)?;
    let run = run.ok_or_else(|| Failure::usage("the binding has no run that ended: import it first"))?;
    Ok(options.with_scanner_name(named.connection.scanner.name()).with_run(&run))
}

pub(super) async fn write(
    mut report: ReportWriter<'_>,
    store: &SqlStore,
    binding: &Binding,
) -> Result<ReportSummary> {
    report.write_binding(store, binding).await?;
    Ok(report.finish()?)
}

/// `report.sarif`, `report-2.sarif`, …
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number < 2 {
        return path.to_path_buf();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let end = path.extension().map(|end| format!(".{}", end.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{number}{end}"))
}

/// Stdout, which notes when whoever reads it has gone.
#[derive(Debug)]
struct Stdout(Arc<AtomicBool>);

impl Stdout {
    fn seen<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.0.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.seen(io::stdout().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.seen(io::stdout().lock().flush())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_report_are_numbered() {
        assert_eq!(numbered(Path::new("a/x.sarif"), 1), Path::new("a/x.sarif"));
        assert_eq!(numbered(Path::new("a/x.sarif"), 2), Path::new("a/x-2.sarif"));
    }
}
