//! Applications that are added to the tenant.

use serde_json::{Map, Value, json};

use crate::testing::endpoint::Endpoint;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::application::FakeApplication;

pub(crate) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::new(Route::AddApplications, "POST", "/api/v2/was/applications", 16, add)];

fn add(state: &mut State, call: &Call) -> Response {
    let body = call.json();
    let Some(all) = body.as_array() else {
        return Response::invalid_body(&format!("Invalid message body: Could not decode JSON: {body}"));
    };
    for application in all {
        for field in ["user_defined_name", "url"] {
            if application[field].as_str().is_none_or(str::is_empty) {
                return Response::unspecified(&format!(".{field}"));
            }
        }
    }
    let added = all.iter().map(|application| {
        let text = |key: &str| application[key].as_str().unwrap_or_default().to_owned();
        (text("url"), add_one(state, FakeApplication::new(text("user_defined_name"), text("url"))))
    });
    Response::ok(&Value::Object(added.collect::<Map<_, _>>()))
}

/// Adds one application. A name that is in use is refused; the form of the refusal is assumed.
fn add_one(state: &mut State, new: FakeApplication) -> Value {
    let listed = &state.tenant.applications;
    if listed.iter().any(|other| other.name == new.name && other.url != new.url) {
        return json!({"success": false});
    }
    let asset = new.asset_id();
    let is_listed = listed.iter().any(|other| other.asset_id() == asset);
    let is_new = !is_listed && state.tenant.targets().all(|target| target.asset_id != asset);
    if !is_listed {
        state.tenant.applications.push(new);
    }
    json!({"success": true, "asset_id": asset, "is_new": is_new, "is_tracked": true})
}
