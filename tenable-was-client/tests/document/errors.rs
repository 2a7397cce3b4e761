//! Whether an error contains what the service reported.

use serde_json::Value;
use tenable_was_client::{Error, ErrorKind};

use crate::openapi::Example;

/// The differences between an error and its response.
pub(crate) fn problems(example: &Example<'_>, error: &Error) -> Vec<String> {
    let mut problems = Vec::new();
    let wanted = kind(example.status);
    if error.kind() != wanted {
        problems.push(format!("{:?} instead of {wanted:?}", error.kind()));
    }
    if error.status() != Some(example.status) {
        problems.push(format!("the status {:?} instead of {}", error.status(), example.status));
    }
    let code = code(example.value);
    if error.code() != code {
        problems.push(format!("the code {:?} instead of {code:?}", error.code()));
    }
    let message = in_one_line(error.message());
    let lacking = words(example).into_iter().filter(|words| !message.contains(&in_one_line(words)));
    problems.extend(lacking.map(|words| format!("{message:?} lacks {words:?}")));
    problems
}

/// The kind of a status; no example's code overrides it.
fn kind(status: u16) -> ErrorKind {
    match status {
        400 | 415 | 422 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Auth,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        other => panic!("an example with the status {other}, for which this test has no kind"),
    }
}

fn code(body: &Value) -> Option<&str> {
    let first = body.pointer("/reasons/0/code").or_else(|| body.get("code"));
    first.and_then(Value::as_str)
}

/// The vendor's words in an response. An empty object has none.
fn words(example: &Example<'_>) -> Vec<String> {
    let texts = |nodes: &[Option<&Value>]| -> Vec<String> {
        nodes.iter().filter_map(|node| Some((*node)?.as_str()?.to_owned())).collect()
    };
    let body = example.value;
    let each = |name: &str| body[name].as_array().into_iter().flatten();
    if let Some(page) = body.as_str() {
        let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
        return title.map(str::to_owned).into_iter().collect();
    }
    let reasons =
        each("reasons").flat_map(|reason| texts(&[reason.get("reason").or_else(|| reason.get("code"))]));
    let fields =
        each("fields").flat_map(|field| texts(&[field.get("field"), field.pointer("/value/message")]));
    let rest = texts(&[body.get("message"), body.get("failure_reason"), body.get("active_job_id")]);
    reasons.chain(fields).chain(rest).collect()
}

/// Messages are one line: line breaks are escaped.
fn in_one_line(text: &str) -> String {
    text.replace("\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
