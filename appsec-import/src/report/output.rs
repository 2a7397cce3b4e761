//! The destination of a report: one file, or one file after another.

use std::io::{self, BufWriter, Write};

use appsec_core::write_printable_json;
use serde::Serialize;

type File<'a> = Box<dyn Write + Send + 'a>;
type Create<'a> = Box<dyn FnMut(u32) -> io::Result<File<'a>> + Send + 'a>;

pub(super) struct Output<'a> {
    create: Create<'a>,
    file: Option<BufWriter<File<'a>>>,
    /// Whether a second file may be created.
    may_split: bool,
    files: u32,
    file_bytes: u64,
    bytes: u64,
}

impl<'a> Output<'a> {
    pub(super) fn single(out: impl Write + Send + 'a) -> Self {
        let mut out: Option<File<'a>> = Some(Box::new(out));
        let second_file = || io::Error::other("this report has a single file");
        Self::new(false, Box::new(move |_| out.take().ok_or_else(second_file)))
    }

    pub(super) fn split<W: Write + Send + 'a>(
        mut create: impl FnMut(u32) -> io::Result<W> + Send + 'a,
    ) -> Self {
        Self::new(true, Box::new(move |number| Ok(Box::new(create(number)?))))
    }

    fn new(may_split: bool, create: Create<'a>) -> Self {
        Self { create, file: None, may_split, files: 0, file_bytes: 0, bytes: 0 }
    }

    pub(super) fn may_split(&self) -> bool {
        self.may_split
    }

    /// Closes the current file, if any, and creates the next.
    pub(super) fn next_file(&mut self) -> io::Result<()> {
        self.close()?;
        self.files += 1;
        self.file_bytes = 0;
        self.file = Some(BufWriter::new((self.create)(self.files)?));
        Ok(())
    }

    pub(super) fn close(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |mut file| file.flush())
    }

    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        write_printable_json(self, value).map_err(io::Error::from)
    }

    /// Writes a value as JSON, followed by a line feed.
    pub(super) fn json_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.json(value)?;
        self.write_all(b"\n")
    }

    /// Writes the next element of a JSON array; the first has no comma before it.
    pub(super) fn element(&mut self, first: &mut bool, value: &impl Serialize) -> io::Result<()> {
        self.write_all(if std::mem::take(first) { b"\n" } else { b",\n" })?;
        self.json(value)
    }

    pub(super) fn files(&self) -> u32 {
        self.files
    }

    /// The number of bytes in the current file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The number of bytes in all files.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("no file is open"))?;
        let written = file.write(bytes)?;
        self.file_bytes += written as u64;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}
