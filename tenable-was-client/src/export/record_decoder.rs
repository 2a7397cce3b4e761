//! Decodes the records of an export, without decoding equal parts twice.
//!
//! A plugin, an asset or a scan whose bytes equal those of one that was decoded before is skipped, and the
//! decoded one is shared. [`record_members`](super::record_members) describes how the other members are
//! read. The result always equals that of decoding the complete record, which a differential test checks.

use std::ops::Range;
use std::sync::Arc;

use appsec_http::{Element, Result};
use serde::Deserialize as _;
use serde::de::value::MapAccessDeserializer;

use super::plugin_cache::PluginCache;
use super::recent_objects::RecentObjects;
use super::record_members::{Caches, RecordMembers, SharedMembers};
use crate::model::{ExportAsset, ExportFinding, ExportScan};

/// Decodes the records of one chunk.
#[derive(Debug)]
pub(crate) struct RecordDecoder {
    plugins: Arc<PluginCache>,
    assets: RecentObjects<ExportAsset>,
    scans: RecentObjects<ExportScan>,
}

impl RecordDecoder {
    pub(crate) fn new(plugins: Arc<PluginCache>) -> Self {
        Self { plugins, assets: RecentObjects::default(), scans: RecentObjects::default() }
    }

    /// Decodes a record.
    ///
    /// # Errors
    /// `Decode`, with the path, which starts with the element's index.
    pub(crate) fn decode(&mut self, element: &Element<'_>, operation: &'static str) -> Result<ExportFinding> {
        let Some((mut record, shared)) = self.read(element) else {
            // The ordinary decoder describes what is wrong.
            return element.json(operation);
        };
        let bytes = |span: Range<usize>| element.bytes.get(span).unwrap_or_default();
        if let Some((span, plugin)) = shared.plugin.restore(&mut record.plugin) {
            self.plugins.insert(bytes(span), plugin);
        }
        if let Some((span, asset)) = shared.asset.restore(&mut record.asset) {
            self.assets.insert(bytes(span), asset);
        }
        if let Some((span, scan)) = shared.scan.restore(&mut record.scan) {
            self.scans.insert(bytes(span), scan);
        }
        Ok(record)
    }

    /// Decodes the record without its cached members, and returns these too. Returns `None` if anything is
    /// wrong.
    fn read(&self, element: &Element<'_>) -> Option<(ExportFinding, SharedMembers)> {
        let caches = Caches { element, plugins: &self.plugins, assets: &self.assets, scans: &self.scans };
        let mut members = RecordMembers::new(caches)?;
        let record = ExportFinding::deserialize(MapAccessDeserializer::new(&mut members)).ok()?;
        Some((record, members.shared))
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::json::{ArrayPath, Member, MemberKind};
    use appsec_http::json::{Limits, Splitter};
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn decoder() -> RecordDecoder {
        RecordDecoder::new(Arc::default())
    }

    /// A text as an element of the splitter. A text that the splitter refuses becomes an element without
    /// members.
    struct Split {
        bytes: Bytes,
        members: Vec<Member>,
    }

    impl Split {
        fn new(decoder: &RecordDecoder, text: &[u8]) -> Self {
            let mut splitter =
                Splitter::new(ArrayPath::Root, Limits::new()).with_known_blocks(decoder.plugins.clone());
            splitter.feed([b"[", text, b"]"].concat().into());
            match splitter.next_element() {
                Ok(Some(bytes)) if bytes == text => Self { bytes, members: splitter.members().to_vec() },
                _ => Self { bytes: text.to_vec().into(), members: Vec::new() },
            }
        }

        fn decode(&self, decoder: &mut RecordDecoder) -> Result<ExportFinding> {
            let mut element = Element::new(0, self.bytes.clone());
            element.members = &self.members;
            decoder.decode(&element, "t")
        }

        fn has_known(&self) -> bool {
            self.members.iter().any(|member| matches!(member.kind, MemberKind::Known(_)))
        }
    }

    fn decode(decoder: &mut RecordDecoder, text: &[u8]) -> Result<ExportFinding> {
        Split::new(decoder, text).decode(decoder)
    }

    /// A plugin that is long enough to be cached.
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
    fn equal_parts_are_decoded_once_and_shared() {
        let mut decoder = decoder();
        let mut decode = |record: Vec<u8>| {
            let split = Split::new(&decoder, &record);
            (split.decode(&mut decoder).unwrap(), split.has_known())
        };
        let (first, _) = decode(record(1, &plugin("98104", "XSS")));
        let (second, known) = decode(record(2, &plugin("98104", "XSS")));
        let (other, other_known) = decode(record(3, &plugin("98104", "XSS ")));
        assert!(known && !other_known, "the splitter skips a known plugin");
        assert!(Arc::ptr_eq(first.plugin.as_ref().unwrap(), second.plugin.as_ref().unwrap()));
        assert!(!Arc::ptr_eq(first.plugin.as_ref().unwrap(), other.plugin.as_ref().unwrap()));
        assert!(Arc::ptr_eq(first.asset.as_ref().unwrap(), second.asset.as_ref().unwrap()));
        assert!(Arc::ptr_eq(first.scan.as_ref().unwrap(), second.scan.as_ref().unwrap()));
        assert_eq!(second.finding_id.as_deref(), Some("f2"));
        assert_eq!(second.url.as_deref(), Some("https://a/2"));
    }

    #[test]
    fn an_invalid_record_with_a_known_plugin_is_refused_with_its_path() {
        let mut decoder = decoder();
        let plugin = plugin("1", "");
        decode(&mut decoder, &record(1, &plugin)).unwrap();
        for invalid in [
            format!(r#"{{"plugin":{plugin},"asset":{{"uuid":7}}}}"#),
            format!(r#"{{"plugin":{plugin},"plugin":{plugin}}}"#),
            format!(r#"{{"plugin":{plugin},"plug\u0069n":{plugin}}}"#),
            format!(r#"{{"plugin":{plugin},"asset":{{"fqdn":"a"}},"asset":{{"fqdn":"a"}}}}"#),
            format!(r#"{{"plugin":{plugin}"#),
            format!(r#"{{"plugin":{plugin},}}"#),
            format!(r#"["plugin",{plugin}]"#),
        ] {
            assert!(decode(&mut decoder, invalid.as_bytes()).is_err(), "{invalid}");
        }
        let invalid = format!(r#"{{"plugin":{plugin},"asset":{{"uuid":7}}}}"#);
        let error = decode(&mut decoder, invalid.as_bytes()).unwrap_err();
        assert_eq!(error.path(), Some("[0].asset.uuid"));
    }

    #[test]
    fn a_known_plugin_under_another_name_is_not_a_plugin() {
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

    const LONG: &str = "At least as many bytes as are hashed at the start of a plugin, so that this plugin is cached and is found when it comes again, as the plugins of the service are.";

    /// Members in any order, known and unknown, of valid and invalid types, with a few plugins that repeat.
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
        fn every_record_equals_that_of_an_ordinary_decoder(records in records(), cut in any::<(usize, usize)>()) {
            let mut decoder = decoder();
            for (number, text) in records.iter().enumerate() {
                // Some records are truncated.
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
