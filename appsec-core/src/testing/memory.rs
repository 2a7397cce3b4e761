//! A scanner whose service is in memory.

mod findings_reader;
mod fixture;
mod scanner;
mod service;

pub use scanner::MemoryScanner;
