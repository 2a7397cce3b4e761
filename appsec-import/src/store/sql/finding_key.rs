//! The keys by which a finding is found: its fingerprint and its aliases, distinguished by their first
//! letter.

use appsec_core::Fingerprint;

pub(super) fn fingerprint_key(fingerprint: Fingerprint) -> String {
    format!("f{fingerprint}")
}

pub(super) fn alias_key(alias: &str) -> String {
    format!("a{alias}")
}

/// Returns all keys of a finding, that of its fingerprint first.
pub(super) fn finding_keys(fingerprint: Fingerprint, aliases: &[String]) -> impl Iterator<Item = String> {
    std::iter::once(fingerprint_key(fingerprint)).chain(aliases.iter().map(|alias| alias_key(alias)))
}
