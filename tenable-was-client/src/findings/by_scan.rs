//! Findings of one scan, from its report, or from its detections if the report is refused.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use appsec_core::{
    Batcher, CoverageGap, Error, ErrorKind, Finding, FindingEvent, FindingQuery, GapKind, PartitionKey,
    ProfileKey, Result, ResumePoint, ScanId, ScanProblem, ScanProblemKind, ScanStatus, Severity,
    StreamSender, mask,
};
use appsec_http::Element;
use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::child_scans::{ChildScan, ChildScans, child_scans};
use super::event_sender::{EventSender, push_finding};
use super::finding_filter::FindingFilter;
use super::refusal::is_refusal;
use super::rule_cache::ScanRuleCache;
use super::unknown_values::{count_unknown, undecodable_record};
use crate::TenableWasClient;
use crate::client::{MAX_IDLE_PAGES, REPORT_OPERATION, VULNERABILITIES_OPERATION, no_paging};
use crate::filter::{ConfigField, Filter};
use crate::map::{FindingContext, Profile, finding_from_vulnerability, scan_partition};
use crate::model::{ConfigId, ReportFinding, Scan, ScanReport, TenableScanId, Vulnerability};

/// The state of a read of a scan's findings, as a resume point holds it: the read is resumed at the first
/// child that was not read to its end.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ScanResume {
    scan: TenableScanId,
    done: BTreeSet<TenableScanId>,
    /// The profiles of the children that were read, where they are known.
    #[serde(default)]
    profiles: BTreeMap<TenableScanId, ProfileKey>,
}

impl ScanResume {
    pub(super) fn parse(point: &ResumePoint, scan: TenableScanId) -> Result<Self> {
        let state: Self = point.state(TenableWasClient::KEY)?;
        if state.scan != scan {
            return Err(Error::new(ErrorKind::ResumeExpired, "the resume point is of another scan"));
        }
        Ok(state)
    }
}

pub(super) async fn run(
    client: TenableWasClient,
    id: TenableScanId,
    query: FindingQuery,
    resume: Option<ScanResume>,
    sender: StreamSender<FindingEvent>,
) -> Result<()> {
    let scan = client.get_scan(id).await?;
    let ChildScans { children, gaps } = child_scans(&client, &scan).await?;
    let expected = scan.metadata.as_ref().and_then(|metadata| metadata.total_children);
    let parent_problems = parent_problems(&client, &scan, &children).await?;
    let mut reader = ScanFindingsReader {
        filter: FindingFilter::new(&query),
        events: EventSender::new(sender),
        state: resume.unwrap_or_else(|| ScanResume {
            scan: id,
            done: BTreeSet::new(),
            profiles: BTreeMap::new(),
        }),
        rules: ScanRuleCache::default(),
        imported: None,
        client,
        scan,
    };
    for gap in gaps {
        reader.events.coverage.add_gap(gap);
    }
    if let Some(expected) = expected.filter(|expected| *expected > children.len() as u64) {
        let message = format!("the scan has {expected} targets, of which {} are listed", children.len());
        reader.events.coverage.add_gap(CoverageGap::new(GapKind::ResultsUnavailable, message));
    }
    let children = if children.is_empty() { vec![ChildScan::from_scan(&reader.scan)] } else { children };
    for child in &children {
        reader.read_child(child, &parent_problems).await?;
    }
    reader.events.send_end(query.inconclusive_reason()).await
}

/// Returns the problems of a multi-target scan that limit all of its children. The problems of a single
/// child are read with its results.
async fn parent_problems(
    client: &TenableWasClient,
    scan: &Scan,
    children: &[ChildScan],
) -> Result<Vec<ScanProblem>> {
    if children.is_empty() || children.iter().any(|child| child.id == Some(scan.scan_id)) {
        return Ok(Vec::new());
    }
    fetch_problems(client, scan.scan_id).await
}

/// Returns the problems that a scan's notes report. Notes that cannot be read are a problem too.
async fn fetch_problems(client: &TenableWasClient, scan: TenableScanId) -> Result<Vec<ScanProblem>> {
    match client.scan_notes(scan).try_concat().await {
        Ok(notes) => {
            let missing = notes.gaps.iter().map(|gap| {
                let message = format!("the notes of scan {scan} may lack some: {gap}");
                ScanProblem::new(ScanProblemKind::NotFinished, message)
            });
            Ok(notes.records.iter().map(ScanProblem::from).chain(missing).collect())
        }
        Err(error) if is_refusal(&error) => {
            let message = format!("the notes of scan {scan} cannot be read: {}", error.message());
            Ok(vec![ScanProblem::new(ScanProblemKind::NotFinished, message)])
        }
        Err(error) => Err(error),
    }
}

/// Returns the status of a child as a message shows it.
fn status_text(child: &ChildScan) -> &str {
    if child.provider_status.is_empty() { "in an unknown state" } else { &child.provider_status }
}

/// What the results of a child contain besides its findings.
struct ScanDetails {
    problems: Vec<ScanProblem>,
    /// The name of the configuration, by which its listing is searched.
    config_name: Option<String>,
    /// The profile of the scan, if its template is known.
    profile: Option<Profile>,
}

impl ScanDetails {
    fn from_report(report: &ScanReport, scan: &Scan) -> Self {
        let config_name = report.config.as_ref().and_then(|config| config.name.clone());
        let profile = Profile::of_report(report).or_else(|| Profile::of_scan(scan));
        Self { problems: report.notes.iter().map(ScanProblem::from).collect(), config_name, profile }
    }

    fn from_problems(problems: Vec<ScanProblem>, scan: &Scan) -> Self {
        Self { problems, config_name: None, profile: Profile::of_scan(scan) }
    }
}

/// Reads the findings of one scan.
struct ScanFindingsReader {
    client: TenableWasClient,
    scan: Scan,
    filter: FindingFilter,
    events: EventSender,
    state: ScanResume,
    rules: ScanRuleCache,
    /// Whether the configuration was created by an import. It is fetched once.
    imported: Option<Imported>,
}

/// Whether a configuration was created by an import of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Imported {
    Yes,
    No,
    /// The listing does not show the configuration.
    NotVisible,
}

impl ScanFindingsReader {
    /// Reads the findings of a child, and states whether absence from them is conclusive.
    async fn read_child(&mut self, child: &ChildScan, parent_problems: &[ScanProblem]) -> Result<()> {
        let Some(config) = self.scan.config_id else {
            return Err(Error::new(ErrorKind::Decode, "the scan does not name its configuration")
                .with_operation("tenable: get scan")
                .with_path("config_id"));
        };
        let partition = scan_partition(config, child.url.as_deref());
        let target = child.url.as_deref().unwrap_or("a target without a URL").to_owned();
        let Some(id) = child.id else {
            let message = format!("{target} was not scanned in this run");
            self.add_gap(GapKind::ResultsUnavailable, &partition, &message);
            return Ok(());
        };
        if child.status != ScanStatus::Completed {
            let message = format!("the scan of {target} is {} and not completed", status_text(child));
            self.add_gap(GapKind::ScanLimited, &partition, &message);
        }
        if self.state.done.contains(&id) {
            let reason = "it was read before the import was resumed";
            self.events.coverage.mark_inconclusive(partition.clone(), reason);
            if let Some(profile) = self.state.profiles.get(&id) {
                self.events.coverage.set_profile(&partition, profile.clone(), []);
            }
            return Ok(());
        }
        let context = FindingContext {
            scanner: TenableWasClient::KEY.into(),
            partition: partition.clone(),
            profile: None,
            targets: vec![config.into()],
            scan: Some(ScanId::new(id.to_string())),
            seen_at: child.ended_at.or(child.started_at),
        };
        let details = match self.read_report(id, &context).await? {
            Some(details) => Some(details),
            None => self.read_detections(id, &context).await?,
        };
        self.state.done.insert(id);
        let Some(details) = details else {
            let message = format!("the results of {target} cannot be read");
            self.add_gap(GapKind::ResultsUnavailable, &partition, &message);
            return Ok(());
        };
        if let Some(profile) = &details.profile {
            self.state.profiles.insert(id, profile.key());
        }
        self.conclude_child(child, config, &partition, details, parent_problems).await
    }

    /// States whether absence from the results of a child is conclusive, and by which profile it was
    /// examined.
    async fn conclude_child(
        &mut self,
        child: &ChildScan,
        config: ConfigId,
        partition: &PartitionKey,
        details: ScanDetails,
        parent_problems: &[ScanProblem],
    ) -> Result<()> {
        let ScanDetails { mut problems, config_name, profile } = details;
        problems.extend_from_slice(parent_problems);
        let target = child.url.as_deref().unwrap_or("a target without a URL");
        for problem in problems.iter().filter(|problem| problem.kind.limits_results()) {
            self.add_gap(GapKind::ScanLimited, partition, &format!("{target}: {}", problem.message));
        }
        let reason = if child.url.is_none() {
            Some("the scan does not name the target that it examined".to_owned())
        } else {
            self.inconclusive_reason(config, config_name.as_deref(), &problems).await?
        };
        match reason {
            // A note may quote the target's URL.
            Some(reason) => self.events.coverage.mark_inconclusive(partition.clone(), mask(&reason)),
            None => self.events.coverage.mark_conclusive(partition.clone()),
        }
        if let Some(profile) = profile {
            self.events.coverage.set_profile(partition, profile.key(), profile.included());
        }
        Ok(())
    }

    fn add_gap(&mut self, kind: GapKind, partition: &PartitionKey, message: &str) {
        // The message may contain a note of the scanner and the target's URL.
        let message = mask(message).into_owned();
        self.events.coverage.mark_inconclusive(partition.clone(), message.as_str());
        self.events.coverage.add_gap(CoverageGap::new(kind, message).with_partition(partition.clone()));
    }

    /// Returns why absence is inconclusive for a target that was read, apart from gaps.
    async fn inconclusive_reason(
        &mut self,
        config: ConfigId,
        name: Option<&str>,
        problems: &[ScanProblem],
    ) -> Result<Option<String>> {
        let is_severe = |problem: &&ScanProblem| {
            problem.kind == ScanProblemKind::Other
                && problem.severity.as_ref().is_some_and(|severity| *severity >= Severity::High)
        };
        if let Some(problem) = problems.iter().find(is_severe) {
            return Ok(Some(format!("a severe note that this version does not know: {}", problem.message)));
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

    /// Returns whether the configuration was created by an import. Only the listing of configurations shows
    /// that.
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
            if let Some(entry) = page.records.iter().find(|entry| entry.config_id == config) {
                found = if entry.imported == Some(true) { Imported::Yes } else { Imported::No };
                break;
            }
        }
        self.imported = Some(found);
        Ok(found)
    }

    /// Reads the report. Returns `None` if it is refused.
    async fn read_report(
        &mut self,
        id: TenableScanId,
        context: &FindingContext,
    ) -> Result<Option<ScanDetails>> {
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
            self.events.records += 1;
            if let Some(finding) = self.report_finding(&element, context) {
                self.push(&mut batcher, finding).await?;
            }
        }
        self.flush(&mut batcher, None).await?;
        Ok(Some(match report.rest() {
            Ok(rest) => ScanDetails::from_report(&rest, &self.scan),
            // The findings are complete; what limits them is unknown.
            Err(error) => {
                self.add_gap(GapKind::ResultsUnavailable, &context.partition, error.message());
                ScanDetails::from_problems(Vec::new(), &self.scan)
            }
        }))
    }

    fn report_finding(&mut self, element: &Element<'_>, context: &FindingContext) -> Option<Finding> {
        let record = match element.json::<ReportFinding>(REPORT_OPERATION) {
            Ok(record) => record,
            Err(error) => {
                let gap = undecodable_record(&error, "the report", Some(&context.partition));
                self.events.coverage.add_gap(gap);
                return None;
            }
        };
        let finding = self.rules.report_finding(context.clone(), &record);
        count_unknown(&mut self.events.unknown, &finding, "finding", &record.extra);
        self.filter.apply(finding, &element.bytes)
    }

    /// Reads the detections, the records of their plugins, and the notes. Returns `None` if they are
    /// refused.
    async fn read_detections(
        &mut self,
        id: TenableScanId,
        context: &FindingContext,
    ) -> Result<Option<ScanDetails>> {
        let mut seen = HashSet::new();
        let mut batcher = Batcher::new();
        let (mut offset, mut unreadable, mut idle) = (0, 0, 0);
        let mut first_total = None;
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
                self.events.records += 1;
                match element.json::<Vulnerability>(VULNERABILITIES_OPERATION) {
                    // Offsets shift while a list grows, so a record may be listed twice.
                    Ok(record) if !seen.insert(record.vuln_id) => {}
                    Ok(record) => {
                        if let Some(finding) = self.detection_finding(&record, &element, context).await? {
                            self.push(&mut batcher, finding).await?;
                        }
                    }
                    Err(error) => {
                        unreadable += 1;
                        let gap = undecodable_record(&error, "the detections", Some(&context.partition));
                        self.events.coverage.add_gap(gap);
                    }
                }
            }
            let total = page.pagination()?.total;
            first_total.get_or_insert(total);
            if offset == before || total.is_some_and(|total| offset >= total) {
                break total;
            }
            idle = if known == seen.len() as u64 + unreadable { idle + 1 } else { 0 };
            if idle >= MAX_IDLE_PAGES {
                return Err(no_paging());
            }
        };
        self.flush(&mut batcher, total).await?;
        let listed = seen.len() as u64 + unreadable;
        // If a list shrinks while it is read, later records move to pages that were read already. Only the
        // two totals show that.
        let message = match (first_total.flatten(), total) {
            (Some(first), Some(last)) if first != last => {
                Some(format!("the service announced {first} detections at first and {last} in the end"))
            }
            (Some(_), Some(last)) => (last != listed)
                .then(|| format!("the service announced {last} detections and listed {listed}")),
            _ => Some("the service does not say how many detections there are".to_owned()),
        };
        if let Some(message) = message {
            self.add_gap(GapKind::Shifted, &context.partition, &message);
        }
        let problems = fetch_problems(&self.client, id).await?;
        Ok(Some(ScanDetails::from_problems(problems, &self.scan)))
    }

    async fn detection_finding(
        &mut self,
        record: &Vulnerability,
        element: &Element<'_>,
        context: &FindingContext,
    ) -> Result<Option<Finding>> {
        let (rule, severity) = self.rules.fetch_plugin(&self.client, record.plugin_id).await?;
        let finding =
            finding_from_vulnerability(context.clone(), record, rule, severity, self.client.base_url());
        count_unknown(&mut self.events.unknown, &finding, "finding", &record.extra);
        Ok(self.filter.apply(finding, &element.bytes))
    }

    /// Adds a finding to the batch, and sends the batch before it if that is full.
    async fn push(&mut self, batcher: &mut Batcher, finding: Finding) -> Result<()> {
        match push_finding(batcher, finding) {
            Some(full) => self.events.send_batch(full, self.resume_point()?, None).await,
            None => Ok(()),
        }
    }

    /// Sends the last batch of a child.
    async fn flush(&mut self, batcher: &mut Batcher, total: Option<u64>) -> Result<()> {
        if batcher.is_empty() {
            return Ok(());
        }
        self.events.send_batch(batcher.take(), self.resume_point()?, total).await
    }

    fn resume_point(&self) -> Result<ResumePoint> {
        ResumePoint::new(TenableWasClient::KEY, &self.state)
    }
}
