//! Scan templates. They need the Standard role, which a key for importing often lacks.

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::paging::page;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::template::FakeTemplate;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::ListTemplates, "GET", "/was/v2/templates", 32, list),
    Endpoint::new(Route::GetTemplate, "GET", "/was/v2/templates/{id}", 32, get),
];

fn list(state: &mut State, call: &Call) -> Response {
    page(call, state.tenant.templates.iter().map(FakeTemplate::json).collect(), "name:asc")
}

fn get(state: &mut State, call: &Call) -> Response {
    match state.tenant.templates.iter().find(|template| template.id == call.param(0)) {
        Some(template) => Response::ok(&template.json()),
        None => Response::not_found(call.param(0)),
    }
}
