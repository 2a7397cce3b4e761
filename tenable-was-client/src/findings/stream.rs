//! Selects how a query is read: by export or by scan.

use appsec_core::{
    BoxStream, Error, FindingEvent, FindingQuery, FindingScope, Result, stream_error, stream_from,
};

use super::{by_export, by_scan};
use crate::TenableWasClient;
use crate::map::{BindTargetKind, parse_bind_target, parse_scan_id};

/// Returns the findings that a query asks for. An invalid query is an error before any request is sent.
pub(crate) fn findings(
    client: &TenableWasClient,
    query: FindingQuery,
) -> BoxStream<'static, Result<FindingEvent>> {
    open(client.clone(), query).unwrap_or_else(stream_error)
}

fn open(client: TenableWasClient, query: FindingQuery) -> Result<BoxStream<'static, Result<FindingEvent>>> {
    query.validate()?;
    match &query.scope {
        FindingScope::Scan(id) => {
            let id = parse_scan_id(id)?;
            let resume =
                query.resume.as_ref().map(|point| by_scan::ScanResume::parse(point, id)).transpose()?;
            Ok(stream_from(move |sender| by_scan::run(client, id, query, resume, sender)))
        }
        FindingScope::Targets(ids) => {
            let mut targets = ids.iter().map(parse_bind_target).collect::<Result<Vec<_>>>()?;
            targets.sort_unstable();
            targets.dedup();
            open_export(client, query, Some(targets))
        }
        FindingScope::All => open_export(client, query, None),
        _ => Err(Error::unsupported("findings with this scope")),
    }
}

fn open_export(
    client: TenableWasClient,
    query: FindingQuery,
    targets: Option<Vec<BindTargetKind>>,
) -> Result<BoxStream<'static, Result<FindingEvent>>> {
    let resume = query
        .resume
        .as_ref()
        .map(|point| by_export::ExportResume::parse(point, targets.as_deref()))
        .transpose()?;
    Ok(stream_from(move |sender| by_export::run(client, query, targets, resume, sender)))
}
