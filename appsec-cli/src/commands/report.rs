//! `appsec report`: the findings of a binding in a format that other tools read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use appsec_import::report::{Format as ReportFormat, ReportOptions, ReportSummary, ReportWriter};
use appsec_import::{Binding, SqlStore, Store as _};
use serde_json::json;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::output::note;
use crate::selection::SelectionArgs;
use crate::vendors;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    binding: SelectionArgs,
    /// The format: sarif, gitlab, defectdojo, ocsf, csv or jsonl
    #[arg(short, long, value_name = "FORMAT", value_parser = format)]
    format: ReportFormat,
    /// The file [default: stdout]. A SARIF report that is too big for GitHub continues in FILE-2, FILE-3
    /// and so on
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn format(text: &str) -> Result<ReportFormat, String> {
    text.parse().map_err(|error: appsec_core::Error| error.message().to_owned())
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.select(app).await?;
    let store = app.store().await?;
    let options = options(&store, &binding).await?;
    for missing in options.missing() {
        note(format_args!("missing from the report: {missing}"));
    }
    let Some(path) = &args.out else {
        let closed = Arc::new(AtomicBool::new(false));
        let out = Stdout { closed: Arc::clone(&closed) };
        let written = match ReportWriter::new(args.format, &options, out) {
            Ok(report) => write(report, &store, &binding).await,
            Err(error) => Err(error.into()),
        };
        return match written {
            // A closed pipe is no error.
            Err(failure) if !closed.load(Ordering::Relaxed) => Err(failure),
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
            "{} findings, {} left out since the format holds only open ones",
            written.findings, written.omitted
        ));
    }
    Ok(Exit::Passed)
}

/// The options of a report: the scanner, and what the last run did not cover.
pub(super) async fn options(store: &SqlStore, binding: &Binding) -> Result<ReportOptions> {
    let mut options = ReportOptions::for_binding(binding);
    if let Some(vendor) = vendors::by_key(&binding.scanner) {
        options = options.with_scanner_name(vendor.name);
    }
    let run = store.last_run(binding).await.map_err(Failure::store)?;
    let run = run.ok_or_else(|| Failure::usage("no run of the binding has ended: import it first"))?;
    Ok(options.with_run(&run))
}

pub(super) async fn write(
    mut report: ReportWriter<'_>,
    store: &SqlStore,
    binding: &Binding,
) -> Result<ReportSummary> {
    report.write_binding(store, binding).await?;
    Ok(report.finish()?)
}

/// The path of a part of a report: `report.sarif`, `report-2.sarif`, …
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    if number < 2 {
        return path.to_path_buf();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension =
        path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{number}{extension}"))
}

/// Stdout, which notes that its reader has closed the pipe.
#[derive(Debug)]
struct Stdout {
    closed: Arc<AtomicBool>,
}

impl Stdout {
    fn check<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            self.closed.store(true, Ordering::Relaxed);
        }
        result
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check(io::stdout().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.check(io::stdout().lock().flush())
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
