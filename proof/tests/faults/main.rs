//! The fault matrix: what each client, and an import with it, does when the service or the network fails.
//!
//! `cargo test -p proof --test faults -- --nocapture fault_matrix` prints the table. Three invariants hold
//! for every case: it ends; it never counts as complete with a finding missing, duplicated or unknown to
//! the service; no secret is printed. Each case also states the expected ending.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what the test is for")]

mod case;
mod child_process;
mod connections;
mod consumers;
mod exports;
mod listings;
mod records;
mod responses;

use std::collections::BTreeSet;
use std::sync::Arc;

use proof::secrets::{Log, LogScope};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use case::Case;

/// The number of cases that run at the same time. Most of them wait.
const AT_ONCE: usize = 12;

/// All cases, sorted by the number of their fault.
fn all_cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        connections::cases(),
        responses::cases(),
        records::cases(),
        listings::cases(),
        exports::cases(),
        consumers::cases(),
    ]
    .into_iter()
    .flatten()
    .collect();
    cases.sort_by_key(|case| case.number);
    cases
}

#[test]
fn every_listed_fault_has_a_case() {
    let numbers: BTreeSet<u8> = all_cases().iter().map(|case| case.number).collect();
    assert_eq!(numbers, (1..=38).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_matrix() {
    let log = Log::record(LogScope::Workspace);
    let (permits, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (index, case) in all_cases().into_iter().enumerate() {
        let permits = Arc::clone(&permits);
        tasks.spawn(async move {
            let _permit = permits.acquire().await.unwrap();
            (index, case.run(index).await)
        });
    }
    let mut results = Vec::new();
    while let Some(result) = tasks.join_next().await {
        results.push(result.unwrap());
    }
    results.sort_by_key(|(index, _)| *index);
    case::print_header();
    let mut failures = Vec::new();
    for (_, result) in &results {
        println!("{result}");
        failures.extend(result.failures());
    }
    // The tag in the marker names the case.
    failures.extend(log.leaks().iter().map(|leak| format!("a secret is in the log: {leak}")));
    assert!(log.workspace_lines() > 1000, "only {} lines were logged", log.workspace_lines());
    println!(
        "{} cases, {} runs, {} broken invariants",
        results.len(),
        case::count_runs(&results),
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:#?}");
}
