//! What steers the fakes from outside: faults, calls, time.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /FAKE/calls` | lists what the fake was asked, oldest first |
//! | `POST /FAKE/down?after=N` | answers N requests more, then 503 to each |
//! | `POST /FAKE/answer?status=S&times=N` | answers the next N requests with the status |
//! | `POST /FAKE/revoke` | takes the credentials no longer |
//! | `POST /FAKE/recover` | forgets every fault |
//! | `POST /FAKE/reset` | becomes what it was in the beginning, asked for nothing so far |
//! | `POST /tenableiowas/advance?seconds=N` | puts its clock forward |
//!
//! `FAKE` is `saltsecurity` or `tenableiowas`.

use std::time::Duration;

use appsec_http::testing::fake::{Call, When};
use http::{Method, Response, StatusCode, Uri};
use salt_client::testing as salt;
use serde_json::{Value, json};
use tenable_was_client::testing as tenable;

use super::Fakes;

/// The answer to a request, after doing what it asks for.
pub(super) fn answer(fakes: &Fakes, method: &Method, uri: &Uri) -> Response<String> {
    let (status, body) = match act(fakes, method, uri) {
        Ok(body) => (StatusCode::OK, body),
        Err((status, why)) => (status, json!({ "error": why })),
    };
    let mut response = Response::new(body.to_string());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}

type Refused = (StatusCode, &'static str);

fn act(fakes: &Fakes, method: &Method, uri: &Uri) -> Result<Value, Refused> {
    let mut segments = uri.path().trim_matches('/').split('/');
    let (fake, action) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
    let is_salt = match fake {
        "saltsecurity" => true,
        "tenableiowas" => false,
        _ => return Err((StatusCode::NOT_FOUND, "the fakes are saltsecurity and tenableiowas")),
    };
    let Fakes { salt, tenable, data } = fakes;
    match (method.as_str(), action) {
        ("GET", "calls") if is_salt => return Ok(salt.calls().iter().map(call).collect()),
        ("GET", "calls") => return Ok(tenable.calls().iter().map(call).collect()),
        ("POST", "down") => {
            let after = number(uri, "after").unwrap_or(0);
            if is_salt { salt.down_after(after) } else { tenable.down_after(after) }
        }
        ("POST", "answer") => {
            let status = number(uri, "status").and_then(|status| u16::try_from(status).ok());
            let status = status.filter(|status| (200..600).contains(status));
            let status = status.ok_or((StatusCode::BAD_REQUEST, "status is to be 200 to 599"))?;
            let when = When::Next(number(uri, "times").unwrap_or(1));
            if is_salt {
                salt.script(salt::Route::Any, when, salt::Reply::Json(status, json!({})));
            } else {
                tenable.script(tenable::Route::Any, when, tenable::Reply::Json(status, json!({})));
            }
        }
        ("POST", "revoke") if is_salt => salt.revoke_token(),
        ("POST", "revoke") => {
            tenable.script(tenable::Route::Any, When::Always, tenable::Reply::Unauthorized);
        }
        ("POST", "recover") if is_salt => salt.recover(),
        ("POST", "recover") => tenable.recover(),
        ("POST", "reset") if is_salt => salt.reset(data.salt()),
        ("POST", "reset") => tenable.reset(data.tenable()),
        ("POST", "advance") if !is_salt => {
            let seconds = number(uri, "seconds");
            let seconds = seconds.ok_or((StatusCode::BAD_REQUEST, "seconds is to be a number"))?;
            tenable.advance(Duration::from_secs(seconds));
        }
        _ => return Err((StatusCode::NOT_FOUND, "there is no such action")),
    }
    Ok(json!({ "done": true }))
}

/// A number of the query.
fn number(uri: &Uri, name: &str) -> Option<u64> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse().ok())
}

fn call<R: std::fmt::Debug>(call: &Call<R>) -> Value {
    json!({
        "operation": format!("{:?}", call.route),
        "method": call.method,
        "path": call.path,
        "query": call.query,
        "body": call.json(),
        "authorized": call.authorized,
        "status": call.status,
    })
}
