//! Decoding records of an export, without decoding the same thing twice.
//!
//! About four fifths of a record are its plugin, and many records share one (measured on the vendor's example record). A plugin whose bytes
//! equal those of one decoded before is passed over, and the decoded one is shared; so are the asset and the scan, which the findings of
//! one host have in common. How the rest is read is said in [`record`](super::record). Whatever the bytes, the result is the one of
//! decoding the whole record, which a differential test holds it to.

use std::ops::Range;
use std::sync::Arc;

use appsec_http::{Element, Result};
use serde::Deserialize as _;
use serde::de::value::MapAccessDeserializer;

use super::known::{KnownPlugins, Recent};
use super::record::{Parts, Record, Tables};
use crate::model::{ExportAsset, ExportFinding, ExportScan};

/// Decodes the records of one chunk after another.
#[derive(Debug)]
pub(crate) struct Decoder {
    known: Arc<KnownPlugins>,
    assets: Recent<ExportAsset>,
    scans: Recent<ExportScan>,
}

impl Decoder {
    pub(crate) fn new(known: Arc<KnownPlugins>) -> Self {
        Self { known, assets: Recent::default(), scans: Recent::default() }
    }

    /// The record.
    ///
    /// # Errors
    /// `Decode`, with the path, which begins with the element's index.
    pub(crate) fn decode(&mut self, element: &Element<'_>, operation: &'static str) -> Result<ExportFinding> {
        let Some((mut record, parts)) = self.read(element) else {
            // The ordinary way finds the words for what is wrong.
            return element.json(operation);
        };
        let bytes = |span: Range<usize>| element.bytes.get(span).unwrap_or_default();
        if let Some((span, plugin)) = parts.plugin.put_back(&mut record.plugin) {
            self.known.insert(bytes(span), plugin);
        }
        if let Some((span, asset)) = parts.asset.put_back(&mut record.asset) {
            self.assets.insert(bytes(span), asset);
        }
        if let Some((span, scan)) = parts.scan.put_back(&mut record.scan) {
            self.scans.insert(bytes(span), scan);
        }
        Ok(record)
    }

    /// The record without what is known, and that; `None` unless all is right.
    fn read(&self, element: &Element<'_>) -> Option<(ExportFinding, Parts)> {
        let tables = Tables { element, plugins: &self.known, assets: &self.assets, scans: &self.scans };
        let mut members = Record::new(tables)?;
        let record = ExportFinding::deserialize(MapAccessDeserializer::new(&mut members)).ok()?;
        Some((record, members.parts))
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::splitter::{Limits, Splitter};
    use appsec_http::{At, Member, MemberKind};
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn decoder() -> Decoder {
        Decoder::new(Arc::default())
    }

    /// A text as an element, as it comes out of the splitter; one that the splitter refuses is tried all the same.
    struct Split {
        bytes: Bytes,
        members: Vec<Member>,
    }

    impl Split {
        fn new(decoder: &Decoder, text: &[u8]) -> Self {
            let mut splitter =
                Splitter::new(At::Root, Limits::new()).with_known_blocks(decoder.known.clone());
            splitter.feed([b"[", text, b"]"].concat().into());
            match splitter.next_element() {
                Ok(Some(bytes)) if bytes == text => Self { bytes, members: splitter.members().to_vec() },
                _ => Self { bytes: text.to_vec().into(), members: Vec::new() },
            }
        }

        fn decode(&self, decoder: &mut Decoder) -> Result<ExportFinding> {
            let mut element = Element::new(0, self.bytes.clone());
            element.members = &self.members;
            decoder.decode(&element, "t")
        }

        fn has_known(&self) -> bool {
            self.members.iter().any(|member| matches!(member.kind, MemberKind::Known(_)))
        }
    }

    fn decode(decoder: &mut Decoder, text: &[u8]) -> Result<ExportFinding> {
        Split::new(decoder, text).decode(decoder)
    }

    /// A plugin that is long enough to be remembered.
    fn plugin(id: &str, name: &str) -> String {
        format!(r#"{{"id":{id},"description":"{:200}","name":"{name}"}}"#, "")
    }

    fn record(number: u64, plugin: &str) -> Vec<u8> {
        format!(
            r#"{{"finding_id":"f{number}","plugin":{plugin},"asset":{{"fqdn":"a"}},"scan":{{"uuid":"s"}},"url":"https://a/{number}"}}"#
        )
        .into_bytes()
    }

    #[test]
    fn what_is_equal_is_decoded_once_and_shared() {
        let mut decoder = decoder();
        let mut decode = |record: Vec<u8>| {
            let split = Split::new(&decoder, &record);
            (split.decode(&mut decoder).unwrap(), split.has_known())
        };
        let (first, _) = decode(record(1, &plugin("98104", "XSS")));
        let (second, known) = decode(record(2, &plugin("98104", "XSS")));
        let (other, other_known) = decode(record(3, &plugin("98104", "XSS ")));
        assert!(known && !other_known, "the splitter steps over what is known");
        assert!(Arc::ptr_eq(first.plugin.as_ref().unwrap(), second.plugin.as_ref().unwrap()));
        assert!(!Arc::ptr_eq(first.plugin.as_ref().unwrap(), other.plugin.as_ref().unwrap()));
        assert!(Arc::ptr_eq(first.asset.as_ref().unwrap(), second.asset.as_ref().unwrap()));
        assert!(Arc::ptr_eq(first.scan.as_ref().unwrap(), second.scan.as_ref().unwrap()));
        assert_eq!(second.finding_id.as_deref(), Some("f2"));
        assert_eq!(second.url.as_deref(), Some("https://a/2"));
    }

    #[test]
    fn a_wrong_record_with_a_known_plugin_is_refused_with_its_path() {
        let mut decoder = decoder();
        let plugin = plugin("1", "");
        decode(&mut decoder, &record(1, &plugin)).unwrap();
        for wrong in [
            format!(r#"{{"plugin":{plugin},"asset":{{"uuid":7}}}}"#),
            format!(r#"{{"plugin":{plugin},"plugin":{plugin}}}"#),
            format!(r#"{{"plugin":{plugin},"plug\u0069n":{plugin}}}"#),
            format!(r#"{{"plugin":{plugin},"asset":{{"fqdn":"a"}},"asset":{{"fqdn":"a"}}}}"#),
            format!(r#"{{"plugin":{plugin}"#),
            format!(r#"{{"plugin":{plugin},}}"#),
            format!(r#"["plugin",{plugin}]"#),
        ] {
            assert!(decode(&mut decoder, wrong.as_bytes()).is_err(), "{wrong}");
        }
        let wrong = format!(r#"{{"plugin":{plugin},"asset":{{"uuid":7}}}}"#);
        let error = decode(&mut decoder, wrong.as_bytes()).unwrap_err();
        assert_eq!(error.path(), Some("[0].asset.uuid"));
    }

    #[test]
    fn a_known_plugin_under_another_name_is_no_plugin() {
        let mut decoder = decoder();
        let plugin = plugin("1", "");
        decode(&mut decoder, &record(1, &plugin)).unwrap();
        for name in ["other", "a\\\"plugin", "xplugin"] {
            let text = format!(r#"{{"{name}":{plugin}}}"#);
            let split = Split::new(&decoder, text.as_bytes());
            assert!(!split.has_known(), "{text}");
            let record = split.decode(&mut decoder).unwrap();
            assert_eq!(record, serde_json::from_str(&text).unwrap());
            assert!(record.plugin.is_none() && !record.extra.is_empty());
        }
    }

    const LONG: &str = "At least as much text as is hashed of a plugin's beginning, so that this one is remembered and is recognised when it comes again, as the plugins of a service are.";

    /// Members in any order, known and unknown, of right and of wrong types, with a few plugins that repeat.
    fn records() -> impl Strategy<Value = Vec<String>> {
        let plugin = prop_oneof![
            Just(json!({"id": 1, "name": "a"})),
            Just(
                json!({"a long one": LONG, "id": 2, "xrefs": [{"type": "x", "id": ["1"]}], "new": {"deep": ["}", "{\""]}})
            ),
            Just(json!({"a long one": LONG, "id": "3", "cvss3_vector": {}, "bid": [105, "6"]})),
            Just(json!({"name": "without id"})),
            Just(json!([])),
            Just(Value::Null),
        ];
        let member = prop_oneof![
            plugin.prop_map(|plugin| ("plugin".to_owned(), plugin)),
            ("output|proof|payload", "\\PC{0,8}|[\"\\\\{}\n\t\r\u{8}\u{c}\u{1}]{0,4}")
                .prop_map(|(name, text)| (name, json!(text))),
            Just(("output".to_owned(), json!(7))),
            Just(("asset".to_owned(), json!({"uuid": "77778888-9999-4aaa-8bbb-ccccddddeeee"}))),
            Just(("asset".to_owned(), json!({"uuid": 3}))),
            Just(("asset".to_owned(), json!({"fqdn": "}", "new": 1}))),
            Just(("scan".to_owned(), json!({"uuid": "{"}))),
            Just(("scan".to_owned(), Value::Null)),
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
                let ours = decode(&mut decoder, bytes);
                match (plain, ours) {
                    (Ok(plain), Ok(ours)) => prop_assert_eq!(ours, plain),
                    (Err(_), Err(error)) => prop_assert!(error.path().is_some()),
                    (plain, ours) => prop_assert!(false, "{text}: {plain:?} and {ours:?}"),
                }
            }
        }
    }
}
