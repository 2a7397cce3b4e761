//! The limits on requests in flight.

use std::sync::Arc;

use appsec_core::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::options::HttpOptions;
use crate::stack::deadline::{Deadline, until};
use crate::stack::retry::Failure;

/// Permits for single calls and for streams. They are separate, so that a consumer that makes a call while
/// it reads a stream does not wait for itself.
#[derive(Debug)]
pub(crate) struct InFlight {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl InFlight {
    pub(crate) fn new(options: &HttpOptions) -> Self {
        let permits = |limit: usize| Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        Self { calls: permits(options.max_in_flight), streams: permits(options.max_streams) }
    }

    /// The permits that are free, for single calls and for streams.
    #[cfg(test)]
    pub(crate) fn available(&self) -> (usize, usize) {
        (self.calls.available_permits(), self.streams.available_permits())
    }

    /// Waits for the permit of a single call.
    pub(crate) async fn call(&self, deadline: Deadline) -> Result<OwnedSemaphorePermit, Failure> {
        acquire(&self.calls, deadline).await
    }

    /// Waits for the permit of a stream.
    ///
    /// The wait is bounded by the call timeout: the permits may belong to streams that the same consumer
    /// has stopped reading, and nothing else would end the wait.
    pub(crate) async fn stream(&self, options: &HttpOptions) -> Result<OwnedSemaphorePermit, Failure> {
        acquire(&self.streams, Deadline::for_call(options.call_timeout)).await.map_err(|failure| {
            if failure.error.kind() != ErrorKind::Deadline {
                return failure;
            }
            let message = format!(
                "no further stream could be opened within {:?}: {} are open, and a stream that is not read stays open",
                options.call_timeout, options.max_streams
            );
            Failure::permanent(Error::new(ErrorKind::Deadline, message))
        })
    }
}

async fn acquire(permits: &Arc<Semaphore>, deadline: Deadline) -> Result<OwnedSemaphorePermit, Failure> {
    let acquired = until(deadline.at(), Arc::clone(permits).acquire_owned()).await;
    acquired.ok_or_else(|| deadline.not_sent())?.map_err(|closed| {
        Failure::permanent(Error::new(ErrorKind::Unexpected, "the client was shut down").with_source(closed))
    })
}
