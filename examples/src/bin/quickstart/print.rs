//! The output of the quickstart.

use std::collections::BTreeMap;
use std::path::Path;

use appsec_core::{Absence, BindTargetBatch, Coverage, Scan};

use crate::import::Imported;

/// The first few bind targets, and the first gaps of the listing.
pub(crate) fn targets(scanner: &str, listed: &BindTargetBatch) {
    let targets = &listed.targets;
    println!("{scanner} has {} bind targets:", targets.len());
    for target in targets.iter().take(8) {
        let locations = match (target.location_count, target.locations.first()) {
            (Some(count), _) if count > 1 => format!("{count} locations"),
            (_, Some(location)) => location.clone(),
            (_, None) => String::new(),
        };
        println!("  {:<44} {:<28} {locations}", target.id.as_str(), target.name);
    }
    if targets.len() > 8 {
        println!("  … and {} more", targets.len() - 8);
    }
    for gap in listed.gaps.iter().take(5) {
        println!("  the list may lack targets: {gap}");
    }
    println!();
}

/// A scan whose status changed.
pub(crate) fn scan(scan: &Scan) {
    let percent = scan.percent.map(|percent| format!(" {percent:>3} %")).unwrap_or_default();
    println!("  {:<12}{percent}", scan.status);
    for child in &scan.children {
        println!("    {:<12}{}", child.status, child.location.as_deref().unwrap_or(child.id.as_str()));
    }
    for problem in scan.all_problems() {
        println!("    {}: {}", problem.kind, problem.message);
    }
}

/// The number of findings by severity, the worst findings, and the coverage.
pub(crate) fn import(scanner: &str, what: &str, imported: &Imported, file: &Path) {
    println!("{scanner}, {what}: {} in {}", imported.count, file.display());
    for (severity, count) in imported.by_severity.iter().rev() {
        println!("  {severity:<10} {count:>6}");
    }
    println!("  worst:");
    for finding in &imported.worst {
        println!("    {:<9} {} at {}", finding.severity, finding.rule.name, finding.location);
    }
    print_coverage(&imported.coverage);
    println!();
}

fn print_coverage(coverage: &Coverage) {
    let inconclusive: Vec<_> =
        coverage.partitions().filter(|(key, _)| coverage.absence_of(key) == Absence::Inconclusive).collect();
    let partitions = coverage.partitions().len();
    println!(
        "  coverage: {} gaps; {partitions} partitions read, an absent finding is fixed in {}",
        coverage.gap_count(),
        partitions - inconclusive.len()
    );
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (key, _) in inconclusive {
        *reasons.entry(coverage.inconclusive_reason(key).unwrap_or_default()).or_default() += 1;
    }
    for (reason, count) in reasons {
        println!("    inconclusive in {count}: {reason}");
    }
    for gap in coverage.gaps().iter().take(5) {
        println!("    gap: {gap}");
    }
    for (word, count) in coverage.unknown().iter().take(5) {
        println!("    unknown to this version: {word} ({count} times)");
    }
}
