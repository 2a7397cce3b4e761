//! Tables for the terminal.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use crate::client::Outcome;

/// A row: a client and its runs.
#[derive(Debug)]
pub struct Line {
    /// The name of the client.
    pub name: String,
    /// Its runs.
    pub runs: Vec<Outcome>,
}

impl Line {
    /// The median of a measurement.
    pub fn median(&self, figure: fn(&Outcome) -> f64) -> f64 {
        let mut all: Vec<f64> = self.runs.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    fn least(&self, figure: fn(&Outcome) -> f64) -> f64 {
        self.runs.iter().map(figure).fold(f64::INFINITY, f64::min)
    }

    fn most(&self, figure: fn(&Outcome) -> f64) -> f64 {
        self.runs.iter().map(figure).fold(0.0, f64::max)
    }

    /// The median wall-clock time.
    pub fn wall(&self) -> f64 {
        self.median(|run| run.wall)
    }

    /// The highest peak memory.
    pub fn peak(&self) -> f64 {
        self.most(|run| run.peak)
    }

    /// Records per second.
    pub fn rate(&self) -> f64 {
        self.median(|run| run.count as f64 / run.wall)
    }
}

/// Prints rows with their ratios to the first row and, where pyTenable ran, to pyTenable.
pub fn print(title: &str, lines: &[Line], peer: Option<&Line>) {
    println!("\n## {title}\n");
    println!(
        "| | wall s, min / median / max | × first | CPU s, median | × first | peak MiB | per second | × pyTenable |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let Some(first) = lines.first() else { return };
    for line in lines.iter().chain(peer) {
        let cpu = |line: &Line| line.median(|run| run.cpu);
        // A download counts bytes, not records.
        let rate = match line.rate() {
            bytes if bytes > 5e7 => format!("{:.0} MB", bytes / 1e6),
            records => format!("{:.1} k", records / 1e3),
        };
        let against = peer.map_or("-".to_owned(), |peer| format!("{:.1}", peer.wall() / line.wall()));
        println!(
            "| {} | {:.3} / {:.3} / {:.3} | {:.2} | {:.3} | {:.1} | {:.1} | {rate} | {against} |",
            line.name,
            line.least(|run| run.wall),
            line.wall(),
            line.most(|run| run.wall),
            line.wall() / first.wall(),
            cpu(line),
            cpu(line) / cpu(first),
            line.peak(),
        );
    }
}

/// A target value and the measured one.
#[derive(Debug)]
pub struct Figure {
    /// The name of the measurement.
    pub name: &'static str,
    /// The measured value.
    pub measured: f64,
    /// The target value.
    pub goal: f64,
    /// Whether higher is better.
    pub at_least: bool,
}

/// Prints the target values.
pub fn figures(figures: &[Figure]) {
    println!("\n## Figures to reach\n\n| | measured | figure | |\n| --- | --- | --- | --- |");
    for Figure { name, measured, goal, at_least } in figures {
        let reached = if *at_least { measured >= goal } else { measured <= goal };
        let sign = if *at_least { "at least" } else { "at most" };
        println!(
            "| {name} | {measured:.2} | {sign} {goal} | {} |",
            if reached { "reached" } else { "not reached" }
        );
    }
}
