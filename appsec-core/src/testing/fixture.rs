//! The service behind a scanner, as the conformance suite fills and breaks it.

use std::sync::Arc;

use async_trait::async_trait;

use super::dataset::{Dataset, Seeded};
use crate::{DastApiScanner, Result};

/// A scanner together with the service behind it, so that the conformance suite can fill and break the
/// service.
///
/// Only [`Fixture::scanner`] is required. The suite skips the checks that need more, and the report says
/// why.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Returns the scanner under test. It is a new handle each time where that is possible, so that no
    /// state is left from an earlier call.
    fn scanner(&self) -> Arc<dyn DastApiScanner>;

    /// Fills the service with exactly this dataset and returns the ids that it gave. Returns `None` when
    /// the service cannot be filled.
    ///
    /// # Errors
    /// The error of the service.
    async fn seed(&self, dataset: &Dataset) -> Result<Option<Seeded>> {
        let _ = dataset;
        Ok(None)
    }

    /// Returns the number of requests that the service has received, or `None` when it does not count them.
    async fn requests(&self) -> Option<u64> {
        None
    }

    /// Breaks the service from now on. Returns false when it cannot be broken that way.
    async fn break_with(&self, fault: Fault) -> bool {
        let _ = fault;
        false
    }
}

/// How a service can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It refuses the credentials.
    Unauthorized,
    /// It does not respond, or every response is a server fault.
    Down,
    /// It serves this many further requests, and then is down.
    DownAfter(u64),
    /// The findings of the first target contain one more record than was seeded, and that record cannot be
    /// decoded.
    BadRecord,
}
