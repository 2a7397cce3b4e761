//! Runs all clients against one server and prints their measurements. The first argument selects a part of
//! that; the program passes it to the processes that it starts.
#![allow(clippy::cast_precision_loss, clippy::too_many_lines, reason = "a table of ratios, row by row")]
#![allow(clippy::print_stdout, reason = "a program that prints")]

mod pytenable;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use benches::client::{Measurement, Mode, run};
use benches::resources;
use benches::server::{Ports, serve};
use benches::table::{self, Row, TargetValue};
use clap::{Parser, Subcommand, ValueEnum as _};

use pytenable::PyTenable;

/// Measures the clients, and compares them with a raw download and, if Python is available, with pyTenable.
#[derive(Debug, Parser)]
struct Arguments {
    /// The full measurement: 100,000 records, 5 rounds.
    #[arg(long)]
    full: bool,
    /// The number of records of the export.
    #[arg(long, default_value_t = 20_000)]
    records: usize,
    /// The number of rounds. The clients take turns in each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leaves pyTenable out.
    #[arg(long)]
    no_peer: bool,
    /// Only the first table and the allocator calls.
    #[arg(long)]
    brief: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Runs the server; prints its ports.
    Serve { records: usize },
    /// Runs a client; prints its measurements.
    Client { mode: String, port: u16, in_flight: usize, processor: Option<usize> },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        None => run_all(&arguments),
        Some(Part::Serve { records }) => {
            if processors() > 1 {
                resources::pin(0);
            }
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(records))
        }
        Some(Part::Client { mode, port, in_flight, processor }) => {
            let mode = Mode::from_str(&mode, true).map_err(anyhow::Error::msg)?;
            // One core, so no work moves between threads.
            let runtime = if let Some(processor) = processor {
                resources::pin(processor);
                tokio::runtime::Builder::new_current_thread().enable_all().build()?
            } else {
                tokio::runtime::Builder::new_multi_thread().enable_all().build()?
            };
            println!("{}", serde_json::to_string(&runtime.block_on(run(mode, port, in_flight))?)?);
            Ok(())
        }
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The server process. It ends when this process ends.
struct Server {
    child: Child,
    ports: Ports,
}

impl Server {
    fn start(records: usize) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &records.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the server has no output")?).read_line(&mut line)?;
        let ports = serde_json::from_str(&line).context("the server did not start")?;
        Ok(Self { child, ports })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It may have ended already.
        let _ = self.child.wait();
    }
}

/// Runs a client in a process of its own, on one processor or on all.
fn run_client(mode: Mode, port: u16, in_flight: usize, one_core: bool) -> anyhow::Result<Measurement> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["client", &name(mode), &port.to_string(), &in_flight.to_string()]);
    if one_core {
        command.arg((processors() - 1).to_string());
    }
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} failed", name(mode));
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn name(mode: Mode) -> String {
    mode.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Runs the modes alternately, for that many rounds.
fn run_rounds(
    rounds: usize,
    port: u16,
    in_flight: usize,
    one_core: bool,
    modes: &[(&str, Mode)],
) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        modes.iter().map(|(name, _)| Row { name: (*name).to_owned(), runs: Vec::new() }).collect();
    for _ in 0..rounds {
        for (row, (_, mode)) in rows.iter_mut().zip(modes) {
            row.runs.push(run_client(*mode, port, in_flight, one_core)?);
        }
    }
    Ok(rows)
}

const RAW: (&str, Mode) = ("raw download, not parsed", Mode::Raw);
const TYPED: (&str, Mode) = ("typed records", Mode::Typed);
const FINDINGS: (&str, Mode) = ("findings, fingerprints, masked", Mode::Findings);
const UNMASKED: (&str, Mode) = ("findings, fingerprints, unmasked", Mode::Unmasked);

fn run_all(arguments: &Arguments) -> anyhow::Result<()> {
    let records = if arguments.full { 100_000 } else { arguments.records };
    let rounds = if arguments.full { 5 } else { arguments.rounds };
    let server = Server::start(records)?;
    let ports = &server.ports;
    println!(
        "{} records in {} MB, {rounds} rounds, {} processors",
        ports.records,
        ports.bytes / 1_000_000,
        processors()
    );
    if cfg!(debug_assertions) {
        println!("this build is not optimized: the measurements are meaningless");
    }

    let mut rows = run_rounds(rounds, ports.plain, 1, true, &[RAW, TYPED, FINDINGS, UNMASKED])?;
    let peer = if arguments.no_peer { None } else { PyTenable::install() };
    let mut peer_row = None;
    if let Some(peer) = &peer {
        let mut row = Row { name: "pyTenable, iterated".to_owned(), runs: Vec::new() };
        // Between runs of our clients, so that both see the same machine load.
        for _ in 0..rounds.min(3) {
            row.runs.push(peer.run(ports.plain, processors() - 1, false)?);
            for (row, again) in
                rows.iter_mut().zip(run_rounds(1, ports.plain, 1, true, &[RAW, TYPED, FINDINGS, UNMASKED])?)
            {
                row.runs.extend(again.runs);
            }
        }
        peer_row = Some(row);
    }
    table::print("One core, one request in flight", &rows, peer_row.as_ref());
    if arguments.brief {
        return allocations(ports).map(|_| ());
    }

    let four = run_rounds(rounds, ports.plain, 4, false, &[RAW, TYPED, FINDINGS])?;
    table::print("All cores, four requests in flight", &four, None);

    let tenfold = run_rounds(
        1,
        ports.tenfold,
        4,
        false,
        &[("findings, ten times as many", Mode::Findings), ("typed records, ten times as many", Mode::Typed)],
    )?;
    let big = run_rounds(1, ports.big, 4, false, &[TYPED, FINDINGS])?;
    let mut kept = run_rounds(
        1,
        ports.plain,
        1,
        true,
        &[("typed records, all kept", Mode::KeepTyped), ("findings, all kept", Mode::KeepFindings)],
    )?;
    if let Some(peer) = peer.as_ref().filter(|_| arguments.full) {
        kept.push(Row {
            name: "pyTenable, all kept".to_owned(),
            runs: vec![peer.run(ports.plain, processors() - 1, true)?],
        });
    }
    table::print("Memory: more records", &tenfold, None);
    table::print("Memory: chunks of 20,000 records, 111 MB", &big, None);
    table::print("Memory: the caller keeps everything", &kept, None);

    let mut slow = Vec::new();
    for in_flight in [1, 4] {
        let rows = run_rounds(1, ports.slow, in_flight, true, &[RAW, TYPED, FINDINGS])?;
        table::print(&format!("50 ms before each response, {in_flight} in flight"), &rows, None);
        slow.push(rows);
    }

    let identity = run_rounds(rounds, ports.few, 1, true, &[RAW, TYPED, FINDINGS])?;
    table::print("The first chunks, uncompressed", &identity, None);
    let gzip = run_rounds(rounds, ports.gzip, 1, true, &[RAW, TYPED, FINDINGS])?;
    table::print("The first chunks, gzip", &gzip, None);

    let salt = run_rounds(
        rounds,
        ports.salt,
        1,
        true,
        &[
            ("raw pages", Mode::SaltRaw),
            ("typed posture gaps", Mode::SaltTyped),
            ("findings", Mode::SaltFindings),
        ],
    )?;
    table::print("Salt: posture gaps, pages of 100", &salt, None);

    let bomb = run_client(Mode::GzipBomb, ports.bomb, 1, true)?;
    let outage = run_client(Mode::Outage, ports.outage, 1, true)?;
    println!("\n## Faults\n\n| | |\n| --- | --- |");
    println!(
        "| 1 GiB of gzip bomb | {}; peak {:.1} MiB, {:.1} MiB above idle |",
        bomb.note,
        bomb.peak,
        bomb.peak - bomb.idle
    );
    println!("| total outage | {}, {} requests |", outage.note, outage.count);

    let calls = allocations(ports)?;
    let median = |rows: &[Row], index: usize| rows.get(index).map_or(0.0, Row::wall);
    let ratio = |rows: &[Row], index: usize| median(rows, index) / median(rows, 0);
    let peak = |rows: &[Row]| rows.iter().map(Row::peak).fold(0.0, f64::max);
    let at_most = |name, measured, target| TargetValue { name, measured, target, at_least: false };
    let mut targets = vec![at_most("typed records, wall × raw", ratio(&rows, 1), 2.0)];
    if let Some(peer) = &peer_row {
        for (name, index, target) in
            [("typed records, × pyTenable", 1, 20.0), ("findings, × pyTenable", 2, 10.0)]
        {
            targets.push(TargetValue {
                name,
                measured: peer.wall() / median(&rows, index),
                target,
                at_least: true,
            });
        }
    }
    targets.extend([
        at_most("allocator calls per typed record", calls, 10.0),
        at_most("peak MiB, four in flight, typed", four.get(1).map_or(0.0, Row::peak), 24.0),
        at_most("peak MiB, four in flight, findings", four.get(2).map_or(0.0, Row::peak), 24.0),
        at_most("peak MiB, ten times the records", peak(&tenfold), 32.0),
        at_most("peak MiB, chunks of 111 MB", peak(&big), 32.0),
        at_most("peak MiB, typed records kept", kept.first().map_or(0.0, Row::peak), 230.0),
        at_most("peak MiB, findings kept", kept.get(1).map_or(0.0, Row::peak), 230.0),
        at_most(
            "50 ms, one in flight: typed, wall × raw",
            slow.first().map_or(0.0, |rows| ratio(rows, 1)),
            1.05,
        ),
        at_most(
            "50 ms, one in flight: findings, wall × raw",
            slow.first().map_or(0.0, |rows| ratio(rows, 2)),
            1.05,
        ),
        at_most(
            "50 ms, four in flight: typed, wall × raw",
            slow.get(1).map_or(0.0, |rows| ratio(rows, 1)),
            1.05,
        ),
        at_most(
            "50 ms, four in flight: findings, wall × raw",
            slow.get(1).map_or(0.0, |rows| ratio(rows, 2)),
            1.05,
        ),
        at_most("gzip bomb, peak MiB above idle", bomb.peak - bomb.idle, 16.0),
        at_most("total outage, requests per call", outage.count as f64 / 100.0, 1.2),
    ]);
    table::print_targets(&targets);
    Ok(())
}

/// Counts allocator calls with the `allocations` program, and returns those per typed record.
fn allocations(ports: &Ports) -> anyhow::Result<f64> {
    println!("\n## Allocator calls per record\n");
    let program =
        std::env::current_exe()?.with_file_name(format!("allocations{}", std::env::consts::EXE_SUFFIX));
    // `cargo run` builds one program only.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "-p", "benches", "--bin", "allocations"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    ensure!(build.status()?.success(), "the program allocations was not built");
    println!("| | allocations | reallocations | bytes |\n| --- | --- | --- | --- |");
    let mut typed = 0.0;
    for (label, mode) in [TYPED, FINDINGS, UNMASKED] {
        let output = Command::new(&program).args([name(mode), ports.plain.to_string()]).output()?;
        ensure!(
            output.status.success(),
            "the program allocations failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let counts: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let value = |name: &str| counts.get(name).and_then(serde_json::Value::as_f64).unwrap_or_default();
        println!(
            "| {label} | {:.2} | {:.2} | {:.0} |",
            value("allocations"),
            value("reallocations"),
            value("bytes")
        );
        if mode == Mode::Typed {
            typed = value("allocations") + value("reallocations");
        }
    }
    Ok(typed)
}
