//! Finds the end of a JSON value by looking only at brackets and strings.

use crate::json::error::{Found, SplitErrorKind};

/// The state of the search for the end of a value, which may continue in the next chunk of the document.
#[derive(Debug, Default)]
pub(crate) struct Tokenizer {
    mode: Mode,
    depth: u32,
    /// One bit per open bracket, the innermost lowest: set for an array. It holds the innermost brackets,
    /// up to [`BITS`] of them.
    arrays: u128,
    /// The bits of the brackets outside of those, in groups of [`BITS`]. Only a value that is skipped nests
    /// that deep.
    outer: Vec<u128>,
}

/// The number of brackets in a group.
const BITS: u32 = u128::BITS;

#[derive(Debug, Clone, Copy, Default)]
enum Mode {
    /// Outside of strings.
    #[default]
    Plain,
    Text {
        /// Whether a backslash escapes the next byte.
        escaped: bool,
    },
    /// In a number or a literal outside of all brackets, which ends at any other byte.
    Scalar,
}

/// The bytes that matter outside of strings.
static TRIGGER_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    table[b'"' as usize] = true;
    table[b'{' as usize] = true;
    table[b'}' as usize] = true;
    table[b'[' as usize] = true;
    table[b']' as usize] = true;
    table
};

impl Tokenizer {
    /// Returns the tokenizer of a value that begins with this byte, or `None` if no value does.
    pub(crate) fn new(first: u8) -> Option<Self> {
        let mode = match first {
            b'"' | b'{' | b'[' => Mode::Plain,
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => Mode::Scalar,
            _ => return None,
        };
        Some(Self { mode, ..Self::default() })
    }

    /// Reads the next bytes of the value. Returns the length up to its end, `None` if the end has not
    /// arrived, or the position of an error.
    pub(crate) fn run(&mut self, bytes: &[u8], limit: u32) -> Result<Option<usize>, (usize, SplitErrorKind)> {
        let mut at = 0;
        loop {
            match self.mode {
                Mode::Plain => {
                    let Some(skip) = bytes[at..].iter().position(|&byte| TRIGGER_BYTES[usize::from(byte)])
                    else {
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
            if self.depth.is_multiple_of(BITS) && self.depth > 0 {
                self.outer.push(self.arrays);
            }
            self.depth += 1;
            self.arrays = self.arrays << 1 | u128::from(byte == b'[');
        } else {
            if (self.arrays & 1 == 1) != (byte == b']') {
                return Err(SplitErrorKind::Mismatched(Found(byte)));
            }
            self.depth -= 1;
            self.arrays >>= 1;
            if self.depth.is_multiple_of(BITS)
                && let Some(outer) = self.outer.pop()
            {
                self.arrays = outer;
            }
        }
        Ok(())
    }
}

/// The number of 8-byte words of a string that are searched one by one: most strings are too short for a
/// vector search to pay.
const SHORT: usize = 4;

/// For the bytes after an opening quote, returns the length of the string with its closing quote, and
/// whether it is plain: without escapes and control characters. Returns `None` if the string does not end
/// here.
pub(crate) fn string(text: &[u8]) -> Option<(usize, bool)> {
    if let Some(end) = plain_end(text) {
        return Some((end + 1, true));
    }
    let length = text_end(text, false).ok()?;
    // Over the whole string: a loop that can stop early is not vectorised.
    let special = |byte: &u8| u8::from(*byte < b' ') | u8::from(*byte == b'\\');
    let plain = text.get(..length - 1)?.iter().map(special).fold(0, |found, special| found | special) == 0;
    Some((length, plain))
}

/// The position of the closing quote of a short string without escapes; `None` for all other strings.
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

/// Sets the highest bit of each byte of the word that is a quote, a backslash or a control character. The
/// result is exact up to and including the first such byte. Eight comparisons in one, by the borrow of a
/// subtraction, as in the `strlen` of C libraries.
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | below(word, b' ')) & HIGH
}

/// Returns the length of the rest of a string with its closing quote; or, if the quote is not among the
/// bytes, whether the byte after them is escaped.
///
/// The search is for quotes and not for backslashes, since long texts have many escapes and few quotes. A
/// quote is escaped by an odd number of backslashes before it.
fn text_end(text: &[u8], escaped: bool) -> Result<usize, bool> {
    if text.is_empty() {
        return Err(escaped);
    }
    // Nothing before this position can escape what follows.
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

/// Whether the byte may belong to a number or a literal; the decoder checks which are valid together.
fn is_scalar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
}
