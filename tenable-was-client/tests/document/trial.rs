//! One operation after another, held to the document.

use serde_json::Value;
use wiremock::Request;

use crate::errors;
use crate::examples::{differences, spoiled};
use crate::exceptions::{self, Exceptions};
use crate::openapi::{Document, Example, Operation};
use crate::operations::{COMPOSED, Row, Sample, Seen};
use crate::requests;
use crate::schema::Schemas;
use crate::service::{Service, answer, answer_with};
use crate::table::Count;

/// What the client is held to, and what was found so far.
pub(crate) struct Trial {
    schemas: Schemas,
    service: Service,
    sent: Exceptions,
    unsent: Exceptions,
    contradicted: Exceptions,
    retold: Exceptions,
    untyped: Exceptions,
    pub(crate) problems: Vec<String>,
}

impl Trial {
    pub(crate) fn new(document: &Document, service: Service) -> Self {
        Self {
            schemas: Schemas::new(document.components()),
            service,
            sent: exceptions::sent(),
            unsent: exceptions::unsent(),
            contradicted: exceptions::contradicted(),
            retold: exceptions::retold(),
            untyped: exceptions::untyped(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn problem(&mut self, operation: &str, what: impl std::fmt::Display) {
        self.problems.push(format!("{operation}: {what}"));
    }

    /// Holds a method to its operation.
    pub(crate) async fn hold(&mut self, operation: &Operation<'_>, row: &Row) -> Count {
        let composed = composed(operation.id);
        let composed = composed.as_ref().map(|value| Example::composed(operation, value));
        let mut count =
            Count { sound: self.requests(operation, row, composed.as_ref()).await, ..Count::of(operation) };
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

    /// Sends all that the method can say; true where nothing of it is wrong, and nothing of the document's is missing.
    async fn requests(
        &mut self,
        operation: &Operation<'_>,
        row: &Row,
        composed: Option<&Example<'_>>,
    ) -> bool {
        let before = self.problems.len();
        let mut requests: Vec<Request> = Vec::new();
        for (number, sample) in row.samples.iter().enumerate() {
            let Some(example) = example_for(operation, sample).or(composed) else {
                self.problem(operation.id, "no answer is known to it");
                continue;
            };
            let (seen, asked) = self.service.ask(sample.call, answer(example)).await;
            let name = format!("{} ({}.{})", operation.id, row.method, number + 1);
            if let Err(error) = seen {
                self.problem(&name, format!("{error:?}"));
            }
            if asked.len() != 1 {
                self.problem(&name, format!("{} requests instead of one", asked.len()));
            }
            for request in &asked {
                for fault in requests::faults(operation, &self.schemas, &self.sent, request) {
                    self.problem(&name, fault);
                }
            }
            requests.extend(asked);
        }
        for member in requests::unsent(operation, &self.schemas, &requests) {
            if !self.unsent.cover(operation.id, "", &member) {
                self.problem(operation.id, format!("no sample sends {member}"));
            }
        }
        self.problems.len() == before
    }

    /// Reads an example, and holds what is made of it against it.
    async fn success(&mut self, operation: &Operation<'_>, row: &Row, example: &Example<'_>) {
        let call = row.call_for(example.media);
        let name = format!("{} ({} {})", operation.id, example.status, example.media);
        match self.service.ask(call, answer(example)).await.0 {
            Err(error) => self.problem(&name, format!("{error:?}")),
            Ok(Seen::Bytes(bytes)) if example.is_json() => {
                self.problem(&name, format!("{} bytes instead of what they say", bytes.len()));
            }
            Ok(Seen::Bytes(bytes)) => {
                if bytes != example.bytes() {
                    self.problem(&name, "the bytes are not those that were sent");
                }
            }
            Ok(Seen::Json(_)) if !example.is_json() => self.problem(&name, "read as JSON, which it is not"),
            Ok(Seen::Json(written)) => {
                for difference in differences(example.value, &written) {
                    if !self.retold.cover(operation.id, "", &difference.path) {
                        self.problem(&name, format!("{}: {}", difference.path, difference.what));
                    }
                }
                self.types(operation, row, example).await;
            }
        }
    }

    /// Spoils one member after the other: what has a type is refused then.
    async fn types(&mut self, operation: &Operation<'_>, row: &Row, example: &Example<'_>) {
        for (path, value) in spoiled(&self.schemas, example.schema, example.value) {
            let answer = answer_with(example, value.to_string());
            let (seen, _) = self.service.ask(row.call_for(example.media), answer).await;
            if seen.is_ok() && !self.untyped.cover(operation.id, "", &path) {
                self.problem(operation.id, format!("{path} has no type"));
            }
        }
    }

    /// Is refused with an example, in each of the ways of asking.
    async fn error(&mut self, operation: &Operation<'_>, row: &Row, example: &Example<'_>) {
        for sample in row.samples {
            let name = format!("{} ({} {})", operation.id, row.method, example.status);
            match self.service.ask(sample.call, answer(example)).await.0 {
                Ok(_) => self.problem(&name, "no error came of it"),
                Err(error) => {
                    for fault in errors::faults(example, &error) {
                        self.problem(&name, fault);
                    }
                }
            }
        }
    }

    /// Holds the document's example against the document's schema.
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

    /// What was found, exceptions that were not needed among it.
    pub(crate) fn end(mut self) -> Vec<String> {
        let all = [&self.sent, &self.unsent, &self.contradicted, &self.retold, &self.untyped];
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

/// An answer that makes the call succeed.
fn example_for<'a>(operation: &'a Operation<'a>, sample: &Sample) -> Option<&'a Example<'a>> {
    let mut successes = operation.examples.iter().filter(|example| example.is_success());
    successes.find(|example| sample.media.is_none_or(|media| media == example.media))
}
