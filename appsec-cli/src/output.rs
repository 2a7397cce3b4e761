//! The output: results go to stdout, messages to stderr.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// Writes a line. Not for [`Format::Json`].
    pub(crate) fn line(&self, line: impl Display) -> Result<()> {
        self.write(format_args!("{line}\n"))
    }

    /// Writes lines of text that a scanner may have sent. Not for [`Format::Json`].
    pub(crate) fn text(&self, text: impl Display) -> Result<()> {
        text.to_string().lines().try_for_each(|line| self.line(one_line(line)))
    }

    /// Writes a value as one line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::output("writing the result as JSON", &error.into()))?;
        self.line(text)
    }

    /// Writes rows: aligned below headings, or separated by tabs. Not for [`Format::Json`].
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
            // No spaces after the last column.
            if number + 1 < N {
                line.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(&text)) + 2));
            }
        }
        self.line(line.trim_end())
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

/// Writes a message to stderr.
pub(crate) fn note(text: impl Display) {
    // A failure cannot be reported anywhere else.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Whether stderr is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
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

/// A cell without a style.
pub(crate) fn cell(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), Style::new())
}

/// A cell in the colour of a good result.
pub(crate) fn good(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), AnsiColor::Green.on_default())
}

/// A cell in the colour of a result that needs attention.
pub(crate) fn warning(text: impl Display) -> Cell {
    Cell::styled(text.to_string(), AnsiColor::Yellow.on_default())
}

/// A cell in the colour of a bad result.
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

/// The text with spaces in place of control characters, so that text from a scanner stays on one line and
/// cannot send escape sequences to a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(one_line("a\tb\n\u{1b}[31mred"), "a b  [31mred");
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
