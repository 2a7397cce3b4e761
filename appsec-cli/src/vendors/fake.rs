//! What `appsec mock` and `appsec demo` need from the fake of a vendor's service.

use std::fmt;
use std::time::Duration;

use appsec_http::testing::fake::Call;
use clap::ValueEnum;
use serde_json::{Value, json};

/// What a fake holds when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum FakeData {
    /// A web shop with several hundred findings and the oddities of the services
    #[default]
    Demo,
    /// Nothing
    Empty,
}

/// A fake of a service, on loopback unless it was started on another address. It stops when dropped.
pub(crate) trait Fake: fmt::Debug + Send + Sync {
    fn base_url(&self) -> String;

    /// The credentials that it accepts.
    fn credentials(&self) -> Vec<FakeCredential>;

    /// The requests that it received, oldest first.
    fn calls(&self) -> Vec<Value>;

    /// Answers this many more requests, and every later one with 503.
    fn down_after(&self, requests: u64);

    /// Answers the next `times` requests with this status.
    fn respond(&self, times: u64, status: u16);

    /// Refuses the credentials from now on.
    fn revoke(&self);

    /// Removes every scripted fault.
    fn recover(&self);

    /// Returns to the state after the start, without recorded requests.
    fn reset(&self);

    /// Moves its clock forward. Returns false where the fake has no clock.
    fn advance(&self, _by: Duration) -> bool {
        false
    }

    /// The scans that the demo shows; `None` where the scanner starts none.
    fn demo_scans(&self) -> Option<&dyn DemoScans> {
        None
    }
}

/// A credential that a fake accepts.
#[derive(Debug)]
pub(crate) struct FakeCredential {
    /// Its name in JSON and, with `_env` or `_file` appended, in `appsec.toml`.
    pub(crate) key: &'static str,
    /// The environment variable from which the client reads it.
    pub(crate) variable: &'static str,
    pub(crate) value: String,
}

/// How the demo controls the scans of one bind target of a fake that holds [`FakeData::Demo`].
pub(crate) trait DemoScans: Send + Sync {
    /// The name of the bind target.
    fn target(&self) -> &'static str;

    /// Lets later scans of the target end within seconds: completed, or stopped by their time limit.
    fn end_scans_quickly(&self, by_time_limit: bool);

    /// Removes half of the weaknesses of the target. Later scans do not find them.
    fn fix_half(&self);
}

/// A recorded request as JSON.
pub(super) fn call_json<R: fmt::Debug>(call: &Call<R>) -> Value {
    json!({
        "operation": format!("{:?}", call.route),
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "body": call.json(),
        "authorized": call.authorized,
        "status": call.status,
    })
}
