//! Finds the elements of a JSON array while its bytes arrive, without holding or decoding the document.

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::json::array_path::ArrayPath;
use crate::json::chunks::{Chunks, OVERLAP};
use crate::json::error::{Found, SplitError, SplitErrorKind};
use crate::json::known_blocks::KnownBlocks;
use crate::json::limits::Limits;
use crate::json::members::{Member, NoMembers, read_members};
use crate::json::tokenizer::Tokenizer;

/// Finds the elements of a JSON array while its bytes arrive, without holding or decoding the document.
///
/// The splitter proves that the array and the object around it are well formed down to the borders of the
/// elements: commas, colons, matching brackets, closed strings, nothing after the end. Within an element it
/// looks only at brackets and strings; decoding the element checks the rest. Both together accept exactly
/// what a decoder of the whole document accepts, except for the depth of nesting.
///
/// ```
/// use appsec_http::json::{ArrayPath, Limits, Splitter};
///
/// # fn main() -> Result<(), appsec_http::json::SplitError> {
/// let mut splitter = Splitter::new(ArrayPath::Field("findings"), Limits::new());
/// let mut elements = Vec::new();
/// for chunk in [r#"{"scan": 7, "fin"#, r#"dings": [{"id": 1}, {"#, r#""id": 2}]}"#] {
///     splitter.feed(chunk.into());
///     while let Some(element) = splitter.next_element()? {
///         elements.push(element);
///     }
/// }
/// let rest = splitter.finish()?;
/// assert_eq!(elements, [r#"{"id": 1}"#, r#"{"id": 2}"#]);
/// assert_eq!(rest.map(|rest| rest.get().to_owned()).as_deref(), Some(r#"{"scan":7}"#));
/// # Ok(())
/// # }
/// ```
pub struct Splitter {
    at: ArrayPath,
    limits: Limits,
    state: State,
    tokenizer: Tokenizer,
    chunks: Chunks,
    /// The beginning of the current value, from earlier chunks.
    partial: BytesMut,
    /// The current element continues in the next chunk, and has been tried in the current one.
    put_off: bool,
    /// Whether the caller wants an element that exceeds a limit to be skipped.
    skips: bool,
    /// The limit that the current element exceeds, while its end is searched.
    skipping: Option<SplitErrorKind>,
    /// How many of the bytes that are not consumed the tokenizer has read of a value that exceeds a limit,
    /// and whether the value ends with them.
    tokenized: (usize, bool),
    rest: Vec<u8>,
    /// The name of the array, once it has begun.
    array: Option<&'static str>,
    /// The last member of one of the array's names.
    candidate: Option<&'static str>,
    /// The first member of one of the array's names that is not an array.
    no_array: Option<(&'static str, SplitErrorKind)>,
    /// The names of the array that have occurred.
    seen: Vec<&'static str>,
    finished_rest: Option<Box<RawValue>>,
    failed: Option<SplitError>,
    known: Option<Arc<dyn KnownBlocks>>,
    /// The members of the element returned last.
    members: Vec<Member>,
}

/// What the splitter expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Within the byte order mark, which has this byte next.
    ByteOrderMark(u8),
    FirstName,
    NextName,
    Name,
    Colon {
        wanted: bool,
    },
    Member {
        wanted: bool,
    },
    Beside,
    AfterMember,
    FirstElement,
    NextElement,
    Element,
    AfterElement,
    End,
}

impl Splitter {
    /// Returns a splitter for a new document.
    pub fn new(at: ArrayPath, limits: Limits) -> Self {
        Self {
            at,
            limits,
            state: State::Start,
            tokenizer: Tokenizer::default(),
            chunks: Chunks::default(),
            partial: BytesMut::new(),
            put_off: false,
            skips: false,
            skipping: None,
            tokenized: (0, false),
            rest: vec![b'{'],
            array: None,
            candidate: None,
            no_array: None,
            seen: Vec::new(),
            finished_rest: None,
            failed: None,
            known: None,
            members: Vec::new(),
        }
    }

    /// Skips objects that are known, and records the positions of the [members](Self::members) of elements.
    /// See [`KnownBlocks`].
    pub fn with_known_blocks(mut self, known: Arc<dyn KnownBlocks>) -> Self {
        self.known = Some(known);
        self
    }

    /// The members of the element that [`next_element`](Self::next_element) returned last, in their order.
    /// It is empty without [`with_known_blocks`](Self::with_known_blocks), and for an element that is not
    /// an object, has no members or more than 64, is nested close to the limit, is not well formed, or has
    /// escapes in names. The values are not checked to be valid JSON.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Takes the next chunk of the document, of any length. Call [`next_element`](Self::next_element) until
    /// it returns `None` before the next chunk; otherwise chunks have to be copied together.
    pub fn feed(&mut self, part: Bytes) {
        self.chunks.feed(part);
        if self.failed.is_none() && self.chunks.arrived() > self.limits.total_bytes() {
            self.fail(SplitErrorKind::TotalTooLarge(self.limits.total_bytes()));
        }
    }

    /// Returns the next element, or `None` if more of the document is needed or there are no more elements.
    ///
    /// An element within one chunk is a view of it and keeps the chunk in memory; otherwise it is a copy.
    ///
    /// # Errors
    /// If the document is refused; from then on the error stays the same.
    pub fn next_element(&mut self) -> Result<Option<Bytes>, SplitError> {
        let Some(found) = self.next_with(false)? else { return Ok(None) };
        found.map(Some).map_err(|kind| self.fail(kind))
    }

    /// As [`next_element`](Self::next_element), but an element that is nested too deep or is too large does
    /// not end the document: its end is searched, none of it is kept, and the inner error tells the limit.
    /// Its brackets have to match as those of every other element.
    ///
    /// # Errors
    /// As those of [`next_element`](Self::next_element) otherwise. An element nested more than
    /// [`Limits::MAX_SKIPPED_DEPTH`] deep ends the document.
    pub fn next_element_or_skipped(&mut self) -> Result<Option<Result<Bytes, SplitErrorKind>>, SplitError> {
        self.next_with(true)
    }

    fn next_with(&mut self, skips: bool) -> Result<Option<Result<Bytes, SplitErrorKind>>, SplitError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.skips = skips;
        self.advance().map_err(|kind| self.fail(kind))
    }

    /// Ends the document, and returns the object around the array without the array; `None` for
    /// [`ArrayPath::Root`]. Members keep their order and spelling; space between them is removed.
    ///
    /// # Errors
    /// If the array or the object around it is not closed, or elements are left.
    pub fn finish(mut self) -> Result<Option<Box<RawValue>>, SplitError> {
        if self.next_element()?.is_some() || self.state != State::End {
            return Err(self.fail(SplitErrorKind::Truncated));
        }
        Ok(self.finished_rest)
    }

    /// The name of the member that is the array, or that should be. `None` for [`ArrayPath::Root`], and
    /// before there is one.
    pub fn array_name(&self) -> Option<&'static str> {
        self.array.or(self.no_array.map(|(name, _)| name))
    }

    /// The members of an object that is refused only because it holds no array.
    pub(crate) fn rest_without_array(&self) -> Option<Box<RawValue>> {
        self.finished_rest.clone().filter(|_| self.array.is_none())
    }

    fn fail(&mut self, kind: SplitErrorKind) -> SplitError {
        let error = SplitError::new(kind, self.chunks.offset());
        *self.failed.insert(error)
    }

    fn advance(&mut self) -> Result<Option<Result<Bytes, SplitErrorKind>>, SplitErrorKind> {
        loop {
            let element = self.read_on()?;
            if element.is_some() || !self.chunks.advance() {
                return Ok(element);
            }
        }
    }

    /// The next element, within the current chunk.
    fn read_on(&mut self) -> Result<Option<Result<Bytes, SplitErrorKind>>, SplitErrorKind> {
        loop {
            self.chunks.advance();
            match self.state {
                State::Element => {
                    let element = self.element_or_skipped()?;
                    if element.is_some() {
                        self.state = State::AfterElement;
                    }
                    return Ok(element);
                }
                State::Name => {
                    let Some(name) = self.value_of_rest()? else { return Ok(None) };
                    self.name(&name)?;
                }
                State::Beside => {
                    let Some(value) = self.value_of_rest()? else { return Ok(None) };
                    self.rest.extend_from_slice(&value);
                    self.state = State::AfterMember;
                }
                _ => {
                    let left = self.chunks.left();
                    let space = left.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
                    self.chunks.skip(space.unwrap_or(left.len()));
                    let Some(&byte) = self.chunks.left().first() else { return Ok(None) };
                    self.punctuation(byte)?;
                }
            }
        }
    }

    /// Reads one byte between values, or finds that a value begins with it.
    fn punctuation(&mut self, byte: u8) -> Result<(), SplitErrorKind> {
        let found = Found(byte);
        self.state = match (self.state, byte) {
            // A byte order mark before the document is no part of it.
            (State::Start, 0xef) if self.chunks.offset() == 0 => State::ByteOrderMark(0xbb),
            (State::ByteOrderMark(0xbb), 0xbb) => State::ByteOrderMark(0xbf),
            (State::ByteOrderMark(0xbf), 0xbf) => State::Start,
            (State::Start, b'[') if self.at == ArrayPath::Root => State::FirstElement,
            (State::Start, b'{') if self.at != ArrayPath::Root => State::FirstName,
            (State::Start, _) => match self.at {
                ArrayPath::Root => return Err(SplitErrorKind::NotAnArray(found)),
                _ => return Err(SplitErrorKind::NotAnObject(found)),
            },
            (State::FirstName | State::NextName, b'"') => return self.begin(State::Name, found),
            (State::FirstName | State::AfterMember, b'}') => self.close_object()?,
            (State::Colon { wanted }, b':') => State::Member { wanted },
            (State::Member { wanted: true }, b'[') => {
                self.array = self.candidate;
                State::FirstElement
            }
            (State::Member { wanted: true }, _) => return self.no_array(found),
            (State::Member { wanted: false }, _) => return self.begin(State::Beside, found),
            (State::AfterMember, b',') => State::NextName,
            (State::FirstElement | State::AfterElement, b']') => match self.at {
                ArrayPath::Root => State::End,
                _ => State::AfterMember,
            },
            (State::FirstElement | State::NextElement, _) => return self.begin(State::Element, found),
            (State::AfterElement, b',') => State::NextElement,
            (State::End, _) => return Err(SplitErrorKind::Trailing(found)),
            (state, _) => return Err(SplitErrorKind::Unexpected { expected: state.expects(), found }),
        };
        self.chunks.skip(1);
        Ok(())
    }

    /// Begins a value with this byte, which is not consumed.
    fn begin(&mut self, state: State, first: Found) -> Result<(), SplitErrorKind> {
        self.tokenizer = Tokenizer::new(first.0)
            .ok_or(SplitErrorKind::Unexpected { expected: self.state.expects(), found: first })?;
        self.state = state;
        self.members.clear();
        self.put_off = false;
        Ok(())
    }

    /// Takes the complete name of a member.
    fn name(&mut self, raw: &[u8]) -> Result<(), SplitErrorKind> {
        let name: String = serde_json::from_slice(raw).map_err(|_| SplitErrorKind::InvalidRest)?;
        self.candidate = self.names().iter().copied().find(|candidate| *candidate == name);
        let mut wanted = false;
        if let Some(candidate) = self.candidate {
            if self.seen.contains(&candidate)
                || self.array.is_some_and(|array| self.is_before(candidate, array))
            {
                return Err(SplitErrorKind::DuplicateField(candidate));
            }
            self.seen.push(candidate);
            wanted = self.array.is_none();
        }
        if !wanted {
            self.begin_rest_member(raw);
        }
        self.state = State::Colon { wanted };
        Ok(())
    }

    /// The names that the array may have, the most likely first.
    fn names(&self) -> &[&'static str] {
        match &self.at {
            ArrayPath::Root => &[],
            ArrayPath::Field(name) => std::slice::from_ref(name),
            ArrayPath::FirstOf(names) => names,
        }
    }

    fn is_before(&self, one: &str, other: &str) -> bool {
        self.names().iter().find(|name| **name == one || **name == other).is_some_and(|first| *first == one)
    }

    fn begin_rest_member(&mut self, name: &[u8]) {
        if self.rest.len() > 1 {
            self.rest.push(b',');
        }
        self.rest.extend_from_slice(name);
        self.rest.push(b':');
    }

    /// Takes the beginning of a member of one of the array's names that is not an array.
    fn no_array(&mut self, found: Found) -> Result<(), SplitErrorKind> {
        let name = self.candidate.unwrap_or_default();
        let kind =
            if found.0 == b'n' { SplitErrorKind::NullField(name) } else { SplitErrorKind::NotAnArray(found) };
        self.no_array.get_or_insert((name, kind));
        if !matches!(self.at, ArrayPath::FirstOf(_)) {
            return Err(kind);
        }
        self.begin_rest_member(format!("\"{name}\"").as_bytes());
        self.state = State::Member { wanted: false };
        self.begin(State::Beside, found)
    }

    fn close_object(&mut self) -> Result<State, SplitErrorKind> {
        self.rest.push(b'}');
        let rest =
            String::from_utf8(std::mem::take(&mut self.rest)).map_err(|_| SplitErrorKind::InvalidRest)?;
        self.finished_rest = Some(RawValue::from_string(rest).map_err(|_| SplitErrorKind::InvalidRest)?);
        if self.array.is_none() {
            let missing = SplitErrorKind::MissingField(self.names().first().copied().unwrap_or_default());
            return Err(self.no_array.map_or(missing, |(_, kind)| kind));
        }
        Ok(State::End)
    }

    fn value_of_rest(&mut self) -> Result<Option<Bytes>, SplitErrorKind> {
        let limit = self.limits.rest_bytes();
        self.value(limit.saturating_sub(self.rest.len()), SplitErrorKind::RestTooLarge(limit))
    }

    /// The current element, or the limit that it exceeds if it is skipped, once its end has arrived.
    fn element_or_skipped(&mut self) -> Result<Option<Result<Bytes, SplitErrorKind>>, SplitErrorKind> {
        let exceeded = match self.skipping {
            Some(limit) => limit,
            None => match self.element() {
                Ok(element) => return Ok(element.map(Ok)),
                Err(limit @ (SplitErrorKind::TooDeep(_) | SplitErrorKind::ElementTooLarge(_)))
                    if self.skips =>
                {
                    self.partial.clear();
                    self.members.clear();
                    *self.skipping.insert(limit)
                }
                Err(error) => return Err(error),
            },
        };
        let (tokenized, mut ended) = std::mem::take(&mut self.tokenized);
        self.chunks.skip(tokenized);
        if !ended {
            let left = self.chunks.left();
            let end = self.tokenizer.run(left, Limits::MAX_SKIPPED_DEPTH).map_err(|(_, kind)| kind)?;
            ended = end.is_some();
            let length = end.unwrap_or(left.len());
            self.chunks.skip(length);
        }
        if ended {
            self.skipping = None;
        }
        Ok(ended.then_some(Err(exceeded)))
    }

    /// The current element, once its end has arrived.
    fn element(&mut self) -> Result<Option<Bytes>, SplitErrorKind> {
        let limit = self.limits.element_bytes();
        let depth = self.limits.depth();
        let Some(known) = &self.known else {
            return self.value(limit, SplitErrorKind::ElementTooLarge(limit));
        };
        // Fast path: nearly all elements lie within one chunk, where their end and their members are found
        // in one pass, and nearly all others do so together with the beginning of the next chunk.
        if self.partial.is_empty() {
            let left = self.chunks.left();
            match read_members(left, depth, &**known, &mut self.members) {
                Ok(length) if length <= limit => return Ok(Some(self.chunks.take(length))),
                Err(NoMembers::Incomplete) if !self.put_off && left.len() <= limit.min(OVERLAP) => {
                    self.put_off = true;
                    return Ok(None);
                }
                _ => {}
            }
        }
        let known = Arc::clone(known);
        let element = self.value(limit, SplitErrorKind::ElementTooLarge(limit))?;
        if let Some(element) = &element {
            // An unusual element has no recorded members, and is an element all the same.
            let _ = read_members(element, depth, &*known, &mut self.members);
        }
        Ok(element)
    }

    /// The current value, once its end has arrived.
    fn value(&mut self, limit: usize, too_large: SplitErrorKind) -> Result<Option<Bytes>, SplitErrorKind> {
        let (length, ended) = match self.tokenizer.run(self.chunks.left(), self.limits.depth()) {
            Ok(Some(length)) => (length, true),
            Ok(None) => (self.chunks.left().len(), false),
            Err((length, kind)) => {
                self.chunks.skip(length);
                self.tokenized = (0, false);
                return Err(kind);
            }
        };
        if self.partial.len() + length > limit {
            self.tokenized = (length, ended);
            return Err(too_large);
        }
        let piece = self.chunks.take(length);
        if ended && self.partial.is_empty() {
            return Ok(Some(piece));
        }
        self.partial.extend_from_slice(&piece);
        Ok(ended.then(|| self.partial.split().freeze()))
    }
}

impl fmt::Debug for Splitter {
    /// Omits the document, which is long and not for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splitter")
            .field("at", &self.at)
            .field("state", &self.state)
            .field("offset", &self.chunks.offset())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl State {
    fn expects(self) -> &'static str {
        match self {
            Self::Start | Self::ByteOrderMark(_) => "an array or an object",
            Self::FirstName => "a member's name or `}`",
            Self::NextName | Self::Name => "a member's name",
            Self::Colon { .. } => "`:`",
            Self::FirstElement => "a value or `]`",
            Self::NextElement | Self::Element | Self::Member { .. } | Self::Beside => "a value",
            Self::AfterMember => "`,` or `}`",
            Self::AfterElement => "`,` or `]`",
            Self::End => "nothing",
        }
    }
}
