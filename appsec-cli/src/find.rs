//! A finding of a binding by what a person has of it: its fingerprint, the beginning of it, or the scanner's own id.

use appsec_import::reconcile::KnownFinding;
use appsec_import::store::Page;
use appsec_import::{Binding, SqlStore, Store as _};

use crate::exit::{Failure, Result};

/// How many findings are read at a time.
const PAGE: u32 = 500;

/// Hands each finding of the binding to the function, a page at a time, until it says that it has enough.
pub(crate) async fn each(
    store: &SqlStore,
    binding: &Binding,
    mut visit: impl FnMut(KnownFinding) -> Result<bool>,
) -> Result<()> {
    let mut after = 0;
    loop {
        let page =
            store.known_findings(binding, Page { after, limit: PAGE }).await.map_err(Failure::store)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, finding) in page {
            if !visit(finding)? {
                return Ok(());
            }
        }
    }
}

/// The one finding that the word means.
pub(crate) async fn one(store: &SqlStore, binding: &Binding, word: &str) -> Result<KnownFinding> {
    let mut found: Option<KnownFinding> = None;
    let mut several = false;
    each(store, binding, |finding| {
        if means(word, &finding) {
            several = found.is_some();
            found = Some(finding);
        }
        Ok(!several)
    })
    .await?;
    match found {
        Some(_) if several => {
            Err(Failure::usage(format!("several findings begin with {word:?}: say more of it")))
        }
        Some(finding) => Ok(finding),
        None => Err(Failure::usage(format!(
            "the binding knows no finding {word:?}; `appsec findings` lists them"
        ))),
    }
}

fn means(word: &str, finding: &KnownFinding) -> bool {
    let fingerprint = finding.fingerprint.to_string();
    let digits = fingerprint.split_once(':').map_or(fingerprint.as_str(), |(_, digits)| digits);
    finding.aliases.iter().any(|alias| alias == word)
        || fingerprint == word
        || (word.len() >= 6 && (digits.starts_with(word) || fingerprint.starts_with(word)))
}
