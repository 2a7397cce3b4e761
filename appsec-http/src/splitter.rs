//! Finds the elements of a JSON array while its bytes arrive, without holding or decoding the document.
//!
//! The splitter is strict about what it looks at and leaves the rest to the decoder of the elements. It proves that
//! the array and the object around it are well formed down to the elements' borders: commas, colons, brackets that
//! match, strings that end, nothing after the end. It does not look into an element beyond its brackets and strings;
//! whoever takes an element decodes it. Both together accept exactly what a decoder of the whole document accepts, but for
//! how deep it may be nested.
//!
//! ```
//! use appsec_http::At;
//! use appsec_http::splitter::{Limits, Splitter};
//!
//! # fn main() -> Result<(), appsec_http::splitter::SplitError> {
//! let mut splitter = Splitter::new(At::Field("findings"), Limits::new());
//! let mut elements = Vec::new();
//! for chunk in [r#"{"scan": 7, "fin"#, r#"dings": [{"id": 1}, {"#, r#""id": 2}]}"#] {
//!     splitter.feed(chunk.into());
//!     while let Some(element) = splitter.next_element()? {
//!         elements.push(element);
//!     }
//! }
//! let rest = splitter.finish()?;
//! assert_eq!(elements, [r#"{"id": 1}"#, r#"{"id": 2}"#]);
//! assert_eq!(rest.map(|rest| rest.get().to_owned()).as_deref(), Some(r#"{"scan":7}"#));
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::elements::At;
use crate::known::KnownBlocks;
use crate::outline::{Member, Odd, outline};
use crate::parts::{Parts, SEAM};
use crate::scan::Scan;

/// How much of a document a [`Splitter`] puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    depth: u32,
    element_bytes: usize,
    rest_bytes: usize,
    total_bytes: u64,
}

impl Limits {
    /// The deepest nesting that can be asked for.
    pub const MAX_DEPTH: u32 = 128;

    /// The defaults, as each `with_` method states them.
    pub const fn new() -> Self {
        Self { depth: Self::MAX_DEPTH, element_bytes: 8 << 20, rest_bytes: 8 << 20, total_bytes: u64::MAX }
    }

    /// How many arrays and objects may be open at once within one element. Default and most:
    /// [`MAX_DEPTH`](Self::MAX_DEPTH).
    pub const fn with_depth(mut self, depth: u32) -> Self {
        self.depth = if depth < Self::MAX_DEPTH { depth } else { Self::MAX_DEPTH };
        self
    }

    /// How many bytes one element may have. Default: 8 MiB.
    pub const fn with_element_bytes(mut self, bytes: usize) -> Self {
        self.element_bytes = bytes;
        self
    }

    /// How many bytes what stands beside the array may have. Default: 8 MiB.
    pub const fn with_rest_bytes(mut self, bytes: usize) -> Self {
        self.rest_bytes = bytes;
        self
    }

    /// How many bytes the document may have. Default: any number.
    pub const fn with_total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = bytes;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a document is refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at byte {offset})")]
pub struct SplitError {
    kind: SplitErrorKind,
    offset: u64,
}

impl SplitError {
    /// What is wrong.
    pub fn kind(&self) -> SplitErrorKind {
        self.kind
    }

    /// How many bytes of the document precede the place.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitErrorKind {
    /// The document, or the member where the array should be, is something else.
    #[error("expected an array, found {0}")]
    NotAnArray(Found),
    /// The document should be an object that holds the array, and is something else.
    #[error("expected an object, found {0}")]
    NotAnObject(Found),
    /// The object has no member of the array's name.
    #[error("the object has no member {0:?}")]
    MissingField(&'static str),
    /// The array's member begins as `null` does. It is no empty array: `null` counts as absent, and an absent list
    /// proves nothing.
    #[error("the member {0:?} is null instead of an array")]
    NullField(&'static str),
    /// The array's member is there twice.
    #[error("the object has the member {0:?} twice")]
    DuplicateField(&'static str),
    /// A comma, colon, bracket or value is missing, or there is one too many.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What would be right here.
        expected: &'static str,
        /// What is here.
        found: Found,
    },
    /// A bracket closes what another kind of bracket opened.
    #[error("{0} closes a bracket of the other kind")]
    Mismatched(Found),
    /// A member's name, or what stands beside the array, is no valid JSON.
    #[error("what stands beside the array is not valid JSON")]
    InvalidRest,
    /// Something follows the end of the document.
    #[error("the document goes on after its end with {0}")]
    Trailing(Found),
    /// The document stops before its end.
    #[error("the document is cut short")]
    Truncated,
    /// [`Limits::with_depth`].
    #[error("nested more than {0} deep")]
    TooDeep(u32),
    /// [`Limits::with_element_bytes`].
    #[error("an element has more than {0} bytes")]
    ElementTooLarge(usize),
    /// [`Limits::with_rest_bytes`].
    #[error("what stands beside the array has more than {0} bytes")]
    RestTooLarge(usize),
    /// [`Limits::with_total_bytes`].
    #[error("the document has more than {0} bytes")]
    TotalTooLarge(u64),
}

/// A byte where another one should be; prints as a character where it is one that can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found(pub u8);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_ascii_graphic() {
            write!(f, "`{}`", char::from(self.0))
        } else {
            write!(f, "byte 0x{:02x}", self.0)
        }
    }
}

/// Splits one document. See the [module](self).
pub struct Splitter {
    at: At,
    limits: Limits,
    state: State,
    scan: Scan,
    parts: Parts,
    /// The beginning of the present value, from earlier parts.
    partial: BytesMut,
    /// The present element was found to go on in the next part.
    put_off: bool,
    rest: Vec<u8>,
    found_field: bool,
    finished_rest: Option<Box<RawValue>>,
    failed: Option<SplitError>,
    known: Option<Arc<dyn KnownBlocks>>,
    /// Those of the element that was given last.
    members: Vec<Member>,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    FirstName,
    NextName,
    Name,
    Colon { wanted: bool },
    Member { wanted: bool },
    Beside,
    AfterMember,
    FirstElement,
    NextElement,
    Element,
    AfterElement,
    End,
}

impl Splitter {
    /// A splitter for a document of which nothing has arrived.
    pub fn new(at: At, limits: Limits) -> Self {
        Self {
            at,
            limits,
            state: State::Start,
            scan: Scan::default(),
            parts: Parts::default(),
            partial: BytesMut::new(),
            put_off: false,
            rest: vec![b'{'],
            found_field: false,
            finished_rest: None,
            failed: None,
            known: None,
            members: Vec::new(),
        }
    }

    /// Passes over objects that are known already, and notes where the [members](Self::members) of elements stand. See [`KnownBlocks`].
    pub fn with_known_blocks(mut self, known: Arc<dyn KnownBlocks>) -> Self {
        self.known = Some(known);
        self
    }

    /// The members of the element that [`next_element`](Self::next_element) gave last, in their order. None without
    /// [`with_known_blocks`](Self::with_known_blocks), and none where anything about the element is out of the ordinary: it is no object,
    /// is empty, its brackets or strings are wrong, has more than 64 members or levels close to the limit, or has escapes in their names.
    /// Whether what stands in them is JSON is for the decoder to say.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Hands over the next part of the document, of any length. Take its elements with
    /// [`next_element`](Self::next_element) before the next part, or parts have to be copied together.
    pub fn feed(&mut self, part: Bytes) {
        self.parts.feed(part);
        if self.failed.is_none() && self.parts.arrived() > self.limits.total_bytes {
            self.fail(SplitErrorKind::TotalTooLarge(self.limits.total_bytes));
        }
    }

    /// The next element, or `None` when more of the document is needed, or there are no more elements.
    ///
    /// An element that lies within one part is a view of it and keeps the part in memory; one that does not is a
    /// copy.
    ///
    /// # Errors
    /// For a document that is refused; from then on always the same.
    pub fn next_element(&mut self) -> Result<Option<Bytes>, SplitError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance().map_err(|kind| self.fail(kind))
    }

    /// Declares the document complete, and gives the object that the array stands in, without the array's member;
    /// `None` for [`At::Root`]. Members keep their order and spelling, the space between them is left out.
    ///
    /// # Errors
    /// Unless the array and all around it were closed, and all elements taken.
    pub fn finish(mut self) -> Result<Option<Box<RawValue>>, SplitError> {
        if self.next_element()?.is_some() || self.state != State::End {
            return Err(self.fail(SplitErrorKind::Truncated));
        }
        Ok(self.finished_rest)
    }

    fn fail(&mut self, kind: SplitErrorKind) -> SplitError {
        let error = SplitError { kind, offset: self.parts.offset() };
        *self.failed.insert(error)
    }

    fn advance(&mut self) -> Result<Option<Bytes>, SplitErrorKind> {
        loop {
            let element = self.read_on()?;
            if element.is_some() || !self.parts.turn() {
                return Ok(element);
            }
        }
    }

    /// The next element, as far as the present part goes.
    fn read_on(&mut self) -> Result<Option<Bytes>, SplitErrorKind> {
        loop {
            self.parts.turn();
            match self.state {
                State::Element => {
                    let element = self.element()?;
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
                    let left = self.parts.left();
                    let space = left.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
                    self.parts.skip(space.unwrap_or(left.len()));
                    let Some(&byte) = self.parts.left().first() else { return Ok(None) };
                    self.punctuation(byte)?;
                }
            }
        }
    }

    /// Takes one byte between values, or finds that a value begins with it.
    fn punctuation(&mut self, byte: u8) -> Result<(), SplitErrorKind> {
        let found = Found(byte);
        self.state = match (self.state, byte) {
            (State::Start, b'[') if self.at == At::Root => State::FirstElement,
            (State::Start, b'{') if self.at != At::Root => State::FirstName,
            (State::Start, _) => match self.at {
                At::Root => return Err(SplitErrorKind::NotAnArray(found)),
                At::Field(_) => return Err(SplitErrorKind::NotAnObject(found)),
            },
            (State::FirstName | State::NextName, b'"') => return self.begin(State::Name, found),
            (State::FirstName | State::AfterMember, b'}') => self.close_object()?,
            (State::Colon { wanted }, b':') => State::Member { wanted },
            (State::Member { wanted: true }, b'[') => State::FirstElement,
            (State::Member { wanted: true }, _) => return Err(self.no_array(found)),
            (State::Member { wanted: false }, _) => return self.begin(State::Beside, found),
            (State::AfterMember, b',') => State::NextName,
            (State::FirstElement | State::AfterElement, b']') => match self.at {
                At::Root => State::End,
                At::Field(_) => State::AfterMember,
            },
            (State::FirstElement | State::NextElement, _) => return self.begin(State::Element, found),
            (State::AfterElement, b',') => State::NextElement,
            (State::End, _) => return Err(SplitErrorKind::Trailing(found)),
            (state, _) => return Err(SplitErrorKind::Unexpected { expected: state.expects(), found }),
        };
        self.parts.skip(1);
        Ok(())
    }

    /// A value begins with this byte, which stays to be scanned.
    fn begin(&mut self, state: State, first: Found) -> Result<(), SplitErrorKind> {
        self.scan = Scan::of(first.0)
            .ok_or(SplitErrorKind::Unexpected { expected: self.state.expects(), found: first })?;
        self.state = state;
        self.members.clear();
        self.put_off = false;
        Ok(())
    }

    /// A member's name is complete.
    fn name(&mut self, raw: &[u8]) -> Result<(), SplitErrorKind> {
        let At::Field(field) = self.at else { return Err(SplitErrorKind::InvalidRest) };
        let name: String = serde_json::from_slice(raw).map_err(|_| SplitErrorKind::InvalidRest)?;
        let wanted = name == field;
        if wanted {
            if self.found_field {
                return Err(SplitErrorKind::DuplicateField(field));
            }
            self.found_field = true;
        } else {
            if self.rest.len() > 1 {
                self.rest.push(b',');
            }
            self.rest.extend_from_slice(raw);
            self.rest.push(b':');
        }
        self.state = State::Colon { wanted };
        Ok(())
    }

    fn no_array(&self, found: Found) -> SplitErrorKind {
        match self.at {
            At::Field(field) if found.0 == b'n' => SplitErrorKind::NullField(field),
            _ => SplitErrorKind::NotAnArray(found),
        }
    }

    fn close_object(&mut self) -> Result<State, SplitErrorKind> {
        if let At::Field(field) = self.at
            && !self.found_field
        {
            return Err(SplitErrorKind::MissingField(field));
        }
        self.rest.push(b'}');
        let rest =
            String::from_utf8(std::mem::take(&mut self.rest)).map_err(|_| SplitErrorKind::InvalidRest)?;
        self.finished_rest = Some(RawValue::from_string(rest).map_err(|_| SplitErrorKind::InvalidRest)?);
        Ok(State::End)
    }

    fn value_of_rest(&mut self) -> Result<Option<Bytes>, SplitErrorKind> {
        let limit = self.limits.rest_bytes;
        self.value(limit.saturating_sub(self.rest.len()), SplitErrorKind::RestTooLarge(limit))
    }

    /// The present element, once its end has arrived.
    fn element(&mut self) -> Result<Option<Bytes>, SplitErrorKind> {
        let limit = self.limits.element_bytes;
        let depth = self.limits.depth;
        let Some(known) = &self.known else {
            return self.value(limit, SplitErrorKind::ElementTooLarge(limit));
        };
        // Nearly all lie whole in what has arrived: then their end and their members are found in one go. Nearly all others do so
        // together with the beginning of the next part.
        if self.partial.is_empty() {
            let left = self.parts.left();
            match outline(left, depth, &**known, &mut self.members) {
                Ok(length) if length <= limit => return Ok(Some(self.parts.take(length))),
                Err(Odd::CutShort) if !self.put_off && left.len() <= limit.min(SEAM) => {
                    self.put_off = true;
                    return Ok(None);
                }
                _ => {}
            }
        }
        let known = Arc::clone(known);
        let element = self.value(limit, SplitErrorKind::ElementTooLarge(limit))?;
        if let Some(element) = &element {
            // What is out of the ordinary has no members noted, and is no less an element.
            let _ = outline(element, depth, &*known, &mut self.members);
        }
        Ok(element)
    }

    /// The present value, once its end has arrived.
    fn value(&mut self, limit: usize, too_large: SplitErrorKind) -> Result<Option<Bytes>, SplitErrorKind> {
        let (length, ended) = match self.scan.run(self.parts.left(), self.limits.depth) {
            Ok(Some(length)) => (length, true),
            Ok(None) => (self.parts.left().len(), false),
            Err((length, kind)) => {
                self.parts.skip(length);
                return Err(kind);
            }
        };
        if self.partial.len() + length > limit {
            return Err(too_large);
        }
        let piece = self.parts.take(length);
        if ended && self.partial.is_empty() {
            return Ok(Some(piece));
        }
        self.partial.extend_from_slice(&piece);
        Ok(ended.then(|| self.partial.split().freeze()))
    }
}

impl fmt::Debug for Splitter {
    /// Leaves out the document: it is long, and not for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splitter")
            .field("at", &self.at)
            .field("state", &self.state)
            .field("offset", &self.parts.offset())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl State {
    fn expects(self) -> &'static str {
        match self {
            Self::Start => "an array or an object",
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
