//! The parts of the vendor's document that this test reads.

use std::sync::OnceLock;

use serde_json::{Map, Value};

/// The environment variable with the path of the document.
pub(crate) const VARIABLE: &str = "TENABLE_WAS_OPENAPI";

/// The document.
pub(crate) struct Document(Value);

/// One operation of the document.
pub(crate) struct Operation<'a> {
    pub(crate) id: &'a str,
    pub(crate) verb: String,
    pub(crate) path: &'a str,
    pub(crate) parameters: Vec<Parameter<'a>>,
    /// The media type and the schema of the request's body, if it has one.
    pub(crate) body: Option<(&'a str, &'a Value)>,
    pub(crate) examples: Vec<Example<'a>>,
    /// The schema of the first successful response.
    pub(crate) success: &'a Value,
}

/// A parameter in a path, a query or a header.
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    /// `path`, `query` or `header`.
    pub(crate) place: &'a str,
    pub(crate) required: bool,
    pub(crate) schema: &'a Value,
}

/// An example response of the document.
pub(crate) struct Example<'a> {
    pub(crate) status: u16,
    pub(crate) media: &'a str,
    /// The schema that the document declares for it; an empty object if it declares none.
    pub(crate) schema: &'a Value,
    pub(crate) value: &'a Value,
    /// Headers that the document declares for it.
    pub(crate) headers: Vec<&'a str>,
}

impl<'a> Example<'a> {
    /// A composed response, for an operation without an example.
    pub(crate) fn composed(operation: &Operation<'a>, value: &'a Value) -> Self {
        Self { status: 200, media: "application/json", schema: operation.success, value, headers: Vec::new() }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether the example is JSON: it has the media type of JSON, or is the chunk of an export, which is
    /// JSON with another media type.
    pub(crate) fn is_json(&self) -> bool {
        self.media == "application/json" || self.value.is_array()
    }

    /// The bytes that the service would send.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self.value {
            Value::String(text) if !self.is_json() => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        }
    }
}

impl Document {
    /// Returns the document; `None` if the variable is not set.
    pub(crate) fn get() -> Option<&'static Self> {
        static DOCUMENT: OnceLock<Option<Document>> = OnceLock::new();
        DOCUMENT.get_or_init(Self::read).as_ref()
    }

    fn read() -> Option<Self> {
        let path = std::env::var_os(VARIABLE)?;
        let text =
            std::fs::read(&path).unwrap_or_else(|cause| panic!("{VARIABLE}={}: {cause}", path.display()));
        Some(Self(serde_json::from_slice(&text).unwrap()))
    }

    /// Returns the first successful example of an operation.
    pub(crate) fn success(&self, operation: &str) -> &Value {
        let operations = self.operations();
        let operation = operations.iter().find(|known| known.id == operation).unwrap();
        operation.examples.iter().find(|example| example.is_success()).unwrap().value
    }

    /// Returns the document with another value at a pointer in an operation.
    pub(crate) fn changed(&self, operation: &str, place: &str, value: Value) -> Self {
        let mut changed = self.0.clone();
        let (path, verb) = self.place_of(operation);
        let (parent, name) = place.rsplit_once('/').unwrap();
        let node = changed["paths"][&path][&verb].pointer_mut(parent).unwrap();
        match name.parse::<usize>() {
            Ok(number) if node.is_array() => node[number] = value,
            _ => node[name] = value,
        }
        Self(changed)
    }

    /// Returns the document with an operation at another method and path.
    pub(crate) fn moved(&self, operation: &str, verb: &str, path: &str) -> Self {
        let mut moved = self.0.clone();
        let (old_path, old_verb) = self.place_of(operation);
        let node = moved["paths"][&old_path].as_object_mut().unwrap().remove(&old_verb).unwrap();
        moved["paths"][path][verb] = node;
        Self(moved)
    }

    fn place_of(&self, operation: &str) -> (String, String) {
        let operations = self.operations();
        let operation = operations.iter().find(|known| known.id == operation).unwrap();
        (operation.path.to_owned(), operation.verb.to_lowercase())
    }

    pub(crate) fn components(&self) -> &Value {
        &self.0["components"]
    }

    pub(crate) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap();
        paths
            .iter()
            .flat_map(|(path, item)| {
                let verbs = ["get", "post", "put", "patch", "delete"];
                verbs
                    .into_iter()
                    .filter_map(move |verb| Some(self.operation(verb, path, item, item.get(verb)?)))
            })
            .collect()
    }

    fn operation<'a>(&'a self, verb: &str, path: &'a str, item: &'a Value, node: &'a Value) -> Operation<'a> {
        let parameters =
            [item, node].into_iter().filter_map(|node| node.get("parameters")?.as_array()).flatten();
        let content = node.pointer("/requestBody/content").and_then(Value::as_object);
        Operation {
            id: node["operationId"].as_str().unwrap(),
            verb: verb.to_uppercase(),
            path,
            parameters: parameters.map(|parameter| Parameter::of(self.resolved(parameter))).collect(),
            body: content.and_then(|content| {
                let (media, content) = content.iter().next()?;
                Some((media.as_str(), &content["schema"]))
            }),
            examples: node["responses"].as_object().into_iter().flatten().flat_map(examples).collect(),
            success: success(node),
        }
    }

    /// Follows a reference; returns anything else unchanged.
    fn resolved<'a>(&'a self, node: &'a Value) -> &'a Value {
        match node.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.0.pointer(reference.trim_start_matches('#')).unwrap(),
            None => node,
        }
    }
}

impl<'a> Parameter<'a> {
    fn of(node: &'a Value) -> Self {
        Self {
            name: node["name"].as_str().unwrap(),
            place: node["in"].as_str().unwrap(),
            required: node["required"] == true,
            schema: &node["schema"],
        }
    }
}

fn success(node: &Value) -> &Value {
    let responses = node["responses"].as_object().into_iter().flatten();
    let success =
        responses.into_iter().find(|(status, _)| status.starts_with('2')).map(|(_, response)| response);
    let content = success.and_then(|response| response["content"].as_object()?.values().next());
    content.map_or(&Value::Null, |content| &content["schema"])
}

fn examples<'a>((status, response): (&'a String, &'a Value)) -> Vec<Example<'a>> {
    fn members(node: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
        node.and_then(Value::as_object).into_iter().flat_map(Map::iter)
    }
    let headers: Vec<_> = members(response.get("headers")).map(|(name, _)| name.as_str()).collect();
    members(response.get("content"))
        .flat_map(|(media, content)| {
            let headers = headers.clone();
            members(content.get("examples")).map(move |(_, example)| Example {
                status: status.parse().unwrap(),
                media,
                schema: &content["schema"],
                value: &example["value"],
                headers: headers.clone(),
            })
        })
        .collect()
}
