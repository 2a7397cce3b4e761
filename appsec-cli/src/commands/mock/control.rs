//! The control server of `appsec mock`: test suites script faults, list requests and set the time with it.
//!
//! | request | effect |
//! | --- | --- |
//! | `GET /FAKE/calls` | lists the requests that the fake received, oldest first |
//! | `POST /FAKE/down?after=N` | answers N more requests, and every later one with 503 |
//! | `POST /FAKE/answer?status=S&times=N` | answers the next N requests with status S |
//! | `POST /FAKE/revoke` | refuses the credentials from now on |
//! | `POST /FAKE/recover` | removes every fault |
//! | `POST /FAKE/reset` | returns to the state after the start, without recorded requests |
//! | `POST /FAKE/advance?seconds=N` | moves the clock of the fake forward, if it has one |
//!
//! `FAKE` is the key of a scanner, such as `saltsecurity`.

use std::time::Duration;

use http::{Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

use super::fakes::Fakes;

/// Does what the request asks for, and returns the response to it.
pub(super) fn respond(fakes: &Fakes, method: &Method, uri: &Uri) -> Response<String> {
    let (status, body) = match perform(fakes, method, uri) {
        Ok(body) => (StatusCode::OK, body),
        Err((status, message)) => (status, json!({ "error": message })),
    };
    let mut response = Response::new(body.to_string());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

fn perform(fakes: &Fakes, method: &Method, uri: &Uri) -> Result<Value, (StatusCode, String)> {
    let bad_request = |message: &str| (StatusCode::BAD_REQUEST, message.to_owned());
    let unknown_action = || (StatusCode::NOT_FOUND, "there is no such action".to_owned());
    let mut segments = uri.path().trim_matches('/').split('/');
    let (key, action) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let Some((_, fake)) = fakes.iter().find(|(vendor, _)| vendor.key == key) else {
        let keys: Vec<_> = fakes.iter().map(|(vendor, _)| vendor.key).collect();
        return Err((StatusCode::NOT_FOUND, format!("the fakes are {}", keys.join(" and "))));
    };
    match (method.as_str(), action) {
        ("GET", "calls") => return Ok(fake.calls().into()),
        ("POST", "down") => fake.down_after(query_number(uri, "after").unwrap_or(0)),
        ("POST", "answer") => {
            let status = query_number(uri, "status").and_then(|status| u16::try_from(status).ok());
            let status = status.filter(|status| (200..600).contains(status));
            let status = status.ok_or_else(|| bad_request("status has to be a number from 200 to 599"))?;
            fake.respond(query_number(uri, "times").unwrap_or(1), status);
        }
        ("POST", "revoke") => fake.revoke(),
        ("POST", "recover") => fake.recover(),
        ("POST", "reset") => fake.reset(),
        ("POST", "advance") => {
            let seconds = query_number(uri, "seconds");
            let seconds = seconds.ok_or_else(|| bad_request("seconds has to be a number"))?;
            if !fake.advance(Duration::from_secs(seconds)) {
                return Err(unknown_action());
            }
        }
        _ => return Err(unknown_action()),
    }
    Ok(json!({ "done": true }))
}

/// A number in the query.
fn query_number(uri: &Uri, name: &str) -> Option<u64> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok())
}
