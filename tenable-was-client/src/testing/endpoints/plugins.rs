//! Plugins: what a finding says was found. Reports and exports carry their own forms of the same plugin.

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::paging::page;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::ListPlugins, "GET", "/was/v2/plugins", 16, list),
    Endpoint::new(Route::GetPlugin, "GET", "/was/v2/plugins/{}", 16, get),
];

fn list(state: &mut State, call: &Call) -> Response {
    let plugins = state.plugins().iter().map(|plugin| plugin.summary()).collect();
    page(call, plugins, "plugin_id:asc").with_header("cache-control", "max-age=86400")
}

fn get(state: &mut State, call: &Call) -> Response {
    // Observed: text instead of the number gets the error for a malformed UUID.
    let Ok(id) = call.param(0).parse::<u32>() else { return Response::invalid_id(call.param(0)) };
    match state.plugins().iter().find(|plugin| plugin.id == id) {
        Some(plugin) => Response::ok(&plugin.details()),
        None => Response::not_found(call.param(0)),
    }
}
