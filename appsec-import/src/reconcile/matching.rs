//! Which known finding an observation is.

use std::collections::HashMap;

use appsec_core::Fingerprint;

use super::known_finding::KnownFinding;
use super::occurrences::Observation;

/// Known findings by alias and by fingerprint. The values are indices into the list of known findings.
pub(crate) struct KnownIndex {
    by_alias: HashMap<String, Vec<usize>>,
    by_fingerprint: HashMap<Fingerprint, Vec<usize>>,
}

impl KnownIndex {
    pub(crate) fn new(known: &[KnownFinding]) -> Self {
        let mut by_alias = HashMap::<_, Vec<_>>::new();
        let mut by_fingerprint = HashMap::<_, Vec<_>>::new();
        for (index, finding) in known.iter().enumerate() {
            by_fingerprint.entry(finding.fingerprint).or_default().push(index);
            for alias in &finding.aliases {
                by_alias.entry(alias.clone()).or_default().push(index);
            }
        }
        Self { by_alias, by_fingerprint }
    }

    pub(crate) fn find(&self, observation: &Observation) -> Option<usize> {
        let by_alias =
            observation.aliases.iter().filter_map(|alias| self.by_alias.get(alias)).map(Vec::as_slice);
        let by_fingerprint = self.by_fingerprint.get(&observation.fingerprint).map(Vec::as_slice);
        best_match(by_alias, by_fingerprint.unwrap_or_default())
    }

    /// Whether a known finding has the fingerprint.
    pub(crate) fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.by_fingerprint.contains_key(fingerprint)
    }
}

/// Returns the known finding that an observation is.
///
/// That is the first that shares both an alias and the fingerprint, else the first that shares an alias,
/// else the first that shares the fingerprint. Two findings may share an alias, since a renamed rule can
/// divide what was one finding before.
pub(crate) fn best_match<'a, T: Copy + Ord + 'a>(
    mut by_alias: impl Iterator<Item = &'a [T]> + Clone,
    by_fingerprint: &[T],
) -> Option<T> {
    let both = by_alias.clone().flatten().filter(|known| by_fingerprint.contains(known)).min();
    let first = || by_alias.find_map(|known| known.iter().min());
    both.or_else(first).or_else(|| by_fingerprint.iter().min()).copied()
}
