//! A new status for a gap, and the request body that asks for it.

use std::fmt;

use serde_json::{Value, json};

use super::gap::GapStatus;

/// A new status for a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GapChange {
    /// The gap's id.
    pub id: String,
    /// Its new status.
    pub status: GapStatus,
    /// The reason. No body of [`SpeculativeBody`] has a field for it; a [`WriteBack`] of your own may.
    pub comment: Option<String>,
}

impl GapChange {
    /// Creates a change of one gap's status.
    pub fn new(id: impl Into<String>, status: GapStatus) -> Self {
        Self { id: id.into(), status, comment: None }
    }

    /// Sets the reason.
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

/// Makes the request body of a status change. **Speculative**: implement it if your tenant's own
/// documentation describes the body.
///
/// ```
/// use salt_client::{GapChange, WriteBack};
/// use serde_json::{Value, json};
///
/// #[derive(Debug)]
/// struct PortalBody;
///
/// impl WriteBack for PortalBody {
///     fn body(&self, change: &GapChange) -> Value {
///         json!({"gap": change.id, "newStatus": change.status, "note": change.comment})
///     }
/// }
/// ```
pub trait WriteBack: fmt::Debug + Send + Sync {
    /// Returns the body that asks for this change.
    fn body(&self, change: &GapChange) -> Value;
}

/// Guesses at the body of a status change. **Speculative**: no body has been published; these use the names
/// of the fields of a gap and no others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpeculativeBody {
    /// `{"postureGapId": "…", "status": "Resolved"}`, the most likely one.
    #[default]
    Object,
    /// `[{"postureGapId": "…", "status": "Resolved"}]`
    List,
    /// `{"postureGapIds": ["…"], "status": "Resolved"}`
    Ids,
}

impl WriteBack for SpeculativeBody {
    fn body(&self, change: &GapChange) -> Value {
        let GapChange { id, status, .. } = change;
        match self {
            Self::Object => json!({"postureGapId": id, "status": status}),
            Self::List => json!([{"postureGapId": id, "status": status}]),
            Self::Ids => json!({"postureGapIds": [id], "status": status}),
        }
    }
}
