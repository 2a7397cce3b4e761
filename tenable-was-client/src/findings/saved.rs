//! Findings of a report that was saved to a file.

use std::fmt;
use std::io::{ErrorKind as IoErrorKind, Read, Seek, SeekFrom};

use appsec_core::{Error, ErrorKind, Finding, FindingQuery, Result, ScanId, ScanProblem, Timestamp};
use appsec_http::splitter::{Limits, SplitError, Splitter};
use appsec_http::{At, Element};
use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use super::output::Wanted;
use super::rules::Rules;
use crate::TenableWasClient;
use crate::map::{Common, partition_of_scan, problem_of_note};
use crate::model::{ApiTimestamp, ReportFinding, ScanReport};

const OPERATION: &str = "tenable: read saved report";

/// How much is read at once, in bytes.
const PIECE: usize = 64 * 1024;

impl ScanReport {
    /// Reads a JSON report that was saved to a file, as [`save_report`](crate::TenableWasClient::save_report) or the vendor's web interface
    /// writes it. Its findings are those that the scan's own would be: with the same fingerprints, partition and texts.
    ///
    /// The file is read twice, first for what stands beside the findings, wherever in the file that is. So a file that was cut is refused
    /// before its first finding, and the memory needed does not depend on how many there are. This blocks, as files do: from async code call
    /// it where blocking is allowed, as in Tokio's `spawn_blocking`. Bytes in memory are read through [`std::io::Cursor`].
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
    /// `Decode` for what is no whole report, or one that does not name its configuration; `Unexpected` where it cannot be read.
    pub fn read<R: Read + Seek>(mut reader: R) -> Result<SavedReport<R>> {
        let begin = reader.stream_position().map_err(unreadable)?;
        let mut pieces = Pieces::new(&mut reader);
        while pieces.next()?.is_some() {}
        let report = beside(pieces.finish()?.as_deref())?;
        let common = common(&report)?;
        Ok(SavedReport { reader, begin, report, common })
    }
}

/// A JSON report in a file, made by [`ScanReport::read`].
pub struct SavedReport<R> {
    reader: R,
    begin: u64,
    report: ScanReport,
    common: Common,
}

impl<R: Read + Seek> SavedReport<R> {
    /// What stands beside the findings.
    pub fn report(&self) -> &ScanReport {
        &self.report
    }

    /// What the scanner's remarks tell of. What limits a scan limits what follows from a finding that is not there.
    pub fn problems(&self) -> Vec<ScanProblem> {
        self.report.notes.iter().map(problem_of_note).collect()
    }

    /// The findings, one by one, with their evidence masked. Each call begins anew.
    pub fn findings(&mut self) -> SavedFindings<'_, R> {
        self.findings_as(&FindingQuery::all())
    }

    /// The findings that a query lets through, in the form it asks for. Its scope is of no matter: a report is of one run over one target.
    pub fn findings_as(&mut self, query: &FindingQuery) -> SavedFindings<'_, R> {
        let Self { reader, begin, report: _, common } = self;
        let start = reader.seek(SeekFrom::Start(*begin)).map(|_| ()).map_err(unreadable);
        SavedFindings {
            failed: start.err(),
            pieces: Some(Pieces::new(reader)),
            index: 0,
            common,
            rules: Rules::default(),
            wanted: Wanted::new(query),
        }
    }
}

/// Shows whose report it is.
impl<R> fmt::Debug for SavedReport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedReport").field("scan", &self.report.scan).finish_non_exhaustive()
    }
}

/// The findings of a report in a file, one by one.
///
/// A record that cannot be decoded is an error with its path, and the next call goes on after it. Any other error is the last item.
pub struct SavedFindings<'a, R> {
    failed: Option<Error>,
    /// `None` after the end.
    pieces: Option<Pieces<'a, R>>,
    index: u64,
    common: &'a Common,
    rules: Rules,
    wanted: Wanted,
}

impl<R: Read> SavedFindings<'_, R> {
    /// The next record; `None` at the end, which is the report's own.
    fn record(&mut self) -> Result<Option<Element<'static>>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(pieces) = &mut self.pieces else { return Ok(None) };
        let Some(bytes) = pieces.next()? else {
            return match self.pieces.take() {
                Some(pieces) => pieces.finish().map(|_| None),
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
            let element = match self.record() {
                Ok(element) => element?,
                Err(error) => {
                    self.pieces = None;
                    return Some(Err(error));
                }
            };
            let record = match element.json::<ReportFinding>(OPERATION) {
                Ok(record) => record,
                Err(error) => return Some(Err(error)),
            };
            let finding = self.rules.finding(self.common.clone(), &record);
            if let Some(finding) = self.wanted.finish(finding, &element.bytes) {
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

/// The records of a report, found while it is read.
struct Pieces<'a, R> {
    reader: &'a mut R,
    splitter: Splitter,
}

impl<'a, R: Read> Pieces<'a, R> {
    fn new(reader: &'a mut R) -> Self {
        Self { reader, splitter: Splitter::new(At::Field("findings"), Limits::new()) }
    }

    /// The next record; `None` where the file ends, wherever that is.
    fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(record) = self.splitter.next_element().map_err(no_report)? {
                return Ok(Some(record));
            }
            let mut piece = BytesMut::zeroed(PIECE);
            let length = loop {
                match self.reader.read(&mut piece) {
                    Err(error) if error.kind() == IoErrorKind::Interrupted => {}
                    result => break result.map_err(unreadable)?,
                }
            };
            if length == 0 {
                return Ok(None);
            }
            piece.truncate(length);
            self.splitter.feed(piece.freeze());
        }
    }

    /// What stands beside the records.
    fn finish(self) -> Result<Option<Box<RawValue>>> {
        self.splitter.finish().map_err(no_report)
    }
}

fn beside(rest: Option<&RawValue>) -> Result<ScanReport> {
    ScanReport::from_rest(rest.map(RawValue::get).unwrap_or_default(), OPERATION)
}

/// What the findings have in common, as it would be read from the scan itself.
fn common(report: &ScanReport) -> Result<Common> {
    let config = report.config.as_ref().and_then(|config| config.config_id).ok_or_else(|| {
        Error::new(ErrorKind::Decode, "the report does not name its configuration")
            .with_operation(OPERATION)
            .with_path("config.config_id")
    })?;
    let scan = report.scan.as_ref();
    let template = report.template.as_ref().and_then(|template| template.name.as_deref());
    let at = |moment: Option<&ApiTimestamp>| moment.and_then(ApiTimestamp::timestamp);
    let ended: Option<Timestamp> = at(scan.and_then(|scan| scan.finalized_at.as_ref()));
    Ok(Common {
        scanner: TenableWasClient::KEY.into(),
        partition: partition_of_scan(config, scan.and_then(|scan| scan.asset_id), template),
        targets: vec![config.into()],
        scan: scan.and_then(|scan| scan.scan_id).map(|id| ScanId::new(id.to_string())),
        seen_at: ended.or_else(|| at(scan.and_then(|scan| scan.started_at.as_ref()))),
    })
}

fn no_report(error: SplitError) -> Error {
    Error::new(ErrorKind::Decode, format!("this is no whole JSON report of a scan: {error}"))
        .with_operation(OPERATION)
}

fn unreadable(cause: std::io::Error) -> Error {
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
        json!({"findings": findings.into(), "config": {"config_id": ID}, "scan": {"scan_id": ID, "asset_id": ID,
            "finalized_at": "2026-10-01T01:10:00.4+00:00"}, "template": {"name": "scan"},
            "notes": [{"severity": "info", "title": "Scan Time Limit Reached", "message": "x"}]})
    }

    fn read(json: &Value) -> Result<SavedReport<Cursor<String>>> {
        ScanReport::read(Cursor::new(json.to_string()))
    }

    #[test]
    fn findings_come_one_by_one_and_again_from_the_beginning() {
        let mut saved = read(&report((0..200).map(finding).collect::<Vec<_>>())).unwrap();
        for _ in 0..2 {
            let found: Vec<Finding> = saved.findings().map(Result::unwrap).collect();
            assert_eq!(found.len(), 200, "over several pieces of the file");
            assert_eq!(found[7].location.path, "/7");
            assert_eq!(found[0].partition.as_str(), format!("config:{ID}/asset:{ID}/template:scan"));
            assert!(std::sync::Arc::ptr_eq(&found[0].rule, &found[3].rule), "findings of a plugin share it");
        }
        assert!(saved.problems()[0].kind.limits_results());
    }

    #[test]
    fn a_finding_is_there_before_the_next_piece_of_the_file_is_read() {
        let json = report((0..1000).map(finding).collect::<Vec<_>>()).to_string();
        let mut saved = ScanReport::read(Cursor::new(json)).unwrap();
        assert!(saved.reader.position() > 1_000_000, "once to its end");
        saved.findings().next().unwrap().unwrap();
        assert_eq!(saved.reader.position(), PIECE as u64);
    }

    #[test]
    fn a_query_filters_and_forms() {
        let mut saved = read(&report((0..4).map(finding).collect::<Vec<_>>())).unwrap();
        let query = FindingQuery::all().with_severities([Severity::High]).with_raw();
        let found: Vec<Finding> = saved.findings_as(&query).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].raw.as_ref().unwrap()["plugin_id"], json!(98_000));
    }

    #[test]
    fn a_report_that_begins_within_a_file_is_read_from_there() {
        let mut file = Cursor::new(format!("##{}", report(vec![finding(1)])));
        file.set_position(2);
        let mut saved = ScanReport::read(file).unwrap();
        assert_eq!((saved.findings().count(), saved.findings().count()), (1, 1));
    }

    #[test]
    fn a_record_that_cannot_be_decoded_is_an_error_and_not_the_end() {
        let mut saved = read(&report(vec![finding(0), json!({"plugin_id": {}}), finding(2)])).unwrap();
        let found: Vec<Result<Finding>> = saved.findings().collect();
        assert_eq!(found.iter().filter(|found| found.is_ok()).count(), 2);
        let error = found[1].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Decode, Some("[1].plugin_id")));
    }

    #[test]
    fn what_is_no_whole_report_is_refused_before_its_first_finding() {
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
    fn a_file_that_changes_between_its_readings_ends_in_an_error() {
        let mut saved = read(&report((0..200).map(finding).collect::<Vec<_>>())).unwrap();
        saved.reader.get_mut().truncate(100_000);
        let last = saved.findings().last().unwrap();
        assert_eq!(last.unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(saved.findings().filter(Result::is_err).count(), 1, "once");
    }
}
