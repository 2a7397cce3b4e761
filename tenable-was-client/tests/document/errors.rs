//! Whether an error says what the service said.

use serde_json::Value;
use tenable_was_client::{Error, ErrorKind};

use crate::openapi::Example;

/// What an error lacks of the answer it was made of, in sentences.
pub(crate) fn faults(example: &Example<'_>, error: &Error) -> Vec<String> {
    let mut faults = Vec::new();
    let wanted = kind(example.status);
    if error.kind() != wanted {
        faults.push(format!("{:?} instead of {wanted:?}", error.kind()));
    }
    if error.status() != Some(example.status) {
        faults.push(format!("the status {:?} instead of {}", error.status(), example.status));
    }
    let code = code(example.value);
    if error.code() != code {
        faults.push(format!("the code {:?} instead of {code:?}", error.code()));
    }
    let message = in_one_line(error.message());
    let lacking = words(example).into_iter().filter(|words| !message.contains(&in_one_line(words)));
    faults.extend(lacking.map(|words| format!("{message:?} lacks {words:?}")));
    faults
}

/// The kind that a status has; no example's code asks for another.
fn kind(status: u16) -> ErrorKind {
    match status {
        400 | 415 | 422 => ErrorKind::InvalidRequest,
        401 => ErrorKind::Auth,
        403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::Server,
        other => panic!("an example with the status {other}, of which this test knows no kind"),
    }
}

fn code(body: &Value) -> Option<&str> {
    let first = body.pointer("/reasons/0/code").or_else(|| body.get("code"));
    first.and_then(Value::as_str)
}

/// The vendor's words in an answer. An empty object has none.
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

/// Messages are one line: what breaks one is written as its escape.
fn in_one_line(text: &str) -> String {
    text.replace("\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
