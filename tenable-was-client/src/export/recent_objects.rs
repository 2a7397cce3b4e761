//! The assets and scans of export records, which the findings of one host have in common.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;

/// The number of objects that are kept. A chunk contains the records of some assets only.
const SLOTS: usize = 64;

/// The objects that one decoder decoded last, by their bytes. Each has one slot, which it shares with
/// others.
#[derive(Debug)]
pub(crate) struct RecentObjects<T> {
    hasher: RandomState,
    slots: Vec<Option<Entry<T>>>,
}

/// The bytes of an object, and the decoded object.
type Entry<T> = (Box<[u8]>, Arc<T>);

impl<T> Default for RecentObjects<T> {
    fn default() -> Self {
        Self { hasher: RandomState::default(), slots: Vec::new() }
    }
}

impl<T> RecentObjects<T> {
    pub(crate) fn get(&self, bytes: &[u8]) -> Option<Arc<T>> {
        let (known, value) = self.slots.get(self.slot(bytes))?.as_ref()?;
        (**known == *bytes).then(|| Arc::clone(value))
    }

    pub(crate) fn insert(&mut self, bytes: &[u8], value: &Arc<T>) {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, || None);
        }
        let index = self.slot(bytes);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Some((bytes.into(), Arc::clone(value)));
        }
    }

    fn slot(&self, bytes: &[u8]) -> usize {
        // All bytes are hashed: ids may differ at either end.
        #[expect(clippy::cast_possible_truncation, reason = "a remainder of 64")]
        let slot = (self.hasher.hash_one(bytes) % SLOTS as u64) as usize;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recent_object_is_shared_until_another_takes_its_slot() {
        let mut recent = RecentObjects::default();
        assert_eq!(recent.get(b"a"), None);
        for number in 0..1000_u32 {
            let value = Arc::new(number);
            recent.insert(&number.to_be_bytes(), &value);
            assert!(Arc::ptr_eq(&recent.get(&number.to_be_bytes()).unwrap(), &value));
        }
        assert_eq!(recent.slots.len(), SLOTS);
    }
}
