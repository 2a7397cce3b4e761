//! Tables for the terminal.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use crate::client::Measurement;

/// A row: a client and the measurements of its runs.
#[derive(Debug)]
pub struct Row {
    /// The name of the client.
    pub name: String,
    /// The measurements, one for each run.
    pub runs: Vec<Measurement>,
}

impl Row {
    /// The median of a measurement.
    pub fn median(&self, value: fn(&Measurement) -> f64) -> f64 {
        let mut all: Vec<f64> = self.runs.iter().map(value).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    fn min(&self, value: fn(&Measurement) -> f64) -> f64 {
        self.runs.iter().map(value).fold(f64::INFINITY, f64::min)
    }

    fn max(&self, value: fn(&Measurement) -> f64) -> f64 {
        self.runs.iter().map(value).fold(0.0, f64::max)
    }

    /// The median wall-clock time.
    pub fn wall(&self) -> f64 {
        self.median(|run| run.wall)
    }

    /// The highest peak memory.
    pub fn peak(&self) -> f64 {
        self.max(|run| run.peak)
    }

    /// Records per second.
    pub fn rate(&self) -> f64 {
        self.median(|run| run.count as f64 / run.wall)
    }
}

/// Prints rows with their ratios to the first row and, where pyTenable ran, to pyTenable.
pub fn print(title: &str, rows: &[Row], peer: Option<&Row>) {
    println!("\n## {title}\n");
    println!(
        "| | wall time in s, min / median / max | × first | CPU time in s, median | × first | peak MiB | records per second | × pyTenable |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let Some(first) = rows.first() else { return };
    for row in rows.iter().chain(peer) {
        let cpu = |row: &Row| row.median(|run| run.cpu);
        // A download counts bytes, not records.
        let rate = match row.rate() {
            bytes if bytes > 5e7 => format!("{:.0} MB", bytes / 1e6),
            records => format!("{:.1} k", records / 1e3),
        };
        let peer_ratio = peer.map_or("-".to_owned(), |peer| format!("{:.1}", peer.wall() / row.wall()));
        println!(
            "| {} | {:.3} / {:.3} / {:.3} | {:.2} | {:.3} | {:.1} | {:.1} | {rate} | {peer_ratio} |",
            row.name,
            row.min(|run| run.wall),
            row.wall(),
            row.max(|run| run.wall),
            row.wall() / first.wall(),
            cpu(row),
            cpu(row) / cpu(first),
            row.peak(),
        );
    }
}

/// A measured value with its target.
#[derive(Debug)]
pub struct TargetValue {
    /// The name of the measurement.
    pub name: &'static str,
    /// The measured value.
    pub measured: f64,
    /// The target.
    pub target: f64,
    /// Whether higher is better.
    pub at_least: bool,
}

/// Prints the measured values with their targets.
pub fn print_targets(values: &[TargetValue]) {
    println!("\n## Targets\n\n| | measured | target | |\n| --- | --- | --- | --- |");
    for TargetValue { name, measured, target, at_least } in values {
        let reached = if *at_least { measured >= target } else { measured <= target };
        let relation = if *at_least { "at least" } else { "at most" };
        println!(
            "| {name} | {measured:.2} | {relation} {target} | {} |",
            if reached { "reached" } else { "not reached" }
        );
    }
}
