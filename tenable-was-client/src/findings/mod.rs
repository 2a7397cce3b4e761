//! Findings by their routes: the results of one scan, and the export.

mod assets;
mod children;
mod emit;
mod export;
mod output;
mod rules;
mod saved;
mod scan;

use appsec_core::{BoxStream, FindingEvent, FindingQuery, FindingScope, Result, once_err};

use crate::TenableWasClient;
use crate::map::{scan_id_of, target_of};

pub(crate) use children::{Child, children};
pub use saved::{SavedFindings, SavedReport};

/// The findings that a query asks for. What is wrong with the query is said before anything is sent.
pub(crate) fn findings(
    client: &TenableWasClient,
    query: FindingQuery,
) -> BoxStream<'static, Result<FindingEvent>> {
    route(client.clone(), query).unwrap_or_else(once_err)
}

fn route(client: TenableWasClient, query: FindingQuery) -> Result<BoxStream<'static, Result<FindingEvent>>> {
    query.check()?;
    match &query.scope {
        FindingScope::Scan(id) => {
            let id = scan_id_of(id)?;
            let resume = query.resume.as_ref().map(|point| scan::Resume::read(point, id)).transpose()?;
            Ok(emit::stream(move |emit| scan::run(client, id, query, resume, emit)))
        }
        FindingScope::Targets(ids) => {
            let mut targets = ids.iter().map(target_of).collect::<Result<Vec<_>>>()?;
            targets.sort_unstable();
            targets.dedup();
            export_route(client, query, Some(targets))
        }
        FindingScope::All => export_route(client, query, None),
        _ => Err(appsec_core::Error::unsupported("findings with this scope")),
    }
}

fn export_route(
    client: TenableWasClient,
    query: FindingQuery,
    targets: Option<Vec<crate::map::Target>>,
) -> Result<BoxStream<'static, Result<FindingEvent>>> {
    let resume =
        query.resume.as_ref().map(|point| export::Resume::read(point, targets.as_deref())).transpose()?;
    Ok(emit::stream(move |emit| export::run(client, query, targets, resume, emit)))
}
