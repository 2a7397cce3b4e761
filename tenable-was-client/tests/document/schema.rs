//! The document's schemas, as JSON Schema.
//!
//! Its version of OpenAPI has its own dialect. The conversion refuses members that a schema does not
//! define, because a schema would check nothing otherwise. It reads `oneOf` as `anyOf`, because the bodies
//! of the five searches match several branches. It ignores members beside a reference, as OpenAPI requires.

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

/// The schemas that others refer to.
pub(crate) struct Schemas(Value);

/// A violation of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// `null`, `undocumented`, `missing`, or the keyword of the schema.
    pub(crate) kind: String,
    /// The path of the value: names, with `[]` for every index of a list.
    pub(crate) path: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}", self.path, self.kind)
    }
}

impl Schemas {
    pub(crate) fn new(components: &Value) -> Self {
        Self(converted(components))
    }

    /// Returns the violations of a schema by a value.
    pub(crate) fn violations(&self, schema: &Value, value: &Value) -> BTreeSet<Violation> {
        let errors = self.validator(schema);
        errors.iter_errors(value).flat_map(|error| violations(&error)).collect()
    }

    fn validator(&self, schema: &Value) -> Validator {
        let schema = converted(schema);
        let refers = schema.to_string().contains("\"$ref\"");
        // Compiling all components for a plain number would be slow.
        let components = if refers { &self.0 } else { &Value::Null };
        let root = json!({"allOf": [schema], "components": components});
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&root)
            .unwrap_or_else(|error| panic!("the schema is invalid: {error}"))
    }

    /// Returns the paths of the members that a schema defines, inner ones after outer ones.
    pub(crate) fn members(&self, schema: &Value) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        self.collect(schema, "", &mut paths);
        paths
    }

    fn collect(&self, schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
        let schema = self.resolved(schema);
        for branch in ["anyOf", "oneOf", "allOf"] {
            for schema in schema[branch].as_array().into_iter().flatten() {
                self.collect(schema, path, paths);
            }
        }
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let path = joined(path, name);
            self.collect(member, &path, paths);
            paths.insert(path);
        }
        if let Some(items) = schema.get("items") {
            self.collect(items, &format!("{path}[]"), paths);
        }
    }

    /// Follows a reference; returns anything else unchanged.
    pub(crate) fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => {
                let pointer = reference.trim_start_matches("#/components");
                self.resolved(self.0.pointer(pointer).unwrap())
            }
            None => schema,
        }
    }
}

/// Appends a name to a path.
pub(crate) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn violations(error: &jsonschema::ValidationError<'_>) -> Vec<Violation> {
    let path = error.instance_path().as_str().split('/').skip(1).fold(String::new(), |path, segment| {
        if segment.parse::<usize>().is_ok() { format!("{path}[]") } else { joined(&path, segment) }
    });
    let violation = |kind: &str, path: String| Violation { kind: kind.to_owned(), path };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| violation("undocumented", joined(&path, name))).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![violation("missing", joined(&path, property.as_str().unwrap_or_default()))]
        }
        ValidationErrorKind::Type { .. } | ValidationErrorKind::Enum { .. } if error.instance().is_null() => {
            vec![violation("null", path)]
        }
        kind => vec![violation(kind.keyword(), path)],
    }
}

fn converted(node: &Value) -> Value {
    match node {
        // Nothing is said.
        Value::Null => json!({}),
        Value::Object(members) if members.contains_key("$ref") => json!({"$ref": members["$ref"]}),
        Value::Object(members) => {
            let mut members: Map<String, Value> =
                members.iter().map(|(name, value)| (name.clone(), converted(value))).collect();
            let is_object = members.get("type").is_some_and(|kind| kind == "object");
            let named = members.get("properties").and_then(Value::as_object);
            if is_object && named.is_some_and(|named| !named.is_empty()) {
                members.entry("additionalProperties").or_insert(json!(false));
            }
            if let Some(branches) = members.remove("oneOf") {
                members.insert("anyOf".to_owned(), branches);
            }
            Value::Object(members)
        }
        Value::Array(items) => items.iter().map(converted).collect(),
        other => other.clone(),
    }
}
