//! The status write-back. Only its existence is known; its body and its response are assumed, and can be
//! chosen.

use appsec_core::eq_ignore_case_and_separators;
use appsec_http::testing::fake::FakeResponse;
use serde_json::{Value, json};

use super::calls::Call;
use super::response::{error, text};
use super::settings::{Settings, WriteBody, WriteResponse};
use super::tenant::Tenant;

/// The statuses that can be written.
const STATUSES: [&str; 4] = ["Open", "InProcess", "Resolved", "Ignored"];

/// Returns the response to a change with a correct token.
pub(super) fn respond(settings: &Settings, tenant: &mut Tenant, call: &Call) -> FakeResponse {
    if !settings.executor {
        return error(403, "Forbidden");
    }
    let Some(changes) = changes(settings.write_body, &call.json()) else {
        return error(400, "the body is not as expected");
    };
    let mut written = Vec::new();
    for (id, status) in &changes {
        let Some(status) = STATUSES.into_iter().find(|known| eq_ignore_case_and_separators(known, status))
        else {
            return error(400, "unknown status");
        };
        if tenant.gap_mut(id).is_none() {
            return error(404, "Not Found");
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
        WriteResponse::EmptyBody => text(200, ""),
        WriteResponse::NoContent => text(204, ""),
        WriteResponse::Text => text(202, "Accepted"),
    }
}

/// Returns the ids and statuses in a body; `None` for a body of another shape.
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
