//! A report of 100,000 findings in a process of its own, which prints how much memory it used.

use std::process::Command;

use appsec_core::{EvidenceKind, Finding, Location, Rule, Severity};
use appsec_import::report::{Format, ReportFinding, ReportWriter};

use super::samples::{options, plain};

const FINDINGS: u32 = 100_000;
const LIMIT_KIB: u64 = 64 * 1024;
const FORMAT: &str = "APPSEC_REPORT_FORMAT";

/// One of a thousand rules, and enough text that all findings together exceed the limit.
fn finding(number: u32) -> Finding {
    let id = (number % 1_000).to_string();
    let mut rule = Rule::new(id.clone(), format!("Rule {id}"));
    rule.description = Some("What it is. ".repeat(10));
    rule.cwe = vec![number % 900 + 1];
    let severity = Severity::WORST_FIRST[number as usize % 5].clone();
    let place =
        Location::from_url(format!("https://host{}.example/path/{number}", number % 50)).with_method("get");
    let mut finding = plain(rule, severity, place);
    finding.push_evidence(EvidenceKind::Request, Some("GET /x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n"));
    finding.push_evidence(
        EvidenceKind::Response,
        Some(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "body ".repeat(50))),
    );
    finding
}

/// The peak memory of this process, in KiB.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Does nothing unless the test below started this process.
#[test]
fn child_process() {
    let Ok(format) = std::env::var(FORMAT) else { return };
    let format: Format = format.parse().unwrap();
    let mut writer = ReportWriter::in_files(format, &options(), |_| Ok(std::io::sink())).unwrap();
    for number in 0..FINDINGS {
        writer.write(&ReportFinding::new(finding(number))).unwrap();
    }
    let written = writer.finish().unwrap();
    assert_eq!(written.findings, u64::from(FINDINGS));
    println!("{} KiB for {} bytes in {} files", peak_memory().unwrap(), written.bytes, written.files);
}

#[test]
fn a_hundred_thousand_findings_take_less_than_64_mib() {
    if peak_memory().is_none() {
        println!("skipped: this system does not tell how much memory a process took");
        return;
    }
    // The formats run concurrently, since they share nothing.
    let children = Format::ALL.map(|format| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "memory::child_process", "--nocapture"]).env(FORMAT, format.as_str());
        (format, child.stdout(std::process::Stdio::piped()).spawn().unwrap())
    });
    for (format, child) in children {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{format}: {said}");
        let line = said.lines().find(|line| line.contains(" KiB for ")).unwrap();
        println!("{format}: {}", line.trim_start_matches("test memory::child_process ... "));
        let before = line.split(" KiB for ").next().unwrap();
        let taken: u64 = before.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(taken < LIMIT_KIB, "{format}: {taken} KiB");
    }
}
