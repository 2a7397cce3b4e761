//! Decoding records of an export, without decoding the same plugin twice.
//!
//! About four fifths of a record are its plugin, and many records share one (measured on the vendor's example record). A plugin whose bytes
//! equal those of one decoded before is cut out of the record, and the decoded one is shared. Whatever the bytes, the result is the
//! one of decoding the whole record, which a differential test holds it to.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use appsec_http::{Element, Result};

use super::span;
use crate::model::{ExportFinding, ExportPlugin};

/// The bytes of plugins that are remembered at most. A tenant with a few thousand distinct plugins needs half of it.
const MAX_BYTES: usize = 32 << 20;
/// The plugins that are remembered at most.
const MAX_PLUGINS: usize = 20_000;
/// The plugins that may have one hash: more are made on purpose.
const MAX_ALIKE: usize = 16;
/// How much of each end of a plugin is hashed. Equality is decided on all of it.
const SAMPLE: usize = 64;

/// Plugins decoded before, by their bytes. One table serves all walks of a client.
#[derive(Debug, Default)]
pub(crate) struct KnownPlugins {
    hasher: RandomState,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    plugins: HashMap<u64, Vec<Known>>,
    count: usize,
    bytes: usize,
}

type Known = (Box<[u8]>, Arc<ExportPlugin>);

impl KnownPlugins {
    fn get(&self, bytes: &[u8]) -> Option<Arc<ExportPlugin>> {
        let hash = self.hash(bytes);
        // Nothing can panic while the lock is held; a poisoned one is still sound.
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let alike = table.plugins.get(&hash)?;
        alike.iter().find(|(known, _)| **known == *bytes).map(|(_, plugin)| Arc::clone(plugin))
    }

    /// Remembers a plugin, unless the table is full: then it is decoded each time, which is only slower.
    fn insert(&self, bytes: &[u8], plugin: &Arc<ExportPlugin>) {
        let hash = self.hash(bytes);
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        if table.count >= MAX_PLUGINS || table.bytes + bytes.len() > MAX_BYTES {
            return;
        }
        let alike = table.plugins.entry(hash).or_default();
        if alike.len() >= MAX_ALIKE || alike.iter().any(|(known, _)| **known == *bytes) {
            return;
        }
        alike.push((bytes.into(), Arc::clone(plugin)));
        table.count += 1;
        table.bytes += bytes.len();
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        let head = bytes.get(..SAMPLE).unwrap_or(bytes);
        let tail = bytes.get(bytes.len().saturating_sub(SAMPLE)..).unwrap_or_default();
        self.hasher.hash_one((bytes.len(), head, tail))
    }
}

/// Decodes the records of one chunk after another.
#[derive(Debug)]
pub(crate) struct Decoder {
    known: Arc<KnownPlugins>,
    /// The record without its plugin; kept for its room.
    rest: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(known: Arc<KnownPlugins>) -> Self {
        Self { known, rest: Vec::new() }
    }

    /// The record.
    ///
    /// # Errors
    /// `Decode`, with the path, which begins with the element's index.
    pub(crate) fn decode(&mut self, element: &Element, operation: &'static str) -> Result<ExportFinding> {
        let bytes = element.bytes.as_ref();
        let span = span::member(bytes, "plugin");
        if let Some(span) = span.clone()
            && let Some(plugin) = bytes.get(span.clone()).and_then(|plugin| self.known.get(plugin))
        {
            self.rest.clear();
            self.rest.extend_from_slice(bytes.get(..span.start).unwrap_or_default());
            self.rest.extend_from_slice(b"null");
            self.rest.extend_from_slice(bytes.get(span.end..).unwrap_or_default());
            // Where the rest is wrong, the ordinary way finds the words for it.
            if let Ok(mut record) = serde_json::from_slice::<ExportFinding>(&self.rest) {
                record.plugin = Some(plugin);
                return Ok(record);
            }
        }
        let record = element.json::<ExportFinding>(operation)?;
        if let (Some(plugin), Some(bytes)) = (&record.plugin, span.and_then(|span| bytes.get(span))) {
            self.known.insert(bytes, plugin);
        }
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn element(bytes: impl Into<Bytes>) -> Element {
        Element { index: 0, bytes: bytes.into() }
    }

    fn decoder() -> Decoder {
        Decoder::new(Arc::default())
    }

    fn record(number: u64, plugin: &str) -> Element {
        element(format!(r#"{{"finding_id":"f{number}","plugin":{plugin},"url":"https://a/{number}"}}"#))
    }

    #[test]
    fn an_equal_plugin_is_decoded_once_and_shared() {
        let mut decoder = decoder();
        let first = decoder.decode(&record(1, r#"{"id":98104,"name":"XSS"}"#), "t").unwrap();
        let second = decoder.decode(&record(2, r#"{"id":98104,"name":"XSS"}"#), "t").unwrap();
        let other = decoder.decode(&record(3, r#"{"id":98104,"name":"XSS "}"#), "t").unwrap();
        assert!(Arc::ptr_eq(first.plugin.as_ref().unwrap(), second.plugin.as_ref().unwrap()));
        assert!(!Arc::ptr_eq(first.plugin.as_ref().unwrap(), other.plugin.as_ref().unwrap()));
        assert_eq!(second.finding_id.as_deref(), Some("f2"));
        assert_eq!(second.url.as_deref(), Some("https://a/2"));
    }

    #[test]
    fn a_wrong_record_with_a_known_plugin_is_refused_with_its_path() {
        let mut decoder = decoder();
        decoder.decode(&record(1, r#"{"id":1}"#), "t").unwrap();
        for wrong in [
            r#"{"plugin":{"id":1},"asset":{"uuid":7}}"#,
            r#"{"plugin":{"id":1},"plugin":{"id":1}}"#,
            r#"{"plugin":{"id":1},"plug\u0069n":{"id":1}}"#,
            r#"{"plugin":{"id":1}"#,
            r#"{"plugin":{"id":1},}"#,
        ] {
            assert!(decoder.decode(&element(wrong), "t").is_err(), "{wrong}");
        }
        let error = decoder.decode(&element(r#"{"plugin":{"id":1},"asset":{"uuid":7}}"#), "t").unwrap_err();
        assert_eq!(error.path(), Some("[0].asset.uuid"));
    }

    #[test]
    fn the_table_is_bounded_in_bytes_in_plugins_and_in_likeness() {
        let known = KnownPlugins::default();
        let plugin: Arc<ExportPlugin> = Arc::new(serde_json::from_str(r#"{"id":1}"#).unwrap());
        let big = vec![b'x'; MAX_BYTES / 2 + 1];
        known.insert(&big, &plugin);
        known.insert(&[big.as_slice(), b"y"].concat(), &plugin);
        assert_eq!(known.table.read().unwrap().count, 1);
        let known = KnownPlugins::default();
        for number in 0..100_u32 {
            let mut bytes = vec![b'x'; 2 * SAMPLE + 4];
            bytes[SAMPLE..SAMPLE + 4].copy_from_slice(&number.to_be_bytes());
            known.insert(&bytes, &plugin);
        }
        assert_eq!(known.table.read().unwrap().count, MAX_ALIKE, "one hash, and no more than that");
        let known = KnownPlugins::default();
        for number in 0..MAX_PLUGINS + 10 {
            known.insert(&number.to_be_bytes(), &plugin);
        }
        assert_eq!(known.table.read().unwrap().count, MAX_PLUGINS);
    }

    /// Members in any order, known and unknown, of right and of wrong types, with a few plugins that repeat.
    fn records() -> impl Strategy<Value = Vec<String>> {
        let plugin = prop_oneof![
            Just(json!({"id": 1, "name": "a"})),
            Just(json!({"id": 2, "xrefs": [{"type": "x", "id": ["1"]}], "new": {"deep": ["}", "{\""]}})),
            Just(json!({"id": "3", "cvss3_vector": {}, "bid": [105, "6"]})),
            Just(json!({"name": "without id"})),
            Just(json!([])),
            Just(Value::Null),
        ];
        let member = prop_oneof![
            plugin.prop_map(|plugin| ("plugin".to_owned(), plugin)),
            "\\PC{0,8}|[\"\\\\{}]{0,4}".prop_map(|text| ("output".to_owned(), json!(text))),
            Just(("asset".to_owned(), json!({"uuid": "77778888-9999-4aaa-8bbb-ccccddddeeee"}))),
            Just(("asset".to_owned(), json!({"uuid": 3}))),
            Just(("indexed_at".to_owned(), json!(1_540_350_772))),
            ("[a-z\"\\\\]{1,5}", any::<i16>()).prop_map(|(name, value)| (name, json!({"plugin": value}))),
        ];
        let record =
            (proptest::collection::vec(member, 0..5), any::<bool>()).prop_map(|(members, spaced)| {
                let space = if spaced { " \n" } else { "" };
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, value)| format!("{}{space}:{space}{value}", json!(name)))
                    .collect();
                format!("{{{space}{}{space}}}", members.join(&format!("{space},{space}")))
            });
        proptest::collection::vec(record, 1..20)
    }

    proptest! {
        #[test]
        fn every_record_is_what_an_ordinary_decoder_makes_of_it(records in records(), cut in any::<(usize, usize)>()) {
            let mut decoder = decoder();
            for (number, text) in records.iter().enumerate() {
                // Now and then a record is cut short.
                let length = if number % 5 == cut.0 % 5 { cut.1 % (text.len() + 1) } else { text.len() };
                let bytes = &text.as_bytes()[..length];
                let plain = serde_json::from_slice::<ExportFinding>(bytes);
                let ours = decoder.decode(&element(bytes.to_vec()), "t");
                match (plain, ours) {
                    (Ok(plain), Ok(ours)) => prop_assert_eq!(ours, plain),
                    (Err(_), Err(error)) => prop_assert!(error.path().is_some()),
                    (plain, ours) => prop_assert!(false, "{text}: {plain:?} and {ours:?}"),
                }
            }
        }
    }
}
