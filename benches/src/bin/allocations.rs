//! Counts the allocator calls of a run. It is a separate program, since counting costs time.
#![allow(clippy::cast_precision_loss, reason = "an average to print")]
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::alloc::System;

use benches::client::{Mode, run};
use clap::{Parser, ValueEnum as _};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Prints allocations, reallocations and bytes per record.
#[derive(Debug, Parser)]
struct Arguments {
    /// The client to run.
    mode: String,
    /// The server's port.
    port: u16,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mode = Mode::from_str(&arguments.mode, true).map_err(anyhow::Error::msg)?;
    let region = Region::new(ALLOCATOR);
    let measurement = run(mode, arguments.port, 1).await?;
    let change = region.change();
    let per_record = |number: usize| number as f64 / measurement.count.max(1) as f64;
    println!(
        "{}",
        serde_json::json!({"allocations": per_record(change.allocations), "reallocations": per_record(change.reallocations), "bytes": per_record(change.bytes_allocated)})
    );
    Ok(())
}
