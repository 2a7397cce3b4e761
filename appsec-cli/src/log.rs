//! The log lines of the libraries, on stderr.

use std::io::{self, Write};

use appsec_core::Printable;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::vendors::VENDORS;

/// The crates whose lines are shown, besides the clients. Lines of other crates may hold what was sent.
const TARGETS: [&str; 4] = ["appsec", "appsec_core", "appsec_http", "appsec_import"];

/// Starts logging: warnings, and more with each `-v`.
pub(crate) fn init(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        2 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| PrintableLines(io::stderr()))
        .with_ansi(false)
        .with_target(false);
    let targets = TARGETS.into_iter().chain(VENDORS.map(|vendor| vendor.log_target));
    let filter = Targets::new().with_targets(targets.map(|target| (target, level)));
    // Fails only where a subscriber is set already.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}

/// Writes each buffer, which is one event of the log, as one printable line.
#[derive(Debug)]
struct PrintableLines<W>(W);

impl<W: Write> Write for PrintableLines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        self.0.write_all(format!("{}\n", Printable(line)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_printable_line() {
        let mut out = PrintableLines(Vec::new());
        out.write_all("WARN a scanner sent x\n::error::\u{1b}[2J\u{202e}\n".as_bytes()).unwrap();
        out.write_all(b"INFO next\n").unwrap();
        let text = String::from_utf8(out.0).unwrap();
        assert_eq!(text, "WARN a scanner sent x\\n::error::\\u{1b}[2J\\u{202e}\nINFO next\n");
    }
}
