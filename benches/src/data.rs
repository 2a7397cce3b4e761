//! Generates records of the documented form, the same in each run.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::{Value, json};

/// The number of distinct plugins. Records pick them by a power law, as real findings do.
const PLUGINS: usize = 300;
/// The average number of records per asset.
const RECORDS_PER_ASSET: usize = 50;
const SEVERITIES: &[&str] = &["INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"];

/// The export: its chunks, each a JSON array, and their number of records.
#[derive(Debug)]
pub struct Export {
    /// The bodies.
    pub chunks: Vec<Bytes>,
    /// The total number of records.
    pub records: usize,
}

impl Export {
    /// The total size in bytes.
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// An export of that many records, in chunks of 500 to 1,000.
pub fn export(records: usize) -> Export {
    let mut random = Rng(42);
    let plugins: Vec<String> = (0..PLUGINS).map(|number| plugin(&mut random, number)).collect();
    let mut chunks = Vec::new();
    let mut generated = 0;
    let mut asset = 0;
    while generated < records {
        let length = (500 + random.below(501)).min(records - generated);
        let assets = (length / RECORDS_PER_ASSET).max(1);
        let mut body = String::with_capacity(length * 5_800);
        for number in 0..length {
            body.push(if number == 0 { '[' } else { ',' });
            // Chunks are cut by assets. The order within a chunk is not documented, so the records are
            // shuffled.
            let asset = asset + random.below(assets);
            record(&mut random, &mut body, &plugins, asset);
        }
        body.push(']');
        chunks.push(Bytes::from(body));
        generated += length;
        asset += assets;
    }
    Export { chunks, records }
}

fn record(random: &mut Rng, body: &mut String, plugins: &[String], asset: usize) {
    let index = (random.unit().powi(3) * plugins.len() as f64) as usize;
    let plugin = plugins.get(index).map_or("null", String::as_str);
    let host = format!("app-{asset}.example.com");
    let url = format!("https://{host}/{}/{}?page={}", random.word(), random.word(), random.below(1000));
    let mut output = format!("Detected at {url}\n");
    let _ = writeln!(output, "Observed value: \"{}\" – {}", random.word(), random.words(55));
    let number = random.below(SEVERITIES.len());
    let severity = SEVERITIES.get(number).copied().unwrap_or_default();
    let day = 1 + random.below(28);
    let _ = write!(
        body,
        r#"{{"finding_id":"{id}","url":{url},"input_type":{input},"input_name":{name},"output":{output},"proof":{proof},"payload":{payload},"state":"{state}","severity":"{severity}","severity_id":{number},"severity_default_id":{number},"severity_modification_type":"NONE","first_found":"2026-02-{day:02}T16:08:41Z","last_found":"2026-10-{day:02}T16:08:41Z","indexed_at":"2026-10-{day:02}T16:10:07Z","plugin":{plugin},"asset":{{"uuid":"{asset_id}","fqdn":"{host}","ipv4s":["192.0.2.{octet}"],"ipv4":"192.0.2.{octet}"}},"scan":{{"completed_at":"2026-10-20T16:08:41Z","uuid":"{scan}"}}}}"#,
        id = random.uuid(),
        url = json!(url),
        input = json!(random.pick(&["link", "form", "cookie", "header"])),
        name = json!(random.word()),
        output = json!(output),
        proof = json!(random.words(18)),
        payload = json!(format!("<{}>'\"", random.word())),
        state = random.pick(&["OPEN", "OPEN", "OPEN", "REOPENED", "FIXED"]),
        asset_id = Rng(asset as u64 + 7).uuid(),
        octet = asset % 250 + 1,
        scan = Rng(asset as u64 + 1_000_003).uuid(),
    );
}

/// A plugin with every member of the documented example, about 4.4 kB.
fn plugin(random: &mut Rng, number: usize) -> String {
    let name = random.words(6);
    let severity = random.below(5);
    let xrefs: Vec<Value> = ["owasp_asvs", "capec", "hipaa", "iso", "nist", "disa_stig", "pci_dss"]
        .iter()
        .map(|kind| json!({"type": kind, "id": [format!("4.0.2-{}", random.below(20)), format!("164.306(a)({})", random.below(9)), random.below(999).to_string()]}))
        .collect();
    let impact = json!({"access_complexity": "Medium", "access_vector": "Network", "authentication": "None required",
        "availability_impact": "None", "confidentiality_impact": "None", "integrity_impact": "Partial", "raw": "CVSS2#AV:N/AC:M/Au:N/C:N/I:P/A:N"});
    json!({
        "bid": [random.below(200_000).to_string()],
        "id": 98_000 + number,
        "risk_factor": SEVERITIES.get(severity),
        "original_risk_factor_num": severity,
        "locale": "en",
        "type": "REMOTE",
        "intel_type": "SENSOR",
        "name": name,
        "publication_date": "2018-11-05T00:00:00Z",
        "modification_date": "2023-03-14T00:00:00Z",
        "see_also": [format!("https://docs.example.com/{}", random.words(3).replace(' ', "/")), format!("https://advice.example.org/{}", random.word())],
        "solution": random.words(30),
        "synopsis": name,
        "description": format!("{}\n\n{}", random.words(100), random.words(60)),
        "patch_publication_date": "2018-01-18T00:00:00Z",
        "exploitability_ease": "No known exploits are available",
        "public_display": 98_000 + number,
        "policy": [],
        "xrefs": xrefs,
        "cpe": [format!("cpe:2.3:a:{0}:{0}:*:*:*:*:*:*:*:*", random.word())],
        "cve": [format!("CVE-2015-{}", random.below(9999))],
        "cwe": [random.below(1000).to_string()],
        "wasc": ["Cross-Site Scripting"],
        "in_the_news": false,
        "exploited_by_malware": false,
        "exploit_frameworks": (["canvas", "metasploit", "d2_elliot", "exploithub", "core"].map(|kind| json!({"type": kind, "ids": []}))),
        "vpr": {"score": 3, "drivers": {"age_of_vuln": {"lower_bound": 731}, "exploit_code_maturity": "UNPROVEN", "cvss_impact_score_predicted": false,
            "cvss3_impact_score": 2.7, "threat_intensity_last28": "VERY_LOW", "threat_sources_last28": ["No recorded events"], "product_coverage": "VERY_HIGH"},
            "updated": "2023-04-01T06:00:29Z"},
        "vpr_v2": {"score": 4.9},
        "epss_score": 10.647,
        "cvss2_base_score": 4.3,
        "cvss2_temporal_vector": {},
        "cvss2_vector": impact,
        "cvss3_base_score": 6.1,
        "cvss3_temporal_vector": {},
        "cvss3_vector": impact,
        "cvss4_base_score": 6.9,
        "cvss4_vector": {"attack_vector": "Network", "attack_complexity": "Low", "attack_requirements": "Present", "privileges_required": "High",
            "user_interaction": "None", "vulnerable_system_confidentiality": "None", "vulnerable_system_integrity": "None",
            "vulnerable_system_availability": "High", "subsequent_system_confidentiality": "None", "subsequent_system_integrity": "None",
            "subsequent_system_availability": "High", "raw": "AV:N/AC:L/AT:P/PR:H/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:H"},
        "cvss4_threat_vector": {"threat_score": 3.6, "exploit_maturity": "Unreported", "raw": "CVSS:4.0/E:U"},
        "owasp_2010": ["A2"],
        "owasp_2013": ["A3", "A9"],
        "owasp_2017": ["A7", "A9"],
        "owasp_2021": ["A3", "A6"],
        "owasp_api_2019": ["API7"],
    })
    .to_string()
}

/// The number of hosts with posture gaps.
pub const HOSTS: usize = 200;

/// The name of a host.
pub fn host(number: usize) -> String {
    format!("api-{number}.example.com")
}

/// That many posture gaps with details, as JSON texts for pages.
pub fn gaps(count: usize) -> Vec<String> {
    let mut random = Rng(43);
    (0..count)
        .map(|number| {
            json!({
                "postureGapId": format!("6810f2c4{number:016x}"),
                "severity": random.pick(&["Info", "Low", "Medium", "High", "Critical"]),
                "status": random.pick(&["Open", "Open", "InProcess", "Resolved"]),
                "categories": ["Data Security and Privacy"],
                "postureGapName": format!("Policy number {}", random.below(40)),
                "host": host(random.below(HOSTS)),
                "method": random.pick(&["GET", "POST", "PUT"]),
                "endpointPath": format!("/v1/{}/{{id}}/{}", random.word(), random.word()),
                "tickets": [],
                "detected": "2026-04-18T13:43:07.000Z",
                "lastActivity": "2026-05-08T09:12:55.000Z",
                "endpointLabels": ["payments"],
                "description": random.words(40),
                "remediationSuggestion": random.words(25),
                "parameters": [{"parameter": "result.accounts[i].number", "dataType": "Account number", "parameterType": "String", "location": "Response Content"}],
                "postureGapLink": format!("https://tenant.example.com/govern/posture-gaps/{number}"),
                "cweId": "CWE-306",
            })
            .to_string()
        })
        .collect()
}

/// A `SplitMix64` generator: the same numbers on every machine.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A number from 0 to just below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }

    #[allow(clippy::too_many_lines, reason = "a list of words")]
    fn word(&mut self) -> &'static str {
        const WORDS: &[&str] = &[
            "account",
            "address",
            "answer",
            "application",
            "attack",
            "browser",
            "button",
            "cache",
            "café",
            "certificate",
            "change",
            "character",
            "client",
            "component",
            "configuration",
            "content",
            "cookie",
            "credential",
            "data",
            "default",
            "design",
            "detail",
            "directory",
            "document",
            "domain",
            "element",
            "encoding",
            "endpoint",
            "error",
            "example",
            "feature",
            "field",
            "file",
            "filter",
            "form",
            "framework",
            "function",
            "header",
            "host",
            "input",
            "interface",
            "item",
            "layer",
            "library",
            "link",
            "list",
            "location",
            "login",
            "message",
            "method",
            "module",
            "name",
            "network",
            "number",
            "object",
            "option",
            "order",
            "origin",
            "page",
            "parameter",
            "path",
            "policy",
            "port",
            "process",
            "profile",
            "protocol",
            "query",
            "record",
            "reference",
            "release",
            "report",
            "request",
            "resource",
            "response",
            "result",
            "role",
            "rule",
            "scan",
            "schema",
            "script",
            "search",
            "server",
            "service",
            "session",
            "setting",
            "signal",
            "site",
            "source",
            "status",
            "storage",
            "string",
            "system",
            "table",
            "target",
            "template",
            "token",
            "update",
            "user",
            "value",
            "version",
        ];
        self.pick(WORDS)
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        words.get(self.below(words.len())).copied().unwrap_or_default()
    }

    fn words(&mut self, count: usize) -> String {
        let mut text = String::new();
        for number in 0..count {
            if number > 0 {
                text.push(' ');
            }
            text.push_str(self.word());
        }
        text
    }
}
