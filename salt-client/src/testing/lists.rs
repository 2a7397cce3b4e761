//! Reads: lists with filters, pages and `endOffset`, and single objects.

use appsec_core::eq_ignore_case_and_separators;
use appsec_http::testing::fake::FakeResponse;
use serde_json::Value;

use super::calls::{Call, Route};
use super::quirk::Quirk;
use super::raw_record::{failure_status, is_raw, record_bytes};
use super::response::error;
use super::settings::{Access, EndOffset, Settings};
use super::tenant::Tenant;

/// The fields of a gap that are sent only with `details=true`.
const DETAILS: [&str; 4] = ["description", "remediationSuggestion", "parameters", "postureGapLink"];

/// The number of records of a page if the request has no limit. The service's own number is unknown.
const DEFAULT_LIMIT: u64 = 100;

/// The fields of a cloud asset that are sent only for a single one.
const SINGLE_ASSET: [&str; 7] = [
    "accountId",
    "firstDiscovered",
    "link",
    "additionalData",
    "availableConnectors",
    "installedConnectors",
    "tags",
];

/// The fields of a cloud asset that are sent only in a list.
const LISTED_ASSET: [&str; 4] = ["cloudAccountId", "cloudId", "collectStatus", "endpoints"];

/// Returns the response to a read with a correct token.
pub(super) fn respond(settings: &Settings, tenant: &Tenant, call: &Call) -> FakeResponse {
    if settings.access == Access::Refused {
        return error(403, "Forbidden");
    }
    match call.route {
        Route::ListGaps => {
            let gaps = tenant.gaps.iter().filter(|gap| is_selected(settings, gap, call));
            page(settings, call, gaps, |gap| {
                without(gap, if call.query("details") == Some("true") { &[] } else { &DETAILS })
            })
        }
        Route::ListHosts => page(settings, call, tenant.hosts.iter(), Value::clone),
        Route::ListEndpoints => page(settings, call, tenant.endpoints.iter(), Value::clone),
        Route::ListAssets => {
            page(settings, call, tenant.assets.iter(), |asset| without(asset, &SINGLE_ASSET))
        }
        Route::GetAsset => {
            let found = tenant.assets.iter().find(|asset| asset["id"] == call.param(0));
            single(found.map(|asset| as_sent(settings, call, without(asset, &LISTED_ASSET))))
        }
        Route::GetOpenApi => single(tenant.openapi.get(call.query("hostname").unwrap_or_default()).cloned()),
        Route::Any | Route::Unknown | Route::WriteStatus => {
            single(tenant.documents.get(&call.path).filter(|_| call.method == "GET").cloned())
        }
    }
}

fn single(found: Option<Value>) -> FakeResponse {
    found.map_or_else(|| error(404, "Not Found"), |found| FakeResponse::json(200, &found))
}

/// Whether the request selects a gap. A record that is not an object, or is raw, has no field to filter by and is sent.
fn is_selected(settings: &Settings, gap: &Value, call: &Call) -> bool {
    let Some(gap) = gap.as_object().filter(|_| !is_raw(gap)) else { return true };
    let has = |field: &str, values: &[&str]| {
        let value = gap.get(field).and_then(Value::as_str);
        value
            .is_some_and(|value| values.iter().any(|selected| eq_ignore_case_and_separators(selected, value)))
    };
    let values = |name: &str| call.query(name).map(|values| values.split(',').collect::<Vec<_>>());
    let defaults = settings.default_statuses.as_ref();
    let statuses = values("status").or_else(|| Some(defaults?.iter().map(String::as_str).collect()));
    let host = call.query("host").filter(|_| settings.host_parameter);
    values("severity").is_none_or(|values| has("severity", &values))
        && statuses.is_none_or(|statuses| has("status", &statuses))
        && host.is_none_or(|host| gap.get("host").is_some_and(|value| value == host))
}

fn without(record: &Value, fields: &[&str]) -> Value {
    let mut record = record.clone();
    if let Some(record) = record.as_object_mut() {
        record.retain(|field, _| !fields.contains(&field.as_str()));
    }
    record
}

/// Applies the quirks to a record.
fn as_sent(settings: &Settings, call: &Call, mut record: Value) -> Value {
    let inventory = matches!(call.route, Route::ListHosts | Route::ListEndpoints);
    for quirk in &settings.quirks {
        quirk.apply(&mut record, inventory);
    }
    record
}

fn page<'a>(
    settings: &Settings,
    call: &Call,
    records: impl Iterator<Item = &'a Value>,
    fields: impl Fn(&Value) -> Value,
) -> FakeResponse {
    let number =
        |name: &str, default| call.query(name).map_or(Some(default), |text| text.parse::<u64>().ok());
    let (Some(limit), Some(offset)) = (number("limit", DEFAULT_LIMIT), number("offset", 0)) else {
        return error(400, "limit and offset must be whole numbers");
    };
    if let Some(most) = settings.max_limit.filter(|most| limit > *most) {
        return error(400, &format!("limit must be at most {most}"));
    }
    let limit = settings.page_cap.map_or(limit, |cap| limit.min(cap));
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let overlap = u64::from(settings.quirks.contains(&Quirk::Overlap));
    let records: Vec<Value> = match settings.access {
        Access::Hidden => Vec::new(),
        _ => records
            .skip(index(offset.saturating_sub(overlap)))
            .take(index(limit))
            .map(|record| as_sent(settings, call, fields(record)))
            .collect(),
    };
    if let Some(status) = records.iter().find_map(failure_status) {
        return error(status, "Internal error");
    }
    let end = offset.saturating_add(records.len() as u64);
    let end = match settings.end_offset {
        // The envelope of cloud assets has no end offset.
        _ if call.route == Route::ListAssets => None,
        EndOffset::Exclusive => Some(end.into()),
        EndOffset::Text => Some(end.to_string().into()),
        EndOffset::Missing => None,
        EndOffset::Stuck => Some(offset.into()),
        EndOffset::Smaller => Some(offset.saturating_sub(1).into()),
        EndOffset::Ahead(by) => Some(end.saturating_add(by).into()),
    };
    let mut name = if call.route == Route::ListAssets { "records" } else { "response" };
    for quirk in &settings.quirks {
        if let Quirk::ListName(other) = quirk {
            name = other;
        }
    }
    let mut rest = Value::Object(end.map(|end: Value| ("endOffset".to_owned(), end)).into_iter().collect());
    if settings.quirks.contains(&Quirk::ExtraFields) {
        Quirk::ExtraFields.apply(&mut rest, false);
    }
    let mut body = Vec::new();
    if settings.quirks.contains(&Quirk::ByteOrderMark) {
        body.extend_from_slice("\u{feff}".as_bytes());
    }
    // Written by hand, since a raw record may be no JSON.
    body.extend_from_slice(format!("{{{}:[", Value::from(name)).as_bytes());
    body.extend(records.iter().map(record_bytes).collect::<Vec<_>>().join(&b','));
    body.push(b']');
    for (name, value) in rest.as_object().into_iter().flatten() {
        body.extend_from_slice(format!(",{}:{value}", Value::from(name.as_str())).as_bytes());
    }
    body.push(b'}');
    FakeResponse::new(200, "application/json", body)
}
