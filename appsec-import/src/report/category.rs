//! The categories of a SARIF report, by which its reader compares it with the report before.

use super::options::ReportOptions;
use super::sanitize;

/// The last part of the category of partial data.
const PARTIAL: &str = "partial";

/// The categories of one binding: one for reports that hold everything that is open, and one for the others,
/// so that a partial report closes nothing that a whole one opened.
#[derive(Debug, Clone)]
pub(super) struct Categories(String);

impl Categories {
    pub(super) fn new(options: &ReportOptions) -> Self {
        let parts = [options.scanner(), options.target()];
        let parts: Vec<_> = parts.into_iter().map(category_part).filter(|part| !part.is_empty()).collect();
        Self(format!("appsec/{}", parts.join("/")))
    }

    /// The `automationDetails.id` of a part, from 1: the category, a slash and an empty id of the run.
    pub(super) fn id(&self, partial: bool, part: u32) -> String {
        let base = &self.0;
        match (partial, part) {
            (false, 1) => format!("{base}/"),
            (false, _) => format!("{base}/part-{part}/"),
            (true, 1) => format!("{base}/{PARTIAL}/"),
            (true, _) => format!("{base}/{PARTIAL}/part-{part}/"),
        }
    }
}

/// Whether a category is one of partial data.
#[cfg(feature = "push")]
pub(crate) fn is_partial_category(category: &str) -> bool {
    let base = match category.rsplit_once('/') {
        Some((base, part)) if part.starts_with("part-") => base,
        _ => category,
    };
    base.rsplit('/').next() == Some(PARTIAL)
}

/// A part of the category that GitHub shows, without the characters that separate or end a part.
fn category_part(text: &str) -> String {
    let text = sanitize::single_line(text, 200).into_owned();
    text.trim_matches('/').replace(char::is_whitespace, "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_and_partial_reports_have_categories_of_their_own() {
        let categories = Categories::new(&ReportOptions::new("was", "/shop/config:1/my branch/"));
        let ids = [(false, 1), (false, 2), (true, 1), (true, 3)]
            .map(|(partial, part)| categories.id(partial, part));
        assert_eq!(
            ids,
            [
                "appsec/was/shop/config:1/my-branch/",
                "appsec/was/shop/config:1/my-branch/part-2/",
                "appsec/was/shop/config:1/my-branch/partial/",
                "appsec/was/shop/config:1/my-branch/partial/part-3/",
            ]
        );
    }

    #[cfg(feature = "push")]
    #[test]
    fn the_category_of_partial_data_is_recognised() {
        for (category, partial) in [
            ("appsec/was/shop", false),
            ("appsec/was/shop/part-2", false),
            ("appsec/was/shop/partial", true),
            ("appsec/was/shop/partial/part-2", true),
            ("partial", true),
            ("", false),
        ] {
            assert_eq!(is_partial_category(category), partial, "{category}");
        }
    }
}
