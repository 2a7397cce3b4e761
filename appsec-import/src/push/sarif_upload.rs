//! Reads SARIF before it is uploaded: what GitHub would refuse, and its compressed form.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use appsec_core::{Error, ErrorKind, Result};
use base64::write::EncoderStringWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use super::report_file::ReportFile;
use crate::report::is_partial_category;

/// Refuses what GitHub would refuse, and what would close alerts without proof, before anything is sent.
pub(super) fn check(reports: &[ReportFile], max_bytes: u64, complete: bool) -> Result<()> {
    let mut categories = HashSet::new();
    for (number, report) in reports.iter().enumerate() {
        let compressed = compress(report, ByteCounter::default())?.0;
        if compressed > max_bytes {
            let message = format!(
                "report {} of {} has {compressed} bytes when compressed, and GitHub accepts {max_bytes}: split it",
                number + 1,
                reports.len()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        for run in runs(report)? {
            let category = run.automation_details.map(AutomationDetails::category).unwrap_or_default();
            if !complete && !is_partial_category(&category) {
                let message = format!(
                    "the report is incomplete, and its category {category:?} is that of complete reports: set the completeness when it is written"
                );
                return Err(Error::new(ErrorKind::InvalidRequest, message));
            }
            if !categories.insert((category.clone(), run.tool.driver.name)) {
                let message =
                    format!("two runs have the category {category:?}, and GitHub would keep only the last");
                return Err(Error::new(ErrorKind::InvalidRequest, message));
            }
        }
    }
    Ok(())
}

/// The members of a report that a push needs; the rest is skipped while it is read.
#[derive(Deserialize)]
struct Sarif {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    tool: Tool,
    automation_details: Option<AutomationDetails>,
}

#[derive(Deserialize)]
struct Tool {
    driver: Driver,
}

#[derive(Deserialize)]
struct Driver {
    name: String,
}

#[derive(Deserialize)]
struct AutomationDetails {
    #[serde(default)]
    id: String,
}

impl AutomationDetails {
    /// The part before the last slash; the rest is the id of the run.
    fn category(self) -> String {
        self.id.rsplit_once('/').map_or(self.id.clone(), |(category, _)| category.to_owned())
    }
}

fn runs(report: &ReportFile) -> Result<Vec<Run>> {
    let sarif: Sarif = serde_json::from_reader(report.reader()?).map_err(|cause| {
        Error::new(ErrorKind::InvalidRequest, format!("{report:?} is not SARIF")).with_source(cause)
    })?;
    Ok(sarif.runs)
}

/// The report, compressed, in Base64.
pub(super) fn compress_to_base64(report: &ReportFile) -> Result<String> {
    let encoder = EncoderStringWriter::new(&base64::engine::general_purpose::STANDARD);
    Ok(compress(report, encoder)?.into_inner())
}

fn compress<W: Write>(report: &ReportFile, out: W) -> Result<W> {
    let mut reader = report.reader()?;
    let mut encoder = GzEncoder::new(out, Compression::best());
    copy(&mut *reader, &mut encoder).and_then(|()| encoder.finish()).map_err(|cause| {
        Error::new(ErrorKind::InvalidRequest, format!("{report:?} cannot be read")).with_source(cause)
    })
}

fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    io::copy(from, to).map(|_| ())
}

/// Counts the bytes written to it.
#[derive(Default)]
struct ByteCounter(u64);

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
