//! The three lists: filters, pages, `endOffset`.

use appsec_core::same_word;
use serde_json::{Map, Value};

use super::builder::{Access, EndOffset, Settings};
use super::calls::{Call, Route};
use super::reply::Reply;
use super::tenant::Tenant;

/// Fields of a gap that come with `details=true` only.
const DETAILS: [&str; 4] = ["description", "remediationSuggestion", "parameters", "postureGapLink"];

/// The records of a page when no limit is asked for. The service's own number is unknown.
const DEFAULT_LIMIT: u64 = 100;

/// The answer to a call whose token is right.
pub(super) fn answer(settings: &Settings, tenant: &Tenant, call: &Call) -> Reply {
    if settings.access == Access::Refused {
        return Reply::refusal(403, "Forbidden");
    }
    match call.route {
        Route::ListGaps => {
            let gaps = tenant.gaps.iter().filter(|gap| is_asked_for(settings, gap, call));
            page(settings, call, gaps, |gap| gap_as_sent(gap, call))
        }
        Route::ListHosts => page(settings, call, tenant.hosts.iter(), Value::clone),
        Route::ListEndpoints => page(settings, call, tenant.endpoints.iter(), Value::clone),
        Route::Any | Route::Unknown => Reply::refusal(404, "Not Found"),
    }
}

/// A record that is no object has no field to be filtered by, and comes.
fn is_asked_for(settings: &Settings, gap: &Value, call: &Call) -> bool {
    let Some(gap) = gap.as_object() else { return true };
    let has = |field: &str, words: &[&str]| {
        let value = gap.get(field).and_then(Value::as_str);
        value.is_some_and(|value| words.iter().any(|word| same_word(word, value)))
    };
    let words = |name: &str| call.query(name).map(|words| words.split(',').collect::<Vec<_>>());
    let defaults = settings.default_statuses.as_ref();
    let statuses = words("status").or_else(|| Some(defaults?.iter().map(String::as_str).collect()));
    let host = call.query("host").filter(|_| settings.host_parameter);
    words("severity").is_none_or(|words| has("severity", &words))
        && statuses.is_none_or(|words| has("status", &words))
        && host.is_none_or(|host| gap.get("host").is_some_and(|value| value == host))
}

fn gap_as_sent(gap: &Value, call: &Call) -> Value {
    let mut gap = gap.clone();
    if let Some(gap) = gap.as_object_mut().filter(|_| call.query("details") != Some("true")) {
        gap.retain(|field, _| !DETAILS.contains(&field.as_str()));
    }
    gap
}

fn page<'a>(
    settings: &Settings,
    call: &Call,
    records: impl Iterator<Item = &'a Value>,
    as_sent: impl Fn(&Value) -> Value,
) -> Reply {
    let number =
        |name: &str, default| call.query(name).map_or(Some(default), |text| text.parse::<u64>().ok());
    let (Some(limit), Some(offset)) = (number("limit", DEFAULT_LIMIT), number("offset", 0)) else {
        return Reply::refusal(400, "limit and offset must be whole numbers");
    };
    if let Some(most) = settings.max_limit.filter(|most| limit > *most) {
        return Reply::refusal(400, &format!("limit must be at most {most}"));
    }
    let limit = settings.page_cap.map_or(limit, |cap| limit.min(cap));
    let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let records: Vec<Value> = match settings.access {
        Access::Hidden => Vec::new(),
        _ => records.skip(index(offset)).take(index(limit)).map(as_sent).collect(),
    };
    let end = offset.saturating_add(records.len() as u64);
    let end = match settings.end_offset {
        EndOffset::Exclusive => Some(end.into()),
        EndOffset::Text => Some(end.to_string().into()),
        EndOffset::Missing => None,
        EndOffset::Stuck => Some(offset.into()),
        EndOffset::Smaller => Some(offset.saturating_sub(1).into()),
        EndOffset::Ahead(by) => Some(end.saturating_add(by).into()),
    };
    let mut answer = Map::from_iter([("response".to_owned(), Value::Array(records))]);
    answer.extend(end.map(|end: Value| ("endOffset".to_owned(), end)));
    Reply::json(200, &Value::Object(answer))
}
