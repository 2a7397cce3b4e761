//! Recognises a request that was not sent, because the service asked an earlier one to wait.

use std::time::Duration;

use appsec_core::{Error, ErrorKind};

/// Returns how long to wait before the request can be sent, if it was not sent because a rate limit holds
/// for all requests of the client; `None` for every other error, and for a request that was refused itself.
pub(crate) fn cooldown(error: &Error) -> Option<Duration> {
    let unsent = error.kind() == ErrorKind::RateLimited && error.status().is_none();
    error.retry_after().filter(|_| unsent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_refused_itself_is_not_waiting_for_another() {
        let error = |kind| Error::new(kind, "wait").with_retry_after(Duration::from_secs(7));
        assert_eq!(cooldown(&error(ErrorKind::RateLimited)), Some(Duration::from_secs(7)));
        assert_eq!(cooldown(&error(ErrorKind::RateLimited).with_status(429)), None);
        assert_eq!(cooldown(&error(ErrorKind::Server)), None);
        assert_eq!(cooldown(&Error::new(ErrorKind::RateLimited, "wait")), None);
    }
}
