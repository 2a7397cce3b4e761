//! Imports findings of a scanner into a file of JSON Lines, in constant memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use appsec_core::{Coverage, DastApiScanner, Finding, FindingEvent, FindingQuery, Progress, Severity};
use futures_util::TryStreamExt;
use indicatif::{ProgressBar, ProgressStyle};

/// The result of an import, without the findings themselves.
pub(crate) struct Imported {
    pub(crate) count: usize,
    pub(crate) by_severity: BTreeMap<Severity, usize>,
    /// The most severe findings that are not fixed, worst first.
    pub(crate) worst: Vec<Finding>,
    pub(crate) coverage: Coverage,
}

const WORST: usize = 5;

/// Reads the findings of the query, and writes each one as a line of the file.
pub(crate) async fn read(scanner: &dyn DastApiScanner, query: FindingQuery, file: &Path) -> Result<Imported> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let mut out = BufWriter::new(File::create(file).with_context(|| format!("creating {}", file.display()))?);
    let bar = ProgressBar::new_spinner().with_message(scanner.info().name);
    let (mut count, mut by_severity, mut worst) = (0, BTreeMap::new(), Vec::new());

    let mut events = scanner.findings(query);
    let mut coverage = None;
    while let Some(event) = events.try_next().await? {
        match event {
            FindingEvent::Batch(batch) => {
                if let Some(progress) = batch.progress {
                    show(&bar, progress);
                }
                for finding in batch.findings {
                    serde_json::to_writer(&mut out, &finding)?;
                    out.write_all(b"\n")?;
                    count += 1;
                    *by_severity.entry(finding.severity.clone()).or_insert(0) += 1;
                    keep_if_worst(&mut worst, finding);
                }
            }
            FindingEvent::End(end) => coverage = Some(end),
            _ => {}
        }
    }
    out.flush()?;
    bar.finish_and_clear();
    let coverage = coverage.context("the stream ended without its coverage")?;
    Ok(Imported { count, by_severity, worst, coverage })
}

/// Shows a bar if the total is known, else a counter. Neither is shown if the output is no terminal.
fn show(bar: &ProgressBar, progress: Progress) {
    if let (Some(total), None) = (progress.total, bar.length())
        && let Ok(style) = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}")
    {
        bar.set_style(style);
        bar.set_length(total);
    } else if let (None, None) = (progress.total, bar.length())
        && let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos} findings")
    {
        bar.set_style(style);
    }
    bar.set_position(progress.done);
}

fn keep_if_worst(worst: &mut Vec<Finding>, finding: Finding) {
    let fixed = finding.status == Some(appsec_core::FindingStatus::Fixed);
    if !fixed && (worst.len() < WORST || worst.last().is_some_and(|last| finding.severity > last.severity)) {
        let place = worst.partition_point(|known| known.severity >= finding.severity);
        worst.insert(place, finding);
        worst.truncate(WORST);
    }
}
