//! Pushes reports to `DefectDojo`, Invicti `AppSec` and GitHub code scanning.
//!
//! All three have the same shape: a client for one service, a destination there, a report, and the
//! [`Completeness`] of the run. Whether a push may close findings that the report does not have follows from
//! the completeness.
//!
//! [`Completeness`]: crate::Completeness

mod defectdojo;
mod error;
mod github;
mod invicti;
mod invicti_writer;
mod multipart;
mod options;
mod outcome;
mod poll;
mod report_file;
mod sarif_upload;

pub use defectdojo::{DefectDojo, DefectDojoTest};
pub use github::{GitHub, GitHubCommit};
pub use invicti::{Invicti, InvictiPayload, InvictiScan};
pub use invicti_writer::InvictiWriter;
pub use options::PushOptions;
pub use outcome::{AbsentFindings, PushCounts, PushOutcome};
pub use report_file::ReportFile;
