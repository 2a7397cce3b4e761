//! Salt as a scanner: it observes traffic, and its posture gaps are the findings.

use appsec_core::{
    BindTarget, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, DastApiScanner, FindingEvent,
    FindingQuery, Result, ScanMode, ScannerInfo, StatusChange, async_trait, once_err,
};

use crate::client::SaltClient;
use crate::findings::Walk;
use crate::{connect, inventory, write_back};

/// The scanner's key.
pub(crate) const KEY: &str = "saltsecurity";

static READS: ScannerInfo = info(false);
static WRITES: ScannerInfo = info(true);

const fn info(writes: bool) -> ScannerInfo {
    let reads = Capabilities::none().with_findings_by_target(true).with_findings_all(true);
    ScannerInfo::new(KEY, "Salt Security", ScanMode::Passive, reads.with_set_finding_status(writes))
}

#[async_trait]
impl DastApiScanner for SaltClient {
    fn info(&self) -> &ScannerInfo {
        if self.settings().write_back.is_some() { &WRITES } else { &READS }
    }

    async fn test_connection(&self) -> ConnectionReport {
        connect::test(self).await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<Vec<BindTarget>>> {
        inventory::bind_targets(self, query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        match Walk::new(self.clone(), query) {
            Ok(walk) => walk.into_stream(),
            Err(error) => once_err(error),
        }
    }

    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        write_back::set(self, change).await
    }
}
