//! Where a JSON value ends, found without looking at more than brackets and strings.

use crate::splitter::{Found, SplitErrorKind};

/// The state of a search for a value's end, which may go on in the next part of the document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Scan {
    mode: Mode,
    depth: u32,
    /// One bit for each open bracket, the innermost lowest: set for an array. This is why nesting ends at 128.
    arrays: u128,
}

#[derive(Debug, Clone, Copy, Default)]
enum Mode {
    /// Between the strings of a value.
    #[default]
    Plain,
    Text {
        /// The next byte has its meaning changed by a backslash before it.
        escaped: bool,
    },
    /// In a number or a word outside of all brackets, which ends where something else begins.
    Scalar,
}

/// The bytes that matter between strings.
static MATTERS: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

impl Scan {
    /// The scan of a value that begins with this byte; `None` if no value does.
    pub(crate) fn of(first: u8) -> Option<Self> {
        let mode = match first {
            b'"' | b'{' | b'[' => Mode::Plain,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Mode::Scalar,
            _ => return None,
        };
        Some(Self { mode, ..Self::default() })
    }

    /// Goes over the next bytes of the value. Gives the length up to its end, `None` where that has not come, or the place of a fault.
    pub(crate) fn run(&mut self, bytes: &[u8], limit: u32) -> Result<Option<usize>, (usize, SplitErrorKind)> {
        let mut at = 0;
        loop {
            match self.mode {
                Mode::Plain => {
                    let Some(skip) = bytes[at..].iter().position(|&byte| MATTERS[usize::from(byte)]) else {
                        return Ok(None);
                    };
                    at += skip;
                    let byte = bytes[at];
                    if byte == b'"' {
                        self.mode = Mode::Text { escaped: false };
                    } else if let Err(kind) = self.bracket(byte, limit) {
                        return Err((at, kind));
                    } else if self.depth == 0 {
                        return Ok(Some(at + 1));
                    }
                    at += 1;
                }
                Mode::Text { escaped } => match text_end(&bytes[at..], escaped) {
                    Ok(length) => {
                        at += length;
                        self.mode = Mode::Plain;
                        if self.depth == 0 {
                            return Ok(Some(at));
                        }
                    }
                    Err(escaped) => {
                        self.mode = Mode::Text { escaped };
                        return Ok(None);
                    }
                },
                Mode::Scalar => return Ok(bytes.iter().position(|&byte| !is_scalar(byte))),
            }
        }
    }

    fn bracket(&mut self, byte: u8, limit: u32) -> Result<(), SplitErrorKind> {
        if matches!(byte, b'{' | b'[') {
            if self.depth >= limit {
                return Err(SplitErrorKind::TooDeep(limit));
            }
            self.depth += 1;
            self.arrays = self.arrays << 1 | u128::from(byte == b'[');
        } else {
            if (self.arrays & 1 == 1) != (byte == b']') {
                return Err(SplitErrorKind::Mismatched(Found(byte)));
            }
            self.depth -= 1;
            self.arrays >>= 1;
        }
        Ok(())
    }
}

/// How many words of a string are searched one by one: most strings are names and words, too short for a vector search to pay.
const SHORT: usize = 4;

/// The length of the string whose opening quote stands before these bytes, with its closing quote, and whether its text is what stands
/// between the quotes: no escapes, and nothing that must have been one. `None` where it does not end here.
pub(crate) fn string(text: &[u8]) -> Option<(usize, bool)> {
    if let Some(end) = plain_end(text) {
        return Some((end + 1, true));
    }
    let length = text_end(text, false).ok()?;
    // Over all of it: a loop that may stop early is not turned into vector instructions.
    let special = |byte: &u8| u8::from(*byte < b' ') | u8::from(*byte == b'\\');
    let plain = text.get(..length - 1)?.iter().map(special).fold(0, |found, special| found | special) == 0;
    Some((length, plain))
}

/// Where the quote of a short string without escapes stands; `None` for all others.
fn plain_end(text: &[u8]) -> Option<usize> {
    for (number, word) in text.as_chunks::<8>().0.iter().take(SHORT).enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            let at = number * 8 + (special.trailing_zeros() / 8) as usize;
            return (text.get(at) == Some(&b'"')).then_some(at);
        }
    }
    None
}

/// The highest bit of each byte of the word that is a quote, a backslash or a control character: right for the first of them, and for all
/// before it. Eight comparisons in one, by the borrow of a subtraction, as is known from the C libraries' `strlen`.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | below(word, b' ')) & HIGH
}

/// The length of a string's remainder with its closing quote; or, where that is not among the bytes, whether the byte
/// after them is escaped.
///
/// Quotes are looked for and not backslashes, since long texts have many escapes and few quotes. A quote is escaped by
/// an odd number of backslashes before it.
fn text_end(text: &[u8], escaped: bool) -> Result<usize, bool> {
    if text.is_empty() {
        return Err(escaped);
    }
    // Before this place nothing can escape what follows.
    let mut begin = usize::from(escaped);
    if let Some(end) = text.get(begin..).and_then(plain_end) {
        return Ok(begin + end + 1);
    }
    loop {
        let left = text.get(begin..).unwrap_or_default();
        let quote = memchr::memchr(b'"', left);
        let before = &left[..quote.unwrap_or(left.len())];
        let backslashes = before.iter().rev().take_while(|&&byte| byte == b'\\').count();
        let odd = backslashes % 2 == 1;
        match quote {
            None => return Err(odd),
            Some(quote) if odd => begin += quote + 1,
            Some(quote) => return Ok(begin + quote + 1),
        }
    }
}

/// A byte of a number or of a word; which of them make sense together is for the decoder to say.
fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
