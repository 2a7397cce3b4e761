//! Every operation of the document with the method of the client, called with sample arguments.

mod configs;
mod exports;
mod lists;
mod reports;
mod scans;
mod settings;
mod templates;
mod vulnerabilities;

use std::pin::Pin;

use serde::Serialize;
use serde_json::{Map, Value};
use tenable_was_client::{Order, PageQuery, Result, TenableWasClient};

/// A call of a method.
pub(crate) type Call = fn(TenableWasClient) -> Pin<Box<dyn Future<Output = Result<Output>> + Send>>;

/// What a method gave, put back into the form of the response.
pub(crate) enum Output {
    Json(Value),
    Bytes(Vec<u8>),
}

/// An operation and its method.
pub(crate) struct Row {
    /// The operation's id in the document.
    pub(crate) id: &'static str,
    pub(crate) method: &'static str,
    /// Calls of the method that together send every member it can send. The first one decodes the examples,
    /// unless there is one for the example's media type.
    pub(crate) samples: &'static [Sample],
}

pub(crate) struct Sample {
    /// The media type of the response, where the request asks for one of several.
    pub(crate) media: Option<&'static str>,
    pub(crate) call: Call,
}

impl Row {
    /// The call that decodes a response of this media type.
    pub(crate) fn call_for(&self, media: &str) -> Call {
        let of_media = self.samples.iter().find(|sample| sample.media == Some(media));
        of_media.or(self.samples.first()).map(|sample| sample.call).unwrap()
    }
}

/// Declares rows: `"operation" as method { |client| call, "media/type" => |client| call }`.
macro_rules! rows {
    ($($id:literal as $method:ident { $($($media:literal =>)? |$client:ident| $call:expr),+ $(,)? })+) => {
        pub(super) const ROWS: &[Row] = &[$(Row {
            id: $id,
            method: stringify!($method),
            samples: &[$(Sample {
                media: rows!(@media $($media)?),
                call: |$client| Box::pin(async move { Ok($call) }),
            }),+],
        }),+];
    };
    (@media $media:literal) => { Some($media) };
    (@media) => { None };
}
use rows;

/// Every row.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        configs::ROWS,
        exports::ROWS,
        lists::ROWS,
        reports::ROWS,
        scans::ROWS,
        templates::ROWS,
        vulnerabilities::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Responses of the operations for which the document has no example, composed from its schemas and the
/// examples of similar operations.
pub(crate) const COMPOSED: &[(&str, &str)] = &[
    ("was-v2-config-status", r#"{"tracking_status": "completed"}"#),
    ("was-v2-user-templates-details", USER_TEMPLATE),
    ("was-v2-user-templates-update", USER_TEMPLATE),
];

const USER_TEMPLATE: &str = r#"{"user_template_id": "0c539366-172d-49bd-9c3d-90a9947ea48e",
    "template_id": "f93dfcb4-6eb2-4820-9b64-3dee8893a3f0", "created_at": "2020-06-11T15:07:41Z", "updated_at": "2020-08-04T13:54:41.726Z",
    "name": "house rules", "description": null, "owner_id": "ef22f2bf-db1b-4471-984f-9507dcc083e1",
    "container_id": "9f084368-f11e-4d69-be63-df5e2a0b2635", "default_permissions": "no_access", "results_visibility": "dashboard",
    "permissions": [], "user_permissions": "configure", "is_shared": false, "settings": {"timeout": "08:00:00"}}"#;

/// An id, used everywhere.
const ID: &str = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";

/// An id of any type.
fn id<T: std::str::FromStr<Err = tenable_was_client::Error>>() -> T {
    ID.parse().unwrap()
}

/// A page query with all its members.
fn page() -> PageQuery {
    PageQuery::new().with_limit(3).with_offset(6).with_sort(Order::desc("name").then_asc("created_at"))
}

fn json(value: &impl Serialize) -> Output {
    Output::Json(serde_json::to_value(value).unwrap())
}

/// An empty successful response.
fn done() -> Output {
    Output::Json(Value::Object(Map::new()))
}
