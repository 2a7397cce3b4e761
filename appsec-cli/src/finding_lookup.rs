//! Finds findings of a binding in the store.

use appsec_import::reconcile::KnownFinding;
use appsec_import::store::Page;
use appsec_import::{Binding, SqlStore, Store as _};

use crate::exit::{Failure, Result};

/// The number of findings that are read from the store at a time.
const PAGE_SIZE: u32 = 500;

/// The shortest prefix of a fingerprint that identifies a finding, in hex digits.
const MIN_PREFIX: usize = 6;

/// Calls the function with each finding of the binding, until it returns `false`.
pub(crate) async fn for_each(
    store: &SqlStore,
    binding: &Binding,
    mut visit: impl FnMut(KnownFinding) -> Result<bool>,
) -> Result<()> {
    let mut after = 0;
    loop {
        let page =
            store.known_findings(binding, Page { after, limit: PAGE_SIZE }).await.map_err(Failure::store)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        after = *last;
        for (_, finding) in page {
            if !visit(finding)? {
                return Ok(());
            }
        }
    }
}

/// Finds the only finding with this fingerprint, prefix of a fingerprint, or id of the scanner.
pub(crate) async fn find_one(store: &SqlStore, binding: &Binding, id: &str) -> Result<KnownFinding> {
    let mut found: Option<KnownFinding> = None;
    let mut is_ambiguous = false;
    for_each(store, binding, |finding| {
        if matches(&finding, id) {
            is_ambiguous = found.is_some();
            found = Some(finding);
        }
        Ok(!is_ambiguous)
    })
    .await?;
    match found {
        Some(_) if is_ambiguous => {
            Err(Failure::usage(format!("several findings begin with {id:?}: add more digits")))
        }
        Some(finding) => Ok(finding),
        None => {
            Err(Failure::usage(format!("the binding has no finding {id:?}; `appsec findings` lists them")))
        }
    }
}

fn matches(finding: &KnownFinding, id: &str) -> bool {
    let fingerprint = finding.fingerprint.to_string();
    let digits = fingerprint.split_once(':').map_or(fingerprint.as_str(), |(_, digits)| digits);
    finding.aliases.iter().any(|alias| alias == id)
        || fingerprint == id
        || (id.len() >= MIN_PREFIX && (digits.starts_with(id) || fingerprint.starts_with(id)))
}
