//! The plugins of export records, decoded once and shared.
//!
//! About four fifths of a record are its plugin, and many records share one (measured on the vendor's
//! example record).

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock};

use appsec_http::json::KnownBlocks;
use foldhash::fast::RandomState;

use crate::model::ExportPlugin;

/// The maximum number of cached bytes. A tenant with a few thousand distinct plugins needs half of it.
const MAX_BYTES: usize = 32 << 20;
/// The maximum number of cached plugins.
const MAX_PLUGINS: usize = 20_000;
/// The maximum number of plugins with one hash. More than that would be an attack.
const MAX_COLLISIONS: usize = 16;
/// The number of bytes at a plugin's start that are hashed. A shorter plugin is decoded each time, which
/// takes no longer. Equality is decided on all bytes.
const HASHED_BYTES: usize = 128;

/// Plugins that were decoded before, by their bytes. All reads of a client share one cache.
#[derive(Debug, Default)]
pub(crate) struct PluginCache {
    hasher: RandomState,
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// The indices of plugins, by the hash of their first bytes.
    by_hash: HashMap<u64, Vec<usize>, RandomState>,
    plugins: Vec<(Box<[u8]>, Arc<ExportPlugin>)>,
    bytes: usize,
}

impl PluginCache {
    /// Returns the plugin with the key that [`KnownBlocks::find`] returned.
    pub(crate) fn get(&self, key: usize) -> Option<Arc<ExportPlugin>> {
        // Nothing can panic while the lock is held, so a poisoned lock still guards valid data.
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        table.plugins.get(key).map(|(_, plugin)| Arc::clone(plugin))
    }

    /// Adds a plugin. If the cache is full, the plugin is decoded each time, which is only slower.
    pub(crate) fn insert(&self, bytes: &[u8], plugin: &Arc<ExportPlugin>) {
        let Some(hash) = self.hash(bytes) else { return };
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let key = table.plugins.len();
        if key >= MAX_PLUGINS || table.bytes + bytes.len() > MAX_BYTES {
            return;
        }
        let same_hash = table.by_hash.get(&hash).map(Vec::as_slice).unwrap_or_default();
        let is_cached = |key: &usize| table.plugins.get(*key).is_some_and(|(known, _)| **known == *bytes);
        if same_hash.len() >= MAX_COLLISIONS || same_hash.iter().any(is_cached) {
            return;
        }
        table.by_hash.entry(hash).or_default().push(key);
        table.plugins.push((bytes.into(), Arc::clone(plugin)));
        table.bytes += bytes.len();
    }

    fn hash(&self, bytes: &[u8]) -> Option<u64> {
        bytes.first_chunk::<HASHED_BYTES>().map(|start| self.hasher.hash_one(start))
    }
}

/// Only bytes that were decoded as a plugin are found, so a match is one complete object.
impl KnownBlocks for PluginCache {
    fn find(&self, name: &[u8], bytes: &[u8]) -> Option<(usize, usize)> {
        if name != b"plugin" {
            return None;
        }
        let hash = self.hash(bytes)?;
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let same_hash = table.by_hash.get(&hash)?;
        same_hash.iter().find_map(|key| {
            let (known, _) = table.plugins.get(*key)?;
            // The last byte is compared first, since plugins with equal starts mostly differ in length.
            let last = bytes.get(known.len().checked_sub(1)?);
            (last == known.last() && bytes.starts_with(known)).then_some((known.len(), *key))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_in_bytes_in_plugins_and_in_collisions() {
        let cache = PluginCache::default();
        let plugin: Arc<ExportPlugin> = Arc::new(serde_json::from_str(r#"{"id":1}"#).unwrap());
        let big = vec![b'x'; MAX_BYTES / 2 + 1];
        cache.insert(&big, &plugin);
        cache.insert(&[big.as_slice(), b"y"].concat(), &plugin);
        assert_eq!(cache.table.read().unwrap().plugins.len(), 1);
        let cache = PluginCache::default();
        for number in 0..100_u32 {
            let bytes = [[b'x'; HASHED_BYTES].as_slice(), &number.to_be_bytes()].concat();
            cache.insert(&bytes, &plugin);
        }
        assert_eq!(cache.table.read().unwrap().plugins.len(), MAX_COLLISIONS, "all have one hash");
        let cache = PluginCache::default();
        for number in 0..MAX_PLUGINS + 10 {
            cache.insert(format!("{number:0HASHED_BYTES$}").as_bytes(), &plugin);
        }
        assert_eq!(cache.table.read().unwrap().plugins.len(), MAX_PLUGINS);
    }

    #[test]
    fn only_an_equal_and_complete_plugin_is_found() {
        let cache = PluginCache::default();
        let plugin: Arc<ExportPlugin> = Arc::new(serde_json::from_str(r#"{"id":1}"#).unwrap());
        let bytes = [b'x'; 2 * HASHED_BYTES];
        cache.insert(&bytes, &plugin);
        assert_eq!(cache.find(b"plugin", &bytes), Some((2 * HASHED_BYTES, 0)));
        assert_eq!(cache.find(b"plugin", &[bytes.as_slice(), b"more"].concat()), Some((2 * HASHED_BYTES, 0)));
        assert_eq!(cache.find(b"plugin", &bytes[1..]), None);
        let other = [&bytes[..HASHED_BYTES], b"y", &bytes[HASHED_BYTES + 1..]].concat();
        assert_eq!(cache.find(b"plugin", &other), None);
    }
}
