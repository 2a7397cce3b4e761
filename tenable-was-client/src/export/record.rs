//! A record's members as serde takes them, one by one, without a decoder that looks at all of it again.
//!
//! Where the members stand is known once their ends were found. Texts are read in one step, since most are plain; what is known is
//! given as absent, to be put in its place afterwards; the rest goes to the JSON decoder by itself.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use appsec_http::Element;
use serde::de::value::{BorrowedStrDeserializer, StringDeserializer, UnitDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error;

use super::known::{KnownPlugins, Recent};
use super::span::Members;
use super::text;
use crate::model::{ExportAsset, ExportPlugin, ExportScan};

/// The members of one record. Accepts what a decoder of the whole record accepts, or less: then that one has to decide.
pub(super) struct Record<'a> {
    members: Members<'a>,
    /// The record before the known object in it, and what comes after it, from this place. The object itself was text before.
    head: &'a str,
    tail: &'a str,
    tail_at: usize,
    name: &'a str,
    value: Range<usize>,
    tables: Tables<'a>,
    pub(super) parts: Parts,
}

/// Where members are looked up.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) element: &'a Element,
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
    /// `None` for bytes that are no text.
    pub(super) fn new(tables: Tables<'a>) -> Option<Self> {
        let Element { bytes, block, .. } = tables.element;
        let known = block.as_ref().map(|block| &block.span);
        let (head, tail) = known.map_or((0..bytes.len(), bytes.len()), |known| (0..known.start, known.end));
        Some(Self {
            members: Members::of(bytes, known),
            head: std::str::from_utf8(bytes.get(head)?).ok()?,
            tail: std::str::from_utf8(bytes.get(tail..)?).ok()?,
            tail_at: tail,
            name: "",
            value: 0..0,
            tables,
            parts: Parts::default(),
        })
    }

    /// True once all members were taken and nothing was wrong between them.
    pub(super) fn is_whole(&self) -> bool {
        self.members.is_whole()
    }

    fn text(&self, span: Range<usize>) -> Result<&'a str, Error> {
        let text = match span.start.checked_sub(self.tail_at) {
            Some(start) => self.tail.get(start..span.end - self.tail_at),
            None => self.head.get(span),
        };
        text.ok_or_else(|| Error::custom("a known object that is none of the record's"))
    }

    /// Looks the present member up; true where it need not be decoded.
    fn is_known(&mut self) -> bool {
        let (span, tables) = (&self.value, self.tables);
        let bytes = || tables.element.bytes.get(span.clone()).unwrap_or_default();
        match self.name {
            "plugin" => {
                let block = tables.element.block.as_ref().filter(|block| block.span == *span);
                self.parts.plugin.find(span, || match block {
                    Some(block) => tables.plugins.get(block.key),
                    None => tables.plugins.of(bytes()),
                })
            }
            "asset" => self.parts.asset.find(span, || tables.assets.get(bytes())),
            "scan" => self.parts.scan.find(span, || tables.scans.get(bytes())),
            _ => false,
        }
    }
}

impl<'de> MapAccess<'de> for Record<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.value = value;
        let quoted = self.text(name)?;
        if let Some(Cow::Borrowed(name)) = text::read(quoted) {
            self.name = name;
            return seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some);
        }
        // A name with escapes is none that anything is known of.
        self.name = "";
        seed.deserialize(StringDeserializer::new(serde_json::from_str(quoted)?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        if self.is_known() {
            return seed.deserialize(UnitDeserializer::new());
        }
        let value = self.text(self.value.clone())?;
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
