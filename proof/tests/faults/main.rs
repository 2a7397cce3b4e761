//! The fault matrix: what each client, and an import with it, does when the service or the network fails.
//!
//! `cargo test -p proof --test faults -- --nocapture the_matrix` prints the table. Three invariants hold
//! for every cell: it ends; it never counts as complete with a finding missing, duplicated or unknown to
//! the service; no secret is printed. Each row also states how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the table is what the test is for")]

mod answers;
mod child;
mod connections;
mod consumers;
mod exports;
mod records;
mod row;
mod services;

use std::collections::BTreeSet;
use std::sync::Arc;

use proof::secrets::{Log, Whose};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use row::Row;

/// The number of rows that run at the same time. Most of them wait.
const AT_ONCE: usize = 12;

/// All rows by number.
fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        connections::rows(),
        answers::rows(),
        records::rows(),
        services::rows(),
        exports::rows(),
        consumers::rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    rows.sort_by_key(|row| row.number);
    rows
}

#[test]
fn every_fault_of_the_list_has_a_row() {
    let numbers: BTreeSet<u8> = rows().iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=38).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_matrix() {
    let log = Log::record(Whose::Ours);
    let (places, mut playing) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (index, row) in rows().into_iter().enumerate() {
        let places = Arc::clone(&places);
        playing.spawn(async move {
            let _place = places.acquire().await.unwrap();
            (index, row.play(index).await)
        });
    }
    let mut played = Vec::new();
    while let Some(row) = playing.join_next().await {
        played.push(row.unwrap());
    }
    played.sort_by_key(|(index, _)| *index);
    row::print_head();
    let mut failures = Vec::new();
    for (_, played) in &played {
        println!("{played}");
        failures.extend(played.failures());
    }
    // The tag in the marker names the row.
    failures.extend(log.leaks().iter().map(|leak| format!("a secret is in the log: {leak}")));
    assert!(log.ours() > 1000, "the log was recorded: {} lines", log.ours());
    println!("{} rows, {} cells, {} broken rules", played.len(), row::cells(&played), failures.len());
    assert!(failures.is_empty(), "{failures:#?}");
}
