//! Whether a request matches the document.

use std::collections::BTreeSet;

use serde_json::Value;
use wiremock::Request;

use crate::exceptions::Exceptions;
use crate::openapi::{Operation, Parameter};
use crate::schema::{Schemas, joined};

/// The problems of a request.
pub(crate) fn problems(
    operation: &Operation<'_>,
    schemas: &Schemas,
    allowed: &Exceptions,
    request: &Request,
) -> Vec<String> {
    let mut problems = Vec::new();
    if request.method.as_str() != operation.verb {
        problems.push(format!("{} instead of {}", request.method, operation.verb));
    }
    problems.extend(path(operation, schemas, request.url.path()));
    problems.extend(query(operation, schemas, request));
    problems.extend(headers(operation, schemas, request));
    problems.extend(body(operation, schemas, allowed, request));
    problems
}

fn path(operation: &Operation<'_>, schemas: &Schemas, path: &str) -> Vec<String> {
    let (template, path): (Vec<_>, Vec<_>) = (operation.path.split('/').collect(), path.split('/').collect());
    if template.len() != path.len() {
        return vec![format!("the path {} is not {}", path.join("/"), operation.path)];
    }
    let mut problems = Vec::new();
    for (template, segment) in template.iter().zip(&path) {
        match template.strip_prefix('{').and_then(|template| template.strip_suffix('}')) {
            Some(name) => match parameter(operation, "path", name) {
                Some(parameter) => problems.extend(value(schemas, parameter, segment)),
                None => problems.push(format!("the document does not define {name}")),
            },
            None if template == segment => {}
            None => problems.push(format!("{segment:?} in the path instead of {template:?}")),
        }
    }
    problems
}

fn query(operation: &Operation<'_>, schemas: &Schemas, request: &Request) -> Vec<String> {
    let pairs: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
    let mut problems = Vec::new();
    for (name, text) in &pairs {
        match parameter(operation, "query", name) {
            Some(parameter) => problems.extend(value(schemas, parameter, text)),
            None => problems.push(format!("the query has {name:?}, which the document does not name")),
        }
    }
    let required =
        operation.parameters.iter().filter(|parameter| parameter.place == "query" && parameter.required);
    let missing = required.filter(|parameter| !pairs.iter().any(|(name, _)| name == parameter.name));
    problems.extend(missing.map(|parameter| format!("the query lacks {}", parameter.name)));
    problems
}

fn headers(operation: &Operation<'_>, schemas: &Schemas, request: &Request) -> Vec<String> {
    let mut problems = Vec::new();
    if !request.headers.contains_key("x-apikeys") {
        problems.push("no keys are sent".to_owned());
    }
    for parameter in operation.parameters.iter().filter(|parameter| parameter.place == "header") {
        match request.headers.get(parameter.name).and_then(|value| value.to_str().ok()) {
            Some(text) => problems.extend(value(schemas, parameter, text)),
            None if parameter.required => problems.push(format!("the header {} is missing", parameter.name)),
            None => {}
        }
    }
    problems
}

fn parameter<'a>(operation: &'a Operation<'a>, place: &str, name: &str) -> Option<&'a Parameter<'a>> {
    operation.parameters.iter().find(|parameter| parameter.place == place && parameter.name == name)
}

/// The problems of a parameter value, which is a number or text.
fn value(schemas: &Schemas, parameter: &Parameter<'_>, text: &str) -> Vec<String> {
    let value = match parameter.schema["type"].as_str() {
        Some("integer" | "number") => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        _ => Value::from(text),
    };
    let violations = schemas.violations(parameter.schema, &value);
    violations.iter().map(|violation| format!("{} {text:?}: {}", parameter.name, violation.kind)).collect()
}

fn body(
    operation: &Operation<'_>,
    schemas: &Schemas,
    allowed: &Exceptions,
    request: &Request,
) -> Vec<String> {
    let media = request.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match operation.body {
        None if request.body.is_empty() => Vec::new(),
        None => vec!["it has a body, and the document has none".to_owned()],
        Some((wanted, _)) if !media.starts_with(wanted) => {
            vec![format!("its body is {media:?} instead of {wanted:?}")]
        }
        Some(("multipart/form-data", schema)) => parts(schema, request),
        Some((_, schema)) => {
            let Some(json) = json(request) else { return vec!["its body is no JSON".to_owned()] };
            let violations = schemas.violations(schema, &json).into_iter();
            violations
                .filter(|violation| !allowed.cover(operation.id, &violation.kind, &violation.path))
                .map(|violation| format!("in its body, {violation}: {json}"))
                .collect()
        }
    }
}

fn parts(schema: &Value, request: &Request) -> Vec<String> {
    let body = String::from_utf8_lossy(&request.body);
    let named = schema["properties"].as_object().into_iter().flatten();
    named
        .filter(|(name, _)| !body.contains(&format!("name=\"{name}\"")))
        .map(|(name, _)| format!("no part is named {name}"))
        .collect()
}

pub(crate) fn json(request: &Request) -> Option<Value> {
    serde_json::from_slice(&request.body).ok()
}

/// The members of the body and the query parameters that were never sent.
pub(crate) fn unsent(operation: &Operation<'_>, schemas: &Schemas, requests: &[Request]) -> BTreeSet<String> {
    let mut unsent: BTreeSet<String> =
        operation.body.map(|(_, schema)| schemas.members(schema)).unwrap_or_default();
    let queries = operation.parameters.iter().filter(|parameter| parameter.place == "query");
    unsent.extend(queries.map(|parameter| format!("?{}", parameter.name)));
    for request in requests {
        if let Some(json) = json(request) {
            sent(&json, "", &mut unsent);
        }
        for (name, _) in request.url.query_pairs() {
            unsent.remove(&format!("?{name}"));
        }
        let body = String::from_utf8_lossy(&request.body);
        unsent.retain(|name| !body.contains(&format!("name=\"{name}\"")));
    }
    unsent
}

fn sent(value: &Value, path: &str, unsent: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let path = joined(path, name);
            unsent.remove(&path);
            sent(value, &path, unsent);
        }),
        Value::Array(items) => items.iter().for_each(|item| sent(item, &format!("{path}[]"), unsent)),
        _ => {}
    }
}
