//! Which occurrences a finding has.

use std::collections::BTreeMap;

use appsec_core::{Finding, OccurrenceKey};
use serde::{Deserialize, Serialize};

/// The longest text of a place, in characters. The rest is cut.
const MAX_PLACE: usize = 1_000;

/// The occurrences of one finding: their [`OccurrenceKey`]s, and the places of some of them.
///
/// It is exact up to [`MAX_KEYS`](Self::MAX_KEYS) occurrences. Beyond that it keeps the lowest keys and
/// estimates the number from how dense they are, which is right to within a few percent. It never counts an
/// occurrence twice: the order of the records and records that come again change nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OccurrenceSet {
    /// In ascending order.
    #[serde(with = "key_text")]
    keys: Vec<OccurrenceKey>,
    /// Whether there are keys beyond those that are kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    /// The place of a single occurrence is missing where it is that of the finding.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    places: BTreeMap<OccurrenceKey, String>,
}

impl OccurrenceSet {
    /// The maximum number of keys that are kept.
    pub const MAX_KEYS: usize = 4_096;

    /// The maximum number of places that are kept.
    pub const MAX_PLACES: usize = 100;

    /// The set of the one occurrence that a record is.
    pub(crate) fn of(finding: &Finding) -> Self {
        let key = finding.occurrence_key();
        let mut set = Self { keys: vec![key], ..Self::default() };
        if let Some(id) = finding.aliases.first().filter(|_| !finding.location.has_path()) {
            set.add_place(key, id);
        }
        set
    }

    /// Returns the number of occurrences; 0 where nothing is known of them.
    pub fn count(&self) -> u64 {
        let kept = self.keys.len() as u64;
        match self.keys.last() {
            Some(last) if self.truncated => {
                let estimate = (u128::from(kept.saturating_sub(1)) << 64) / u128::from(last.to_bits().max(1));
                u64::try_from(estimate).unwrap_or(u64::MAX).max(kept)
            }
            _ => kept,
        }
    }

    /// Whether nothing is known of the occurrences.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the number of occurrences is an estimate.
    pub fn is_estimated(&self) -> bool {
        self.truncated
    }

    /// Returns the places of the occurrences, at most [`MAX_PLACES`](Self::MAX_PLACES) of them: the URL, or
    /// the scanner's own id where there is no path. Empty where a finding has one occurrence, at the place of
    /// the finding.
    pub fn places(&self) -> impl ExactSizeIterator<Item = &str> {
        self.places.values().map(String::as_str)
    }

    /// Adds the occurrences of another set. The places are those of the two findings, in case their only
    /// occurrence is there.
    pub(crate) fn add(&mut self, place: &str, other: &Self, other_place: &str) {
        if self.keys == other.keys && self.places == other.places && self.truncated == other.truncated {
            return;
        }
        self.place_single(place);
        let is_single = other.keys.len() == 1 && other.places.is_empty();
        for key in &other.keys {
            self.add_key(*key);
            if is_single {
                self.add_place(*key, other_place);
            }
        }
        for (key, place) in &other.places {
            self.add_place(*key, place);
        }
        self.truncated |= other.truncated;
        if self.keys.len() == 1 && self.places.values().eq([place]) {
            self.places.clear();
        }
    }

    /// Removes the occurrences of another set.
    pub(crate) fn remove(&mut self, other: &Self) {
        if !other.is_empty() {
            self.keys.retain(|key| other.keys.binary_search(key).is_err());
            self.places.retain(|key, _| other.keys.binary_search(key).is_err());
        }
    }

    /// Gives the only occurrence the place of the finding.
    fn place_single(&mut self, place: &str) {
        if let ([key], true) = (self.keys.as_slice(), self.places.is_empty()) {
            self.add_place(*key, place);
        }
    }

    fn add_key(&mut self, key: OccurrenceKey) {
        if let Err(position) = self.keys.binary_search(&key) {
            if position == Self::MAX_KEYS {
                self.truncated = true;
                return;
            }
            self.keys.insert(position, key);
            if self.keys.len() > Self::MAX_KEYS {
                self.keys.pop();
                self.truncated = true;
            }
        }
    }

    fn add_place(&mut self, key: OccurrenceKey, place: &str) {
        let is_last = self.places.len() == Self::MAX_PLACES
            && self.places.last_key_value().is_some_and(|(last, _)| *last < key);
        if place.is_empty() || is_last || self.places.contains_key(&key) {
            return;
        }
        // A text in PostgreSQL cannot hold NUL.
        let place = place.chars().take(MAX_PLACE).map(|c| if c == '\0' { '\u{fffd}' } else { c });
        self.places.insert(key, place.collect());
        if self.places.len() > Self::MAX_PLACES {
            self.places.pop_last();
        }
    }
}

/// The keys as one text, 16 hexadecimal digits each.
mod key_text {
    use std::borrow::Cow;
    use std::fmt::Write as _;

    use appsec_core::OccurrenceKey;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(keys: &[OccurrenceKey], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&keys.iter().fold(String::with_capacity(16 * keys.len()), |mut text, key| {
            let _ = write!(text, "{key}");
            text
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<OccurrenceKey>, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        let keys = text.as_bytes().chunks(16).map(|digits| {
            let digits = std::str::from_utf8(digits).map_err(D::Error::custom)?;
            digits.parse().map_err(D::Error::custom)
        });
        let mut keys: Vec<OccurrenceKey> = keys.collect::<Result<_, D::Error>>()?;
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(bits: impl IntoIterator<Item = u64>) -> OccurrenceSet {
        let mut set = OccurrenceSet::default();
        for bits in bits {
            set.add("", &single(bits), &format!("/?page={bits}"));
        }
        set
    }

    fn single(bits: u64) -> OccurrenceSet {
        OccurrenceSet { keys: vec![OccurrenceKey::from_bits(bits)], ..OccurrenceSet::default() }
    }

    /// The numbers that a generator of the literature (splitmix64) gives: evenly distributed, as digests
    /// are.
    fn digest(number: u64) -> u64 {
        let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    #[test]
    fn a_single_occurrence_has_the_place_of_the_finding_and_several_have_their_own() {
        let mut one = single(1);
        one.add("/a", &single(1), "/a");
        assert_eq!((one.count(), one.places().len()), (1, 0));
        one.add("/a", &single(2), "/b");
        assert_eq!(one.places().collect::<Vec<_>>(), ["/a", "/b"]);
        one.add("/b", &single(1), "/c");
        assert_eq!(one.count(), 2, "a repeat is not a further occurrence");
        one.remove(&single(1));
        assert_eq!((one.count(), one.places().collect::<Vec<_>>()), (1, vec!["/b"]));
    }

    #[test]
    fn it_is_exact_up_to_its_bound_and_estimated_beyond() {
        let exact = set((0..4_096).map(digest));
        assert_eq!((exact.count(), exact.is_estimated()), (4_096, false));
        for number in [4_097_u64, 10_000, 50_000] {
            let many = set((0..number).map(digest));
            assert!(many.is_estimated());
            let error = many.count().abs_diff(number);
            assert!(error * 100 <= number * 5, "{} for {number}", many.count());
            assert_eq!(many.keys.len(), OccurrenceSet::MAX_KEYS);
            assert_eq!(many.places().len(), OccurrenceSet::MAX_PLACES);
        }
    }

    #[test]
    fn its_json_is_read_back_and_a_damaged_one_is_refused() {
        for set in [OccurrenceSet::default(), single(7), set(0..300), set((0..5_000).map(digest))] {
            let text = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<OccurrenceSet>(&text).unwrap(), set);
        }
        assert_eq!(serde_json::to_string(&single(0xab)).unwrap(), r#"{"keys":"00000000000000ab"}"#);
        for text in [r#"{"keys":"ab"}"#, r#"{"keys":"zz000000000000ab"}"#, r#"{"keys":"é"}"#] {
            serde_json::from_str::<OccurrenceSet>(text).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn neither_order_nor_repetition_changes_it(
            (mut numbers, order) in proptest::collection::vec(0..500_u64, 0..300)
                .prop_flat_map(|numbers| (Just(numbers.clone()), Just(numbers).prop_shuffle()))
        ) {
            let whole = set(numbers.iter().copied().map(digest));
            let (first, rest) = order.split_at(order.len() / 2);
            let mut parts = set(first.iter().copied().map(digest));
            parts.add("", &set(rest.iter().chain(first).copied().map(digest)), "");
            prop_assert_eq!(&parts.keys, &whole.keys);
            numbers.sort_unstable();
            numbers.dedup();
            prop_assert_eq!(whole.count(), numbers.len() as u64);
            let mut none = whole.clone();
            none.remove(&parts);
            prop_assert!(none.is_empty() && none.places().len() == 0);
        }
    }
}
