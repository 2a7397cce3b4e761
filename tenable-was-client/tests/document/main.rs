//! The client, tested against the vendor's own document: each operation has a method, each request matches
//! the document, each example is decoded, and each place where the document is wrong is listed.
//!
//! The document is not part of this project. An environment variable has the path of a copy; without it the
//! test prints that it was skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is part of the output of the test")]

mod check;
mod errors;
mod examples;
mod exceptions;
mod mutations;
mod openapi;
mod operations;
mod requests;
mod schema;
mod service;
mod table;

use check::DocumentCheck;
use openapi::{Document, VARIABLE};
use service::Service;
use table::{Count, Table};

#[tokio::test]
async fn the_client_matches_the_vendors_document() {
    let Some(document) = Document::get() else {
        println!("skipped: {VARIABLE} is not set, so the vendor's document is not tested");
        return;
    };
    let operations = document.operations();
    let mut check = DocumentCheck::new(document, Service::start().await);
    let mut table = Table::default();
    for operation in &operations {
        let row = operations::all().find(|row| row.id == operation.id);
        let count = match row {
            Some(row) => check.operation(operation, row).await,
            None => Count::of(operation),
        };
        table.push(operation, row, count);
    }
    for row in operations::all().filter(|row| !operations.iter().any(|operation| operation.id == row.id)) {
        check.problem(row.id, "the document has no such operation");
    }
    let problems = check.end();
    println!("{table}");
    assert!(
        problems.is_empty() && table.is_complete(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}
