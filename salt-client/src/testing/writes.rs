//! The status write-back. All of it is assumed but that it exists, so all of it can be chosen.

use appsec_core::same_word;
use serde_json::{Value, json};

use super::builder::Settings;
use super::calls::Call;
use super::response::FakeResponse;
use super::tenant::Tenant;

/// The body that a status change must have; any other is refused with 400.
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

/// What is answered to a status change that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteResponse {
    /// 200 with `{}`.
    EmptyObject,
    /// 200 with nothing.
    EmptyBody,
    /// 204.
    NoContent,
    /// 202 with text that is no JSON.
    Text,
}

/// The statuses that a person can choose.
const STATUSES: [&str; 4] = ["Open", "InProcess", "Resolved", "Ignored"];

/// The answer to a change whose token is right.
pub(super) fn answer(settings: &Settings, tenant: &mut Tenant, call: &Call) -> FakeResponse {
    if !settings.executor {
        return FakeResponse::refusal(403, "Forbidden");
    }
    let Some(changes) = changes(settings.write_body, &call.json()) else {
        return FakeResponse::refusal(400, "the body is not as expected");
    };
    let mut written = Vec::new();
    for (id, status) in &changes {
        let Some(status) = STATUSES.into_iter().find(|known| same_word(known, status)) else {
            return FakeResponse::refusal(400, "there is no such status");
        };
        if tenant.gap_mut(id).is_none() {
            return FakeResponse::refusal(404, "Not Found");
        }
        written.push((id, status));
    }
    if !settings.writes_ignored {
        for (id, status) in written {
            if let Some(gap) = tenant.gap_mut(id) {
                gap["status"] = json!(status);
            }
        }
    }
    match settings.write_response {
        WriteResponse::EmptyObject => FakeResponse::json(200, &json!({})),
        WriteResponse::EmptyBody => FakeResponse::empty(200),
        WriteResponse::NoContent => FakeResponse::empty(204),
        WriteResponse::Text => FakeResponse::text(202, "Accepted"),
    }
}

/// The ids and statuses of a body; `None` for a body of another shape.
fn changes(shape: WriteBody, body: &Value) -> Option<Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let change = |change: &Value| Some((text(change.get("postureGapId")?)?, text(change.get("status")?)?));
    match shape {
        WriteBody::Object => change(body).map(|change| vec![change]),
        WriteBody::List => body.as_array()?.iter().map(change).collect(),
        WriteBody::Ids => {
            let status = text(body.get("status")?)?;
            let ids = body.get("postureGapIds")?.as_array()?;
            ids.iter().map(|id| Some((text(id)?, status.clone()))).collect()
        }
    }
}
