//! Paging of every list and search of API version 2.

use std::cmp::Ordering;

use appsec_core::Timestamp;
use serde_json::{Value, json};

use crate::testing::response::Response;
use crate::testing::route::Call;

/// The largest page size.
const MAX_LIMIT: usize = 200;

/// Sorts the items and returns one page of them. `default_sort` applies when the request names no order.
pub(crate) fn page(call: &Call, mut items: Vec<Value>, default_sort: &str) -> Response {
    let (Some(limit), Some(offset)) = (number(call, "limit", 10), number(call, "offset", 0)) else {
        return invalid("limit and offset must be numbers that are not negative");
    };
    if limit > MAX_LIMIT {
        return invalid("limit must not be more than 200");
    }
    let order: Vec<_> = call.query("sort").unwrap_or(default_sort).split(',').map(parse).collect();
    let Some(order) = order.into_iter().collect::<Option<Vec<_>>>() else {
        return invalid("sort must be field:asc or field:desc, separated by commas");
    };
    items.sort_by(|a, b| compare(a, b, &order));
    let sort: Vec<_> = order
        .iter()
        .map(|(name, descending)| json!({"name": name, "order": if *descending { "desc" } else { "asc" }}))
        .collect();
    let total = items.len();
    let items: Vec<_> = items.into_iter().skip(offset).take(limit).collect();
    let pagination = json!({"total": total, "offset": offset, "limit": limit, "sort": sort});
    Response::ok(&json!({"pagination": pagination, "items": items}))
}

fn number(call: &Call, name: &str, default: usize) -> Option<usize> {
    call.query(name).map_or(Some(default), |text| text.parse().ok())
}

fn parse(text: &str) -> Option<(&str, bool)> {
    match text.split_once(':')? {
        (name, "asc") if !name.is_empty() => Some((name, false)),
        (name, "desc") if !name.is_empty() => Some((name, true)),
        _ => None,
    }
}

fn compare(a: &Value, b: &Value, order: &[(&str, bool)]) -> Ordering {
    for (name, descending) in order {
        let ordering = key(a, name).cmp(&key(b, name));
        let ordering = if *descending { ordering.reverse() } else { ordering };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// What to sort by: numbers and dates before texts. A field may be named with its table
/// (`configs.updated_at`), and the `target` of a row by target is an object.
fn key<'a>(item: &'a Value, name: &str) -> (i128, &'a str) {
    let field = name.rsplit('.').next().unwrap_or(name);
    let text = match &item[field] {
        Value::Number(number) => return (number.as_i64().unwrap_or(0).into(), ""),
        Value::String(text) => text,
        Value::Object(map) => map.get("target_url").and_then(Value::as_str).unwrap_or_default(),
        _ => "",
    };
    match text.parse::<Timestamp>() {
        Ok(at) => (at.as_nanosecond(), ""),
        Err(_) => (i128::MAX, text),
    }
}

fn invalid(reason: &str) -> Response {
    Response::reason(400, "INVALID_PARAMETER", reason)
}
