//! Passes the members of a record to serde one by one, without a JSON decoder that reads all bytes again.
//!
//! The splitter recorded the positions of the members while it searched for the end of the record. Strings
//! are read in one step, since most have no escapes. A member that was decoded before is passed as absent,
//! and is put in its place afterwards. Every other value is decoded by itself.

use std::borrow::Cow;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use appsec_http::Element;
use appsec_http::json::{Member, MemberKind};
use serde::de::value::{BorrowedStrDeserializer, UnitDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Error;

use super::json_string;
use super::plugin_cache::PluginCache;
use super::recent_objects::RecentObjects;
use crate::model::{ExportAsset, ExportPlugin, ExportScan};

/// The members of one record. It accepts at most what a decoder of the complete record accepts; that one
/// decides on whatever is refused here.
pub(super) struct RecordMembers<'a> {
    members: slice::Iter<'a, Member>,
    current: Option<&'a Member>,
    /// The text before and after the known object of the record. The object itself was checked for UTF-8
    /// when it was first decoded.
    head: &'a str,
    tail: &'a str,
    tail_start: usize,
    caches: Caches<'a>,
    pub(super) shared: SharedMembers,
}

/// The record, and the caches in which its members are looked up.
#[derive(Clone, Copy)]
pub(super) struct Caches<'a> {
    pub(super) element: &'a Element<'a>,
    pub(super) plugins: &'a PluginCache,
    pub(super) assets: &'a RecentObjects<ExportAsset>,
    pub(super) scans: &'a RecentObjects<ExportScan>,
}

/// The members that may have been decoded before.
#[derive(Default)]
pub(super) struct SharedMembers {
    pub(super) plugin: SharedMember<ExportPlugin>,
    pub(super) asset: SharedMember<ExportAsset>,
    pub(super) scan: SharedMember<ExportScan>,
}

/// A member that may have been decoded before.
pub(super) struct SharedMember<T> {
    span: Range<usize>,
    cached: Option<Arc<T>>,
}

impl<T> Default for SharedMember<T> {
    fn default() -> Self {
        Self { span: 0..0, cached: None }
    }
}

impl<T> SharedMember<T> {
    /// Looks the member up. The second member of a name is not looked up, so that the decoder refuses the
    /// record.
    fn find(&mut self, span: &Range<usize>, look_up: impl FnOnce() -> Option<Arc<T>>) -> bool {
        if !self.span.is_empty() {
            return false;
        }
        self.span = span.clone();
        self.cached = look_up();
        self.cached.is_some()
    }

    /// Puts a cached member into its field. Returns a member that was decoded, so that it can be cached.
    pub(super) fn restore(self, to: &mut Option<Arc<T>>) -> Option<(Range<usize>, &Arc<T>)> {
        if let Some(cached) = self.cached {
            *to = Some(cached);
            return None;
        }
        to.as_ref().filter(|_| !self.span.is_empty()).map(|decoded| (self.span, decoded))
    }
}

impl<'a> RecordMembers<'a> {
    /// Returns `None` if the bytes are not UTF-8, or if the positions of the members are not known.
    pub(super) fn new(caches: Caches<'a>) -> Option<Self> {
        let Element { bytes, members, .. } = caches.element;
        if members.is_empty() {
            return None;
        }
        let known = members.iter().find(|member| matches!(member.kind, MemberKind::Known(_)));
        let (head_end, tail_start) =
            known.map_or((bytes.len(), bytes.len()), |known| (known.value.start, known.value.end));
        Some(Self {
            members: members.iter(),
            current: None,
            head: std::str::from_utf8(bytes.get(..head_end)?).ok()?,
            tail: std::str::from_utf8(bytes.get(tail_start..)?).ok()?,
            tail_start,
            caches,
            shared: SharedMembers::default(),
        })
    }

    fn text(&self, span: Range<usize>) -> Result<&'a str, Error> {
        let text = match span.start.checked_sub(self.tail_start) {
            Some(start) => self.tail.get(start..span.end - self.tail_start),
            None => self.head.get(span),
        };
        text.ok_or_else(|| Error::custom("a member within the known object"))
    }

    /// Looks a member up. Returns true if it need not be decoded.
    fn find_cached(&mut self, member: &Member) -> bool {
        let (span, caches) = (&member.value, self.caches);
        let bytes = |span: &Range<usize>| caches.element.bytes.get(span.clone()).unwrap_or_default();
        match bytes(&member.name) {
            b"plugin" => self.shared.plugin.find(span, || match member.kind {
                MemberKind::Known(key) => caches.plugins.get(key),
                _ => None,
            }),
            b"asset" => self.shared.asset.find(span, || caches.assets.get(bytes(span))),
            b"scan" => self.shared.scan.find(span, || caches.scans.get(bytes(span))),
            _ => false,
        }
    }
}

impl<'de> MapAccess<'de> for RecordMembers<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.current = self.members.next();
        let Some(member) = self.current else { return Ok(None) };
        seed.deserialize(BorrowedStrDeserializer::new(self.text(member.name.clone())?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let member = self.current.ok_or_else(|| Error::custom("a value without a name"))?;
        if member.kind == MemberKind::Text {
            let text = self.text(member.value.start + 1..member.value.end - 1)?;
            return seed.deserialize(StrDeserializer(Cow::Borrowed(text)));
        }
        if self.find_cached(member) {
            return seed.deserialize(UnitDeserializer::new());
        }
        let value = self.text(member.value.clone())?;
        if let Some(text) = json_string::unescape(value) {
            return seed.deserialize(StrDeserializer(text));
        }
        let mut decoder = serde_json::Deserializer::from_str(value);
        let value = seed.deserialize(&mut decoder)?;
        decoder.end()?;
        Ok(value)
    }
}

/// A string, in the form in which the JSON decoder passes it to serde.
struct StrDeserializer<'de>(Cow<'de, str>);

impl<'de> Deserializer<'de> for StrDeserializer<'de> {
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
