//! What a finding is found by: its fingerprint and its ids, told apart by their first letter.

use appsec_core::Fingerprint;

pub(super) fn fingerprint_key(fingerprint: Fingerprint) -> String {
    format!("f{fingerprint}")
}

pub(super) fn alias_key(alias: &str) -> String {
    format!("a{alias}")
}

/// All keys of a finding, that of its fingerprint first.
pub(super) fn keys_of(fingerprint: Fingerprint, aliases: &[String]) -> impl Iterator<Item = String> {
    std::iter::once(fingerprint_key(fingerprint)).chain(aliases.iter().map(|alias| alias_key(alias)))
}
