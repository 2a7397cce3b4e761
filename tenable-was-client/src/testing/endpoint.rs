//! One operation of the service: its path, the role it needs, and its handler.

use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;

/// An operation of the service: its method and path, the role it needs, and its handler.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) route: Route,
    pub(crate) method: &'static str,
    pub(crate) pattern: &'static str,
    pub(crate) role: u32,
    pub(crate) handle: fn(&mut State, &Call) -> Response,
}

impl Endpoint {
    /// In the pattern, `{id}` must be a UUID, and `{}` is anything. `role` is the lowest role that may call
    /// it.
    pub(crate) const fn new(
        route: Route,
        method: &'static str,
        pattern: &'static str,
        role: u32,
        handle: fn(&mut State, &Call) -> Response,
    ) -> Self {
        Self { route, method, pattern, role, handle }
    }

    /// The first parameter that should be a UUID and is not.
    pub(crate) fn bad_id<'a>(&self, params: &'a [String]) -> Option<&'a str> {
        let placeholders = self.pattern.split('/').filter(|segment| segment.starts_with('{'));
        let mut ids = placeholders.zip(params).filter(|(segment, _)| *segment == "{id}");
        ids.find(|(_, id)| uuid::Uuid::parse_str(id).is_err()).map(|(_, id)| id.as_str())
    }
}
