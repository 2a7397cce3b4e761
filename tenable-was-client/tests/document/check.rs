//! Checks one operation after another against the document.

use serde_json::Value;
use wiremock::Request;

use crate::errors;
use crate::examples::{corrupted, differences};
use crate::exceptions::{self, Exceptions};
use crate::openapi::{Document, Example, Operation};
use crate::operations::{COMPOSED, Output, Row, Sample};
use crate::requests;
use crate::schema::Schemas;
use crate::service::{Service, response, response_with_body};
use crate::table::Count;

/// The document's schemas, the known exceptions, and the problems found so far.
pub(crate) struct DocumentCheck {
    schemas: Schemas,
    service: Service,
    sent: Exceptions,
    unsent: Exceptions,
    contradicted: Exceptions,
    reformatted: Exceptions,
    untyped: Exceptions,
    pub(crate) problems: Vec<String>,
}

impl DocumentCheck {
    pub(crate) fn new(document: &Document, service: Service) -> Self {
        Self {
            schemas: Schemas::new(document.components()),
            service,
            sent: exceptions::sent(),
            unsent: exceptions::unsent(),
            contradicted: exceptions::contradicted(),
            reformatted: exceptions::reformatted(),
            untyped: exceptions::untyped(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn problem(&mut self, operation: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{operation}: {what}"));
    }

    /// Checks a method against its operation.
    pub(crate) async fn operation(&mut self, operation: &Operation<'_>, row: &Row) -> Count {
        let composed = composed(operation.id);
        let composed = composed.as_ref().map(|value| Example::composed(operation, value));
        let mut count = Count {
            requests_valid: self.requests(operation, row, composed.as_ref()).await,
            ..Count::of(operation)
        };
        for example in &operation.examples {
            let before = self.problems.len();
            if example.is_success() {
                self.success(operation, row, example).await;
            } else {
                self.error(operation, row, example).await;
            }
            self.schema(operation, example);
            let sum = if example.is_success() { &mut count.decoded } else { &mut count.mapped };
            *sum += usize::from(self.problems.len() == before);
        }
        if let Some(example) = &composed {
            self.success(operation, row, example).await;
        }
        count
    }

    /// Sends all samples of the method. Returns whether all requests are valid and no member of the
    /// document is missing.
    async fn requests(
        &mut self,
        operation: &Operation<'_>,
        row: &Row,
        composed: Option<&Example<'_>>,
    ) -> bool {
        let before = self.problems.len();
        let mut all_requests: Vec<Request> = Vec::new();
        for (number, sample) in row.samples.iter().enumerate() {
            let Some(example) = example_for(operation, sample).or(composed) else {
                self.problem(operation.id, "no response is known for it");
                continue;
            };
            let (seen, requests) = self.service.call(sample.call, response(example)).await;
            let name = format!("{} ({}.{})", operation.id, row.method, number + 1);
            if let Err(error) = seen {
                self.problem(&name, format!("{error:?}"));
            }
            if requests.len() != 1 {
                self.problem(&name, format!("{} requests instead of one", requests.len()));
            }
            for request in &requests {
                for fault in requests::problems(operation, &self.schemas, &self.sent, request) {
                    self.problem(&name, fault);
                }
            }
            all_requests.extend(requests);
        }
        for member in requests::unsent(operation, &self.schemas, &all_requests) {
            if !self.unsent.cover(operation.id, "", &member) {
                self.problem(operation.id, format!("no sample sends {member}"));
            }
        }
        self.problems.len() == before
    }

    /// Decodes an example, and compares the result with it.
    async fn success(&mut self, operation: &Operation<'_>, row: &Row, example: &Example<'_>) {
        let call = row.call_for(example.media);
        let name = format!("{} ({} {})", operation.id, example.status, example.media);
        match self.service.call(call, response(example)).await.0 {
            Err(error) => self.problem(&name, format!("{error:?}")),
            Ok(Output::Bytes(bytes)) if example.is_json() => {
                self.problem(&name, format!("{} bytes instead of their content", bytes.len()));
            }
            Ok(Output::Bytes(bytes)) => {
                if bytes != example.bytes() {
                    self.problem(&name, "the bytes are not those that were sent");
                }
            }
            Ok(Output::Json(_)) if !example.is_json() => {
                self.problem(&name, "decoded as JSON, which it is not");
            }
            Ok(Output::Json(written)) => {
                for difference in differences(example.value, &written) {
                    if !self.reformatted.cover(operation.id, "", &difference.path) {
                        self.problem(&name, format!("{}: {}", difference.path, difference.what));
                    }
                }
                self.types(operation, row, example).await;
            }
        }
    }

    /// Corrupts one member after the other: a typed member must then fail to decode. In a page that is no error:
    /// the item is set apart, or the page has no position.
    async fn types(&mut self, operation: &Operation<'_>, row: &Row, example: &Example<'_>) {
        for (path, value) in corrupted(&self.schemas, example.schema, example.value) {
            let response = response_with_body(example, value.to_string());
            let (seen, _) = self.service.call(row.call_for(example.media), response).await;
            let is_accepted = match &seen {
                Ok(Output::Json(written)) => has_all_parts(example.value, written),
                Ok(Output::Bytes(_)) => true,
                Err(_) => false,
            };
            if is_accepted && !self.untyped.cover(operation.id, "", &path) {
                self.problem(operation.id, format!("{path} has no type"));
            }
        }
    }

    /// Responds with an error example to each sample.
    async fn error(&mut self, operation: &Operation<'_>, row: &Row, example: &Example<'_>) {
        for sample in row.samples {
            let name = format!("{} ({} {})", operation.id, row.method, example.status);
            match self.service.call(sample.call, response(example)).await.0 {
                Ok(_) => self.problem(&name, "no error was returned"),
                Err(error) => {
                    for fault in errors::problems(example, &error) {
                        self.problem(&name, fault);
                    }
                }
            }
        }
    }

    /// Checks the document's example against the document's schema.
    fn schema(&mut self, operation: &Operation<'_>, example: &Example<'_>) {
        if !example.is_json() {
            return;
        }
        for violation in self.schemas.violations(example.schema, example.value) {
            if !self.contradicted.cover(operation.id, &violation.kind, &violation.path) {
                self.problem(
                    operation.id,
                    format!("the example of {} contradicts: {violation}", example.status),
                );
            }
        }
    }

    /// Returns all problems, including exceptions that were not needed.
    pub(crate) fn end(mut self) -> Vec<String> {
        let all = [&self.sent, &self.unsent, &self.contradicted, &self.reformatted, &self.untyped];
        for exceptions in all {
            println!("{exceptions}");
        }
        let unused: Vec<String> = all.iter().flat_map(|exceptions| exceptions.unused()).collect();
        self.problems.extend(unused);
        self.problems
    }
}

fn composed(operation: &str) -> Option<Value> {
    let (_, text) = COMPOSED.iter().find(|(id, _)| *id == operation)?;
    Some(serde_json::from_str(text).unwrap())
}

/// A response that makes the call succeed.
fn example_for<'a>(operation: &'a Operation<'a>, sample: &Sample) -> Option<&'a Example<'a>> {
    let mut successes = operation.examples.iter().filter(|example| example.is_success());
    successes.find(|example| sample.media.is_none_or(|media| media == example.media))
}

/// Whether a page has as many items as its example, and a position if the example has one.
fn has_all_parts(example: &Value, written: &Value) -> bool {
    let count = |page: &Value| page.get("items").and_then(Value::as_array).map(Vec::len);
    let has_position = |page: &Value| page.get("pagination").is_some_and(|position| !position.is_null());
    count(example) == count(written) && (!has_position(example) || has_position(written))
}
