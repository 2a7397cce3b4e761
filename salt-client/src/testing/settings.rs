//! The behavior of a fake that can be chosen.

use std::time::Duration;

use super::quirk::Quirk;

/// The value of `endOffset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndOffset {
    /// The offset after the last record sent: the assumed meaning.
    Exclusive,
    /// The same, as a string.
    Text,
    /// None: the field is absent.
    Missing,
    /// The offset that was requested.
    Stuck,
    /// Less than the offset that was requested.
    Smaller,
    /// This number of records beyond the last record sent.
    Ahead(u64),
}

/// What the token may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Everything.
    Viewer,
    /// Nothing; the response is 403.
    Refused,
    /// Nothing; the response is 200 with empty lists.
    Hidden,
}

/// The body that a status change must have. Any other body is refused with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteBody {
    /// `{"postureGapId": "…", "status": "…"}`
    Object,
    /// A list of such objects.
    List,
    /// `{"postureGapIds": ["…"], "status": "…"}`
    Ids,
}

/// The response to an accepted status change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteResponse {
    /// 200 with `{}`.
    EmptyObject,
    /// 200 with an empty body.
    EmptyBody,
    /// 204.
    NoContent,
    /// 202 with text that is not JSON.
    Text,
}

/// The behavior of a fake.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) token: String,
    pub(super) end_offset: EndOffset,
    pub(super) access: Access,
    pub(super) page_cap: Option<u64>,
    pub(super) max_limit: Option<u64>,
    pub(super) default_statuses: Option<Vec<String>>,
    pub(super) host_parameter: bool,
    pub(super) quirks: Vec<Quirk>,
    pub(super) executor: bool,
    pub(super) write_body: WriteBody,
    pub(super) write_response: WriteResponse,
    pub(super) writes_ignored: bool,
    pub(super) latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token: "fake-salt-token".to_owned(),
            end_offset: EndOffset::Exclusive,
            access: Access::Viewer,
            page_cap: None,
            max_limit: None,
            default_statuses: None,
            host_parameter: false,
            quirks: Vec::new(),
            executor: true,
            write_body: WriteBody::Object,
            write_response: WriteResponse::EmptyObject,
            writes_ignored: false,
            latency: Duration::ZERO,
        }
    }
}
