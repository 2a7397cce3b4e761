//! A guess at a policy's place in OWASP's API list of 2023. Salt names none for gaps, so every answer is marked as a guess.

/// Words of policy names, most telling first; all of a row's words must be there.
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

/// Weaknesses whose place is not in doubt.
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

/// The places that a policy's normalised name and weaknesses suggest: those of the weaknesses, else the name's.
pub(crate) fn guess(name: &str, cwe: &[u32]) -> Vec<String> {
    let mut places: Vec<String> = Vec::new();
    for number in cwe {
        if let Some((_, place)) = BY_CWE.iter().find(|(known, _)| known == number)
            && !places.iter().any(|known| known == place)
        {
            places.push((*place).to_owned());
        }
    }
    if places.is_empty() {
        let named = BY_NAME.iter().find(|(words, _)| words.iter().all(|word| name.contains(word)));
        places.extend(named.map(|(_, place)| (*place).to_owned()));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weaknesses_come_before_names() {
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
