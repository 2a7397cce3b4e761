//! Findings of a report that was saved to a file.

use std::fmt;
use std::io::{ErrorKind as IoErrorKind, Read, Seek, SeekFrom};

use appsec_core::{Error, ErrorKind, Finding, FindingQuery, Result, ScanId, ScanProblem, Timestamp};
use appsec_http::json::{Limits, SplitError, Splitter};
use appsec_http::{ArrayPath, Element};
use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use super::finding_filter::FindingFilter;
use super::rule_cache::ScanRuleCache;
use crate::TenableWasClient;
use crate::map::{FindingContext, Profile, scan_partition};
use crate::model::{ApiTimestamp, ReportFinding, ScanReport};

const OPERATION: &str = "tenable: read saved report";

/// The number of bytes read from the file at once.
const READ_BYTES: usize = 64 * 1024;

impl ScanReport {
    /// Reads a JSON report that was saved to a file by
    /// [`save_report`](crate::TenableWasClient::save_report) or by the vendor's web interface. Its
    /// findings equal those that the client reads from the scan itself: they have the same
    /// fingerprints, partition and texts.
    ///
    /// The file is read twice. The first read collects what is beside the findings, wherever in the file it
    /// is. So a truncated file is refused before its first finding, and the memory needed does not
    /// depend on the number of findings. The reads block: in async code, call this where blocking is
    /// allowed, such as in Tokio's `spawn_blocking`. To read bytes in memory, pass a
    /// [`std::io::Cursor`].
    ///
    /// ```no_run
    /// use tenable_was_client::model::ScanReport;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut report = ScanReport::read(std::fs::File::open("report.json")?)?;
    /// for finding in report.findings() {
    ///     println!("{}", finding?.fingerprint);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Decode` if the file is not a complete report, or the report does not name its configuration;
    /// `Unexpected` if the file cannot be read.
    pub fn read<R: Read + Seek>(mut reader: R) -> Result<SavedReport<R>> {
        let start = reader.stream_position().map_err(read_error)?;
        let mut records = ReportRecords::new(&mut reader);
        while records.next()?.is_some() {}
        let rest = records.finish()?;
        let report =
            ScanReport::from_rest(rest.as_deref().map(RawValue::get).unwrap_or_default(), OPERATION)?;
        let context = finding_context(&report)?;
        Ok(SavedReport { reader, start, report, context })
    }
}

/// A JSON report in a file. [`ScanReport::read`] makes it.
pub struct SavedReport<R> {
    reader: R,
    start: u64,
    report: ScanReport,
    context: FindingContext,
}

impl<R: Read + Seek> SavedReport<R> {
    /// Returns the report without its findings.
    pub fn report(&self) -> &ScanReport {
        &self.report
    }

    /// Returns the problems that the scan's notes report. A problem that limits a scan also limits what the
    /// absence of a finding means.
    pub fn problems(&self) -> Vec<ScanProblem> {
        self.report.notes.iter().map(ScanProblem::from).collect()
    }

    /// Returns the findings one by one, with masked evidence. Each call starts at the first finding.
    pub fn findings(&mut self) -> SavedFindings<'_, R> {
        self.findings_as(&FindingQuery::all())
    }

    /// Returns the findings that a query admits, in the form that it asks for. Its scope is ignored,
    /// because a report covers one scan of one target.
    pub fn findings_as(&mut self, query: &FindingQuery) -> SavedFindings<'_, R> {
        let Self { reader, start, report: _, context } = self;
        let seek = reader.seek(SeekFrom::Start(*start)).map_err(read_error);
        SavedFindings {
            seek_error: seek.err(),
            records: Some(ReportRecords::new(reader)),
            index: 0,
            context,
            rules: ScanRuleCache::default(),
            filter: FindingFilter::new(query),
        }
    }
}

/// Shows the scan of the report.
impl<R> fmt::Debug for SavedReport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedReport").field("scan", &self.report.scan).finish_non_exhaustive()
    }
}

/// An iterator over the findings of a report in a file.
///
/// A record that cannot be decoded is an error with its path; the iterator continues after it. Any other
/// error is the last item.
pub struct SavedFindings<'a, R> {
    seek_error: Option<Error>,
    /// `None` after the end.
    records: Option<ReportRecords<'a, R>>,
    index: u64,
    context: &'a FindingContext,
    rules: ScanRuleCache,
    filter: FindingFilter,
}

impl<R: Read> SavedFindings<'_, R> {
    /// Returns the next record, or `None` at the end of the report. A file that ends before its report is
    /// an error.
    fn next_record(&mut self) -> Result<Option<Element<'static>>> {
        if let Some(error) = self.seek_error.take() {
            return Err(error);
        }
        let Some(records) = &mut self.records else { return Ok(None) };
        let Some(bytes) = records.next()? else {
            return match self.records.take() {
                Some(records) => records.finish().map(|_| None),
                None => Ok(None),
            };
        };
        let index = self.index;
        self.index += 1;
        Ok(Some(Element::new(index, bytes)))
    }
}

impl<R: Read> Iterator for SavedFindings<'_, R> {
    type Item = Result<Finding>;

    fn next(&mut self) -> Option<Result<Finding>> {
        loop {
            let element = match self.next_record() {
                Ok(element) => element?,
                Err(error) => {
                    self.records = None;
                    return Some(Err(error));
                }
            };
            let record = match element.json::<ReportFinding>(OPERATION) {
                Ok(record) => record,
                Err(error) => return Some(Err(error)),
            };
            let finding = self.rules.report_finding(self.context.clone(), &record);
            if let Some(finding) = self.filter.apply(finding, &element.bytes) {
                return Some(Ok(finding));
            }
        }
    }
}

impl<R> fmt::Debug for SavedFindings<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedFindings").field("index", &self.index).finish_non_exhaustive()
    }
}

/// The records of a report, split while the file is read.
struct ReportRecords<'a, R> {
    reader: &'a mut R,
    splitter: Splitter,
}

impl<'a, R: Read> ReportRecords<'a, R> {
    fn new(reader: &'a mut R) -> Self {
        Self { reader, splitter: Splitter::new(ArrayPath::Field("findings"), Limits::new()) }
    }

    /// Returns the next record, or `None` at the end of the file, even if the report is incomplete there.
    fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(record) = self.splitter.next_element().map_err(incomplete_report)? {
                return Ok(Some(record));
            }
            let mut buffer = BytesMut::zeroed(READ_BYTES);
            let length = loop {
                match self.reader.read(&mut buffer) {
                    Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                    result => break result.map_err(read_error)?,
                }
            };
            if length == 0 {
                return Ok(None);
            }
            buffer.truncate(length);
            self.splitter.feed(buffer.freeze());
        }
    }

    /// Returns what is beside the records. It is an error if the report is incomplete.
    fn finish(self) -> Result<Option<Box<RawValue>>> {
        self.splitter.finish().map_err(incomplete_report)
    }
}

/// Returns what the findings have in common, with the same values as if it were read from the scan itself.
fn finding_context(report: &ScanReport) -> Result<FindingContext> {
    let config = report.config.as_ref().and_then(|config| config.config_id).ok_or_else(|| {
        Error::new(ErrorKind::Decode, "the report does not name its configuration")
            .with_operation(OPERATION)
            .with_path("config.config_id")
    })?;
    let scan = report.scan.as_ref();
    let at = |moment: Option<&ApiTimestamp>| moment.and_then(ApiTimestamp::timestamp);
    let ended: Option<Timestamp> = at(scan.and_then(|scan| scan.finalized_at.as_ref()));
    Ok(FindingContext {
        scanner: TenableWasClient::KEY.into(),
        partition: scan_partition(config, scan.and_then(|scan| scan.target.as_deref())),
        profile: Profile::of_report(report).map(|profile| profile.key()),
        targets: vec![config.into()],
        scan: scan.and_then(|scan| scan.scan_id).map(|id| ScanId::new(id.to_string())),
        seen_at: ended.or_else(|| at(scan.and_then(|scan| scan.started_at.as_ref()))),
    })
}

fn incomplete_report(error: SplitError) -> Error {
    Error::new(ErrorKind::Decode, format!("the file is not a complete JSON report of a scan: {error}"))
        .with_operation(OPERATION)
}

fn read_error(cause: std::io::Error) -> Error {
    Error::new(ErrorKind::Unexpected, "the report cannot be read")
        .with_operation(OPERATION)
        .with_source(cause)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use appsec_core::Severity;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";

    fn finding(number: u64) -> Value {
        json!({"plugin_id": 98_000 + number % 3, "name": "XSS", "risk_factor": if number.is_multiple_of(2) { "high" } else { "low" },
            "uri": format!("https://shop.example.com/{number}"), "output": "x".repeat(1000)})
    }

    fn report(findings: impl Into<Value>) -> Value {
        json!({"findings": findings.into(), "config": {"config_id": ID}, "scan": {"scan_id": ID, "asset_id": ID, "target": "https://shop.example.com",
            "finalized_at": "2026-10-01T01:10:00.4+00:00"}, "template": {"name": "scan"},
            "notes": [{"severity": "info", "title": "Scan Time Limit Reached", "message": "x"}]})
    }

    fn read(json: &Value) -> Result<SavedReport<Cursor<String>>> {
        ScanReport::read(Cursor::new(json.to_string()))
    }

    #[test]
    fn each_call_returns_the_findings_from_the_beginning() {
        let mut saved = read(&report((0..200).map(finding).collect::<Vec<_>>())).unwrap();
        for _ in 0..2 {
            let found: Vec<Finding> = saved.findings().map(Result::unwrap).collect();
            assert_eq!(found.len(), 200, "over several blocks of the file");
            assert_eq!(found[7].location.path, "/7");
            assert_eq!(found[0].partition.as_str(), format!("config:{ID}/target:https://shop.example.com/"));
            assert_eq!(found[0].profile.as_ref().unwrap().as_str(), "template scan");
            assert!(std::sync::Arc::ptr_eq(&found[0].rule, &found[3].rule), "findings of a plugin share it");
        }
        assert!(saved.problems()[0].kind.limits_results());
    }

    #[test]
    fn a_finding_is_returned_before_the_next_block_of_the_file_is_read() {
        let json = report((0..1000).map(finding).collect::<Vec<_>>()).to_string();
        let mut saved = ScanReport::read(Cursor::new(json)).unwrap();
        assert!(saved.reader.position() > 1_000_000, "read once to its end");
        saved.findings().next().unwrap().unwrap();
        assert_eq!(saved.reader.position(), READ_BYTES as u64);
    }

    #[test]
    fn a_query_filters_findings_and_chooses_their_form() {
        let mut saved = read(&report((0..4).map(finding).collect::<Vec<_>>())).unwrap();
        let query = FindingQuery::all().with_severities([Severity::High]).with_raw(true);
        let found: Vec<Finding> = saved.findings_as(&query).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].raw.as_ref().unwrap()["plugin_id"], json!(98_000));
    }

    #[test]
    fn a_report_that_starts_within_a_file_is_read_from_there() {
        let mut file = Cursor::new(format!("##{}", report(vec![finding(1)])));
        file.set_position(2);
        let mut saved = ScanReport::read(file).unwrap();
        assert_eq!((saved.findings().count(), saved.findings().count()), (1, 1));
    }

    #[test]
    fn an_undecodable_record_is_an_error_and_does_not_end_the_iterator() {
        let mut saved = read(&report(vec![finding(0), json!({"plugin_id": {}}), finding(2)])).unwrap();
        let found: Vec<Result<Finding>> = saved.findings().collect();
        assert_eq!(found.iter().filter(|found| found.is_ok()).count(), 2);
        let error = found[1].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Decode, Some("[1].plugin_id")));
    }

    #[test]
    fn an_incomplete_report_is_refused_before_its_first_finding() {
        let whole = report(vec![finding(0), finding(1)]).to_string();
        for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
            let error = ScanReport::read(Cursor::new(&whole[..cut])).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode, "{cut}");
        }
        let mut unnamed = report(Vec::<Value>::new());
        unnamed["config"] = json!({});
        let error = read(&unnamed).unwrap_err();
        assert_eq!(error.path(), Some("config.config_id"));
        for other in [json!([]), json!({"findings": {}}), json!({"config": {"config_id": ID}})] {
            assert_eq!(read(&other).unwrap_err().kind(), ErrorKind::Decode, "{other}");
        }
    }

    #[test]
    fn a_file_that_is_truncated_between_its_reads_ends_in_an_error() {
        let mut saved = read(&report((0..200).map(finding).collect::<Vec<_>>())).unwrap();
        saved.reader.get_mut().truncate(100_000);
        let last = saved.findings().last().unwrap();
        assert_eq!(last.unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(saved.findings().filter(Result::is_err).count(), 1, "once");
    }
}
