//! What was decoded before, by its bytes.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

use appsec_http::KnownBlocks;
use foldhash::fast::RandomState;

use crate::model::ExportPlugin;

/// The bytes of plugins that are remembered at most. A tenant with a few thousand distinct plugins needs half of it.
const MAX_BYTES: usize = 32 << 20;
/// The plugins that are remembered at most.
const MAX_PLUGINS: usize = 20_000;
/// The plugins that may have one hash: more are made on purpose.
const MAX_ALIKE: usize = 16;
/// How much of a plugin's beginning is hashed; a shorter one is decoded each time, which takes no longer. Equality is decided on all of it.
const SAMPLE: usize = 128;

/// Plugins decoded before, by their bytes. One table serves all walks of a client.
#[derive(Debug, Default)]
pub(crate) struct KnownPlugins {
    hasher: RandomState,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// By the hash of their beginning, the places in the list.
    places: HashMap<u64, Vec<usize>, RandomState>,
    plugins: Vec<(Box<[u8]>, Arc<ExportPlugin>)>,
    bytes: usize,
}

impl KnownPlugins {
    /// The plugin at a place that [`KnownBlocks::find`] gave.
    pub(crate) fn get(&self, place: usize) -> Option<Arc<ExportPlugin>> {
        // Nothing can panic while the lock is held; a poisoned one is still sound.
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.plugins.get(place).map(|(_, plugin)| Arc::clone(plugin))
    }

    /// Remembers a plugin, unless the table is full: then it is decoded each time, which is only slower.
    pub(crate) fn insert(&self, bytes: &[u8], plugin: &Arc<ExportPlugin>) {
        let Some(hash) = self.hash(bytes) else { return };
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let place = table.plugins.len();
        if place >= MAX_PLUGINS || table.bytes + bytes.len() > MAX_BYTES {
            return;
        }
        let alike = table.places.get(&hash).map(Vec::as_slice).unwrap_or_default();
        let known = |place: &usize| table.plugins.get(*place).is_some_and(|(known, _)| **known == *bytes);
        if alike.len() >= MAX_ALIKE || alike.iter().any(known) {
            return;
        }
        table.places.entry(hash).or_default().push(place);
        table.plugins.push((bytes.into(), Arc::clone(plugin)));
        table.bytes += bytes.len();
    }

    fn hash(&self, bytes: &[u8]) -> Option<u64> {
        bytes.first_chunk::<SAMPLE>().map(|sample| self.hasher.hash_one(sample))
    }
}

/// Only what was decoded as a plugin is found, so it is one whole object.
impl KnownBlocks for KnownPlugins {
    fn find(&self, name: &[u8], bytes: &[u8]) -> Option<(usize, usize)> {
        if name != b"plugin" {
            return None;
        }
        let hash = self.hash(bytes)?;
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let alike = table.places.get(&hash)?;
        alike.iter().find_map(|place| {
            let (known, _) = table.plugins.get(*place)?;
            // The last byte first: those with one beginning mostly differ in length.
            let last = bytes.get(known.len().checked_sub(1)?);
            (last == known.last() && bytes.starts_with(known)).then_some((known.len(), *place))
        })
    }
}

/// How many of one kind are remembered by a decoder. A chunk is cut by assets, and holds those of some dozens.
const RECENT: usize = 64;

/// Small objects decoded not long ago, by their bytes; each has one place that it may be in.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    hasher: RandomState,
    places: Vec<Option<Remembered<T>>>,
}

/// An object's bytes, and what they were decoded to.
type Remembered<T> = (Box<[u8]>, Arc<T>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), places: Vec::new() }
    }
}

impl<T> Recent<T> {
    pub(crate) fn get(&self, bytes: &[u8]) -> Option<Arc<T>> {
        let (known, value) = self.places.get(self.place(bytes))?.as_ref()?;
        (**known == *bytes).then(|| Arc::clone(value))
    }

    pub(crate) fn insert(&mut self, bytes: &[u8], value: &Arc<T>) {
        if self.places.is_empty() {
            self.places.resize_with(RECENT, || None);
        }
        let place = self.place(bytes);
        if let Some(place) = self.places.get_mut(place) {
            *place = Some((bytes.into(), Arc::clone(value)));
        }
    }

    fn place(&self, bytes: &[u8]) -> usize {
        // The whole of it: ids may differ at either end.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of 64")]
        let place = (self.hasher.hash_one(bytes) % RECENT as u64) as usize;
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_bounded_in_bytes_in_plugins_and_in_likeness() {
        let known = KnownPlugins::default();
        let plugin: Arc<ExportPlugin> = Arc::new(serde_json::from_str(r#"{"id":1}"#).unwrap());
        let big = vec![b'x'; MAX_BYTES / 2 + 1];
        known.insert(&big, &plugin);
        known.insert(&[big.as_slice(), b"y"].concat(), &plugin);
        assert_eq!(known.table.read().unwrap().plugins.len(), 1);
        let known = KnownPlugins::default();
        for number in 0..100_u32 {
            let bytes = [[b'x'; SAMPLE].as_slice(), &number.to_be_bytes()].concat();
            known.insert(&bytes, &plugin);
        }
        assert_eq!(known.table.read().unwrap().plugins.len(), MAX_ALIKE, "one hash, and no more than that");
        let known = KnownPlugins::default();
        for number in 0..MAX_PLUGINS + 10 {
            known.insert(format!("{number:0SAMPLE$}").as_bytes(), &plugin);
        }
        assert_eq!(known.table.read().unwrap().plugins.len(), MAX_PLUGINS);
    }

    #[test]
    fn what_is_found_is_whole_and_equal() {
        let known = KnownPlugins::default();
        let plugin: Arc<ExportPlugin> = Arc::new(serde_json::from_str(r#"{"id":1}"#).unwrap());
        let bytes = [b'x'; 2 * SAMPLE];
        known.insert(&bytes, &plugin);
        assert_eq!(known.find(b"plugin", &bytes), Some((2 * SAMPLE, 0)));
        assert_eq!(known.find(b"plugin", &[bytes.as_slice(), b"more"].concat()), Some((2 * SAMPLE, 0)));
        assert_eq!(known.find(b"plugin", &bytes[1..]), None);
        let other = [&bytes[..SAMPLE], b"y", &bytes[SAMPLE + 1..]].concat();
        assert_eq!(known.find(b"plugin", &other), None);
    }

    #[test]
    fn what_is_recent_is_shared_and_what_shares_its_place_replaces_it() {
        let mut recent = Recent::default();
        assert_eq!(recent.get(b"a"), None);
        for number in 0..1000_u32 {
            let value = Arc::new(number);
            recent.insert(&number.to_be_bytes(), &value);
            assert!(Arc::ptr_eq(&recent.get(&number.to_be_bytes()).unwrap(), &value));
        }
        assert_eq!(recent.places.len(), RECENT);
    }
}
