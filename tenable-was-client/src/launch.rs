//! Launching where a scan may be running already.

use appsec_core::{Error, ErrorKind, Result};
use futures_util::TryStreamExt;

use crate::TenableWasClient;
use crate::error::id_in;
use crate::filter::Filter;
use crate::model::{ConfigId, RequestedAction, Scan, ScanState, TenableScanId};
use crate::wait::Wait;

/// What becomes of a scan that stands in the way of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnRunning {
    /// It is taken in place of a new one.
    Adopt,
    /// It is stopped, waited for, and followed by a new one. What it found so far is kept with it.
    StopAndRelaunch,
}

/// How a launch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Launch {
    /// A scan was launched.
    Started(TenableScanId),
    /// One was running, and is taken in place of a new one.
    Adopted(TenableScanId),
    /// One was running; it has ended, and a new one was launched.
    Relaunched {
        /// The one that was running.
        ended: TenableScanId,
        /// The new one.
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
    /// Launches a scan of a configuration, and copes with one that is running already: a configuration has one at a time. Needs the role Scan
    /// Operator.
    ///
    /// The service can stop no scan before it runs, and none while it is paused. To be stopped, one that waits is waited for, and one that is
    /// paused is resumed. How long that may take is what the builder's [`with_waits`](crate::TenableWasClientBuilder::with_waits) says.
    ///
    /// # Errors
    /// `Deadline` where the scan in the way does not end in time; `Conflict` where it cannot be found; those of
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
                // The refusal may lag behind the end that was seen.
                OnRunning::StopAndRelaunch if ended == Some(running) => {
                    wait.pause(|| format!("the service did not let go of scan {running}")).await?;
                }
                OnRunning::StopAndRelaunch => {
                    self.stop_and_wait(running, &mut wait).await?;
                    ended = Some(running);
                }
            }
        }
    }

    /// The scan that stands in the way of a launch: the one that the refusal names, else the newest that has not ended.
    pub(crate) async fn running_scan(
        &self,
        config: ConfigId,
        refusal: &Error,
    ) -> Result<Option<TenableScanId>> {
        if let Some(id) = id_in(refusal.message()) {
            return Ok(Some(TenableScanId(id)));
        }
        let mut pages = self.scans_of_config(config, Filter::everything());
        while let Some(page) = pages.try_next().await? {
            if let Some(scan) = page.iter().find(|scan| scan.parent_id.is_none() && !scan.has_ended()) {
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
                    if let Some(action) = towards_the_end(&scan) {
                        self.ask(id, &action).await?;
                    }
                }
                Err(error) => wait.ride_out(error)?,
            }
            wait.pause(|| format!("scan {id} did not end")).await?;
        }
    }

    /// Asks for what its state should allow. It may have changed meanwhile, or not show yet what was asked for before.
    async fn ask(&self, id: TenableScanId, action: &RequestedAction) -> Result<()> {
        match self.update_scan(id, action).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            result => result,
        }
    }
}

/// What to ask a scan for so that it ends; `None` where there is nothing to do but wait.
fn towards_the_end(scan: &Scan) -> Option<RequestedAction> {
    match scan.status.as_ref().map(appsec_core::Verbatim::value)? {
        ScanState::Running => Some(RequestedAction::Stop),
        ScanState::Paused => Some(RequestedAction::Resume),
        _ => None,
    }
}
