//! What a stream of findings covered, and what the absence of a finding means.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::printable::{Printable, truncate};

crate::id_type! {
    /// The key of a partition: what one examination looked at as a whole, such as a host of Salt Security,
    /// or a configuration of Tenable with one of its target URLs.
    pub struct PartitionKey;

    /// The key of a profile: how an examination looked at a partition, such as by which template of tests
    /// and within which scope. Its text is shown to people, as in `template quick, scope all`.
    pub struct ProfileKey;
}

impl PartitionKey {
    /// The text of [`PartitionKey::unattributed`].
    pub const UNATTRIBUTED: &str = "unattributed";

    /// The key of findings that cannot be attributed to a partition, because their source does not tell
    /// which examination saw them. It never replaces the partition of an earlier sighting.
    pub fn unattributed() -> Self {
        Self::from(Self::UNATTRIBUTED)
    }

    /// Whether this is the key of findings that cannot be attributed to a partition.
    pub fn is_unattributed(&self) -> bool {
        self.as_str() == Self::UNATTRIBUTED
    }
}

/// What it means that a known finding is absent from a stream of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// The scanner examined the whole partition. A finding that it did not report is gone.
    Conclusive,
    /// Nothing follows from the absence.
    Inconclusive,
}

crate::open_enum! {
    /// What is missing from a stream of findings.
    pub enum GapKind {
        /// A record could not be decoded; its place in the response is in [`CoverageGap::path`].
        Record = "record",
        /// A part of an export failed, was cancelled, or expired.
        Chunk = "chunk",
        /// An export ended before it was complete.
        ExportIncomplete = "export_incomplete",
        /// The target was never scanned, so nothing could be asked for.
        NeverScanned = "never_scanned",
        /// The target does not exist at the scanner any more, or is not visible.
        TargetMissing = "target_missing",
        /// The list changed while it was read.
        Shifted = "shifted",
        /// The scan did not end well, or had trouble that limits its results.
        ScanLimited = "scan_limited",
        /// The results of a scan, or of one of its targets, could not be read.
        ResultsUnavailable = "results_unavailable",
        /// The inventory of the scanner does not confirm the partition.
        NotInInventory = "not_in_inventory",
        /// Nothing decides which bind target a record belongs to.
        Unattributed = "unattributed",
    }
}

/// Something that a stream of findings should hold and does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CoverageGap {
    /// What is missing.
    pub kind: GapKind,
    /// The partition concerned; `None` where it may be any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionKey>,
    /// What happened, in one sentence for the user; at most [`CoverageGap::MAX_MESSAGE`] bytes.
    pub message: String,
    /// The place in the JSON of the response, for a record that could not be decoded; at most
    /// [`CoverageGap::MAX_PATH`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl CoverageGap {
    /// The largest size of a message, in bytes. A longer one is cut.
    pub const MAX_MESSAGE: usize = 1_024;

    /// The largest size of a path, in bytes. A longer one is cut: its keys are the scanner's, of any length.
    pub const MAX_PATH: usize = 256;

    /// A gap that may concern any partition.
    pub fn new(kind: GapKind, message: impl Into<String>) -> Self {
        Self { kind, partition: None, message: truncate(message, Self::MAX_MESSAGE), path: None }
    }

    /// Sets the partition that it concerns.
    pub fn with_partition(mut self, partition: impl Into<PartitionKey>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// Sets the place in the JSON of the response.
    pub fn with_path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(truncate(path, Self::MAX_PATH));
        self
    }
}

impl std::fmt::Display for CoverageGap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(partition) = &self.partition {
            write!(f, "{}: ", Printable(partition.as_str()))?;
        }
        write!(f, "{}", Printable(&self.message))?;
        match &self.path {
            Some(path) => write!(f, " (at {})", Printable(path)),
            None => Ok(()),
        }
    }
}

/// The coverage of one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartitionCoverage {
    /// What the absence of one of its findings means where no gap concerns it.
    pub absence: Absence,
    /// Why absence is inconclusive, in one sentence for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How the partition was examined; `None` where the scanner has no profiles, or does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileKey>,
    /// The other profiles that this one includes: an examination by it finds everything that an examination
    /// by one of those finds.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub includes: BTreeSet<ProfileKey>,
}

impl PartitionCoverage {
    fn new(absence: Absence, reason: Option<String>) -> Self {
        Self { absence, reason, profile: None, includes: BTreeSet::new() }
    }

    /// Whether the profile of this examination equals the given one or includes it. Two unknown profiles are
    /// equal; one unknown profile is not comparable with a known one.
    pub fn covers_profile(&self, sighting: Option<&ProfileKey>) -> bool {
        self.profile.as_ref() == sighting || sighting.is_some_and(|sighting| self.includes.contains(sighting))
    }
}

/// What a stream of findings covered: its last item, and the proof that it is complete.
///
/// ```
/// use appsec_core::{Absence, Coverage, CoverageGap, GapKind, PartitionKey};
///
/// let shop = PartitionKey::from("host:shop.example.com");
/// let mut coverage = Coverage::new();
/// coverage.mark_conclusive(shop.clone());
/// assert_eq!(coverage.absence_of(&shop), Absence::Conclusive);
///
/// coverage.add_gap(CoverageGap::new(GapKind::Record, "one record could not be read"));
/// assert_eq!(coverage.absence_of(&shop), Absence::Inconclusive, "the record may have been one of this host");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    partitions: BTreeMap<PartitionKey, PartitionCoverage>,
    gaps: Vec<CoverageGap>,
    /// Gaps beyond [`Coverage::MAX_GAPS`], which are only counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    further_gaps: u64,
    /// Why only a part of the findings was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    #[serde(default, skip_serializing_if = "UnknownValues::is_empty")]
    unknown: UnknownValues,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Coverage {
    /// The largest number of gaps that are kept. A further gap concerns every partition.
    pub const MAX_GAPS: usize = 1_000;

    /// An empty coverage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Marks absence in the partition as conclusive. Does not override an earlier `mark_inconclusive`.
    pub fn mark_conclusive(&mut self, partition: PartitionKey) {
        self.set(partition, Absence::Conclusive, None);
    }

    /// Marks absence in the partition as inconclusive, with the reason. The first reason is kept.
    pub fn mark_inconclusive(&mut self, partition: PartitionKey, reason: impl Into<String>) {
        self.set(partition, Absence::Inconclusive, Some(reason.into()));
    }

    fn set(&mut self, key: PartitionKey, mut absence: Absence, mut reason: Option<String>) {
        if let (Absence::Conclusive, Some(part)) = (absence, &self.part) {
            (absence, reason) = (Absence::Inconclusive, Some(part.clone()));
        }
        match self.partitions.entry(key) {
            // The weaker mark stays: a partition that was read twice is conclusive only when both reads were.
            Entry::Occupied(known) if known.get().absence == Absence::Inconclusive => {}
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                (known.absence, known.reason) = (absence, reason);
            }
            Entry::Vacant(place) => {
                place.insert(PartitionCoverage::new(absence, reason));
            }
        }
    }

    /// Sets the profile by which a partition was examined, and the other profiles that it includes.
    ///
    /// The partition must have been marked; otherwise nothing is set. A partition that was examined twice has
    /// the narrower profile, and where neither includes the other, absence in it is inconclusive.
    pub fn set_profile(
        &mut self,
        partition: &PartitionKey,
        profile: ProfileKey,
        includes: impl IntoIterator<Item = ProfileKey>,
    ) {
        let Some(known) = self.partitions.get_mut(partition) else { return };
        let includes: BTreeSet<_> = includes.into_iter().collect();
        match &known.profile {
            None => {}
            // The narrower one stays.
            Some(before) if *before == profile || includes.contains(before) => return,
            Some(_) if known.includes.contains(&profile) => {}
            Some(before) => {
                let reason = format!("it was examined by two profiles: {before}, and {profile}");
                let partition = partition.clone();
                self.mark_inconclusive(partition, reason);
                return;
            }
        }
        (known.profile, known.includes) = (Some(profile), includes);
    }

    /// The coverage of a partition; `None` where it was not examined.
    pub fn partition(&self, partition: &PartitionKey) -> Option<&PartitionCoverage> {
        self.partitions.get(partition)
    }

    /// Marks absence as inconclusive in every partition, because only a part of the findings was requested.
    /// This holds for partitions that are marked before and after the call. The first reason is kept.
    pub fn mark_all_inconclusive(&mut self, reason: &str) {
        self.part.get_or_insert_with(|| reason.to_owned());
        for known in self.partitions.values_mut().filter(|known| known.absence == Absence::Conclusive) {
            (known.absence, known.reason) = (Absence::Inconclusive, Some(reason.to_owned()));
        }
    }

    /// Adds a gap. The same gap twice is one.
    pub fn add_gap(&mut self, gap: CoverageGap) {
        if self.gaps.len() >= Self::MAX_GAPS {
            self.further_gaps = self.further_gaps.saturating_add(1);
        } else if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }

    /// Replaces the counts of unknown values.
    pub fn with_unknown(mut self, unknown: UnknownValues) -> Self {
        self.unknown = unknown;
        self
    }

    /// The partitions that were examined.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = (&PartitionKey, &PartitionCoverage)> {
        self.partitions.iter()
    }

    /// The gaps, at most [`Coverage::MAX_GAPS`] of them.
    pub fn gaps(&self) -> &[CoverageGap] {
        &self.gaps
    }

    /// The number of all gaps.
    pub fn gap_count(&self) -> u64 {
        self.further_gaps.saturating_add(self.gaps.len() as u64)
    }

    /// The values and fields that this version does not know, with their counts.
    pub fn unknown(&self) -> &UnknownValues {
        &self.unknown
    }

    /// Whether there is no gap. This does not make absence conclusive; see [`Coverage::absence_of`].
    pub fn is_complete(&self) -> bool {
        self.gap_count() == 0
    }

    /// Why the stream may lack findings that the scanner has: the first gap, or the part that was
    /// requested. `None` where the stream has them all.
    pub fn partial_reason(&self) -> Option<&str> {
        self.gaps.first().map(|gap| gap.message.as_str()).or(self.part.as_deref())
    }

    /// What the absence of a finding of the partition means, with gaps taken into account.
    pub fn absence_of(&self, partition: &PartitionKey) -> Absence {
        if self.inconclusive_reason(partition).is_some() {
            Absence::Inconclusive
        } else {
            Absence::Conclusive
        }
    }

    /// Why the absence of a finding of the partition is inconclusive, or `None` where it is conclusive.
    pub fn inconclusive_reason(&self, partition: &PartitionKey) -> Option<&str> {
        if let Some(gap) = self.gap_of(partition) {
            return Some(&gap.message);
        }
        if self.further_gaps > 0 {
            return Some("there are more gaps than the coverage records");
        }
        match self.partitions.get(partition) {
            None => Some("the partition was not examined"),
            Some(known) if known.absence == Absence::Inconclusive => {
                Some(known.reason.as_deref().unwrap_or("the scanner does not say"))
            }
            Some(_) => None,
        }
    }

    /// Whether the partition was examined, or a gap concerns it.
    pub fn concerns(&self, partition: &PartitionKey) -> bool {
        self.partitions.contains_key(partition) || self.gap_of(partition).is_some()
    }

    /// The first gap that concerns the partition.
    fn gap_of(&self, partition: &PartitionKey) -> Option<&CoverageGap> {
        self.gaps.iter().find(|gap| gap.partition.as_ref().is_none_or(|concerned| concerned == partition))
    }
}

/// The values and fields that this version does not know, with their counts. It keeps at most 256 different
/// ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnknownValues {
    counts: BTreeMap<String, u64>,
}

impl UnknownValues {
    const MAX_DISTINCT: usize = 256;
    const MAX_LENGTH: usize = 64;

    /// No counts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts an unknown value of a field, such as `Blocker` of `severity`.
    pub fn count_value(&mut self, field: &str, value: &str) {
        let value: String = crate::mask::mask(value).chars().take(Self::MAX_LENGTH).collect();
        self.count(format!("{field}={value}"));
    }

    /// Counts an unknown field.
    pub fn count_field(&mut self, field: &str) {
        if let Some(count) = self.counts.get_mut(field) {
            *count = count.saturating_add(1);
        } else {
            self.count(field.chars().take(Self::MAX_LENGTH).collect());
        }
    }

    fn count(&mut self, key: String) {
        let is_kept = self.counts.len() < Self::MAX_DISTINCT || self.counts.contains_key(&key);
        let count = self.counts.entry(if is_kept { key } else { "…".to_owned() }).or_default();
        *count = count.saturating_add(1);
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The unknown fields (`field`) and values (`field=value`), with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(key, count)| (key.as_str(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> PartitionKey {
        PartitionKey::from(text)
    }

    #[test]
    fn a_partition_that_was_not_examined_is_inconclusive() {
        assert_eq!(Coverage::new().absence_of(&key("a")), Absence::Inconclusive);
    }

    #[test]
    fn a_coverage_is_partial_by_a_gap_or_by_its_query() {
        let mut coverage = Coverage::new();
        coverage.mark_inconclusive(key("a"), "the export does not say");
        assert_eq!(coverage.partial_reason(), None, "nothing is missing");
        coverage.mark_all_inconclusive("filtered by severity");
        coverage.mark_all_inconclusive("filtered by time");
        assert_eq!(coverage.partial_reason(), Some("filtered by severity"));
        coverage.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed").with_partition("b"));
        assert_eq!(coverage.partial_reason(), Some("chunk 2 failed"), "wherever it is");
    }

    #[test]
    fn a_later_conclusive_mark_does_not_override_a_partial_query() {
        let mut coverage = Coverage::new();
        coverage.mark_all_inconclusive("filtered by severity");
        coverage.mark_conclusive(key("a"));
        coverage.mark_inconclusive(key("b"), "not examined");
        assert_eq!(coverage.inconclusive_reason(&key("a")), Some("filtered by severity"));
        assert_eq!(coverage.inconclusive_reason(&key("b")), Some("not examined"));
        assert!(coverage.partitions().all(|(_, known)| known.absence == Absence::Inconclusive));
    }

    #[test]
    fn a_gap_makes_only_its_partition_inconclusive() {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(key("a"));
        coverage.mark_conclusive(key("b"));
        coverage.add_gap(CoverageGap::new(GapKind::ScanLimited, "time limit").with_partition("a"));
        assert_eq!(coverage.absence_of(&key("a")), Absence::Inconclusive);
        assert_eq!(coverage.inconclusive_reason(&key("a")), Some("time limit"));
        assert_eq!(coverage.absence_of(&key("b")), Absence::Conclusive);
        assert!(!coverage.is_complete());
        assert!(
            coverage.concerns(&key("a")) && coverage.concerns(&key("b")) && !coverage.concerns(&key("c"))
        );
        coverage.add_gap(CoverageGap::new(GapKind::ScanLimited, "time limit").with_partition("c"));
        assert!(coverage.concerns(&key("c")) && !coverage.concerns(&key("d")));
        coverage.add_gap(CoverageGap::new(GapKind::Chunk, "a chunk failed"));
        assert!(coverage.concerns(&key("d")), "it may be of any");
    }

    #[test]
    fn a_gap_without_a_partition_makes_all_inconclusive() {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(key("a"));
        coverage.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 3 failed"));
        assert_eq!(coverage.absence_of(&key("a")), Absence::Inconclusive);
    }

    #[test]
    fn an_inconclusive_examination_of_a_partition_outweighs_a_conclusive_one() {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(key("a"));
        coverage.mark_inconclusive(key("a"), "aborted");
        coverage.mark_conclusive(key("a"));
        assert_eq!(coverage.inconclusive_reason(&key("a")), Some("aborted"));
    }

    #[test]
    fn a_partition_that_was_examined_twice_has_the_narrower_profile() {
        fn profile(name: &str) -> ProfileKey {
            ProfileKey::from(name)
        }
        let coverage = |profiles: [(&str, &[&str]); 2]| {
            let mut coverage = Coverage::new();
            for (name, includes) in profiles {
                coverage.mark_conclusive(key("a"));
                coverage.set_profile(&key("a"), profile(name), includes.iter().map(|name| profile(name)));
            }
            coverage
        };
        for profiles in
            [[("wide", &["narrow"][..]), ("narrow", &[])], [("narrow", &[][..]), ("wide", &["narrow"])]]
        {
            let coverage = coverage(profiles);
            let known = coverage.partition(&key("a")).unwrap();
            assert_eq!(known.profile, Some(profile("narrow")));
            assert!(
                known.covers_profile(Some(&profile("narrow")))
                    && !known.covers_profile(Some(&profile("wide")))
            );
            assert_eq!(coverage.absence_of(&key("a")), Absence::Conclusive);
        }
        let both = coverage([("one", &[][..]), ("other", &[])]);
        assert_eq!(both.absence_of(&key("a")), Absence::Inconclusive);
    }

    #[test]
    fn an_unknown_profile_compares_with_an_unknown_one_only() {
        let mut coverage = Coverage::new();
        coverage.set_profile(&key("a"), ProfileKey::from("wide"), []);
        assert!(coverage.partition(&key("a")).is_none(), "a profile alone examines nothing");
        coverage.mark_conclusive(key("a"));
        let unknown = coverage.partition(&key("a")).unwrap().clone();
        assert!(unknown.covers_profile(None) && !unknown.covers_profile(Some(&"wide".into())));
        coverage.set_profile(&key("a"), ProfileKey::from("wide"), []);
        assert!(!coverage.partition(&key("a")).unwrap().covers_profile(None));
    }

    #[test]
    fn gaps_are_bounded_and_further_ones_make_all_inconclusive() {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(key("a"));
        for number in 0..=Coverage::MAX_GAPS {
            let gap = CoverageGap::new(GapKind::Record, "unreadable").with_path(format!("[{number}]"));
            coverage.add_gap(gap.clone().with_partition("b"));
            coverage.add_gap(gap.with_partition("b"));
        }
        assert_eq!(coverage.gaps().len(), Coverage::MAX_GAPS);
        assert_eq!(coverage.gap_count(), 1_003, "further gaps are only counted");
        assert_eq!(coverage.absence_of(&key("a")), Absence::Inconclusive);
    }

    #[test]
    fn the_weaker_mark_stays_in_either_order() {
        for gone_first in [true, false] {
            let mut coverage = Coverage::new();
            if gone_first {
                coverage.mark_conclusive(key("a"));
            }
            coverage.mark_inconclusive(key("a"), "the export does not say");
            coverage.mark_conclusive(key("a"));
            assert_eq!(coverage.absence_of(&key("a")), Absence::Inconclusive, "gone first: {gone_first}");
            assert_eq!(coverage.partitions().len(), 1);
        }
    }

    #[test]
    fn unknown_values_are_counted_and_bounded() {
        let mut unknown = UnknownValues::new();
        for number in 0..1_000 {
            unknown.count_value("severity", &format!("word{number}"));
        }
        unknown.count_field("newField");
        // Already known, so still counted by itself.
        unknown.count_value("severity", "word255");
        let counts: BTreeMap<_, _> = unknown.iter().collect();
        assert_eq!(counts.len(), 257);
        assert_eq!((counts["severity=word0"], counts["severity=word255"], counts["…"]), (1, 2, 745));
    }

    #[test]
    fn unknown_fields_are_counted_each_by_its_name() {
        let mut unknown = UnknownValues::new();
        assert!(unknown.is_empty());
        for field in ["newField", "other", "newField", "newField"] {
            unknown.count_field(field);
        }
        assert!(!unknown.is_empty());
        assert_eq!(unknown.iter().collect::<Vec<_>>(), [("newField", 3), ("other", 1)]);
        let coverage = Coverage::new().with_unknown(unknown.clone());
        assert_eq!(coverage.unknown(), &unknown);
    }

    #[test]
    fn a_coverage_survives_serialization() {
        let mut coverage = Coverage::new();
        coverage.mark_conclusive(key("a"));
        assert!(coverage.is_complete());
        let kept = serde_json::to_string(&coverage).unwrap();
        assert_eq!(kept, r#"{"partitions":{"a":{"absence":"conclusive"}},"gaps":[]}"#);

        let mut unknown = UnknownValues::new();
        unknown.count_value("severity", "Blocker");
        let mut coverage = coverage.with_unknown(unknown);
        for number in 0..=Coverage::MAX_GAPS {
            coverage.add_gap(CoverageGap::new(GapKind::Chunk, format!("chunk {number} failed")));
        }
        let kept = serde_json::to_string(&coverage).unwrap();
        assert!(kept.contains(r#""further_gaps":1,"unknown":{"severity=Blocker":1}"#), "{kept}");
        assert_eq!(serde_json::from_str::<Coverage>(&kept).unwrap(), coverage);
    }

    #[test]
    fn stored_counts_do_not_overflow() {
        let kept = r#"{"partitions":{},"gaps":[],"further_gaps":18446744073709551615,"unknown":{"f":18446744073709551615}}"#;
        let mut coverage: Coverage = serde_json::from_str(kept).unwrap();
        assert!(!coverage.is_complete(), "the further gaps count");
        for number in 0..=Coverage::MAX_GAPS {
            coverage.add_gap(CoverageGap::new(GapKind::Chunk, format!("chunk {number} failed")));
        }
        assert_eq!(coverage.gap_count(), u64::MAX);
        let mut unknown = coverage.unknown().clone();
        unknown.count_field("f");
        assert_eq!(unknown.iter().next(), Some(("f", u64::MAX)));
    }

    #[test]
    fn a_gap_prints_its_partition_and_path() {
        let gap = CoverageGap::new(GapKind::Record, "a record could not be read");
        assert_eq!(gap.to_string(), "a record could not be read");
        let gap = gap.with_partition("host:a").with_path("response[3]");
        assert_eq!(gap.to_string(), "host:a: a record could not be read (at response[3])");
    }
}
