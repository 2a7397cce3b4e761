//! A record's members as serde takes them, one by one, without a decoder that looks at all of it again.
//!
//! Where the members stand was noted when the record's end was looked for. Texts are read in one step, since most are plain; what is known
//! is given as absent, to be put in its place afterwards; the rest goes to the JSON decoder by itself.

use std::borrow::Cow;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use appsec_http::{Element, Member, MemberKind};
use serde::de::value::{BorrowedStrDeserializer, UnitDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error;

use super::known::{KnownPlugins, Recent};
use super::text;
use crate::model::{ExportAsset, ExportPlugin, ExportScan};

/// The members of one record. Accepts what a decoder of the whole record accepts, or less: then that one has to decide.
pub(super) struct Record<'a> {
    members: slice::Iter<'a, Member>,
    present: Option<&'a Member>,
    /// The record before the known object in it, and what comes after it, from this place. The object itself was text before.
    head: &'a str,
    tail: &'a str,
    tail_at: usize,
    tables: Tables<'a>,
    pub(super) parts: Parts,
}

/// Where members are looked up.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) element: &'a Element<'a>,
    pub(super) plugins: &'a KnownPlugins,
    pub(super) assets: &'a Recent<ExportAsset>,
    pub(super) scans: &'a Recent<ExportScan>,
}

/// Members that may have been decoded before.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) plugin: Part<ExportPlugin>,
    pub(super) asset: Part<ExportAsset>,
    pub(super) scan: Part<ExportScan>,
}

/// A member that may have been decoded before.
pub(super) struct Part<T> {
    span: Range<usize>,
    known: Option<Arc<T>>,
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self { span: 0..0, known: None }
    }
}

impl<T> Part<T> {
    /// Looks the member up, unless there was one before: a record with two is for the decoder to refuse.
    fn find(&mut self, span: &Range<usize>, known: impl FnOnce() -> Option<Arc<T>>) -> bool {
        if !self.span.is_empty() {
            return false;
        }
        self.span = span.clone();
        self.known = known();
        self.known.is_some()
    }

    /// Puts the member in its place where it was known; where it was not, gives what was decoded, to be remembered.
    pub(super) fn put_back(self, to: &mut Option<Arc<T>>) -> Option<(Range<usize>, &Arc<T>)> {
        if let Some(known) = self.known {
            *to = Some(known);
            return None;
        }
        to.as_ref().filter(|_| !self.span.is_empty()).map(|decoded| (self.span, decoded))
    }
}

impl<'a> Record<'a> {
    /// `None` for bytes that are no text, and where it was not noted where the members stand.
    pub(super) fn new(tables: Tables<'a>) -> Option<Self> {
        let Element { bytes, members, .. } = tables.element;
        if members.is_empty() {
            return None;
        }
        let known = members.iter().find(|member| matches!(member.kind, MemberKind::Known(_)));
        let (head_end, tail_at) =
            known.map_or((bytes.len(), bytes.len()), |known| (known.value.start, known.value.end));
        Some(Self {
            members: members.iter(),
            present: None,
            head: std::str::from_utf8(bytes.get(..head_end)?).ok()?,
            tail: std::str::from_utf8(bytes.get(tail_at..)?).ok()?,
            tail_at,
            tables,
            parts: Parts::default(),
        })
    }

    fn text(&self, span: Range<usize>) -> Result<&'a str, Error> {
        let text = match span.start.checked_sub(self.tail_at) {
            Some(start) => self.tail.get(start..span.end - self.tail_at),
            None => self.head.get(span),
        };
        text.ok_or_else(|| Error::custom("a known object that is none of the record's"))
    }

    /// Looks a member up; true where it need not be decoded.
    fn is_known(&mut self, member: &Member) -> bool {
        let (span, tables) = (&member.value, self.tables);
        let bytes = |span: &Range<usize>| tables.element.bytes.get(span.clone()).unwrap_or_default();
        match bytes(&member.name) {
            b"plugin" => self.parts.plugin.find(span, || match member.kind {
                MemberKind::Known(key) => tables.plugins.get(key),
                _ => None,
            }),
            b"asset" => self.parts.asset.find(span, || tables.assets.get(bytes(span))),
            b"scan" => self.parts.scan.find(span, || tables.scans.get(bytes(span))),
            _ => false,
        }
    }
}

impl<'de> MapAccess<'de> for Record<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.present = self.members.next();
        let Some(member) = self.present else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(self.text(member.name.clone())?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let member = self.present.ok_or_else(|| Error::custom("a value without a name"))?;
        if member.kind == MemberKind::Text {
            let text = self.text(member.value.start + 1..member.value.end - 1)?;
            return seed.deserialize(Text(Cow::Borrowed(text)));
        }
        if self.is_known(member) {
            return seed.deserialize(UnitDeserializer::new());
        }
        let value = self.text(member.value.clone())?;
        if let Some(text) = text::read(value) {
            return seed.deserialize(Text(text));
        }
        let mut decoder = serde_json::Deserializer::from_str(value);
        let value = seed.deserialize(&mut decoder)?;
        decoder.end()?;
        Ok(value)
    }
}

/// A text, as the JSON decoder would give it.
struct Text<'de>(Cow<'de, str>);

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
