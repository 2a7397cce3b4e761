//! How many parts the SARIF reports of a binding have had.

/// The most parts that SARIF reports of a binding have had, so that a later report has as many.
///
/// A reader such as GitHub compares a report with the earlier one of its category. A part is a category of its
/// own, so a part that a later report leaves out would keep its alerts open for ever. A later report therefore
/// writes such a part without results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReportParts {
    /// The parts of reports that hold everything that is open.
    pub whole: u32,
    /// The parts of reports that do not.
    pub partial: u32,
}

impl ReportParts {
    /// These numbers of parts.
    pub fn new(whole: u32, partial: u32) -> Self {
        Self { whole, partial }
    }
}
