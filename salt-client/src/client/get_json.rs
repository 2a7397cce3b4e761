//! Reading any path of the API, for endpoints that only the tenant's own portal documents.

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{Path, Request};
use serde_json::Value;

use super::salt_client::SaltClient;

const GET_JSON: &str = "salt: get JSON";

/// The request for a path. Each segment is checked, so that the request stays below the base URL.
fn json_request(path: &str, query: &[(&'static str, &str)]) -> Result<Request> {
    let refuse = |message: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, format!("{message}, as in /v1/inventory/hosts"))
            .with_operation(GET_JSON))
    };
    let Some(segments) = path.strip_prefix('/') else {
        return refuse("the path must start with a slash and must not contain a host");
    };
    if path.contains(['?', '#', '%']) {
        return refuse("the path must not be encoded and must not contain a query");
    }
    let mut path = Path::new("/");
    for segment in segments.split('/') {
        path = path.join(segment).map_err(|error| error.with_operation(GET_JSON))?;
    }
    Ok(query
        .iter()
        .fold(Request::get(GET_JSON, path), |request, (name, value)| request.with_query(name, value)))
}

impl SaltClient {
    /// Gets any path of the API that your tenant's own portal documents, with the client's token, limits
    /// and retries.
    ///
    /// The path is relative to the base URL, includes the version, and is not percent-encoded. It cannot
    /// lead to another host.
    ///
    /// ```no_run
    /// # async fn example(salt: salt_client::SaltClient) -> salt_client::Result<()> {
    /// let body = salt.get_json("/v1/a/path/of/the/portal", &[("limit", "10")]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps); `InvalidRequest` for an invalid path, before anything is sent.
    pub async fn get_json(&self, path: &str, query: &[(&'static str, &str)]) -> Result<Value> {
        self.http().json(&json_request(path, query)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::list_query::tests::describe;

    #[test]
    fn a_path_stays_below_the_base_url() {
        let request = json_request("/v1/attackers/10.0.0.1/a b", &[("limit", "1")]).unwrap();
        assert_eq!(describe(&request), "GET /v1/attackers/10.0.0.1/a%20b?limit=1");
        for path in [
            "",
            "/",
            "v1/attackers",
            "/v1//attackers",
            "//evil.example/x",
            "https://evil.example",
            "/v1/../../x",
            "/v1/.",
            "/v1/x?limit=1",
            "/v1/x#y",
            "/v1/%2e%2e/x",
            "/v1/\u{0}",
            "/v1/",
        ] {
            let error = json_request(path, &[]).unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::InvalidRequest, Some(GET_JSON)),
                "{path:?}"
            );
        }
    }
}
