//! Salt as a scanner: it observes traffic, and its posture gaps are the findings.

use appsec_core::{
    BindTarget, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, DastApiScanner, FindingEvent,
    FindingQuery, Result, ScanMode, ScannerInfo, async_trait, once_err,
};

use crate::client::SaltClient;
use crate::findings::Walk;
use crate::{connect, inventory};

/// The scanner's key.
pub(crate) const KEY: &str = "saltsecurity";

static INFO: std::sync::LazyLock<ScannerInfo> = std::sync::LazyLock::new(|| {
    let capabilities = Capabilities::none().with_findings_by_target(true).with_findings_all(true);
    ScannerInfo::new(KEY, "Salt Security", ScanMode::Passive, capabilities)
});

#[async_trait]
impl DastApiScanner for SaltClient {
    fn info(&self) -> &ScannerInfo {
        &INFO
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
}
