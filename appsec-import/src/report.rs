//! Reports: findings as others read them, written as a stream.

mod csv;
mod defectdojo;
mod finding;
mod format;
mod gitlab;
mod http;
mod jsonl;
mod ocsf;
mod options;
mod out;
mod place;
mod sarif;
mod spill;
mod text;

use std::fmt;
use std::io::{self, Write};

use appsec_core::{Error, ErrorKind, Result};

use self::out::Out;
use crate::binding::Binding;
use crate::store::{Page, Store};

pub use self::finding::ReportFinding;
pub use self::format::Format;
pub use self::jsonl::finding_schema;
pub use self::options::{GitLabVersion, OcsfClass, ReportOptions};

/// Findings read from a store at a time: few, since each comes with its evidence.
const PAGE: u32 = 64;

/// What a report came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Findings in it.
    pub findings: u64,
    /// Findings that its format has no word for, so that its reader would take them for open ones; see [`Format::holds`].
    pub left_out: u64,
    /// Files.
    pub files: u32,
    /// Bytes, all files together.
    pub bytes: u64,
}

/// Writes a report, finding by finding. Memory does not grow with the number of findings.
///
/// ```
/// use appsec_core::Severity;
/// use appsec_core::testing::MemoryScanner;
/// use appsec_import::report::{Format, ReportFinding, ReportOptions, ReportWriter};
///
/// let finding = MemoryScanner::finding("app:shop", "SQL injection", Severity::High, "https://shop.example.com/search");
/// let mut bytes = Vec::new();
/// let mut report = ReportWriter::new(Format::Sarif, &ReportOptions::new("memory", "shop"), &mut bytes)?;
/// report.write(&ReportFinding::new(finding))?;
/// assert_eq!(report.finish()?.findings, 1);
/// # Ok::<(), appsec_core::Error>(())
/// ```
///
/// A report whose writer was dropped without [`ReportWriter::finish`] is cut off, and no reader takes it for a whole one, CSV and
/// the two formats of one record to a line excepted.
pub struct ReportWriter<'a> {
    out: Out<'a>,
    format: Format,
    encoder: Box<dyn Encoder>,
    written: Written,
}

/// A format at work.
trait Encoder: Send {
    fn begin(&mut self, _out: &mut Out<'_>) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, finding: &ReportFinding, out: &mut Out<'_>) -> io::Result<()>;
    fn finish(&mut self, _out: &mut Out<'_>) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> ReportWriter<'a> {
    /// A report in one file, whatever its size.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn new(format: Format, options: &ReportOptions, out: impl Write + Send + 'a) -> Result<Self> {
        Self::begin(format, options, Out::one(out))
    }

    /// A report in as many files as its reader's limits ask for. `create` is given their numbers, from 1.
    ///
    /// Only SARIF is ever split: GitHub takes up to 10 MB and 20 runs at a time. A file holds the worst findings of those
    /// that are left; each is an upload of its own, and so is each category within.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn in_files<W: Write + Send + 'a>(
        format: Format,
        options: &ReportOptions,
        create: impl FnMut(u32) -> io::Result<W> + Send + 'a,
    ) -> Result<Self> {
        Self::begin(format, options, Out::many(create))
    }

    fn begin(format: Format, options: &ReportOptions, out: Out<'a>) -> Result<Self> {
        let encoder: Box<dyn Encoder> = match format {
            Format::Sarif => Box::new(sarif::Sarif::new(options)),
            Format::GitLab => Box::new(gitlab::GitLab::new(options)),
            Format::DefectDojo => Box::new(defectdojo::DefectDojo::new(options)),
            Format::Ocsf => Box::new(ocsf::Ocsf::new(options)),
            Format::Csv => Box::new(csv::Csv),
            Format::JsonLines => Box::new(jsonl::JsonLines),
        };
        let mut report = Self { out, format, encoder, written: Written::default() };
        report.out.next_file().map_err(unwritten)?;
        report.encoder.begin(&mut report.out).map_err(unwritten)?;
        Ok(report)
    }

    /// Adds a finding, or counts it as left out where the format does not hold its state.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn write(&mut self, finding: &ReportFinding) -> Result<()> {
        if !self.format.holds(finding.state) {
            self.written.left_out += 1;
            return Ok(());
        }
        self.encoder.write(finding, &mut self.out).map_err(unwritten)?;
        self.written.findings += 1;
        Ok(())
    }

    /// Adds the findings of a store's line, page by page, and says how many it read.
    ///
    /// # Errors
    /// Those of the store; `Unexpected` when the output cannot be written to.
    pub async fn write_line(&mut self, store: &dyn Store, line: &Binding) -> Result<u64> {
        let (mut read, mut after) = (0, 0);
        loop {
            let page = store.stored_findings(line, Page { after, limit: PAGE }).await?;
            let Some(last) = page.last() else { return Ok(read) };
            after = last.number;
            for stored in page {
                self.write(&stored.into())?;
                read += 1;
            }
        }
    }

    /// Writes what belongs at the end.
    ///
    /// # Errors
    /// `Unexpected` when the output cannot be written to.
    pub fn finish(mut self) -> Result<Written> {
        self.encoder.finish(&mut self.out).map_err(unwritten)?;
        self.out.close().map_err(unwritten)?;
        (self.written.files, self.written.bytes) = (self.out.files(), self.out.bytes());
        Ok(self.written)
    }
}

impl fmt::Debug for ReportWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReportWriter")
            .field("format", &self.format)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

fn unwritten(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the report could not be written")
        .with_operation("report")
        .with_source(cause)
}
