//! `appsec report`: the findings of a binding in a format that other tools read.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
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
    /// and so on; such files of an earlier, bigger report are removed
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// For csv: begin with a byte order mark, which Excel needs to recognise UTF-8
    #[arg(long)]
    byte_order_mark: bool,
    /// For defectdojo: write all CWEs of a finding; servers before 2026-07-14 abort the import then
    #[arg(long)]
    cwes: bool,
    /// For defectdojo: the service of the findings, a part of the product; name it in the import too
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
}

/// The number of bytes by which a SARIF file of ours is recognised.
const FILE_HEAD: u64 = 1_024;

fn format(text: &str) -> Result<ReportFormat, String> {
    text.parse().map_err(|error: appsec_core::Error| error.message().to_owned())
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let binding = args.binding.select(app).await?;
    let store = app.existing_store().await?;
    let mut options =
        options(&store, &binding).await?.with_byte_order_mark(args.byte_order_mark).with_cwe_list(args.cwes);
    if let Some(service) = &args.service {
        options = options.with_service(service);
    }
    for missing in options.missing() {
        note(format_args!("missing from the report: {missing}"));
    }
    let Some(path) = &args.out else {
        let closed = Arc::new(AtomicBool::new(false));
        let out = Stdout { closed: Arc::clone(&closed) };
        let written = match ReportWriter::new(args.format, &options, out) {
            Ok(report) => write(report, &store, &binding, &options).await,
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
    let written = write(report?, &store, &binding, &options).await?;
    if args.format == ReportFormat::Sarif {
        remove_later_parts(path, written.files)?;
    }
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
    let parts = store.report_parts(binding).await.map_err(Failure::store)?;
    Ok(options.with_run(&run).with_earlier_parts(parts))
}

/// Writes the findings of the binding, and records the parts of the report before it can be published.
pub(super) async fn write(
    mut report: ReportWriter<'_>,
    store: &SqlStore,
    binding: &Binding,
    options: &ReportOptions,
) -> Result<ReportSummary> {
    report.write_binding(store, binding).await?;
    let written = report.finish()?;
    if written.without_endpoint > 0 {
        note(format_args!(
            "findings without an endpoint, since DefectDojo refuses their hosts: {}",
            written.without_endpoint
        ));
    }
    let (known, parts) = (options.earlier_parts(), written.parts);
    // One whole part is written in any case, so that it need not be known.
    if parts.whole.max(1) > known.whole.max(1) || parts.partial > known.partial {
        store.raise_report_parts(binding, parts).await.map_err(Failure::store)?;
    }
    Ok(written)
}

/// Removes the files after the last one of this report, which an earlier, bigger report left. Whoever uploads
/// all of them would upload outdated findings. A file that is no such report stays.
fn remove_later_parts(path: &Path, files: u32) -> Result<()> {
    let mut number = files + 1;
    loop {
        let part = numbered(path, number);
        let read = File::open(&part).and_then(|mut file| {
            let mut head = Vec::new();
            Read::by_ref(&mut file).take(FILE_HEAD).read_to_end(&mut head)?;
            Ok(head)
        });
        if !read.is_ok_and(|head| head.starts_with(b"{\"$schema\"") && is_own_report(&head)) {
            return Ok(());
        }
        fs::remove_file(&part).map_err(|error| Failure::output(part.display(), &error))?;
        note(format_args!("removed {}, which an earlier, bigger report left", part.display()));
        number += 1;
    }
}

/// Whether a SARIF file that begins like this has our categories.
fn is_own_report(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).contains(r#"{"automationDetails":{"id":"appsec/"#)
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

    #[test]
    fn files_of_a_bigger_report_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.sarif");
        let options = ReportOptions::new("was", "shop");
        let ours = |number| {
            let file = File::create(numbered(&path, number)).unwrap();
            ReportWriter::new(ReportFormat::Sarif, &options, file).unwrap().finish().unwrap();
        };
        (1..=4).for_each(ours);
        fs::write(numbered(&path, 5), "{\"$schema\":\"https://example.org\"}").unwrap();
        ours(6);
        remove_later_parts(&path, 1).unwrap();
        let left: Vec<_> = (1..=6).map(|number| numbered(&path, number).exists()).collect();
        assert_eq!(left, [true, false, false, false, true, true]);
    }
}
