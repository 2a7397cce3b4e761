//! The part of a list that a request asks for.

use std::fmt::Display;

use appsec_http::Request;

/// The default number of records of a page. Clients that are known to work ask for 100; the service's own
/// limit is unknown.
pub(crate) const PAGE_SIZE: u32 = 100;

/// Selects a part of a list of hosts, endpoints or cloud assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    limit: u32,
    offset: u64,
    parameters: Vec<(&'static str, String)>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { limit: PAGE_SIZE, offset: 0, parameters: Vec::new() }
    }
}

impl ListQuery {
    /// Selects the beginning of the list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of records to ask for. Default: 100.
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the number of records to skip. Default: 0.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Adds a query parameter that this crate does not know.
    pub fn with_parameter(mut self, name: &'static str, value: impl Display) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    /// Returns the number of records to ask for.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Returns the number of records to skip.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Adds `limit` and `offset` to a request.
    pub(super) fn add_range(&self, request: Request) -> Request {
        request.with_query("limit", self.limit).with_query("offset", self.offset)
    }

    /// Adds the parameters that this crate does not know to a request.
    pub(super) fn add_parameters(&self, request: Request) -> Request {
        self.parameters.iter().fold(request, |request, (name, value)| request.with_query(name, value))
    }

    /// The request for this part of the list at `path`.
    pub(super) fn to_request(&self, operation: &'static str, path: &'static str) -> Request {
        self.add_parameters(self.add_range(Request::get(operation, path)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Method, path and query of a request, in one line.
    pub(in crate::client) fn describe(request: &Request) -> String {
        let pairs: Vec<_> = request.query().iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}?{}", request.method(), request.path(), pairs.join("&"))
    }
}
