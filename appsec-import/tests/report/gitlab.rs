//! GitLab recognises a vulnerability by its first identifier and by `path:method:param`, without the host.

use std::collections::BTreeSet;

use appsec_core::{Finding, Location, Rule, Severity};
use appsec_import::report::Format;
use serde_json::Value;

use super::samples::{plain, report};

/// The parts of GitLab's identity. Newer versions strip the path before they hash it.
type Identity = [String; 4];

fn identities(findings: impl IntoIterator<Item = Finding>, strips: bool) -> Vec<Identity> {
    let report: Value = serde_json::from_str(&report(Format::GitLab, findings)).unwrap();
    let vulnerabilities = report["vulnerabilities"].as_array().unwrap().iter();
    vulnerabilities
        .map(|vulnerability| {
            let location = |member: &str| vulnerability["location"][member].as_str().unwrap().to_owned();
            let first = &vulnerability["identifiers"][0];
            let mut path = location("path");
            if strips {
                let end = path.find(['?', '#']).unwrap_or(path.len());
                path.truncate(path[..end].trim_end_matches('/').len());
            }
            let rule = format!("{}:{}", first["type"], first["value"]);
            [rule, path, location("method"), location("param")]
        })
        .collect()
}

fn at(location: Location) -> Finding {
    plain(Rule::new("98050", "Missing header"), Severity::Low, location)
}

fn url(text: &str) -> Finding {
    at(Location::from_url(text))
}

fn distinct(findings: &[Finding]) -> [usize; 2] {
    [false, true]
        .map(|strips| identities(findings.iter().cloned(), strips).into_iter().collect::<BTreeSet<_>>().len())
}

#[test]
fn one_rule_at_one_path_of_three_hosts_is_three_vulnerabilities() {
    let hosts = ["https://shop.example.com/", "https://admin.example.com/", "https://shop.example.com:8443/"];
    let all = hosts.map(url);
    assert_eq!(distinct(&all), [3, 3]);
    // The identity of each is the same as in a report of its own.
    let alone: Vec<_> = all.iter().flat_map(|finding| identities([finding.clone()], false)).collect();
    assert_eq!(identities(all, false), alone);
}

#[test]
fn what_a_fingerprint_distinguishes_is_not_merged() {
    let place = |input: [Option<&str>; 2]| {
        at(Location::from_url("https://a.example/x").with_input(input[0], input[1]))
    };
    let raw_path = |path: &str| {
        let mut place = Location::from_url("https://a.example");
        place.path = path.to_owned();
        place
    };
    let all = [
        url("https://a.example"),
        url("https://a.example/x"),
        url("https://a.example/x/"),
        url("http://a.example/x"),
        at(raw_path("/x?page")),
        at(raw_path("/x#top")),
        at(raw_path("/x?page").with_method("delete")),
        place([Some("form"), Some("q")]),
        place([Some("cookie"), Some("q")]),
        place([Some("cookie"), None]),
        url(&format!("https://a.example/{}1", "x".repeat(3_000))),
        url(&format!("https://a.example/{}2", "x".repeat(3_000))),
    ];
    assert_eq!(distinct(&all), [all.len(); 2]);
}

#[test]
fn spellings_with_one_fingerprint_are_not_split() {
    for (one, other) in [
        ("https://a.example", "https://a.example/"),
        ("https://a.example/x", "https://a.example:443/x"),
        ("https://a.example/x?page=1#top", "https://a.example/x?page=2"),
    ] {
        let both = [url(one), url(other)];
        assert_eq!(both[0].fingerprint, both[1].fingerprint, "{one} {other}");
        assert_eq!(distinct(&both), [1, 1], "{one} {other}");
    }
}

#[test]
fn the_other_members_of_a_location_stay_those_of_the_endpoint() {
    let place = Location::from_url("https://a.example:8443/orders/{id}").with_input(Some("form"), Some("q"));
    let report: Value = serde_json::from_str(&report(Format::GitLab, [at(place)])).unwrap();
    let location = serde_json::json!({
        "hostname": "https://a.example:8443", "method": "", "path": "/orders/{id}",
        "param": "https://a.example:8443/orders/%7Bid%7D form:q",
    });
    assert_eq!(report["vulnerabilities"][0]["location"], location);
}
