//! The output: results go to stdout, messages to stderr.
//!
//! Everything for people passes [`Printable`] here, so that no text of a scanner, of the configuration or of
//! an error can begin a line of its own or send a command to the terminal. JSON has such characters
//! escaped.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use appsec_core::{Printable, printable_json};
use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use crate::exit::{Failure, Result};

/// The format of the output on stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns and sentences
    #[default]
    Table,
    /// One record a line, columns separated by tabs, without headings
    Plain,
    /// One JSON document a line
    Json,
}

/// Writes results to stdout.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Whether the reader of stdout has closed the pipe. This is no error, as with other commands.
    closed: AtomicBool,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format, closed: AtomicBool::new(false) }
    }

    /// Whether the format is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether the reader of stdout has closed the pipe.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Writes one line. Not for [`Format::Json`].
    pub(crate) fn line(&self, line: impl Display) -> Result<()> {
        self.cells([cell(line)])
    }

    /// Writes lines. What a scanner sent must have its line breaks escaped, as `Display` of the libraries
    /// does. Not for [`Format::Json`].
    pub(crate) fn text(&self, text: impl Display) -> Result<()> {
        text.to_string().lines().try_for_each(|line| self.line(line))
    }

    /// Writes cells as one line, without space between them. Not for [`Format::Json`].
    pub(crate) fn cells<const N: usize>(&self, cells: [Cell; N]) -> Result<()> {
        self.write(format_args!("{}\n", cells.map(|cell| cell.to_string()).concat()))
    }

    /// Writes fields as one line, separated by tabs. For [`Format::Plain`].
    pub(crate) fn fields<const N: usize>(&self, fields: [&str; N]) -> Result<()> {
        self.write(format_args!("{}\n", fields.map(|field| Printable(field).to_cow()).join("\t")))
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = printable_json(value)
            .map_err(|error| Failure::output("writing the result as JSON", &error.into()))?;
        self.write(format_args!("{text}\n"))
    }

    /// Writes rows: aligned below headings, or separated by tabs. Not for [`Format::Json`].
    pub(crate) fn table<const N: usize>(&self, headings: [&str; N], rows: &[[Cell; N]]) -> Result<()> {
        if self.format == Format::Plain {
            return rows
                .iter()
                .try_for_each(|row| self.fields(row.each_ref().map(|cell| cell.text.as_str())));
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
            line.push_str(&cell.to_string());
            // No spaces after the last column.
            if number + 1 < N {
                line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(&cell.text)) + 2));
            }
        }
        self.write(format_args!("{}\n", line.trim_end()))
    }

    /// Writes bytes as they are, such as a shell script.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        self.ignore_closed_pipe(out.write_all(bytes).and_then(|()| out.flush()))
    }

    fn write(&self, text: fmt::Arguments<'_>) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        self.ignore_closed_pipe(out.write_fmt(text).and_then(|()| out.flush()))
    }

    /// The result of writing to stdout, without the error of a closed pipe.
    fn ignore_closed_pipe(&self, written: io::Result<()>) -> Result<()> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            result => result.map_err(|error| Failure::output("writing the output", &error)),
        }
    }
}

/// Writes a message of one or more lines to stderr. What a scanner sent must have its line breaks escaped.
pub(crate) fn note(text: impl Display) {
    let text: Vec<_> = text.to_string().lines().map(|line| Printable(line).to_string()).collect();
    // A failure cannot be reported anywhere else.
    let _ = writeln!(anstream::stderr().lock(), "{}", text.join("\n"));
}

/// Whether stderr is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// A cell of a table, or a part of a line. Its text is printable.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(text: impl Display, style: Style) -> Self {
        Self { text: Printable(&text.to_string()).to_string(), style }
    }
}

/// A cell without a style.
pub(crate) fn cell(text: impl Display) -> Cell {
    Cell::styled(text, Style::new())
}

/// A cell in the colour of a good result.
pub(crate) fn good(text: impl Display) -> Cell {
    Cell::styled(text, AnsiColor::Green.on_default())
}

/// A cell in the colour of a result that needs attention.
pub(crate) fn warning(text: impl Display) -> Cell {
    Cell::styled(text, AnsiColor::Yellow.on_default())
}

/// A cell in the colour of a bad result.
pub(crate) fn bad(text: impl Display) -> Cell {
    Cell::styled(text, AnsiColor::Red.on_default().bold())
}

impl Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:#}", self.style, self.text, self.style)
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(cell("a\tb\n\u{1b}[31mred").to_string(), r"a\tb\n\u{1b}[31mred");
        assert_eq!(good("\u{202e}").to_string(), "\u{1b}[32m\\u{202e}\u{1b}[0m");
    }

    #[test]
    fn a_closed_pipe_is_no_error_and_a_full_disk_is() {
        let output = Output::default();
        output.ignore_closed_pipe(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert!(!output.is_closed());
        output.ignore_closed_pipe(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        assert!(output.is_closed());
    }
}
