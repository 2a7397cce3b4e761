//! Records the positions of the members of an element.

use std::ops::Range;

use crate::json::known_blocks::KnownBlocks;
use crate::json::tokenizer::{Tokenizer, string};

/// The position of a member in the bytes of an element that is an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, without quotes. It has no escapes: these bytes are the name.
    pub name: Range<usize>,
    /// The value, including its quotes or brackets.
    pub value: Range<usize>,
    /// What is known about the value.
    pub kind: MemberKind,
}

/// What is known about the value of a member without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A string without escapes: the bytes between the quotes are the text, if they are valid UTF-8.
    Text,
    /// An object in the table of known blocks, with its key.
    Known(usize),
    /// Any other value, of which only brackets and strings have been checked.
    Other,
}

/// The largest number of recorded members. An element with more is of another kind of document, and would
/// only take memory.
const MOST: usize = 64;

/// The deepest nesting of an element: that of the JSON decoder, which the decoder of a single member would
/// exceed by one.
const DEEPEST: u32 = 127;

/// Why no members are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMembers {
    /// The object continues after these bytes.
    Incomplete,
    /// It is not an object, is not well formed, has too many members, or has escapes in names.
    Unsupported,
}

/// Records the members of the object that these bytes begin with, and returns its length. An object that
/// has a length, and whose values are all valid JSON, is valid JSON.
///
/// # Errors
/// See [`NoMembers`]; then no members are recorded.
pub(crate) fn read_members(
    bytes: &[u8],
    depth: u32,
    known: &dyn KnownBlocks,
    members: &mut Vec<Member>,
) -> Result<usize, NoMembers> {
    members.clear();
    let depth = depth.min(DEEPEST).checked_sub(1).ok_or(NoMembers::Unsupported)?;
    let length = MemberReader { bytes, depth, known, members }.object();
    if length.is_err() {
        members.clear();
    }
    length
}

struct MemberReader<'a> {
    bytes: &'a [u8],
    /// The nesting allowed within the value of a member.
    depth: u32,
    known: &'a dyn KnownBlocks,
    members: &'a mut Vec<Member>,
}

impl MemberReader<'_> {
    fn object(&mut self) -> Result<usize, NoMembers> {
        let mut at = self.spaces(self.expect(0, b'{')?);
        if self.byte(at)? == b'}' {
            return Ok(at + 1);
        }
        loop {
            let end = self.member(at)?;
            at = self.spaces(end);
            match self.byte(at)? {
                b',' => at = self.spaces(at + 1),
                b'}' => return Ok(at + 1),
                _ => return Err(NoMembers::Unsupported),
            }
        }
    }

    /// Records the member that begins here, and returns its end.
    fn member(&mut self, at: usize) -> Result<usize, NoMembers> {
        let begin = self.expect(at, b'"')?;
        let (length, plain) = self.string(begin)?;
        if !plain || self.members.len() == MOST {
            return Err(NoMembers::Unsupported);
        }
        let name = begin..begin + length - 1;
        let at = self.spaces(self.expect(self.spaces(begin + length), b':')?);
        let (length, kind) = self.value(name.clone(), at)?;
        self.members.push(Member { name, value: at..at + length, kind });
        Ok(at + length)
    }

    fn value(&self, name: Range<usize>, at: usize) -> Result<(usize, MemberKind), NoMembers> {
        let first = self.byte(at)?;
        if first == b'"' {
            let (length, plain) = self.string(at + 1)?;
            return Ok((1 + length, if plain { MemberKind::Text } else { MemberKind::Other }));
        }
        let rest = &self.bytes[at..];
        if first == b'{'
            && let Some((length, key)) = self.known.find(&self.bytes[name], rest)
        {
            return Ok((length, MemberKind::Known(key)));
        }
        let mut tokenizer = Tokenizer::new(first).ok_or(NoMembers::Unsupported)?;
        match tokenizer.run(rest, self.depth) {
            Ok(Some(length)) => Ok((length, MemberKind::Other)),
            Ok(None) => Err(NoMembers::Incomplete),
            Err(_) => Err(NoMembers::Unsupported),
        }
    }

    /// The length of the string whose text begins here, and whether it is plain.
    fn string(&self, at: usize) -> Result<(usize, bool), NoMembers> {
        string(&self.bytes[at..]).ok_or(NoMembers::Incomplete)
    }

    fn spaces(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(at) {
            at += 1;
        }
        at
    }

    fn byte(&self, at: usize) -> Result<u8, NoMembers> {
        self.bytes.get(at).copied().ok_or(NoMembers::Incomplete)
    }

    fn expect(&self, at: usize, byte: u8) -> Result<usize, NoMembers> {
        if self.byte(at)? == byte { Ok(at + 1) } else { Err(NoMembers::Unsupported) }
    }
}
