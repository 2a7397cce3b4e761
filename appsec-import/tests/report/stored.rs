//! Reports and gates from a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use appsec_core::testing::MemoryScanner;
use appsec_core::{BindTarget, Severity};
use appsec_import::gate::{Gate, GateCounts, GateOutcome, Thresholds};
use appsec_import::report::{Format, ReportOptions, ReportWriter};
use appsec_import::{Binding, ImportOptions, Importer, ScanConfiguration, SqlStore, Store};
use serde_json::Value;

use super::samples::at;

fn scanner(findings: &[(&str, Severity)]) -> Arc<MemoryScanner> {
    let scanner = MemoryScanner::new().with_target(BindTarget::new("app:shop", "Shop"));
    Arc::new(findings.iter().fold(scanner, |scanner, (path, severity)| {
        let url = format!("https://shop.example.com{path}");
        scanner.with_finding(MemoryScanner::finding("app:shop", "SQL injection", severity.clone(), &url))
    }))
}

#[tokio::test]
async fn a_binding_is_reported_and_gated_as_its_last_run_left_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("findings.db").display());
    let store = Arc::new(SqlStore::connect(&url).await.unwrap());
    let binding = Binding::new("shop", "memory", ScanConfiguration::new("app:shop").with_branch("main"));
    let many: Vec<String> = (0..150).map(|number| format!("/{number}")).collect();
    let mut known: Vec<_> = many.iter().map(|path| (path.as_str(), Severity::Low)).collect();
    for (minute, findings) in [known.clone(), {
        known.remove(0);
        known.push(("/new", Severity::Critical));
        known
    }]
    .into_iter()
    .enumerate()
    {
        let importer = Importer::new(scanner(&findings), store.clone());
        let options = ImportOptions::new().with_started_at(at(60 * i64::try_from(minute).unwrap()));
        importer.run(&binding, &options).await.unwrap();
    }

    let run = store.last_run(&binding).await.unwrap().unwrap();
    let options = ReportOptions::for_binding(&binding).with_run(&run);
    assert_eq!(options.target(), "shop/app:shop/main");
    let mut bytes = Vec::new();
    let mut writer = ReportWriter::new(Format::JsonLines, &options, &mut bytes).unwrap();
    assert_eq!(writer.write_binding(&*store, &binding).await.unwrap(), 151);
    assert_eq!(writer.finish().unwrap().findings, 151);
    let mut changes = BTreeMap::<_, u32>::new();
    for line in std::str::from_utf8(&bytes).unwrap().lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        *changes.entry(format!("{} {}", finding["state"], finding["change"])).or_default() += 1;
    }
    let expected = [("\"closed\" \"closed\"", 1), ("\"open\" \"new\"", 1), ("\"open\" \"recurrent\"", 149)];
    assert_eq!(changes, expected.map(|(words, count)| (words.to_owned(), count)).into());

    let counts = GateCounts::from_store(&*store, &binding).await.unwrap();
    assert_eq!(
        (counts.total.low, counts.total.critical, counts.new.low, counts.new.critical),
        (149, 1, 0, 1)
    );
    let gate = Gate::new()
        .with_total(Thresholds::new().with_max(&Severity::Low, 149))
        .with_new(Thresholds::new().with_max(&Severity::Critical, 0));
    let verdict = gate.check(&counts, run.missing());
    assert_eq!(verdict.outcome(), GateOutcome::Failed);
    assert_eq!(verdict.breaches.len(), 1, "{verdict}");
    store.close().await;
}
