//! From the name or the id of a bind target to its id, which is part of a binding's identity.

use std::collections::BTreeSet;

use appsec_core::{BindTargetId, DastApiScanner, DastApiScannerExt as _, Error, ErrorKind, Result};

use crate::binding::Binding;
use crate::store::KnownBinding;

/// Returns the id of the bind target that the binding names, as far as the known bindings of the same tenant
/// tell: it is the id of one of them, or the name of its target. `None` where none of them has it.
///
/// Asks no scanner, so it works without a network.
///
/// # Errors
/// `InvalidRequest` when targets with several ids have that name.
pub fn known_target(binding: &Binding, known: &[KnownBinding]) -> Result<Option<BindTargetId>> {
    let target = &binding.configuration.bind_target;
    let of_tenant = || known.iter().filter(|known| known.binding.is_of_same_tenant(binding));
    let id = |known: &KnownBinding| known.binding.configuration.bind_target.clone();
    if *target == BindTargetId::all() || of_tenant().any(|known| id(known) == *target) {
        return Ok(Some(target.clone()));
    }
    let named = of_tenant().filter(|known| known.target_name.as_deref() == Some(target.as_str()));
    let ids: BTreeSet<_> = named.map(id).collect();
    if ids.len() > 1 {
        let list: Vec<_> = ids.iter().map(BindTargetId::as_str).collect();
        let message = format!(
            "{} known bind targets are named \"{target}\": {}; name one of them by its id",
            ids.len(),
            list.join(", ")
        );
        return Err(Error::new(ErrorKind::InvalidRequest, message).with_operation("find bind target"));
    }
    Ok(ids.into_iter().next())
}

/// Returns the id of the bind target that the binding names by its id or its name: as [`known_target`] does,
/// else as the scanner lists it.
///
/// # Errors
/// `InvalidRequest` when several targets have that name, `NotFound` when the scanner lists none; those of the
/// scanner.
pub async fn resolve_target(
    scanner: &dyn DastApiScanner,
    binding: &Binding,
    known: &[KnownBinding],
) -> Result<BindTargetId> {
    match known_target(binding, known)? {
        Some(id) => Ok(id),
        None => Ok(scanner.find_target(binding.configuration.bind_target.as_str()).await?.id),
    }
}
