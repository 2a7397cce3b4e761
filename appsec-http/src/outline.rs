//! Where the members of an element stand.

use std::ops::Range;

use crate::known::KnownBlocks;
use crate::scan::{Scan, string};

/// A member of an element that is an object: where in the element's bytes it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, without its quotes. It has no escapes: these bytes are the name.
    pub name: Range<usize>,
    /// The value, with its quotes or brackets.
    pub value: Range<usize>,
    /// What is known of the value.
    pub kind: MemberKind,
}

/// What is known of a member's value without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A string without escapes: what stands between the quotes is the text, once it proves to be UTF-8.
    Text,
    /// An object that the table of known blocks has, by this key.
    Known(usize),
    /// One value of any other kind, of which only the outer form is known to be right.
    Other,
}

/// The members that are noted of one element: more are those of another kind of document, and would only take memory.
const MOST: usize = 64;

/// How deep an element may be nested: as deep as the JSON decoder goes, which the decoder of a single member would exceed by one.
const DEEPEST: u32 = 127;

/// Why nothing is said of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    /// It goes on after these bytes, as far as one can see.
    CutShort,
    /// It is no object or is wrong; or names have escapes, or there are too many.
    Extraordinary,
}

/// Notes the members of the object that these bytes begin with, and gives its length. Strict between the members: an object that has a
/// length, and of which each value is valid JSON, is valid JSON.
///
/// # Errors
/// For all that is not ordinary, and then no members are noted: see [`Odd`].
pub(crate) fn outline(
    bytes: &[u8],
    depth: u32,
    known: &dyn KnownBlocks,
    members: &mut Vec<Member>,
) -> Result<usize, Odd> {
    members.clear();
    let depth = depth.min(DEEPEST).checked_sub(1).ok_or(Odd::Extraordinary)?;
    let length = Outline { bytes, depth, known, members }.object();
    if length.is_err() {
        members.clear();
    }
    length
}

struct Outline<'a> {
    bytes: &'a [u8],
    /// How deep a member's value may be nested.
    depth: u32,
    known: &'a dyn KnownBlocks,
    members: &'a mut Vec<Member>,
}

impl Outline<'_> {
    fn object(&mut self) -> Result<usize, Odd> {
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
                _ => return Err(Odd::Extraordinary),
            }
        }
    }

    /// Notes the member that begins here, and gives its end.
    fn member(&mut self, at: usize) -> Result<usize, Odd> {
        let begin = self.expect(at, b'"')?;
        let (length, plain) = self.string(begin)?;
        if !plain || self.members.len() == MOST {
            return Err(Odd::Extraordinary);
        }
        let name = begin..begin + length - 1;
        let at = self.spaces(self.expect(self.spaces(begin + length), b':')?);
        let (length, kind) = self.value(name.clone(), at)?;
        self.members.push(Member { name, value: at..at + length, kind });
        Ok(at + length)
    }

    fn value(&self, name: Range<usize>, at: usize) -> Result<(usize, MemberKind), Odd> {
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
        let mut scan = Scan::of(first).ok_or(Odd::Extraordinary)?;
        match scan.run(rest, self.depth) {
            Ok(Some(length)) => Ok((length, MemberKind::Other)),
            Ok(None) => Err(Odd::CutShort),
            Err(_) => Err(Odd::Extraordinary),
        }
    }

    /// The length of the string whose text begins here, and whether it is plain.
    fn string(&self, at: usize) -> Result<(usize, bool), Odd> {
        string(&self.bytes[at..]).ok_or(Odd::CutShort)
    }

    fn spaces(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(at) {
            at += 1;
        }
        at
    }

    fn byte(&self, at: usize) -> Result<u8, Odd> {
        self.bytes.get(at).copied().ok_or(Odd::CutShort)
    }

    fn expect(&self, at: usize, byte: u8) -> Result<usize, Odd> {
        if self.byte(at)? == byte { Ok(at + 1) } else { Err(Odd::Extraordinary) }
    }
}
