//! A scanner that makes its findings up as they are asked for, and so costs next to nothing.

use std::sync::Arc;

use appsec_core::{
    BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, Coverage, DastApiScanner,
    Finding, FindingBatch, FindingEvent, FindingQuery, FindingStatus, Fingerprint, Location, PartitionKey,
    Result, ResumePoint, Rule, ScanMode, ScannerInfo, Severity, async_trait,
};
use futures_util::{StreamExt, stream};

const KEY: &str = "generator";

/// Sites, and so partitions.
const SITES: usize = 100;

#[derive(Debug, Clone)]
pub(crate) struct Generator {
    info: ScannerInfo,
    findings: usize,
}

impl Generator {
    pub(crate) fn new(findings: usize) -> Self {
        let can = Capabilities::none().with_findings_all(true);
        Self { info: ScannerInfo::new(KEY, "Generator", ScanMode::Passive, can), findings }
    }

    /// All its findings, in batches.
    pub(crate) fn batches(&self) -> impl Iterator<Item = Vec<Finding>> + Send + 'static {
        let (total, rule) = (self.findings, Arc::new(Rule::new("98104", "SQL injection")));
        (0..total).step_by(FindingBatch::MAX_FINDINGS).map(move |first| {
            let numbers = first..total.min(first + FindingBatch::MAX_FINDINGS);
            numbers.map(|number| finding(number, &rule)).collect()
        })
    }

    pub(crate) fn coverage() -> Coverage {
        let mut coverage = Coverage::new();
        (0..SITES).for_each(|site| coverage.mark_conclusive(partition(site)));
        coverage
    }
}

fn partition(site: usize) -> PartitionKey {
    PartitionKey::from(format!("config:1/asset:{site}"))
}

fn finding(number: usize, rule: &Arc<Rule>) -> Finding {
    let site = number % SITES;
    let place = Location::from_url(format!("https://shop{site}.example.com/page/{number}?q=1"));
    let fingerprint = Fingerprint::v1(KEY, &rule.id, &place, &["link", "q"]);
    let mut finding =
        Finding::new(KEY.into(), fingerprint, rule.clone(), Severity::High, place, partition(site));
    // As random as a scanner's own ids are: where they fall in an index does not follow the order in
    // which they come.
    let id = (number as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    finding.aliases = vec![format!("{id:032x}")];
    finding.status = Some(FindingStatus::Open);
    finding
}

#[async_trait]
impl DastApiScanner for Generator {
    fn info(&self) -> &ScannerInfo {
        &self.info
    }

    async fn test_connection(&self) -> ConnectionReport {
        ConnectionReport::new(self.info.key, "generator:")
    }

    fn bind_targets(&self, _: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        stream::empty().boxed()
    }

    fn findings(&self, _: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        let batches = self.batches().enumerate().map(|(number, findings)| {
            Ok(FindingEvent::Batch(FindingBatch::new(findings, ResumePoint::new(KEY, &number)?)))
        });
        stream::iter(batches.chain([Ok(FindingEvent::End(Self::coverage()))])).boxed()
    }
}
