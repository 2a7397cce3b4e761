//! Reports a 429 that the retries hide.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A flag that is set when the service returns 429 to a request that it watches. Clones share it.
///
/// The stack waits and retries after a 429, so the caller of a stream does not see it. A caller that adapts
/// how many streams it reads at once attaches a signal to each of them, see
/// [`ElementStream::with_throttle_signal`](crate::ElementStream::with_throttle_signal).
#[derive(Debug, Clone, Default)]
pub struct ThrottleSignal(Arc<AtomicBool>);

impl ThrottleSignal {
    /// Returns a signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Clears the signal. Returns whether a 429 came since the last call.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
