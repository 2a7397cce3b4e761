//! What is printed where: results on stdout, all talk on stderr.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::{Failure, Result};

/// The form of what goes to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns and sentences, for people
    #[default]
    Table,
    /// One record a line, columns apart by tabs, without headings, for cut and awk
    Plain,
    /// One JSON document a line, for programs
    Json,
}

/// Where results and talk go.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Whoever read stdout has gone. That is no error, as with any other command.
    closed: AtomicBool,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, closed: AtomicBool::new(false) }
    }

    /// True where stdout is for programs.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// True when nobody reads stdout any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// A line of the result. Not for `Format::Json`.
    pub(crate) fn line(&self, line: impl Display) -> Result<()> {
        self.write(format_args!("{line}\n"))
    }

    /// Lines that hold what a scanner sent.
    pub(crate) fn text(&self, text: impl Display) -> Result<()> {
        text.to_string().lines().try_for_each(|line| self.line(one_line(line)))
    }

    /// A result as one line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::output("the result is no JSON", &error.into()))?;
        self.line(text)
    }

    /// Columns: aligned below headings, or apart by tabs.
    pub(crate) fn table<const N: usize>(&self, headings: [&str; N], rows: &[[Cell; N]]) -> Result<()> {
        if self.format == Format::Plain {
            for row in rows {
                let texts: Vec<_> = row.iter().map(|cell| one_line(&cell.text)).collect();
                self.line(texts.join("\t"))?;
            }
            return Ok(());
        }
        let widths: [usize; N] = std::array::from_fn(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| width(&cell.text));
            cells.chain(headings.get(column).map(|heading| width(heading))).max().unwrap_or(0)
        });
        self.row(&headings.map(|heading| Cell::styled(heading, Style::new().bold())), &widths)?;
        rows.iter().try_for_each(|row| self.row(row, &widths))
    }

    fn row<const N: usize>(&self, cells: &[Cell; N], widths: &[usize; N]) -> Result<()> {
        let mut line = String::new();
        for (number, (cell, wide)) in cells.iter().zip(widths).enumerate() {
            let text = one_line(&cell.text);
            line.push_str(&Cell::styled(text.as_str(), cell.style).to_string());
            // No blanks at the end of a line.
            if number + 1 < N {
                line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(&text)) + 2));
            }
        }
        self.line(line.trim_end())
    }

    /// Bytes as they are: a report, a script for a shell.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        self.outcome(out.write_all(bytes).and_then(|()| out.flush()))
    }

    fn write(&self, text: fmt::Arguments<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        self.outcome(out.write_fmt(text).and_then(|()| out.flush()))
    }

    /// The outcome of writing to stdout, where a reader that has gone is none.
    pub(crate) fn outcome(&self, written: io::Result<()>) -> Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            result => result.map_err(|error| Failure::output("writing the output", &error)),
        }
    }
}

/// Something for the person at the terminal, or for the log of whoever runs this.
pub(crate) fn note(text: impl Display) {
    // Where nobody can be told there is nobody to tell.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// True where a person may be looking at stderr as it is written.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// The text as it is.
pub(crate) fn cell(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), Style::new())
}

/// The text in the colour of a good, a doubtful or a bad end.
pub(crate) fn good(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), AnsiColor::Green.on_default())
}

/// See [`good`].
pub(crate) fn doubtful(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), AnsiColor::Yellow.on_default())
}

/// See [`good`].
pub(crate) fn bad(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), AnsiColor::Red.on_default().bold())
}

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:#}", self.style, self.text, self.style)
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// What a scanner sends may hold anything; a record stays one line, and no escape sequence reaches a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scanner_sends_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\tb\n\u{1b}[31mred"), "a b  [31mred");
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is() {
        let output = Output::default();
        output.outcome(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(!output.is_closed());
        output.outcome(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        assert!(output.is_closed());
    }
}
