//! Applications: what the tenant lists, scanned or not.

use serde_json::{Map, Value, json};

use super::calls::{Call, Route};
use super::reply::Reply;
use super::server::Endpoint;
use super::state::State;
use super::world::FakeTarget;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::new(Route::AddApplications, "POST", "/api/v2/was/applications", 16, add)];

fn add(state: &mut State, call: &Call) -> Reply {
    let body = call.json();
    let Some(all) = body.as_array() else {
        return Reply::invalid_body(&format!("Invalid message body: Could not decode JSON: {body}"));
    };
    for application in all {
        for field in ["user_defined_name", "url"] {
            if application[field].as_str().is_none_or(str::is_empty) {
                return Reply::unspecified(&format!(".{field}"));
            }
        }
    }
    let added = all.iter().map(|application| {
        let text = |key: &str| application[key].as_str().unwrap_or_default().to_owned();
        (text("url"), add_one(state, text("user_defined_name"), text("url")))
    });
    Reply::ok(&Value::Object(added.collect::<Map<_, _>>()))
}

/// An asset is known by host and port, so that one that is scanned is not new. A name that is taken is refused, in a form that is assumed.
fn add_one(state: &mut State, name: String, url: String) -> Value {
    let asset = FakeTarget::new(url.as_str()).asset_id;
    let is_other = |(taken, place, _): &(String, String, String)| *taken == name && *place != url;
    if state.tenant.applications.iter().any(is_other) {
        return json!({"success": false});
    }
    let listed = state.tenant.applications.iter().any(|(.., known)| *known == asset);
    let is_new = !listed && state.tenant.targets().all(|target| target.asset_id != asset);
    if !listed {
        state.tenant.applications.push((name, url, asset.clone()));
    }
    json!({"success": true, "asset_id": asset, "is_new": is_new, "is_tracked": true})
}
