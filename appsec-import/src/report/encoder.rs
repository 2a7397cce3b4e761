//! The interface of a report format.

use std::io;

use super::finding::ReportFinding;
use super::output::Output;
use crate::store::ReportParts;

/// Writes the document of one format: what comes before the findings, each finding, what comes after them.
pub(super) trait Encoder: Send {
    fn begin(&mut self, _out: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }
    fn write(&mut self, finding: &ReportFinding, out: &mut Output<'_>) -> io::Result<()>;
    fn finish(&mut self, _out: &mut Output<'_>) -> io::Result<()> {
        Ok(())
    }
    /// The number of findings whose host the reader would refuse.
    fn without_endpoint(&self) -> u64 {
        0
    }
    /// The most parts that reports of the binding have had, this one included.
    fn parts(&self) -> ReportParts {
        ReportParts::default()
    }
}
