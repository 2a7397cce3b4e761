//! The vendors whose clients are tested.

use std::fmt;

/// The vendor whose client is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Vendor {
    /// `salt-client`.
    Salt,
    /// `tenable-was-client`.
    Tenable,
}

impl Vendor {
    /// Both vendors.
    pub const BOTH: [Self; 2] = [Self::Salt, Self::Tenable];

    /// Matches the requests that deliver findings: pages of a list, or chunks of an export.
    pub fn data_requests(self) -> &'static str {
        match self {
            Self::Salt => "GET /v1/apigovern/posture/gaps",
            Self::Tenable => "/chunks/",
        }
    }

    /// Matches every request of an import.
    pub fn all_requests(self) -> &'static str {
        " /"
    }

    /// The scanner's key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Salt => "saltsecurity",
            Self::Tenable => "tenableiowas",
        }
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Salt => "Salt",
            Self::Tenable => "Tenable",
        })
    }
}
