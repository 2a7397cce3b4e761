//! Records kept in temporary files until the end of a report, where they are read back worst first.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use appsec_core::Severity;

/// The number of severity levels, worst first. The last is for unknown severities, which are kept.
pub(super) const LEVELS: usize = 6;

/// The level of a severity, 0 for the worst.
pub(super) fn level(severity: &Severity) -> usize {
    Severity::WORST_FIRST.iter().position(|known| known == severity).unwrap_or(LEVELS - 1)
}

/// Results in one temporary file per severity level, each in the order of arrival.
#[derive(Default)]
pub(super) struct ResultsByLevel {
    levels: [Option<BufWriter<File>>; LEVELS],
}

/// A result read back: the number of its rule, and its JSON.
pub(super) struct StoredResult {
    pub(super) rule: u32,
    pub(super) json: Vec<u8>,
}

impl ResultsByLevel {
    pub(super) fn push(&mut self, level: usize, rule: u32, json: &[u8]) -> io::Result<()> {
        let Some(file) = self.levels.get_mut(level) else { return Ok(()) };
        let file = match file {
            Some(file) => file,
            None => file.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        file.write_all(&rule.to_le_bytes())?;
        file.write_all(&length.to_le_bytes())?;
        file.write_all(json)
    }

    /// All results, worst first.
    pub(super) fn into_worst_first(self) -> impl Iterator<Item = io::Result<StoredResult>> {
        self.levels.into_iter().flatten().flat_map(|file| {
            let mut file = rewind(file);
            std::iter::from_fn(move || match &mut file {
                Ok(reader) => read_result(reader).transpose(),
                // Yields the error once, then ends.
                Err(_) => std::mem::replace(&mut file, Ok(None)).err().map(Err),
            })
        })
    }
}

/// `None` at the end of the file.
type Reader = Option<BufReader<File>>;

fn rewind(file: BufWriter<File>) -> io::Result<Reader> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Some(BufReader::new(file)))
}

fn read_result(reader: &mut Reader) -> io::Result<Option<StoredResult>> {
    let Some(file) = reader else { return Ok(None) };
    let (mut rule, mut length) = ([0; 4], [0; 4]);
    if file.read(&mut rule[..1])? == 0 {
        *reader = None;
        return Ok(None);
    }
    file.read_exact(&mut rule[1..])?;
    file.read_exact(&mut length)?;
    let mut json = vec![0; u32::from_le_bytes(length) as usize];
    file.read_exact(&mut json)?;
    Ok(Some(StoredResult { rule: u32::from_le_bytes(rule), json }))
}

/// Records in one temporary file, read back by number.
#[derive(Default)]
pub(super) struct RecordFile {
    file: Option<File>,
    end: u64,
    /// The offset and the length of each record.
    records: Vec<(u64, usize)>,
}

impl RecordFile {
    /// Appends a record and returns its number.
    pub(super) fn push(&mut self, record: &[u8]) -> io::Result<u32> {
        let number = u32::try_from(self.records.len()).map_err(io::Error::other)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(record)?;
        self.records.push((self.end, record.len()));
        self.end += record.len() as u64;
        Ok(number)
    }

    /// The length of a record in bytes; 0 for an unknown number.
    pub(super) fn record_len(&self, number: u32) -> usize {
        self.records.get(number as usize).map_or(0, |(_, length)| *length)
    }

    pub(super) fn read(&mut self, number: u32) -> io::Result<Vec<u8>> {
        let (Some(file), Some((offset, length))) = (&mut self.file, self.records.get(number as usize)) else {
            return Err(io::Error::other("there is no record of this number"));
        };
        let mut record = vec![0; *length];
        file.seek(SeekFrom::Start(*offset))?;
        file.read_exact(&mut record)?;
        Ok(record)
    }
}
