//! Applications: what the tenant lists, scanned or not.

use serde_json::{Map, Value, json};

use super::calls::{Call, Route};
use super::reply::Reply;
use super::server::Endpoint;
use super::state::State;
use super::world::FakeTarget;

pub(super) const ENDPOINTS: &[Endpoint] =
    &[Endpoint::new(Route::AddApplications, "POST", "/api/v2/was/applications", 16, add)];

/// An application that is listed without being scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeApplication {
    /// The name it is listed by.
    pub name: String,
    /// Its URL.
    pub url: String,
}

impl FakeApplication {
    /// An application of that name at that URL.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: name.into(), url: url.into() }
    }

    /// An asset is known by host and port, so that one that is scanned is not new.
    fn asset_id(&self) -> String {
        FakeTarget::new(self.url.as_str()).asset_id
    }
}

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
        (text("url"), add_one(state, FakeApplication::new(text("user_defined_name"), text("url"))))
    });
    Reply::ok(&Value::Object(added.collect::<Map<_, _>>()))
}

/// A name that is taken is refused; in which form is assumed.
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
