//! SARIF 2.1.0, as GitHub code scanning takes it.
//!
//! A result is put aside when it comes and written at the end: the worst first, in runs of as many as GitHub keeps, and a rule's severity
//! is that of its worst result.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::json;

use super::finding::ReportFinding;
use super::options::ReportOptions;
use super::out::Out;
use super::spill::{Kept, LEVELS, Results, Texts, level};
use super::{Encoder, text};

mod model;

/// Of the 25,000 results that GitHub takes in a run it keeps the 5,000 worst.
const MAX_RESULTS: usize = 5_000;
/// Runs in one upload.
const MAX_RUNS: u32 = 20;
/// GitHub's bound on an upload is for what gzip makes of it, which is never more than what it was.
const MAX_BYTES: u64 = 10_000_000;
/// Room for what stands around results and rules.
const FRAME: u64 = 64 * 1024;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) struct Sarif {
    driver: String,
    category: String,
    invocation: serde_json::Value,
    results: Results,
    /// The numbers of rules, by the id in the report.
    numbers: HashMap<String, u32>,
    rules: Texts,
    /// The worst level of each rule, by number.
    worst: Vec<usize>,
}

impl Sarif {
    pub(super) fn new(options: &ReportOptions) -> Self {
        let missing = options.missing.iter().filter_map(|text| text::first([text.as_str()])).take(100);
        let notes: Vec<_> = missing
            .map(|text| json!({"level": "warning", "message": {"text": text::line(text, 1_000)}}))
            .collect();
        let words = [options.scanner.as_str(), options.target.as_str()];
        let words: Vec<_> = words.into_iter().map(category_word).filter(|word| !word.is_empty()).collect();
        Self {
            driver: options.name().to_owned(),
            category: format!("appsec/{}", words.join("/")),
            invocation: json!({
                "executionSuccessful": options.missing.is_empty(),
                "startTimeUtc": format!("{}Z", text::seconds(options.started_at)),
                "endTimeUtc": format!("{}Z", text::seconds(options.ended_at)),
                "toolExecutionNotifications": notes,
            }),
            results: Results::default(),
            numbers: HashMap::new(),
            rules: Texts::default(),
            worst: Vec::new(),
        }
    }

    /// The number of the finding's rule, which is put aside when it is the first of it.
    fn number(&mut self, report: &ReportFinding, id: &str, level: usize) -> io::Result<u32> {
        if let Some(number) = self.numbers.get(id) {
            if let Some(worst) = self.worst.get_mut(*number as usize) {
                *worst = level.min(*worst);
            }
            return Ok(*number);
        }
        let rule = serde_json::to_vec(&model::Rule::of(&report.finding, id)).map_err(io::Error::from)?;
        let number = self.rules.push(&rule)?;
        self.worst.push(level);
        self.numbers.insert(id.to_owned(), number);
        Ok(number)
    }
}

impl Encoder for Sarif {
    fn write(&mut self, report: &ReportFinding, _out: &mut Out<'_>) -> io::Result<()> {
        let level = level(&report.finding.severity);
        let id = model::rule_id(&report.finding);
        let rule = self.number(report, &id, level)?;
        let result = serde_json::to_vec(&model::Result::of(report, &id)).map_err(io::Error::from)?;
        self.results.push(level, rule, &result)
    }

    fn finish(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        let results = std::mem::take(&mut self.results);
        let mut document = Document { sarif: self, out, run: None, runs: 0, runs_in_file: 0 };
        document.begin_file()?;
        document.begin_run()?;
        for result in results.into_worst_first() {
            document.result(&result?)?;
        }
        document.end_run()?;
        document.end_file()
    }
}

/// A word of a category: what GitHub shows, without what would split or end it.
fn category_word(word: &str) -> String {
    let word = text::line(word, 200).into_owned();
    word.trim_matches('/').replace(char::is_whitespace, "-")
}

/// The report being written.
struct Document<'a, 'o> {
    sarif: &'a mut Sarif,
    out: &'a mut Out<'o>,
    run: Option<Run>,
    /// Runs so far, in all files.
    runs: u32,
    runs_in_file: u32,
}

/// The run being written.
#[derive(Default)]
struct Run {
    results: usize,
    /// Its rules in the order in which they came, and what they will need.
    rules: Vec<u32>,
    known: std::collections::HashSet<u32>,
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

    fn begin_run(&mut self) -> io::Result<()> {
        self.out.write_all(if self.runs_in_file == 0 { b"\n" } else { b",\n" })?;
        self.runs += 1;
        self.runs_in_file += 1;
        // A second run of one category would replace the first, so each has its own; what is worst is always in the first.
        let category = &self.sarif.category;
        let id =
            if self.runs == 1 { format!("{category}/") } else { format!("{category}/part-{}/", self.runs) };
        let head = json!({
            "automationDetails": {"id": id},
            "invocations": [self.sarif.invocation],
            "columnKind": "unicodeCodePoints",
        });
        write!(self.out, "{},\"results\":[", head.to_string().trim_end_matches('}'))?;
        self.run = Some(Run::default());
        Ok(())
    }

    /// Ends the run with its rules, which are known now.
    fn end_run(&mut self) -> io::Result<()> {
        let run = self.run.take().unwrap_or_default();
        let driver =
            json!({"name": self.sarif.driver, "semanticVersion": env!("CARGO_PKG_VERSION")}).to_string();
        write!(self.out, "\n],\"tool\":{{\"driver\":{},\"rules\":[", driver.trim_end_matches('}'))?;
        for (at, number) in run.rules.iter().enumerate() {
            self.out.write_all(if at == 0 { b"\n" } else { b",\n" })?;
            let rule = self.sarif.rules.read(*number)?;
            let worst = self.sarif.worst.get(*number as usize).copied().unwrap_or(LEVELS - 1);
            self.out.write_all(&model::Rule::with_severity(&rule, worst))?;
        }
        self.out.write_all(b"\n]}}}")
    }

    fn result(&mut self, result: &Kept) -> io::Result<()> {
        let rule_bytes = self.sarif.rules.len_of(result.rule) as u64 + 128;
        let run = self.run.get_or_insert_default();
        let new_rule = if run.known.contains(&result.rule) { 0 } else { rule_bytes };
        let needed = self.out.file_bytes() + run.rule_bytes + new_rule + result.json.len() as u64 + FRAME;
        let file_is_full = self.out.may_split() && needed > MAX_BYTES;
        if run.results == MAX_RESULTS || (file_is_full && run.results > 0) {
            self.end_run()?;
            if self.out.may_split() && (file_is_full || self.runs_in_file == MAX_RUNS) {
                self.end_file()?;
                self.out.next_file()?;
                self.begin_file()?;
            }
            self.begin_run()?;
        }
        let run = self.run.get_or_insert_default();
        self.out.write_all(if run.results == 0 { b"\n" } else { b",\n" })?;
        run.results += 1;
        if run.known.insert(result.rule) {
            run.rules.push(result.rule);
            run.rule_bytes += rule_bytes;
        }
        self.out.write_all(&result.json)
    }
}
