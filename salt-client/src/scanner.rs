//! Salt as a scanner: it observes traffic, and its posture gaps are the findings.

use appsec_core::{
    BindTargetBatch, BindTargetQuery, BoxStream, Capabilities, ConnectionReport, DastApiScanner, Error,
    ErrorKind, FindingEvent, FindingQuery, Result, ScanMode, ScannerInfo, StatusChange, async_trait,
    stream_error,
};

use crate::client::{SaltClient, Verification, WRITE_STATUS};
use crate::findings::FindingsReader;
use crate::map::to_gap_status;
use crate::model::GapChange;
use crate::{bind_targets, connect};

/// The scanner's key.
const KEY: &str = "saltsecurity";

static WITHOUT_WRITE_BACK: ScannerInfo = info(false);
static WITH_WRITE_BACK: ScannerInfo = info(true);

const fn info(write_back: bool) -> ScannerInfo {
    let capabilities = Capabilities::none()
        .with_findings_by_target(true)
        .with_findings_all(true)
        .with_set_finding_status(write_back);
    ScannerInfo::new(KEY, "Salt Security", ScanMode::Passive, capabilities)
}

#[async_trait]
impl DastApiScanner for SaltClient {
    fn info(&self) -> &ScannerInfo {
        if self.settings().write_back.is_some() { &WITH_WRITE_BACK } else { &WITHOUT_WRITE_BACK }
    }

    async fn test_connection(&self) -> ConnectionReport {
        connect::test(self).await
    }

    fn bind_targets(&self, query: BindTargetQuery) -> BoxStream<'static, Result<BindTargetBatch>> {
        bind_targets::stream(self, query)
    }

    fn findings(&self, query: FindingQuery) -> BoxStream<'static, Result<FindingEvent>> {
        match FindingsReader::new(self.clone(), query) {
            Ok(reader) => reader.into_stream(),
            Err(error) => stream_error(error),
        }
    }

    /// A change counts as made only once the gap was read again with the new status.
    async fn set_finding_status(&self, change: &StatusChange) -> Result<()> {
        let Some(body) = &self.settings().write_back else {
            return Err(Error::unsupported("set_finding_status"));
        };
        let status = to_gap_status(&change.status).map_err(|error| error.with_operation(WRITE_STATUS))?;
        let mut gap_change = GapChange::new(&change.finding, status);
        gap_change.comment.clone_from(&change.comment);
        let verified = self.write_gap_status(&gap_change, &**body).await?.verify().await;
        let (kind, message) = match verified.map_err(|error| error.with_outcome_unknown(true))? {
            Verification::Changed => return Ok(()),
            Verification::Unchanged(status) => {
                let status = status.map_or("none".to_owned(), |status| status.to_string());
                let message = format!("the service accepted the change, but the gap's status is {status}");
                (ErrorKind::Unexpected, message)
            }
            Verification::Unproven(gap) => {
                let message = format!(
                    "the service accepted the change, but the gap was not found in a list that could not be read completely: {gap}"
                );
                (ErrorKind::Unexpected, message)
            }
            Verification::NotListed => {
                let message = "the service accepted the change, but lists no gap of that id";
                (ErrorKind::NotFound, message.to_owned())
            }
        };
        Err(Error::new(kind, message).with_operation(WRITE_STATUS).with_outcome_unknown(true))
    }
}
