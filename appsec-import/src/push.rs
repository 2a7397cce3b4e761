//! Reports brought to those who keep findings: `DefectDojo`, Invicti `AppSec`, GitHub code scanning.
//!
//! All three have one shape: a client with its connection, a destination, a report, and what the run proved. The last is no boolean of
//! the caller's: whether what the report does not hold may be closed follows from the run's [`Completeness`] alone.

mod defectdojo;
mod error;
mod github;
mod invicti;
mod multipart;
mod options;
mod report_file;
mod vulnerability;
mod wait;

pub use defectdojo::{DefectDojo, DojoTest};
pub use github::{CodeScanning, GitHub};
pub use invicti::{Invicti, InvictiForm, InvictiScan};
pub use options::PushOptions;
pub use report_file::ReportFile;
pub use vulnerability::InvictiWriter;

use std::fmt;

use appsec_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::reconcile::Completeness;

const USER_AGENT: &str = concat!("appsec-import/", env!("CARGO_PKG_VERSION"));

/// What a push did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pushed {
    /// Where it went, in one word: `defectdojo`, `invicti`, `github`.
    pub target: &'static str,
    /// What the target calls what it made of it: `DefectDojo`'s test, Invicti's events, GitHub's uploads.
    pub ids: Vec<String>,
    /// Where a person sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What became of findings that the target knows and the report does not hold.
    pub absent: Absent,
    /// What changed, where the target says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<PushCounts>,
}

impl Pushed {
    fn to(target: &'static str, absent: Absent) -> Self {
        Self { target, ids: Vec::new(), link: None, absent, counts: None }
    }
}

/// What became of findings that the target knows and the report does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Absent {
    /// They are closed there: the run proved that they are gone, or its caller takes that upon himself.
    Closed,
    /// They stay as they are there, and why.
    Kept(String),
}

/// What a target says that a push changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PushCounts {
    /// Not known before.
    pub created: u64,
    /// No longer in the report.
    pub closed: u64,
    /// Closed before and back.
    pub reactivated: u64,
    /// Known and still there.
    pub untouched: u64,
}

/// One line.
impl fmt::Display for Pushed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pushed to {} ({})", self.target, self.ids.join(", "))?;
        if let Some(PushCounts { created, closed, reactivated, untouched }) = self.counts {
            write!(
                f,
                ": {created} created, {closed} closed, {reactivated} reactivated, {untouched} untouched"
            )?;
        }
        match &self.absent {
            Absent::Closed => Ok(()),
            Absent::Kept(why) => write!(f, "; nothing was closed there: {why}"),
        }
    }
}

/// The error with the operation, where it has none of its own.
fn named(error: Error, operation: &'static str) -> Error {
    if error.operation().is_some() { error } else { error.with_operation(operation) }
}

/// Work that reads files or takes a while, on a thread that may wait.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|cause| {
        Err(Error::new(ErrorKind::Unexpected, "the report was not read to its end").with_source(cause))
    })
}

/// For targets that close whatever a report does not hold and cannot be told otherwise: an error where that is not proven.
fn admit(who: &str, completeness: &Completeness, unproven_closing: bool) -> Result<Absent> {
    match completeness.reason() {
        Some(reason) if !unproven_closing => {
            let message = format!(
                "{who} shows as fixed what a report does not hold, and this run does not prove that it is: {reason}"
            );
            Err(Error::new(ErrorKind::Unsupported, message))
        }
        _ => Ok(Absent::Closed),
    }
}
