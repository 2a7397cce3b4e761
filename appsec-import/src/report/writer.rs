//! Writes a report, one finding at a time.

use std::fmt;
use std::io::{self, Write};

use appsec_core::{Error, ErrorKind, ErrorOrigin, Result};

use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::format::Format;
use super::options::ReportOptions;
use super::output::Output;
use super::{csv, defectdojo, gitlab, jsonl, ocsf, sarif};
use crate::binding::Binding;
use crate::store::{Page, ReportParts, Store};

/// The number of findings read from a store at a time. It is low because each comes with its evidence.
const PAGE: u32 = 64;

/// What a finished report contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportSummary {
    /// The number of findings written.
    pub findings: u64,
    /// The number of findings left out because the format cannot express their state, so that a reader of
    /// the report would take them for open ones; see [`Format::includes`].
    pub omitted: u64,
    /// The number of files.
    pub files: u32,
    /// The size of all files together, in bytes.
    pub bytes: u64,
    /// The number of findings without an endpoint, since `DefectDojo` refuses a host such as theirs.
    pub without_endpoint: u64,
    /// The most parts that SARIF reports of the binding have had, this one included. Record them before the
    /// report is published: [`Store::raise_report_parts`].
    pub parts: ReportParts,
}

/// Writes a report, finding by finding. Memory does not grow with the number of findings.
///
/// ```
/// use appsec_core::Severity;
/// use appsec_core::testing::MemoryScanner;
/// use appsec_import::report::{Format, ReportFinding, ReportOptions, ReportWriter};
///
/// let url = "https://shop.example.com/search";
/// let finding = MemoryScanner::finding("app:shop", "SQL injection", Severity::High, url);
/// let mut bytes = Vec::new();
/// let mut report = ReportWriter::new(Format::Sarif, &ReportOptions::new("memory", "shop"), &mut bytes)?;
/// report.write(&ReportFinding::new(finding))?;
/// assert_eq!(report.finish()?.findings, 1);
/// # Ok::<(), appsec_core::Error>(())
/// ```
///
/// A report whose writer is dropped without [`ReportWriter::finish`] is truncated. Readers reject such a
/// file, except in CSV and in the two formats with one record per line, where it looks complete.
pub struct ReportWriter<'a> {
    out: Output<'a>,
    format: Format,
    encoder: Box<dyn Encoder>,
    summary: ReportSummary,
}

impl<'a> ReportWriter<'a> {
    /// Begins a report in one file, whatever its size.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn new(format: Format, options: &ReportOptions, out: impl Write + Send + 'a) -> Result<Self> {
        Self::begin(format, options, Output::single(out))
    }

    /// Begins a report in as many files as the limits of its reader require. `create` receives the number
    /// of each file, from 1.
    ///
    /// Only SARIF is ever split: GitHub takes up to 10 MB and 20 runs at a time. The first file has the
    /// worst findings, the next file the worst of the rest. Each file is an upload of its own, and its
    /// runs have categories of their own.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn in_files<W: Write + Send + 'a>(
        format: Format,
        options: &ReportOptions,
        create: impl FnMut(u32) -> io::Result<W> + Send + 'a,
    ) -> Result<Self> {
        Self::begin(format, options, Output::split(create))
    }

    fn begin(format: Format, options: &ReportOptions, out: Output<'a>) -> Result<Self> {
        let encoder: Box<dyn Encoder> = match format {
            Format::Sarif => Box::new(sarif::Sarif::new(options)),
            Format::GitLab => Box::new(gitlab::GitLab::new(options)),
            Format::DefectDojo => Box::new(defectdojo::DefectDojo::new(options)),
            Format::Ocsf => Box::new(ocsf::Ocsf::new(options)),
            Format::Csv => Box::new(csv::Csv::new(options)),
            Format::JsonLines => Box::new(jsonl::JsonLines),
        };
        let mut report = Self { out, format, encoder, summary: ReportSummary::default() };
        report.out.next_file().map_err(write_error)?;
        report.encoder.begin(&mut report.out).map_err(write_error)?;
        Ok(report)
    }

    /// Adds a finding, or counts it as omitted where the format does not include its state.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn write(&mut self, finding: &ReportFinding) -> Result<()> {
        if !self.format.includes(finding.state) {
            self.summary.omitted += 1;
            return Ok(());
        }
        self.encoder.write(finding, &mut self.out).map_err(write_error)?;
        self.summary.findings += 1;
        Ok(())
    }

    /// Adds all findings of a binding from a store, page by page. Returns the number of findings read.
    ///
    /// # Errors
    /// Those of the store; `Unexpected` when the output cannot be written to.
    pub async fn write_binding(&mut self, store: &dyn Store, binding: &Binding) -> Result<u64> {
        let (mut read, mut after) = (0, 0);
        loop {
            let page = store.stored_findings(binding, Page { after, limit: PAGE }).await?;
            let Some(last) = page.last() else { return Ok(read) };
            after = last.number;
            for stored in page {
                self.write(&stored.into())?;
                read += 1;
            }
        }
    }

    /// Writes the end of the report.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn finish(mut self) -> Result<ReportSummary> {
        self.encoder.finish(&mut self.out).map_err(write_error)?;
        self.out.close().map_err(write_error)?;
        (self.summary.files, self.summary.bytes) = (self.out.files(), self.out.bytes());
        self.summary.parts = self.encoder.parts();
        self.summary.without_endpoint = self.encoder.without_endpoint();
        Ok(self.summary)
    }
}

impl fmt::Debug for ReportWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportWriter")
            .field("format", &self.format)
            .field("summary", &self.summary)
            .finish_non_exhaustive()
    }
}

fn write_error(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the report could not be written")
        .with_operation("report")
        .with_origin(ErrorOrigin::Report)
        .with_source(cause)
}
