//! Records put aside in temporary files, to be read back worst first.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use appsec_core::Severity;

/// Levels of severity, worst first; what nobody knows comes last but is kept.
pub(super) const LEVELS: usize = 6;

/// The level of a severity, 0 for the worst.
pub(super) fn level(severity: &Severity) -> usize {
    Severity::WORST_FIRST.iter().position(|known| known == severity).unwrap_or(LEVELS - 1)
}

/// Results by level, in the order in which they came.
#[derive(Default)]
pub(super) struct Results {
    levels: [Option<BufWriter<File>>; LEVELS],
}

/// A result that was put aside.
pub(super) struct Kept {
    pub(super) rule: u32,
    pub(super) json: Vec<u8>,
}

impl Results {
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

    /// What was put aside, worst first.
    pub(super) fn into_worst_first(self) -> impl Iterator<Item = io::Result<Kept>> {
        self.levels.into_iter().flatten().flat_map(|file| {
            let mut file = rewound(file);
            std::iter::from_fn(move || match &mut file {
                Ok(reader) => kept(reader).transpose(),
                // The error once, then the end.
                Err(_) => std::mem::replace(&mut file, Ok(None)).err().map(Err),
            })
        })
    }
}

type Reader = Option<BufReader<File>>;

fn rewound(file: BufWriter<File>) -> io::Result<Reader> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Some(BufReader::new(file)))
}

fn kept(reader: &mut Reader) -> io::Result<Option<Kept>> {
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
    Ok(Some(Kept { rule: u32::from_le_bytes(rule), json }))
}

/// Texts by number, in one file.
#[derive(Default)]
pub(super) struct Texts {
    file: Option<File>,
    end: u64,
    places: Vec<(u64, usize)>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &[u8]) -> io::Result<u32> {
        let number = u32::try_from(self.places.len()).map_err(io::Error::other)?;
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(text)?;
        self.places.push((self.end, text.len()));
        self.end += text.len() as u64;
        Ok(number)
    }

    pub(super) fn len_of(&self, number: u32) -> usize {
        self.places.get(number as usize).map_or(0, |(_, length)| *length)
    }

    pub(super) fn read(&mut self, number: u32) -> io::Result<Vec<u8>> {
        let (Some(file), Some((at, length))) = (&mut self.file, self.places.get(number as usize)) else {
            return Err(io::Error::other("no such text was put aside"));
        };
        let mut text = vec![0; *length];
        file.seek(SeekFrom::Start(*at))?;
        file.read_exact(&mut text)?;
        Ok(text)
    }
}
