//! Bind targets: what a project can read from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::coverage::CoverageGap;

crate::id_type! {
    /// The id of a bind target. It says its kind before the first colon: `host:api.example.com`,
    /// `label:payments`, `config:5b1f…`, or just `all`.
    pub struct BindTargetId;
}

impl BindTargetId {
    /// The whole tenant.
    pub fn all() -> Self {
        Self::new("all")
    }

    /// The id of this kind with this value.
    pub fn from_parts(kind: &str, value: &str) -> Self {
        Self::new(format!("{kind}:{value}"))
    }

    /// The kind: what stands before the first colon.
    pub fn kind(&self) -> &str {
        self.as_str().split_once(':').map_or(self.as_str(), |(kind, _)| kind)
    }

    /// What stands after the first colon; empty where there is none.
    pub fn value(&self) -> &str {
        self.as_str().split_once(':').map_or("", |(_, value)| value)
    }
}

/// Something that a project can be bound to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BindTarget {
    /// The id, which a binding stores.
    pub id: BindTargetId,
    /// Its name for a person. Names need not be unique, ids are.
    pub name: String,
    /// A short description, where the scanner has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hosts or URLs that it covers, as far as the listing names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<String>,
    /// How many locations it covers, where known; may be more than are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location_count: Option<u64>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Whether `start_scan` can scan it.
    #[serde(default)]
    pub can_start: bool,
    /// When it was last scanned or last seen in traffic; `None` where that never happened or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
}

impl BindTarget {
    /// A target with the given id and name.
    pub fn new(id: impl Into<BindTargetId>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            description: None,
            locations: Vec::new(),
            location_count: None,
            labels: Vec::new(),
            can_start: false,
            last_seen: None,
        }
    }

    /// Sets the description.
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a host or URL that it covers.
    pub fn with_location(mut self, location: impl Into<String>) -> Self {
        self.locations.push(location.into());
        self
    }

    /// Sets how many locations it covers.
    pub fn with_location_count(mut self, count: u64) -> Self {
        self.location_count = Some(count);
        self
    }

    /// Sets its labels.
    pub fn with_labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whether a scan of it can be started.
    pub fn with_can_start(mut self, yes: bool) -> Self {
        self.can_start = yes;
        self
    }

    /// Sets when it was last scanned or seen in traffic.
    pub fn with_last_seen(mut self, at: Timestamp) -> Self {
        self.last_seen = Some(at);
        self
    }
}

/// Some bind targets, and what is missing from the listing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BindTargetBatch {
    /// The targets. May be empty.
    pub targets: Vec<BindTarget>,
    /// The gaps that were noticed since the batch before: a record that could not be read, or a list that
    /// changed while it was read. A listing with a gap may lack targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<CoverageGap>,
}

impl BindTargetBatch {
    /// A batch without gaps.
    pub fn new(targets: Vec<BindTarget>) -> Self {
        Self { targets, gaps: Vec::new() }
    }

    /// Adds a gap.
    pub fn with_gap(mut self, gap: CoverageGap) -> Self {
        self.gaps.push(gap);
        self
    }

    /// Replaces the gaps.
    pub fn with_gaps(mut self, gaps: Vec<CoverageGap>) -> Self {
        self.gaps = gaps;
        self
    }
}

impl From<Vec<BindTarget>> for BindTargetBatch {
    fn from(targets: Vec<BindTarget>) -> Self {
        Self::new(targets)
    }
}

/// Which bind targets to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindTargetQuery {
    /// Only those whose name contains this text, ignoring case.
    pub name_contains: Option<String>,
}

impl BindTargetQuery {
    /// All of them.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those whose name contains the text, ignoring case.
    pub fn with_name_contains(mut self, text: impl Into<String>) -> Self {
        self.name_contains = Some(text.into());
        self
    }

    /// Whether the target passes the filter.
    pub fn matches(&self, target: &BindTarget) -> bool {
        self.name_contains
            .as_ref()
            .is_none_or(|text| target.name.to_lowercase().contains(&text.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_kind_and_a_value() {
        let id = BindTargetId::from_parts("host", "api.example.com:8443");
        assert_eq!((id.kind(), id.value()), ("host", "api.example.com:8443"));
        assert_eq!((BindTargetId::all().kind(), BindTargetId::all().value()), ("all", ""));
    }

    #[test]
    fn a_name_filter_ignores_case() {
        let query = BindTargetQuery::new().with_name_contains("SHOP");
        assert!(query.matches(&BindTarget::new("config:1", "the shop")));
        assert!(!query.matches(&BindTarget::new("config:2", "billing")));
    }
}
