//! The severity of a finding.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The severity of a finding. Severities are ordered by meaning; an unknown one sorts below `Info`.
///
/// May grow without a major version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// A severity that this version does not know, verbatim. It passes every filter, since it may be a high
    /// one.
    Unknown(Box<str>),
    /// Informational; not a weakness by itself.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// The known severities, worst first.
    pub const WORST_FIRST: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Info];

    /// The severity in lower case; an unknown one verbatim.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(text) => text,
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Whether this version does not know the severity.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Unknown(_) => 0,
            Self::Info => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Critical => 5,
        }
    }
}

impl From<&str> for Severity {
    fn from(text: &str) -> Self {
        // Both vendors and most tools use these five; the two synonyms are those of scanners that print them
        // in full.
        for (known, words) in [
            (Self::Critical, ["critical", "critical"]),
            (Self::High, ["high", "high"]),
            (Self::Medium, ["medium", "moderate"]),
            (Self::Low, ["low", "low"]),
            (Self::Info, ["info", "informational"]),
        ] {
            if words.iter().any(|word| word.eq_ignore_ascii_case(text)) {
                return known;
            }
        }
        Self::Unknown(text.into())
    }
}

impl AsRef<str> for Severity {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Ord for Severity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank()).then_with(|| self.as_str().cmp(other.as_str()))
    }
}

impl PartialOrd for Severity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Severity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Severity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::ids::read_text(deserializer, |text| Self::from(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_meaning() {
        let mut all = [
            Severity::High,
            Severity::from("URGENT"),
            Severity::Info,
            Severity::Critical,
            Severity::Low,
            Severity::Medium,
        ];
        all.sort();
        let words: Vec<_> = all.iter().map(Severity::as_str).collect();
        assert_eq!(words, ["URGENT", "info", "low", "medium", "high", "critical"]);
    }

    #[test]
    fn reads_any_case_and_keeps_what_it_does_not_know() {
        for text in ["INFO", "Info", "info", "Informational"] {
            assert_eq!(Severity::from(text), Severity::Info);
        }
        let unknown: Severity = serde_json::from_str("\"Blocker\"").unwrap();
        assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"Blocker\"");
    }
}
