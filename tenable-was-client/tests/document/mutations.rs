//! Mutations of the document: with each, the check must find a problem in the client.

use serde_json::{Value, json};

use crate::check::DocumentCheck;
use crate::openapi::Document;
use crate::operations;
use crate::service::Service;

/// An operation, the JSON pointer of a change in it, the new value, and the expected problem.
type Mutation = (&'static str, &'static str, fn() -> Value, &'static str);

const MUTATIONS: &[Mutation] = &[
    // What is requests.
    ("was-v2-scans-notes-list", "/parameters/0/name", || json!("run_id"), "does not define scan_id"),
    ("was-v2-scans-notes-list", "/parameters/0/schema/type", || json!("integer"), "scan_id"),
    ("was-v2-scans-notes-list", "/parameters/1", || limit("count", 200), "the query has \"limit\""),
    ("was-v2-scans-notes-list", "/parameters/1", || limit("count", 200), "no sample sends ?count"),
    ("was-v2-scans-notes-list", "/parameters/1", || limit("limit", 2), "limit \"3\": maximum"),
    (
        "was-v2-scans-download-export",
        "/parameters/1/schema/enum",
        || json!(["text/xml"]),
        "\"text/csv\": enum",
    ),
    (
        "was-v2-scans-download-export",
        "/parameters/1/name",
        || json!("X-Form"),
        "the header X-Form is missing",
    ),
    ("was-v2-folders-create", "/requestBody", || Value::Null, "it has a body, and the document has none"),
    ("was-v2-folders-create", "/requestBody/content", || form("name"), "instead of \"multipart/form-data\""),
    ("was-v3-scans-import", "/requestBody/content", || form("Report"), "no part is named Report"),
    ("was-v2-folders-create", BODY, || json!({"type": "object", "required": ["color"]}), "color is missing"),
    ("was-v2-folders-create", BODY, || object("title", "string"), "name is undocumented"),
    ("was-v2-folders-create", BODY, || object("title", "string"), "no sample sends title"),
    ("was-v2-folders-create", BODY, || object("name", "integer"), "name is type"),
    // What is answered.
    ("was-v2-scans-details", "/responses/200", || response(&json!({})), "missing field `scan_id`"),
    ("was-v2-folders-create", "/responses/200", || response(&folder("mood", "good")), "mood has no type"),
    ("was-v2-folders-create", "/responses/200", || response(&folder("mood", "good")), "mood is undocumented"),
    (
        "was-v2-folders-delete",
        "/responses/202",
        || response(&json!({"when": "later"})),
        "when: \"later\" became null",
    ),
    (
        "was-v2-plugins-details",
        "/responses/200",
        || response(&json!({"plugin_id": "9"})),
        "plugin_id: \"9\" became 9",
    ),
    (
        "was-v2-attachments-download",
        "/responses/200",
        || response(&json!({"a": 1})),
        "bytes instead of their content",
    ),
    // What is refused.
    (
        "was-v2-plugins-details",
        "/responses/404",
        || response(&refusal("NOT_ALLOWED")),
        "Conflict instead of NotFound",
    ),
    (
        "was-v2-plugins-details",
        "/responses/404",
        || response(&json!({"message": "A", "failure_reason": "B"})),
        "lacks \"A\"",
    ),
    (
        "was-v2-plugins-details",
        "/responses/404",
        || response(&json!({"code": 7, "fields": [{"field": ".a"}]})),
        "contradicts",
    ),
];

const BODY: &str = "/requestBody/content/application~1json/schema";

fn limit(name: &str, maximum: u64) -> Value {
    json!({"in": "query", "name": name, "required": false, "schema": {"type": "integer", "maximum": maximum}})
}

fn form(part: &str) -> Value {
    json!({"multipart/form-data": {"schema": {"type": "object", "properties": {part: {"type": "string"}}}}})
}

fn object(member: &str, kind: &str) -> Value {
    json!({"type": "object", "properties": {member: {"type": kind}}})
}

fn folder(member: &str, value: &str) -> Value {
    json!({"folder_id": "5b1f2a34-0c1d-4e5f-8a9b-101112131415", member: value})
}

fn refusal(code: &str) -> Value {
    json!({"reasons": [{"code": code, "reason": "no"}]})
}

/// A response with this example, with the schema of folders if it is one, else with that of errors.
fn response(example: &Value) -> Value {
    let schema = if example.get("folder_id").is_some() { "FolderResponse" } else { "ErrorResponse" };
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    json!({"content": {"application/json": {"schema": schema, "examples": {"response": {"value": example}}}}})
}

/// The problems of an operation in a document.
async fn problems(service: &Service, document: &Document, operation: &str) -> Vec<String> {
    let operations = document.operations();
    let row = operations::all().find(|row| row.id == operation).unwrap();
    let operation = operations.iter().find(|known| known.id == row.id).unwrap();
    let mut check = DocumentCheck::new(document, service.clone());
    check.operation(operation, row).await;
    check.problems
}

#[tokio::test]
async fn every_mutation_is_detected() {
    let Some(document) = Document::get() else { return };
    let service = Service::start().await;
    for (operation, place, value, expected) in MUTATIONS {
        let changed = document.changed(operation, place, value());
        let problems = problems(&service, &changed, operation).await;
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{operation}{place}: {expected:?} is not in {problems:#?}"
        );
    }
    for (verb, path, expected) in [
        ("put", "/was/v2/folders", "POST instead of PUT"),
        ("post", "/was/v2/folder", "\"folders\" in the path instead of \"folder\""),
        ("post", "/was/v2/folders/new", "the path /was/v2/folders is not /was/v2/folders/new"),
    ] {
        let moved = document.moved("was-v2-folders-create", verb, path);
        let problems = problems(&service, &moved, "was-v2-folders-create").await;
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{verb} {path}: {problems:#?}");
    }
}
