//! The client, held to the vendor's own document: each operation has a method, each request is one of the document's, each of its examples
//! is understood, and where the document is wrong, that is said by name.
//!
//! The document is not part of this project. The environment names a copy of it; without one the test says that it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is for whoever reads the run")]

mod breaches;
mod errors;
mod examples;
mod exceptions;
mod openapi;
mod operations;
mod requests;
mod schema;
mod service;
mod table;
mod trial;

use openapi::{Document, VARIABLE};
use service::Service;
use table::{Count, Table};
use trial::Trial;

#[tokio::test]
async fn the_client_is_held_to_the_vendors_document() {
    let Some(document) = Document::get() else {
        println!("skipped: {VARIABLE} names no file, so nothing is held to the vendor's document");
        return;
    };
    let operations = document.operations();
    let mut trial = Trial::new(document, Service::start().await);
    let mut table = Table::default();
    for operation in &operations {
        let row = operations::all().find(|row| row.id == operation.id);
        let count = match row {
            Some(row) => trial.hold(operation, row).await,
            None => Count::of(operation),
        };
        table.push(operation, row, count);
    }
    for row in operations::all().filter(|row| !operations.iter().any(|operation| operation.id == row.id)) {
        trial.problem(row.id, "the document knows no such operation");
    }
    let problems = trial.end();
    println!("{table}");
    assert!(problems.is_empty() && table.is_whole(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}
