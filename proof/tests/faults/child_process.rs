//! Cases that need a separate process: 34 and 38. The test program starts itself.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use appsec_http::testing::{ConnectProxy, ConnectResponse};
use proof::invariants::{CheckResult, Ending, ExpectedFindings, check};
use proof::{Response, ResponseFault, TestBed, Timeouts, Vendor, When, read_all};
use serde_json::{Value, json};

const VENDOR: &str = "PROOF_VENDOR";
const FINDINGS: &str = "PROOF_FINDINGS";

/// The number of findings that the first child reads. The second one reads ten times as many.
const FEWER_FINDINGS: u64 = 400;

/// The additional memory that ten times as many findings may take, in KiB. Data in flight takes up to its
/// limits, about 14 MiB here; the findings themselves, of 10 kB each, would take 35 MiB more.
const MAX_INCREASE_KIB: u64 = 20 * 1024;

/// Runs one of the children below and returns its output.
async fn run_child(
    name: &'static str,
    vendor: Vendor,
    environment: Vec<(&'static str, String)>,
) -> Result<String, String> {
    let run = move || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"]);
        command
            .env(VENDOR, vendor.to_string())
            .envs(environment)
            .stderr(Stdio::piped())
            .stdout(Stdio::piped());
        let output = command.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(stdout) } else { Err(format!("{stdout}{stderr}")) }
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn vendor() -> Option<Vendor> {
    let name = std::env::var(VENDOR).ok()?;
    Vendor::BOTH.into_iter().find(|vendor| vendor.to_string() == name)
}

/// A child reads everything while its environment names a proxy for every scheme. The proxy gets no
/// request.
pub(crate) async fn proxy_environment(vendor: Vendor, _: String) -> CheckResult {
    let proxy = ConnectProxy::start(ConnectResponse::Status(403)).await.unwrap();
    let url = format!("http://canary:canary@{}", proxy.address());
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];
    let result =
        run_child("child_process::reads_everything", vendor, names.map(|name| (name, url.clone())).to_vec())
            .await;
    let mut violations: Vec<String> = result.as_ref().err().cloned().into_iter().collect();
    if !result.is_ok_and(|text| text.contains("read: complete")) {
        violations.push("the child did not read everything".to_owned());
    }
    if !proxy.requests().is_empty() {
        violations.push("the proxy received a request".to_owned());
    }
    CheckResult { ending: Ending::Complete, violations }
}

#[tokio::test]
#[ignore = "run by the fault matrix in a process of its own"]
async fn reads_everything() {
    let Some(vendor) = vendor() else { return };
    let bed = TestBed::start(vendor, "child").await;
    let result = check(&ExpectedFindings::new(&bed), &read_all(&*bed.scanner(&Timeouts::short())).await);
    assert_eq!(result.violations, Vec::<String>::new());
    println!("read: {}", result.ending);
}

/// Two children read, the second one ten times as much. Their peak memory is compared.
pub(crate) async fn tenfold_memory(vendor: Vendor, _: String) -> CheckResult {
    let mut peaks = Vec::new();
    let mut violations = Vec::new();
    for findings in [FEWER_FINDINGS, 10 * FEWER_FINDINGS] {
        let environment = vec![(FINDINGS, findings.to_string())];
        let output = run_child("child_process::reads_many", vendor, environment).await;
        let peak = output
            .as_ref()
            .ok()
            .and_then(|text| text.lines().find_map(|line| line.split_once("peak: ")?.1.parse::<u64>().ok()));
        match peak {
            Some(peak) => peaks.push(peak),
            None => violations.push(format!("{findings} findings: {output:?}")),
        }
    }
    if let [few, many] = peaks[..]
        && many > few + MAX_INCREASE_KIB
    {
        violations
            .push(format!("{few} KiB with {FEWER_FINDINGS} findings, {many} KiB with ten times as many"));
    }
    CheckResult { ending: Ending::Complete, violations }
}

/// Reads findings that the service generates on request, and keeps none.
#[tokio::test]
#[ignore = "run by the fault matrix in a process of its own"]
async fn reads_many() {
    let (Some(vendor), Ok(findings)) = (vendor(), std::env::var(FINDINGS)) else { return };
    let findings: u64 = findings.parse().unwrap();
    let bed = TestBed::start(vendor, "child").await;
    match vendor {
        Vendor::Salt => serve_pages(&bed, findings),
        Vendor::Tenable => serve_chunks(&bed, findings),
    }
    let scanner = bed.scanner(&Timeouts::short());
    let mut count = 0;
    let mut events = scanner.findings(appsec_core::FindingQuery::all());
    let mut complete = false;
    while let Some(event) = futures_util::StreamExt::next(&mut events).await {
        match event.unwrap() {
            appsec_core::FindingEvent::Batch(batch) => count += batch.findings.len() as u64,
            appsec_core::FindingEvent::End(coverage) => complete = coverage.is_complete(),
            _ => {}
        }
    }
    assert!(complete);
    assert_eq!(count, findings);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    // Skipped where the system does not report memory.
    println!("peak: {}", peak.unwrap_or(0));
}

/// Five chunks with a fifth of the findings each.
fn serve_chunks(bed: &TestBed, findings: u64) {
    let per_chunk = findings / 5;
    let next_number = Arc::new(AtomicU64::new(0));
    bed.inject(
        When::Always,
        ResponseFault::Generate(Arc::new(move |number| match number {
            0 => Some(b"[".to_vec()),
            number if number <= per_chunk => {
                let mut record = export_record(next_number.fetch_add(1, Ordering::Relaxed)).into_bytes();
                if number < per_chunk {
                    record.push(b',');
                }
                Some(record)
            }
            number => (number == per_chunk + 1).then(|| b"]".to_vec()),
        })),
    );
}

fn export_record(number: u64) -> String {
    let output = "lorem ipsum ".repeat(800);
    json!({
        "finding_id": format!("00000000-0000-4000-8000-{number:012x}"), "url": format!("https://h0.shop.example/{number}"),
        "output": output, "state": "OPEN", "severity": "HIGH", "severity_id": 3,
        "plugin": {"id": 98_100 + number % 50, "name": "Weakness", "family": "General"},
        "asset": {"uuid": "77778888-9999-4aaa-8bbb-ccccddddeeee"},
    })
    .to_string()
}

/// Pages of posture gaps, generated from limit and offset.
fn serve_pages(bed: &TestBed, findings: u64) {
    bed.inject(
        When::Always,
        ResponseFault::Compute(Arc::new(move |target| {
            let number = |name: &str| {
                let (_, value) = target.split_once(name)?;
                value.split('&').next()?.parse::<u64>().ok()
            };
            let (limit, offset) = (number("limit=").unwrap_or(100), number("offset=").unwrap_or(0));
            let end = (offset + limit).min(findings);
            let records: Vec<Value> = (offset..end).map(posture_gap).collect();
            Response::json(200, &json!({"response": records, "endOffset": end}))
        })),
    );
}

fn posture_gap(number: u64) -> Value {
    let mut record = salt_client::testing::gap(&format!("6810f2c4{number:08x}"), "h0.shop.example");
    record["description"] = json!(format!("{number} {}", "lorem ipsum ".repeat(800)));
    record
}
