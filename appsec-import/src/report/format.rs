//! The report formats.

use std::fmt;
use std::str::FromStr;

use appsec_core::{Error, ErrorKind, eq_ignore_case_and_separators};

use crate::reconcile::State;

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// SARIF 2.1.0, in the form that GitHub code scanning accepts.
    Sarif,
    /// GitLab's DAST report.
    GitLab,
    /// DefectDojo's "Generic Findings Import" in JSON.
    DefectDojo,
    /// OCSF 1.8, one event per line.
    Ocsf,
    /// Comma-separated values, for a spreadsheet.
    Csv,
    /// JSON Lines, one finding per line with all its fields; see
    /// [`finding_schema`](crate::report::finding_schema).
    JsonLines,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] =
        [Self::Sarif, Self::GitLab, Self::DefectDojo, Self::Ocsf, Self::Csv, Self::JsonLines];

    /// The format's name, as a user types it.
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

    /// The usual file name extension, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Sarif => "sarif",
            Self::GitLab | Self::DefectDojo => "json",
            Self::Ocsf | Self::JsonLines => "jsonl",
            Self::Csv => "csv",
        }
    }

    /// Whether reports in this format include findings in that state.
    ///
    /// SARIF and GitLab reports include open findings only. GitHub shows a result with `suppressions` as an
    /// open alert (observed by its users), GitLab's format has no state, and both close a finding that
    /// a later report no longer has.
    pub fn includes(self, state: State) -> bool {
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

    /// Parses a name. Case, spaces, `_` and `-` are ignored; `json-lines` and `ndjson` mean `jsonl`.
    ///
    /// # Errors
    /// `InvalidRequest` for an unknown name; the message lists the known ones.
    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|format| eq_ignore_case_and_separators(format.as_str(), text));
        let other = ["json-lines", "ndjson"].iter().any(|word| eq_ignore_case_and_separators(word, text));
        known.or(other.then_some(Self::JsonLines)).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Error::new(ErrorKind::InvalidRequest, format!("unknown report format; the formats are {names}"))
                .with_operation("report")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_names_are_parsed_and_an_unknown_one_lists_the_known() {
        for format in Format::ALL {
            assert_eq!(format.as_str().parse::<Format>().unwrap(), format);
        }
        assert_eq!("JSON Lines".parse::<Format>().unwrap(), Format::JsonLines);
        let error = "pdf".parse::<Format>().unwrap_err();
        assert!(error.to_string().contains("sarif, gitlab, defectdojo, ocsf, csv, jsonl"), "{error}");
    }
}
