//! A kit for testing scanners: datasets, faults, the conformance suite, and a scanner in memory.

pub mod conformance;
mod dataset;
mod fixture;
mod memory;

pub use dataset::{Dataset, DatasetFinding, DatasetTarget, Seeded};
pub use fixture::{Fault, Fixture};
pub use memory::MemoryScanner;
