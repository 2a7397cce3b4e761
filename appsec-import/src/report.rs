//! Reports: findings in the formats that other tools read, written as a stream.

mod category;
mod csv;
mod defectdojo;
mod encoder;
mod fields;
mod finding;
mod format;
mod gitlab;
mod http_message;
mod jsonl;
mod location;
mod ocsf;
mod options;
mod output;
mod sanitize;
mod sarif;
mod temp_files;
mod writer;

#[cfg(feature = "push")]
pub(crate) use self::category::is_partial_category;
pub use self::finding::ReportFinding;
pub use self::format::Format;
pub use self::jsonl::finding_schema;
pub use self::options::{GitLabVersion, OcsfClass, ReportOptions};
pub use self::writer::{ReportSummary, ReportWriter};
