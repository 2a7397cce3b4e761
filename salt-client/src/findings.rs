//! The stream of findings: reads the list of posture gaps and ends with what the read proves.

mod coverage;
mod host_filter;
mod host_inventory;
mod reader;
mod record_reader;
mod seen_records;

pub(crate) use reader::FindingsReader;
