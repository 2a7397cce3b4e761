//! Plugins as rules. Three kinds of record describe a plugin, each in its own form. The rule is the same.

use appsec_core::{Cvss, Rule};

use crate::model::{ExportPlugin, OwaspCategory, Plugin, PluginId, ReportFinding, export_plugins::Xref};

/// Returns the rule of a plugin in an export record.
pub(crate) fn rule_from_export(plugin: &ExportPlugin) -> Rule {
    let mut rule = new_rule(plugin.id, plugin.name.as_ref());
    rule.family.clone_from(&plugin.family);
    rule.description = first_non_empty(&[&plugin.description, &plugin.synopsis]);
    rule.remediation.clone_from(&plugin.solution);
    rule.cwe = cwe(&plugin.cwe);
    rule.cve.clone_from(&plugin.cve);
    let lists = [
        (&plugin.owasp_2010, "2010"),
        (&plugin.owasp_2013, "2013"),
        (&plugin.owasp_2017, "2017"),
        (&plugin.owasp_2021, "2021"),
        (&plugin.owasp_api_2019, "2019"),
    ];
    rule.owasp = owasp(
        lists.iter().flat_map(|(places, year)| places.iter().map(move |place| (*year, place.as_str()))),
    );
    rule.cvss = [
        cvss(
            '4',
            plugin.cvss4_base_score,
            plugin.cvss4_vector.as_ref().and_then(|vector| vector.raw.as_ref()),
        ),
        cvss(
            '3',
            plugin.cvss3_base_score,
            plugin.cvss3_vector.as_ref().and_then(|vector| vector.raw.as_ref()),
        ),
        cvss(
            '2',
            plugin.cvss2_base_score,
            plugin.cvss2_vector.as_ref().and_then(|vector| vector.raw.as_ref()),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    rule.references.clone_from(&plugin.see_also);
    rule.tags.clone_from(&plugin.wasc);
    for xref in &plugin.xrefs {
        match xref {
            Xref::Typed { kind, id } => rule.tags.extend(id.iter().map(|id| tag(kind, id))),
            Xref::Text(text) => rule.tags.push(text.clone()),
            Xref::Other(_) => {}
        }
    }
    rule
}

/// Returns the rule of a report's finding, which contains its plugin's texts.
pub(crate) fn rule_from_report(finding: &ReportFinding) -> Rule {
    let mut rule = new_rule(finding.plugin_id, finding.name.as_ref());
    rule.family.clone_from(&finding.family);
    rule.description = first_non_empty(&[&finding.description, &finding.synopsis]);
    rule.remediation.clone_from(&finding.solution);
    rule.cwe = cwe(&finding.cwe);
    rule.cve.clone_from(&finding.cves);
    rule.owasp = owasp(places(&finding.owasp));
    rule.cvss = [
        cvss('4', finding.cvssv4, finding.cvssv4_vector.as_ref()),
        cvss('3', finding.cvssv3, finding.cvssv3_vector.as_ref()),
        cvss('2', finding.cvss, finding.cvss_vector.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect();
    rule.references.clone_from(&finding.see_also);
    rule.tags.clone_from(&finding.wasc);
    for xref in &finding.xrefs {
        let (Some(name), Some(value)) = (&xref.xref_name, &xref.xref_value) else { continue };
        // These lists have fields of their own.
        if !["cwe", "wasc", "owasp", "cve"].iter().any(|list| name.eq_ignore_ascii_case(list)) {
            rule.tags.push(tag(name, value));
        }
    }
    rule
}

/// Returns the rule of a plugin's own record.
pub(crate) fn rule_from_plugin(plugin: &Plugin) -> Rule {
    let mut rule = new_rule(plugin.plugin_id, plugin.name.as_ref());
    rule.family.clone_from(&plugin.family);
    rule.description = first_non_empty(&[&plugin.description, &plugin.synopsis]);
    rule.remediation.clone_from(&plugin.solution);
    rule.cwe = cwe(&plugin.cwe);
    rule.owasp = owasp(places(&plugin.owasp));
    rule.cvss = cvss('3', plugin.cvss3_base_score, None).into_iter().collect();
    rule.references.clone_from(&plugin.see_also);
    rule.tags.clone_from(&plugin.wasc);
    rule
}

/// Returns the rule of a plugin of which only the number is known.
pub(crate) fn rule_from_id(plugin: PluginId) -> Rule {
    new_rule(plugin, None)
}

fn new_rule(id: PluginId, name: Option<&String>) -> Rule {
    let name = name.filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| format!("Plugin {id}"));
    Rule::new(id.to_string(), name)
}

fn first_non_empty(texts: &[&Option<String>]) -> Option<String> {
    texts.iter().find_map(|text| text.as_ref().filter(|text| !text.is_empty()).cloned())
}

/// Parses weakness numbers: `79` and `CWE-79`.
fn cwe(texts: &[String]) -> Vec<u32> {
    let mut numbers: Vec<u32> = texts
        .iter()
        .filter_map(|text| text.trim().trim_start_matches(|c: char| !c.is_ascii_digit()).parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn places(places: &[OwaspCategory]) -> impl Iterator<Item = (&str, &str)> {
    places.iter().filter_map(|place| Some((place.year.as_deref()?, place.category.as_deref()?)))
}

/// Formats OWASP categories as `A3:2021`. The list of 2019 is the one for APIs, whether a record says `A8`
/// or `API8`.
fn owasp<'a>(places: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut all: Vec<String> = places
        .map(|(year, place)| match place.strip_prefix('A').filter(|number| number.parse::<u8>().is_ok()) {
            Some(number) if year == "2019" => format!("API{number}:{year}"),
            _ => format!("{place}:{year}"),
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns a rating if there is one. The minor version is in the vector; version 4 has only one so far.
fn cvss(major: char, score: Option<f64>, vector: Option<&String>) -> Option<Cvss> {
    let vector = vector.filter(|vector| !vector.is_empty());
    if score.is_none() && vector.is_none() {
        return None;
    }
    let version = vector
        .and_then(|vector| vector.strip_prefix("CVSS:")?.split_once('/'))
        .map(|(version, _)| version)
        .filter(|version| version.starts_with(major))
        .map_or_else(|| if major == '4' { "4.0".to_owned() } else { major.to_string() }, str::to_owned);
    Some(Cvss::new(version, score, vector.cloned()))
}

fn tag(list: &str, entry: &str) -> String {
    format!("{}:{entry}", list.to_lowercase())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn export_plugin() -> ExportPlugin {
        serde_json::from_value(json!({"id": 98104, "name": "Cross-Site Scripting (XSS)", "family": "Cross Site Scripting",
            "synopsis": "XSS", "description": "…", "solution": "Escape.", "cwe": ["79"], "cve": [], "wasc": ["Cross-Site Scripting"],
            "see_also": ["https://owasp.org/"], "owasp_2021": ["A3"], "owasp_api_2019": ["API8"], "xrefs": [{"type": "HIPAA", "id": ["164.306(a)(1)"]}],
            "cvss2_base_score": 7.5, "cvss2_vector": {"raw": "CVSS2#AV:N"}, "cvss3_base_score": 7.1, "cvss3_vector": {"raw": "CVSS:3.0/AV:N"}}))
        .unwrap()
    }

    #[test]
    fn a_plugin_has_the_same_rule_by_export_and_by_report() {
        let report: ReportFinding = serde_json::from_value(json!({"plugin_id": 98104, "name": "Cross-Site Scripting (XSS)",
            "family": "Cross Site Scripting", "synopsis": "XSS", "description": "…", "solution": "Escape.", "cwe": [79], "cves": [],
            "wasc": ["Cross-Site Scripting"], "see_also": ["https://owasp.org/"],
            "owasp": [{"year": "2021", "category": "A3"}, {"year": "2019", "category": "A8"}],
            "xrefs": [{"xref_name": "CWE", "xref_value": "79"}, {"xref_name": "hipaa", "xref_value": "164.306(a)(1)"}],
            "cvss": 7.5, "cvss_vector": "CVSS2#AV:N", "cvssv3": 7.1, "cvssv3_vector": "CVSS:3.0/AV:N"}))
        .unwrap();
        let rule = rule_from_export(&export_plugin());
        assert_eq!(rule_from_report(&report), rule);
        assert_eq!(rule.owasp, ["A3:2021", "API8:2019"]);
        assert_eq!(rule.cwe, [79]);
        assert_eq!(rule.cvss.iter().map(|cvss| cvss.version.as_str()).collect::<Vec<_>>(), ["3.0", "2"]);
    }

    #[test]
    fn empty_vectors_and_unusual_references_are_ignored() {
        let plugin: ExportPlugin =
            serde_json::from_value(json!({"id": 1, "cvss2_vector": {}, "cvss3_temporal_vector": {},
            "xrefs": ["OSVDB:1", 7, {"type": "iso", "id": "27001"}], "cwe": ["CWE-89", "none", 89]}))
            .unwrap();
        let rule = rule_from_export(&plugin);
        assert!(rule.cvss.is_empty());
        assert_eq!(rule.name, "Plugin 1");
        assert_eq!(rule.cwe, [89]);
        assert_eq!(rule.tags, ["OSVDB:1"]);
    }
}
