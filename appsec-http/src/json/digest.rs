//! Compares the elements of a repeated response with those of the first.

use std::collections::HashMap;
use std::hash::Hasher as _;

use foldhash::SharedSeed;
use foldhash::fast::{FixedState, FoldHasher};

use crate::json::members::{Member, MemberKind};

/// A running digest of a list of byte strings.
///
/// It detects accidents, not forgery: an attacker who could forge a response could have forged the first
/// one. The hasher of the standard library would cost more than splitting the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest(u64);

/// The digests of known blocks, by their keys.
pub(crate) type BlockDigests = HashMap<usize, Digest, FixedState>;

impl Default for Digest {
    fn default() -> Self {
        // Any number except 0, which a multiplication would not change.
        Self(0xa076_1d64_78bd_642f)
    }
}

impl Digest {
    /// Adds an element. Members that are objects count by their digests, which are computed once for known
    /// blocks. A block counts the same whether it is known or not.
    pub(crate) fn add_element(&mut self, bytes: &[u8], members: &[Member], blocks: &mut BlockDigests) {
        let mut at = 0;
        for member in members {
            let Some(value) = bytes.get(member.value.clone()).filter(|value| value.first() == Some(&b'{'))
            else {
                continue;
            };
            let block = match member.kind {
                MemberKind::Known(key) => *blocks.entry(key).or_insert_with(|| Self::of_block(value)),
                _ => Self::of_block(value),
            };
            self.add(bytes.get(at..member.value.start).unwrap_or_default());
            self.add(&block.0.to_le_bytes());
            at = member.value.end;
        }
        self.add(bytes.get(at..).unwrap_or_default());
    }

    fn of_block(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add(bytes);
        digest
    }

    fn add(&mut self, bytes: &[u8]) {
        // The length is part of the digest: ["ab", "c"] is not ["a", "bc"].
        let mut hasher = FoldHasher::with_seed(self.0, SharedSeed::global_fixed());
        hasher.write(bytes);
        self.0 = hasher.finish();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest_of<T: AsRef<[u8]>>(parts: &[T]) -> Digest {
        let mut digest = Digest::default();
        for part in parts {
            digest.add_element(part.as_ref(), &[], &mut BlockDigests::default());
        }
        digest
    }

    #[test]
    fn the_digest_depends_on_borders_and_order() {
        assert_ne!(digest_of(&["ab", "c"]), digest_of(&["a", "bc"]));
        assert_ne!(digest_of(&["a", "b"]), digest_of(&["b", "a"]));
        assert_ne!(digest_of(&["a"]), digest_of(&["a\0"]));
        assert_ne!(digest_of::<&str>(&[]), digest_of(&[""]));
    }

    #[test]
    fn the_digest_of_an_object_does_not_depend_on_whether_it_is_known() {
        let member = |kind| Member { name: 2..3, value: 5..12, kind };
        let digest = |element: &str, kind, blocks: &mut BlockDigests| {
            let mut digest = Digest::default();
            digest.add_element(element.as_bytes(), &[member(kind)], blocks);
            digest
        };
        let mut blocks = BlockDigests::default();
        let (known, element) = (MemberKind::Known(3), r#"{"a":{"b":1},"c":2}"#);
        let first = digest(element, MemberKind::Other, &mut blocks);
        assert!(blocks.is_empty());
        assert_eq!(digest(element, known, &mut blocks), first);
        assert_eq!(digest(element, known, &mut blocks), first, "taken from the table");
        assert_ne!(digest(r#"{"a":{"b":2},"c":2}"#, MemberKind::Other, &mut blocks), first);
        assert_ne!(digest(r#"{"a":{"b":1},"c":3}"#, known, &mut blocks), first);
        assert_ne!(digest(r#"{"b":{"b":1},"c":2}"#, known, &mut blocks), first);
    }

    proptest! {
        #[test]
        fn one_changed_bit_changes_the_digest(mut bytes in proptest::collection::vec(any::<u8>(), 1..1000), at in any::<usize>(), bit in 0_u32..8) {
            let before = digest_of(&[&bytes]);
            let at = at % bytes.len();
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(before, digest_of(&[&bytes]));
        }
    }
}
