//! SARIF 2.1.0, as GitHub code scanning takes it.
//!
//! Results are kept in temporary files and written at the end: the worst first, in runs of as many as
//! GitHub keeps. The severity of a rule is that of its worst result, which is known only then.
//!
//! Every run says that the tool's execution was successful, since GitHub refuses the whole file otherwise.
//! What is missing is a notification, and a report that may lack open findings has categories of its own.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use serde_json::json;

use super::category::Categories;
use super::encoder::Encoder;
use super::finding::ReportFinding;
use super::options::ReportOptions;
use super::output::Output;
use super::temp_files::{LEVELS, RecordFile, ResultsByLevel, StoredResult, level};
use super::{fields, sanitize};
use crate::store::ReportParts;

mod model;

/// GitHub accepts 25,000 results in a run and keeps the 5,000 worst.
const MAX_RESULTS: usize = 5_000;
/// The most runs in one upload.
const MAX_RUNS: u32 = 20;
/// GitHub limits the size of an upload after gzip. The size before is used here, since compression does not
/// make it larger.
const MAX_BYTES: u64 = 10_000_000;
/// Bytes reserved for what surrounds results and rules.
const FRAME: u64 = 64 * 1024;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) struct Sarif {
    driver: String,
    categories: Categories,
    partial: bool,
    earlier: ReportParts,
    parts: ReportParts,
    invocation: serde_json::Value,
    results: ResultsByLevel,
    /// The number of each rule, by its id in the report.
    rule_numbers: HashMap<String, u32>,
    rules: RecordFile,
    /// The worst level among the results of each rule, by the rule's number.
    worst_levels: Vec<usize>,
}

impl Sarif {
    pub(super) fn new(options: &ReportOptions) -> Self {
        // A filter is not among what is missing, and the only reason then.
        let filter = options.partial_reason().filter(|_| options.missing().is_empty());
        let missing = options.missing().iter().map(String::as_str).chain(filter);
        let missing = missing.filter_map(|text| sanitize::first_non_blank([text])).take(100);
        let notes: Vec<_> = missing
            .map(|text| json!({"level": "warning", "message": {"text": sanitize::single_line(text, 1_000)}}))
            .collect();
        Self {
            driver: options.scanner_name().to_owned(),
            categories: Categories::new(options),
            partial: options.partial_reason().is_some(),
            earlier: options.earlier_parts(),
            parts: ReportParts::default(),
            invocation: json!({
                "executionSuccessful": true,
                "startTimeUtc": format!("{}Z", fields::utc_seconds(options.started_at())),
                "endTimeUtc": format!("{}Z", fields::utc_seconds(options.ended_at())),
                "toolExecutionNotifications": notes,
            }),
            results: ResultsByLevel::default(),
            rule_numbers: HashMap::new(),
            rules: RecordFile::default(),
            worst_levels: Vec::new(),
        }
    }

    /// The number of the finding's rule. The rule is stored with its first finding.
    fn rule_number(&mut self, report: &ReportFinding, id: &str, level: usize) -> io::Result<u32> {
        if let Some(number) = self.rule_numbers.get(id) {
            if let Some(worst) = self.worst_levels.get_mut(*number as usize) {
                *worst = level.min(*worst);
            }
            return Ok(*number);
        }
        let rule = serde_json::to_vec(&model::Rule::new(&report.finding, id)).map_err(io::Error::from)?;
        let number = self.rules.push(&rule)?;
        self.worst_levels.push(level);
        self.rule_numbers.insert(id.to_owned(), number);
        Ok(number)
    }
}

impl Encoder for Sarif {
    fn write(&mut self, report: &ReportFinding, _out: &mut Output<'_>) -> io::Result<()> {
        let level = level(&report.finding.severity);
        let id = model::rule_id(&report.finding);
        let rule = self.rule_number(report, &id, level)?;
        let result = serde_json::to_vec(&model::Result::new(report, &id)).map_err(io::Error::from)?;
        self.results.push(level, rule, &result)
    }

    fn finish(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        let results = std::mem::take(&mut self.results);
        let mut document = Document { sarif: self, out, run: None, parts: 0, runs_in_file: 0 };
        document.begin_file()?;
        document.begin_run()?;
        for result in results.into_worst_first() {
            document.result(&result?)?;
        }
        document.end_run()?;
        document.empty_runs()?;
        let parts = document.parts;
        document.end_file()?;
        let ReportParts { whole, partial, .. } = self.earlier;
        self.parts = if self.partial {
            ReportParts::new(whole, parts.max(partial))
        } else {
            ReportParts::new(parts.max(whole), partial)
        };
        Ok(())
    }

    fn parts(&self) -> ReportParts {
        self.parts
    }
}

/// The document being written.
struct Document<'a, 'o> {
    sarif: &'a mut Sarif,
    out: &'a mut Output<'o>,
    run: Option<Run>,
    /// The number of runs with results so far, in all files: the parts of the report.
    parts: u32,
    runs_in_file: u32,
}

/// The run being written.
#[derive(Default)]
struct Run {
    results: usize,
    /// The numbers of its rules, in the order of their first results.
    rules: Vec<u32>,
    known_rules: HashSet<u32>,
    /// The bytes that its rules will take.
    rule_bytes: u64,
}

impl Document<'_, '_> {
    fn begin_file(&mut self) -> io::Result<()> {
        self.runs_in_file = 0;
        write!(self.out, "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[")
    }

    fn end_file(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n]}\n")
    }

    /// Begins the next part. A second run of the same category would replace the first, so each has its own.
    /// The worst results are in the first.
    fn begin_run(&mut self) -> io::Result<()> {
        self.parts += 1;
        self.begin_run_of(self.sarif.partial, self.parts)
    }

    fn begin_run_of(&mut self, partial: bool, part: u32) -> io::Result<()> {
        self.out.write_all(if self.runs_in_file == 0 { b"\n" } else { b",\n" })?;
        self.runs_in_file += 1;
        let id = self.sarif.categories.id(partial, part);
        let head = json!({
            "automationDetails": {"id": id},
            "invocations": [self.sarif.invocation],
            "columnKind": "unicodeCodePoints",
        });
        write!(self.out, "{},\"results\":[", head.to_string().trim_end_matches('}'))?;
        self.run = Some(Run::default());
        Ok(())
    }

    /// Writes a run without results for each part that only earlier reports had.
    fn empty_runs(&mut self) -> io::Result<()> {
        let ReportParts { whole, partial, .. } = self.sarif.earlier;
        let is_partial = self.sarif.partial;
        let (own, others) = if is_partial { (partial, 0) } else { (whole, partial) };
        let own = (self.parts + 1..=own).map(move |part| (is_partial, part));
        for (partial, part) in own.chain((1..=others).map(|part| (true, part))) {
            if self.out.may_split() && self.runs_in_file == MAX_RUNS {
                self.next_file()?;
            }
            self.begin_run_of(partial, part)?;
            self.end_run()?;
        }
        Ok(())
    }

    fn next_file(&mut self) -> io::Result<()> {
        self.end_file()?;
        self.out.next_file()?;
        self.begin_file()
    }

    /// Ends the run with its rules, which are complete only now.
    fn end_run(&mut self) -> io::Result<()> {
        let run = self.run.take().unwrap_or_default();
        let driver =
            json!({"name": self.sarif.driver, "semanticVersion": env!("CARGO_PKG_VERSION")}).to_string();
        write!(self.out, "\n],\"tool\":{{\"driver\":{},\"rules\":[", driver.trim_end_matches('}'))?;
        for (at, number) in run.rules.iter().enumerate() {
            self.out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
            let rule = self.sarif.rules.read(*number)?;
            let worst = self.sarif.worst_levels.get(*number as usize).copied().unwrap_or(LEVELS - 1);
            self.out.write_all(&model::Rule::with_severity(&rule, worst))?;
        }
        self.out.write_all(b"\n]}}}")
    }

    fn result(&mut self, result: &StoredResult) -> io::Result<()> {
        let rule_bytes = self.sarif.rules.record_len(result.rule) as u64 + 128;
        let run = self.run.get_or_insert_default();
        let new_rule = if run.known_rules.contains(&result.rule) { 0 } else { rule_bytes };
        let needed = self.out.file_bytes() + run.rule_bytes + new_rule + result.json.len() as u64 + FRAME;
        let file_is_full = self.out.may_split() && needed > MAX_BYTES;
        if run.results == MAX_RESULTS || (file_is_full && run.results > 0) {
            self.end_run()?;
            if self.out.may_split() && (file_is_full || self.runs_in_file == MAX_RUNS) {
                self.next_file()?;
            }
            self.begin_run()?;
        }
        let run = self.run.get_or_insert_default();
        self.out.write_all(if run.results == 0 { b"\n" } else { b",\n" })?;
        run.results += 1;
        if run.known_rules.insert(result.rule) {
            run.rules.push(result.rule);
            run.rule_bytes += rule_bytes;
        }
        self.out.write_all(&result.json)
    }
}
