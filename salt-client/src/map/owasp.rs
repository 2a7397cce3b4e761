//! Guesses the category of a policy in the OWASP API Security Top 10 of 2023. Salt returns no category for
//! gaps, so findings mark it as a heuristic.

/// Parts of policy names, the most specific first. All parts of a row must be in the name.
const BY_NAME: &[(&[&str], &str)] = &[
    (&["shadow"], "API9:2023"),
    (&["zombie"], "API9:2023"),
    (&["without authentication"], "API2:2023"),
    (&["unauthenticated"], "API2:2023"),
    (&["rate limit"], "API4:2023"),
    (&["sensitive data"], "API3:2023"),
    (&["social security"], "API3:2023"),
    (&["pii"], "API3:2023"),
    (&["header", "missing"], "API8:2023"),
    (&["wildcard"], "API8:2023"),
    (&["configur"], "API8:2023"),
];

/// Weaknesses with an unambiguous category.
const BY_CWE: &[(u32, &str)] = &[
    (639, "API1:2023"),
    (287, "API2:2023"),
    (306, "API2:2023"),
    (213, "API3:2023"),
    (359, "API3:2023"),
    (915, "API3:2023"),
    (400, "API4:2023"),
    (770, "API4:2023"),
    (285, "API5:2023"),
    (918, "API7:2023"),
    (16, "API8:2023"),
    (319, "API8:2023"),
    (1059, "API9:2023"),
];

/// Returns the categories for a policy's normalized name and weaknesses: those of the weaknesses, otherwise
/// that of the name.
pub(crate) fn guess(name: &str, cwe: &[u32]) -> Vec<String> {
    let mut categories: Vec<String> = Vec::new();
    for number in cwe {
        if let Some((_, category)) = BY_CWE.iter().find(|(known, _)| known == number)
            && !categories.iter().any(|known| known == category)
        {
            categories.push((*category).to_owned());
        }
    }
    if categories.is_empty() {
        let by_name = BY_NAME.iter().find(|(parts, _)| parts.iter().all(|part| name.contains(part)));
        categories.extend(by_name.map(|(_, category)| (*category).to_owned()));
    }
    categories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weaknesses_take_precedence_over_names() {
        for (name, cwe, expected) in [
            ("shadow api detection", &[][..], &["API9:2023"][..]),
            ("zombie api detected from traffic", &[], &["API9:2023"]),
            ("pii exposed without authentication", &[], &["API2:2023"]),
            ("sensitive data exposed without authentication", &[306], &["API2:2023"]),
            ("sensitive data exposed", &[359, 306, 213], &["API3:2023", "API2:2023"]),
            ("strict-transport-security header missing in response", &[], &["API8:2023"]),
            ("api is configured with wildcard route", &[79], &["API8:2023"]),
            ("a policy of one's own", &[], &[]),
        ] {
            assert_eq!(guess(name, cwe), expected, "{name}");
        }
    }
}
