//! Whether elements that come a second time are those of the first.

/// A running digest of a list of byte strings.
///
/// It finds accidents, not forgery: whoever could forge an answer could have forged the first one. The standard
/// library's hasher would cost more than splitting the array does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        // The length keeps ["ab", "c"] apart from ["a", "bc"].
        self.mix(bytes.len() as u64);
        let (stripes, left) = bytes.as_chunks::<{ 16 * LANES }>();
        if !stripes.is_empty() {
            // A lane's next step waits for the one before; four of them keep the multiplier busy. With one, an element of 5.6 kB took
            // as long as downloading it did.
            let mut lanes = [self.0, self.0.rotate_left(16), self.0.rotate_left(32), self.0.rotate_left(48)];
            for stripe in stripes {
                for (lane, pair) in lanes.iter_mut().zip(stripe.as_chunks::<16>().0) {
                    *lane = folded_pair(*lane, u128::from_le_bytes(*pair));
                }
            }
            for lane in lanes {
                self.mix(lane);
            }
        }
        let (words, left) = left.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(left) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last));
    }

    fn mix(&mut self, word: u64) {
        self.0 = folded(self.0, word);
    }
}

/// The chains that long inputs are spread over.
const LANES: usize = 4;

/// A folded multiplication, as in wyhash and its relatives: every bit of the input reaches both halves.
fn folded(state: u64, word: u64) -> u64 {
    fold(u128::from(state ^ word ^ 0xa076_1d64_78bd_642f) * 0xe703_7ed1_a0b4_28db)
}

/// The same for two words, which are multiplied with one another.
fn folded_pair(state: u64, pair: u128) -> u64 {
    let (one, other) = halves(pair);
    fold(u128::from(state ^ one ^ 0xa076_1d64_78bd_642f) * u128::from(other ^ 0xe703_7ed1_a0b4_28db))
}

fn fold(product: u128) -> u64 {
    let (low, high) = halves(product);
    (low ^ high).rotate_left(23)
}

#[allow(clippy::cast_possible_truncation, reason = "the two halves are meant")]
fn halves(both: u128) -> (u64, u64) {
    (both as u64, (both >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of<T: AsRef<[u8]>>(parts: &[T]) -> Digest {
        let mut digest = Digest::default();
        for part in parts {
            digest.add(part.as_ref());
        }
        digest
    }

    #[test]
    fn borders_and_order_count() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["a"]), of(&["a\0"]));
        assert_ne!(of::<&str>(&[]), of(&[""]));
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_seen(mut bytes in proptest::collection::vec(any::<u8>(), 1..200), at in any::<usize>(), bit in 0_u32..8) {
            let before = of(&[&bytes]);
            let at = at % bytes.len();
            bytes[at] ^= 1_u8 << bit;
            prop_assert_ne!(before, of(&[&bytes]));
        }
    }
}
