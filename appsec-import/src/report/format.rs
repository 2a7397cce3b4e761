//! The formats there are.

use std::fmt;
use std::str::FromStr;

use appsec_core::{Error, ErrorKind, same_word};

use crate::reconcile::State;

/// A format that a report can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// SARIF 2.1.0, as GitHub code scanning takes it.
    Sarif,
    /// GitLab's DAST report.
    GitLab,
    /// DefectDojo's "Generic Findings Import" in JSON.
    DefectDojo,
    /// OCSF 1.8, an event to a line.
    Ocsf,
    /// Comma-separated values, for a spreadsheet.
    Csv,
    /// JSON, a finding to a line, with all that is known of it; see [`finding_schema`](crate::finding_schema).
    JsonLines,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Sarif, Self::GitLab, Self::DefectDojo, Self::Ocsf, Self::Csv, Self::JsonLines];

    /// Its name, as a person types it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::GitLab => "gitlab",
            Self::DefectDojo => "defectdojo",
            Self::Ocsf => "ocsf",
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }

    /// What the name of a file of it usually ends with, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::GitLab | Self::DefectDojo => "json",
            Self::Ocsf | Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// Whether the format holds findings in that state.
    ///
    /// SARIF and GitLab's report hold what is open: GitHub shows a result with `suppressions` as an open alert (its own threads say
    /// so), GitLab has no state at all, and both close what a report does not hold any more.
    pub fn holds(self, state: State) -> bool {
        !matches!(self, Self::Sarif | Self::GitLab) || state == State::Open
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = Error;

    /// Reads a name; case, spaces, `_` and `-` do not count, and `json-lines` and `ndjson` are `jsonl`.
    ///
    /// # Errors
    /// `InvalidRequest` for a word that is none; the message names those there are.
    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|format| same_word(format.as_str(), text));
        let other = ["json-lines", "ndjson"].iter().any(|word| same_word(word, text));
        known.or(other.then_some(Self::JsonLines)).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::new(
                ErrorKind::InvalidRequest,
                format!("there is no such format of a report; there are {names}"),
            )
            .with_operation("report")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_read_back_and_a_wrong_one_names_those_there_are() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse::<Format>().unwrap(), format);
        }
        assert_eq!("JSON Lines".parse::<Format>().unwrap(), Format::JsonLines);
        let error = "pdf".parse::<Format>().unwrap_err();
        assert!(error.to_string().contains("sarif, gitlab, defectdojo, ocsf, csv, jsonl"), "{error}");
    }
}
