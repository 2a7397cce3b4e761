//! The service behind the scanner: what it holds, its faults, and the number of its requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::testing::Fault;
use crate::{BindTarget, BindTargetId, Error, ErrorKind, Finding, Result, Scan, ScanId, ScanStatus};

/// The key of the scanner.
pub(super) const KEY: &str = "memory";

#[derive(Default)]
pub(super) struct State {
    pub(super) targets: Vec<BindTarget>,
    pub(super) findings: Vec<Finding>,
    /// Oldest first.
    pub(super) scans: Vec<Scan>,
    /// The target with a record that cannot be decoded.
    pub(super) unreadable: Option<BindTargetId>,
    /// Whether an answer for some targets contains the findings of the others too.
    pub(super) coarse_answers: bool,
    pub(super) fault: Option<Fault>,
    pub(super) requests: u64,
    /// The number of the current list of findings. A reader never mixes two lists.
    pub(super) edition: u64,
}

/// A service. Clones share their state.
#[derive(Clone, Default)]
pub(super) struct Service(Arc<Mutex<State>>);

impl Service {
    /// Returns the state without a request.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, and fails as the fault says.
    pub(super) fn request(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.requests += 1;
        let down = || Error::new(ErrorKind::Server, "503 Service Unavailable").with_status(503);
        match &mut state.fault {
            Some(Fault::Unauthorized) => {
                return Err(Error::new(ErrorKind::Auth, "401 Unauthorized").with_status(401));
            }
            Some(Fault::Down | Fault::DownAfter(0)) => return Err(down()),
            Some(Fault::DownAfter(left)) => *left -= 1,
            _ => {}
        }
        Ok(state)
    }
}

/// Refuses an operation that the scanner does not have.
pub(super) fn require(able: bool, operation: &'static str) -> Result<()> {
    if able { Ok(()) } else { Err(Error::unsupported(operation)) }
}

impl State {
    pub(super) fn target(&self, id: &BindTargetId) -> Result<&BindTarget> {
        let target = self.targets.iter().find(|target| target.id == *id);
        target.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no target has the id {id}")))
    }

    pub(super) fn scan(&mut self, id: &ScanId) -> Result<&mut Scan> {
        let scan = self.scans.iter_mut().find(|scan| scan.id == *id);
        scan.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no scan has the id {id}")))
    }

    pub(super) fn add_scan(&mut self, target: &BindTargetId, status: ScanStatus) -> Scan {
        let mut scan =
            Scan::new(format!("scan-{}", self.scans.len() + 1), status).with_target(target.clone());
        scan.created_at = Some(Timestamp::now());
        self.scans.push(scan.clone());
        scan
    }
}
