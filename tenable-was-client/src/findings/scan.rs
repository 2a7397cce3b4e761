//! Findings of one scan: by its report, or by its detections where the report is refused.

use std::collections::{BTreeSet, HashSet};

use appsec_core::{
    Batcher, CoverageGap, Error, ErrorKind, Finding, FindingEvent, FindingQuery, GapKind, PartitionKey,
    Result, ResumePoint, ScanId, ScanProblem, ScanStatus, Severity, mask,
};
use appsec_http::Element;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::children::{Child, children};
use super::emit::Emit;
use super::output::{Output, Wanted, bad_record, collect, count_unknown};
use super::rules::Rules;
use crate::TenableWasClient;
use crate::client::{MAX_IDLE_PAGES, REPORT_OPERATION, VULNERABILITIES_OPERATION, endless};
use crate::filter::{ConfigField, Filter};
use crate::map::{Common, of_vulnerability, partition_of_scan, problem_of_note};
use crate::model::{ConfigId, ReportFinding, Scan, ScanReport, TenableScanId, Vulnerability};

/// Where the findings of a scan can be taken up: at the run over the first target that was not read to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resume {
    scan: TenableScanId,
    done: BTreeSet<TenableScanId>,
}

impl Resume {
    pub(crate) fn read(point: &ResumePoint, scan: TenableScanId) -> Result<Self> {
        let state: Self = point.state(TenableWasClient::KEY)?;
        if state.scan != scan {
            return Err(Error::new(ErrorKind::ResumeExpired, "the resume point is of another scan"));
        }
        Ok(state)
    }
}

pub(crate) async fn run(
    client: TenableWasClient,
    id: TenableScanId,
    query: FindingQuery,
    resume: Option<Resume>,
    emit: Emit<FindingEvent>,
) -> Result<()> {
    let scan = client.get_scan(id).await?;
    let runs = children(&client, &scan).await?;
    let expected = scan.metadata.as_ref().and_then(|metadata| metadata.total_children);
    let own_problems = own_problems(&client, &scan, &runs).await?;
    let mut walk = Walk {
        wanted: Wanted::new(&query),
        output: Output::new(emit),
        state: resume.unwrap_or_else(|| Resume { scan: id, done: BTreeSet::new() }),
        rules: Rules::default(),
        imported: None,
        client,
        scan,
    };
    if let Some(expected) = expected.filter(|expected| *expected > runs.len() as u64) {
        let message = format!("the scan has {expected} targets, of which {} are listed", runs.len());
        walk.output.coverage.add_gap(CoverageGap::new(GapKind::ResultsUnavailable, message));
    }
    let runs = if runs.is_empty() { vec![Child::of_scan(&walk.scan)] } else { runs };
    for run in &runs {
        walk.run_over_target(run, &own_problems).await?;
    }
    walk.output.end(query.silence()).await
}

/// What limits all runs of a multi-target scan alike; those of a single run are read with its results.
async fn own_problems(client: &TenableWasClient, scan: &Scan, runs: &[Child]) -> Result<Vec<ScanProblem>> {
    if runs.is_empty() || runs.iter().any(|run| run.id == Some(scan.scan_id)) {
        return Ok(Vec::new());
    }
    notes(client, scan.scan_id).await.map(|notes| notes.unwrap_or_else(|refused| vec![refused]))
}

/// The remarks on a scan; the inner error is the trouble that they cannot be read.
async fn notes(
    client: &TenableWasClient,
    scan: TenableScanId,
) -> Result<std::result::Result<Vec<ScanProblem>, ScanProblem>> {
    match client.scan_notes(scan).try_concat().await {
        Ok(notes) => Ok(Ok(notes.iter().map(problem_of_note).collect())),
        Err(error) if is_refusal(&error) => {
            let message = format!("the notes of scan {scan} cannot be read: {}", error.message());
            Ok(Err(ScanProblem::new(appsec_core::ScanProblemKind::NotFinished, message)))
        }
        Err(error) => Err(error),
    }
}

/// True for an answer that concerns this resource alone, after which another way may be tried.
pub(crate) fn is_refusal(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::InvalidRequest | ErrorKind::Conflict
    )
}

/// What is learnt of a run beside its findings.
struct Beside {
    problems: Vec<ScanProblem>,
    /// By which the configuration is found in its listing.
    config_name: Option<String>,
}

impl Beside {
    fn of(report: &ScanReport) -> Self {
        let config_name = report.config.as_ref().and_then(|config| config.name.clone());
        Self { problems: report.notes.iter().map(problem_of_note).collect(), config_name }
    }
}

/// The reading of one scan.
struct Walk {
    client: TenableWasClient,
    scan: Scan,
    wanted: Wanted,
    output: Output,
    state: Resume,
    rules: Rules,
    /// Whether the configuration was made by an import; asked for once.
    imported: Option<Imported>,
}

/// Where a configuration's results come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Imported {
    Yes,
    No,
    NotVisible,
}

impl Walk {
    /// Reads the run over one target, and states what its silence means.
    async fn run_over_target(&mut self, run: &Child, own_problems: &[ScanProblem]) -> Result<()> {
        let Some(config) = self.scan.config_id else {
            return Err(Error::new(ErrorKind::Decode, "the scan does not name its configuration")
                .with_operation("tenable: get scan")
                .with_path("config_id"));
        };
        let partition = partition_of_scan(config, run.asset, self.template());
        let place = run.url.as_deref().unwrap_or("a target without a URL").to_owned();
        let Some(id) = run.id else {
            self.gap(
                GapKind::ResultsUnavailable,
                &partition,
                &format!("{place} was not scanned in this run"),
            );
            return Ok(());
        };
        if run.status != ScanStatus::Completed {
            let message = format!("the scan of {place} is {} and not completed", word(run));
            self.gap(GapKind::ScanLimited, &partition, &message);
        }
        if self.state.done.contains(&id) {
            self.output.coverage.mark_inconclusive(partition, "it was read before the import was resumed");
            return Ok(());
        }
        let common = Common {
            scanner: TenableWasClient::KEY.into(),
            partition: partition.clone(),
            targets: vec![config.into()],
            scan: Some(ScanId::new(id.to_string())),
            seen_at: run.ended_at.or(run.started_at),
        };
        let read = match self.report(id, &common).await? {
            Some(report) => Some(report),
            None => {
                self.detections(id, &common).await?.map(|problems| Beside { problems, config_name: None })
            }
        };
        self.state.done.insert(id);
        let Some(Beside { mut problems, config_name }) = read else {
            self.gap(
                GapKind::ResultsUnavailable,
                &partition,
                &format!("the results of {place} cannot be read"),
            );
            return Ok(());
        };
        problems.extend_from_slice(own_problems);
        for problem in problems.iter().filter(|problem| problem.kind.limits_results()) {
            self.gap(GapKind::ScanLimited, &partition, &format!("{place}: {}", problem.message));
        }
        if run.asset.is_none() {
            self.output
                .coverage
                .mark_inconclusive(partition, "the scan does not name the asset that it examined");
            return Ok(());
        }
        match self.silence(config, config_name.as_deref(), &problems).await? {
            // A remark may quote the target's URL.
            Some(reason) => self.output.coverage.mark_inconclusive(partition, mask(&reason)),
            None => self.output.coverage.mark_conclusive(partition),
        }
        Ok(())
    }

    /// The name of the vendor's template that the scan follows, and of the user's on top of it.
    fn template(&self) -> Option<&str> {
        let named = self
            .scan
            .config_metadata
            .as_ref()
            .and_then(|metadata| metadata.template.as_ref()?.name.as_deref());
        self.scan.template_name.as_deref().or(named)
    }

    fn gap(&mut self, kind: GapKind, partition: &PartitionKey, message: &str) {
        // The scanner's own words and the target's URL are in it.
        let message = mask(message).into_owned();
        self.output.coverage.mark_inconclusive(partition.clone(), message.as_str());
        self.output.coverage.add_gap(CoverageGap::new(kind, message).with_partition(partition.clone()));
    }

    /// Why silence about a target that was read says nothing, gaps apart.
    async fn silence(
        &mut self,
        config: ConfigId,
        name: Option<&str>,
        problems: &[ScanProblem],
    ) -> Result<Option<String>> {
        let grave = |problem: &&ScanProblem| {
            problem.kind == appsec_core::ScanProblemKind::Other
                && problem.severity.as_ref().is_some_and(|severity| *severity >= Severity::High)
        };
        if let Some(problem) = problems.iter().find(grave) {
            return Ok(Some(format!("a grave remark that this version does not know: {}", problem.message)));
        }
        Ok(match self.imported(config, name).await? {
            Imported::No => None,
            Imported::Yes => {
                Some("the results were imported, so it is not known what was examined".to_owned())
            }
            Imported::NotVisible => {
                Some("the configuration is not visible, so it is not known what was examined".to_owned())
            }
        })
    }

    /// Whether the configuration was made by an import. Only its listing says so.
    async fn imported(&mut self, config: ConfigId, name: Option<&str>) -> Result<Imported> {
        if let Some(known) = self.imported {
            return Ok(known);
        }
        let filter = match name {
            Some(name) => ConfigField::NAME.matches(name).into(),
            None => Filter::everything(),
        };
        let mut found = Imported::NotVisible;
        let mut pages = self.client.configs(filter);
        loop {
            let page = match pages.try_next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if is_refusal(&error) => break,
                Err(error) => return Err(error),
            };
            if let Some(entry) = page.iter().find(|entry| entry.config_id == config) {
                found = if entry.imported == Some(true) { Imported::Yes } else { Imported::No };
                break;
            }
        }
        self.imported = Some(found);
        Ok(found)
    }

    /// Reads the report; `None` where it is refused.
    async fn report(&mut self, id: TenableScanId, common: &Common) -> Result<Option<Beside>> {
        let mut report = self.client.scan_report(id)?;
        let mut batcher = Batcher::new();
        let mut begun = false;
        while let Some(element) = report.elements.next().await {
            let element = match element {
                Ok(element) => element,
                Err(error) if !begun && is_refusal(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            begun = true;
            self.output.records += 1;
            if let Some(finding) = self.reported(&element, common) {
                self.collect(&mut batcher, finding).await?;
            }
        }
        self.flush(&mut batcher, None).await?;
        Ok(Some(match report.rest() {
            Ok(rest) => Beside::of(&rest),
            // The findings are there; what limits them is not known.
            Err(error) => {
                self.gap(GapKind::ResultsUnavailable, &common.partition, error.message());
                Beside { problems: Vec::new(), config_name: None }
            }
        }))
    }

    fn reported(&mut self, element: &Element<'_>, common: &Common) -> Option<Finding> {
        let record = match element.json::<ReportFinding>(REPORT_OPERATION) {
            Ok(record) => record,
            Err(error) => {
                self.output.coverage.add_gap(bad_record(&error, "the report", Some(&common.partition)));
                return None;
            }
        };
        let finding = self.rules.finding(common.clone(), &record);
        count_unknown(&mut self.output.unknown, &finding, "finding", &record.extra);
        self.wanted.finish(finding, &element.bytes)
    }

    /// Reads the detections, with their plugins' records, and the notes; `None` where they are refused.
    async fn detections(&mut self, id: TenableScanId, common: &Common) -> Result<Option<Vec<ScanProblem>>> {
        let mut seen = HashSet::new();
        let mut batcher = Batcher::new();
        let (mut offset, mut unreadable, mut idle) = (0, 0, 0);
        let mut announced = None;
        let total = loop {
            let mut page = self.client.vulnerability_page(id, offset)?;
            let (before, known) = (offset, seen.len() as u64 + unreadable);
            while let Some(element) = page.elements.next().await {
                let element = match element {
                    Ok(element) => element,
                    Err(error) if offset == 0 && is_refusal(&error) => return Ok(None),
                    Err(error) => return Err(error),
                };
                offset += 1;
                self.output.records += 1;
                match element.json::<Vulnerability>(VULNERABILITIES_OPERATION) {
                    // Offsets shift under a listing that grows: what comes twice is one.
                    Ok(record) if !seen.insert(record.vuln_id) => {}
                    Ok(record) => {
                        if let Some(finding) = self.detected(&record, &element, common).await? {
                            self.collect(&mut batcher, finding).await?;
                        }
                    }
                    Err(error) => {
                        unreadable += 1;
                        self.output.coverage.add_gap(bad_record(
                            &error,
                            "the detections",
                            Some(&common.partition),
                        ));
                    }
                }
            }
            let total = page.pagination()?.total;
            announced.get_or_insert(total);
            if offset == before || total.is_some_and(|total| offset >= total) {
                break total;
            }
            idle = if known == seen.len() as u64 + unreadable { idle + 1 } else { 0 };
            if idle >= MAX_IDLE_PAGES {
                return Err(endless());
            }
        };
        self.flush(&mut batcher, total).await?;
        let listed = seen.len() as u64 + unreadable;
        // A list that shrinks while it is read moves what follows past the next page, and adds up all the same.
        let message = match (announced.flatten(), total) {
            (Some(first), Some(last)) if first != last => {
                Some(format!("{first} detections were announced at first and {last} in the end"))
            }
            (Some(_), Some(last)) => {
                (last != listed).then(|| format!("{last} detections are announced and {listed} were listed"))
            }
            _ => Some("the service does not say how many detections there are".to_owned()),
        };
        if let Some(message) = message {
            self.gap(GapKind::Shifted, &common.partition, &message);
        }
        Ok(Some(notes(&self.client, id).await?.unwrap_or_else(|refused| vec![refused])))
    }

    async fn detected(
        &mut self,
        record: &Vulnerability,
        element: &Element<'_>,
        common: &Common,
    ) -> Result<Option<Finding>> {
        let (rule, severity) = self.rules.of_plugin(&self.client, record.plugin_id).await?;
        let finding = of_vulnerability(common.clone(), record, rule, severity, self.client.base_url());
        count_unknown(&mut self.output.unknown, &finding, "finding", &record.extra);
        Ok(self.wanted.finish(finding, &element.bytes))
    }

    async fn collect(&mut self, batcher: &mut Batcher, finding: Finding) -> Result<()> {
        match collect(batcher, finding) {
            Some(full) => self.output.batch(full, self.resume_point()?, None).await,
            None => Ok(()),
        }
    }

    /// Hands out what is left of a run.
    async fn flush(&mut self, batcher: &mut Batcher, total: Option<u64>) -> Result<()> {
        if batcher.is_empty() {
            return Ok(());
        }
        self.output.batch(batcher.take(), self.resume_point()?, total).await
    }

    fn resume_point(&self) -> Result<ResumePoint> {
        ResumePoint::new(TenableWasClient::KEY, &self.state)
    }
}

fn word(run: &Child) -> &str {
    if run.word.is_empty() { "in an unknown state" } else { &run.word }
}
