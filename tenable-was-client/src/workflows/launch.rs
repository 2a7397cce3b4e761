//! Launching a scan where one may be running already.

use appsec_core::{Error, ErrorKind, Result, Verbatim};
use futures_util::TryStreamExt;

use super::wait::Wait;
use crate::TenableWasClient;
use crate::filter::Filter;
use crate::model::{ConfigId, RequestedAction, Scan, ScanState, TenableScanId};

/// What to do with a running scan that prevents a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnRunning {
    /// Use it instead of a new one.
    Adopt,
    /// Stop it, wait until it has ended, and launch a new one. The service keeps what it found so far.
    StopAndRelaunch,
}

/// The result of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Launch {
    /// A scan was launched.
    Started(TenableScanId),
    /// A scan was running already, and is used instead of a new one.
    Adopted(TenableScanId),
    /// A scan was running already. It has ended, and a new one was launched.
    Relaunched {
        /// The scan that was running.
        ended: TenableScanId,
        /// The new scan.
        scan: TenableScanId,
    },
}

impl Launch {
    /// The scan to watch.
    pub fn scan(&self) -> TenableScanId {
        match self {
            Self::Started(scan) | Self::Adopted(scan) | Self::Relaunched { scan, .. } => *scan,
        }
    }
}

impl TenableWasClient {
    /// Launches a scan of a configuration, and handles one that is running already: a configuration has one
    /// at a time. Needs the role Scan Operator.
    ///
    /// The service cannot stop a scan before it runs or while it is paused. So
    /// [`OnRunning::StopAndRelaunch`] waits for a queued scan to start, and resumes a paused one. The
    /// builder's [`with_waits`](crate::TenableWasClientBuilder::with_waits) bounds how long that may
    /// take.
    ///
    /// # Errors
    /// `Deadline` if the running scan does not end in time; `Conflict` if it cannot be found; those of
    /// [`launch_scan`](Self::launch_scan) and [`update_scan`](Self::update_scan).
    pub async fn launch_or(&self, config: ConfigId, on_running: OnRunning) -> Result<Launch> {
        let mut wait = self.wait();
        let mut ended = None;
        loop {
            let refusal = match (self.launch_scan(config).await, ended) {
                (Ok(scan), None) => return Ok(Launch::Started(scan)),
                (Ok(scan), Some(ended)) => return Ok(Launch::Relaunched { ended, scan }),
                (Err(error), _) if error.kind() == ErrorKind::Conflict => error,
                (Err(error), _) => return Err(error),
            };
            let Some(running) = self.running_scan(config, &refusal).await? else { return Err(refusal) };
            match on_running {
                OnRunning::Adopt => return Ok(Launch::Adopted(running)),
                // The service may refuse for some time after the scan has ended.
                OnRunning::StopAndRelaunch if ended == Some(running) => {
                    wait.pause(|| format!("scan {running} did not free its configuration")).await?;
                }
                OnRunning::StopAndRelaunch => {
                    self.stop_and_wait(running, &mut wait).await?;
                    ended = Some(running);
                }
            }
        }
    }

    /// Returns the scan that prevents a launch: the one that the refusal names, else the newest that has
    /// not ended.
    pub(crate) async fn running_scan(
        &self,
        config: ConfigId,
        refusal: &Error,
    ) -> Result<Option<TenableScanId>> {
        if let Some(id) = refusal.conflicting_id().and_then(|id| id.parse().ok()) {
            return Ok(Some(id));
        }
        let mut pages = self.scans_of_config(config, Filter::everything());
        while let Some(page) = pages.try_next().await? {
            if let Some(scan) = page.records.iter().find(|scan| scan.parent_id.is_none() && !scan.has_ended())
            {
                return Ok(Some(scan.scan_id));
            }
        }
        Ok(None)
    }

    async fn stop_and_wait(&self, id: TenableScanId, wait: &mut Wait) -> Result<()> {
        loop {
            match self.get_scan(id).await {
                Ok(scan) if scan.has_ended() => return Ok(()),
                Ok(scan) => {
                    if let Some(action) = next_action_to_stop(&scan) {
                        self.request_action(id, &action).await?;
                    }
                }
                Err(error) => wait.tolerate(error)?,
            }
            wait.pause(|| format!("scan {id} did not end")).await?;
        }
    }

    /// Requests an action that the scan's state allows. A conflict is ignored: the state may have changed
    /// meanwhile, or not yet show an earlier request.
    async fn request_action(&self, id: TenableScanId, action: &RequestedAction) -> Result<()> {
        match self.update_scan(id, action).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            result => result,
        }
    }
}

/// Returns the next action that leads to the end of a scan, or `None` if there is nothing to do but wait.
fn next_action_to_stop(scan: &Scan) -> Option<RequestedAction> {
    match scan.status.as_ref().map(Verbatim::value)? {
        ScanState::Running => Some(RequestedAction::Stop),
        ScanState::Paused => Some(RequestedAction::Resume),
        _ => None,
    }
}
