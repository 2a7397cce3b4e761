//! `cargo run -p examples --bin custom_scanner`
//!
//! Implements `DastApiScanner` for a scanner of your own, and checks it with the conformance suite.
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::sync::{Arc, RwLock};
use std::time::Duration;

use appsec_core::testing::{Dataset, Fixture, Seeded, conformance};
use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, Capabilities, ConnectionReport,
    ConnectionStep, Coverage, DastApiScanner, Error, ErrorKind, EvidenceKind, Finding, FindingEvent,
    FindingQuery, FindingScope, Fingerprint, Location, PartitionKey, Result, Rule, ScanMode, ScannerInfo,
    StepKind, async_trait, stream_bind_targets, stream_error, stream_findings,
};

const INFO: ScannerInfo = ScannerInfo::new(
    "linkchecker",
    "Link checker",
    ScanMode::Passive,
    Capabilities::none().with_findings_all(true).with_findings_by_target(true),
);

/// Reports dead links. Here they come from a list; a real scanner would request them from a service.
#[derive(Debug, Clone)]
struct LinkChecker(Arc<RwLock<Dataset>>);

impl LinkChecker {
    fn dataset(&self) -> Result<Dataset> {
        self.0
            .read()
            .map(|dataset| dataset.clone())
            .map_err(|_| Error::new(ErrorKind::Unexpected, "the list is poisoned"))
    }

    fn read(&self, scope: &FindingScope) -> Result<(Vec<Finding>, Coverage)> {
        let (mut findings, mut coverage, mut known) = (Vec::new(), Coverage::new(), Vec::new());
        for site in self.dataset()?.targets {
            let (target, partition) =
                (BindTargetId::from_parts("site", &site.name), PartitionKey::from(site.name.as_str()));
            for link in &site.findings {
                let place = Location::from_host_and_path(&site.name, &link.path);
                let fingerprint = Fingerprint::v1(INFO.key, &link.rule, &place, &[]);
                let rule = Arc::new(Rule::new(&*link.rule, &*link.rule));
                let severity = link.severity.clone();
                let mut finding =
                    Finding::new(INFO.key.into(), fingerprint, rule, severity, place, partition.clone());
                finding.targets = vec![target.clone()];
                finding.push_evidence(EvidenceKind::Output, Some(&link.evidence));
                findings.push(finding);
            }
            coverage.mark_conclusive(partition); // the whole site was checked, so an absent link is fixed
            known.push(target);
        }
        match scope {
            FindingScope::Targets(targets) if !targets.iter().all(|target| known.contains(target)) => {
                Err(Error::new(ErrorKind::NotFound, "no such site"))
            }
            _ => Ok((findings, coverage)),
        }
    }
}

#[async_trait]
impl DastApiScanner for LinkChecker {
    fn info(&self) -> &ScannerInfo {
        &INFO
    }

    async fn test_connection(&self) -> ConnectionReport {
        let mut report = ConnectionReport::new(INFO.key, "the list");
        report.push(ConnectionStep::passed(
            StepKind::Configuration,
            Duration::ZERO,
            "a list needs no connection",
        ));
        report
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        let this = self.clone();
        let target = |name: String| BindTarget::new(BindTargetId::from_parts("site", &name), name);
        stream_bind_targets(query, async move {
            let targets: Vec<_> = this.dataset()?.targets.into_iter().map(|site| target(site.name)).collect();
            Ok(targets)
        })
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        if matches!(query.scope, FindingScope::Scan(_)) {
            return stream_error(Error::unsupported("findings_by_scan"));
        }
        let (this, scope) = (self.clone(), query.scope.clone());
        stream_findings(INFO.key, query, async move { this.read(&scope) })
    }
}

/// Lets the suite fill the scanner with data.
#[async_trait]
impl Fixture for LinkChecker {
    fn scanner(&self) -> Arc<dyn DastApiScanner> {
        Arc::new(self.clone())
    }

    async fn seed(&self, dataset: &Dataset) -> Result<Option<Seeded>> {
        *self.0.write().map_err(|_| Error::new(ErrorKind::Unexpected, "the list is poisoned"))? =
            dataset.clone();
        let site =
            |seeded: Seeded, name: &String| seeded.with_target(name, BindTargetId::from_parts("site", name));
        Ok(Some(dataset.targets.iter().map(|target| &target.name).fold(Seeded::new(), site)))
    }
}

#[tokio::main]
async fn main() {
    let new =
        || async { Box::new(LinkChecker(Arc::new(RwLock::new(Dataset::new(0, 0))))) as Box<dyn Fixture> };
    let report = conformance::run(new).await;
    println!("{report}");
    report.assert_passed();
}
