//! Scan configurations as bind targets.

use appsec_core::{BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, Result, Verbatim};
use futures_util::{StreamExt, TryStreamExt};

use crate::TenableWasClient;
use crate::filter::Filter;
use crate::model::{ApiTimestamp, ConfigSummary, PermissionLevel};

/// Streams the bind targets that a query asks for. Configurations in the trash are left out.
pub(crate) fn bind_targets(
    client: &TenableWasClient,
    query: BindTargetQuery,
) -> BoxStream<'static, Result<BindTargetBatch>> {
    // The query is applied here: the service's own filter compares names differently.
    client
        .configs(Filter::everything())
        .map_ok(move |page| {
            let visible = page.records.iter().filter(|config| config.in_trash != Some(true));
            let targets = visible.map(bind_target).filter(|target| query.matches(target)).collect();
            BindTargetBatch::new(targets).with_gaps(page.gaps)
        })
        .boxed()
}

fn bind_target(config: &ConfigSummary) -> BindTarget {
    let id = BindTargetId::from(config.config_id);
    let name = config.name.clone().unwrap_or_else(|| config.config_id.to_string());
    let permission = config.user_permissions.as_ref().map(Verbatim::value);
    // If the permission is absent, only a launch can tell.
    let may_launch = !matches!(permission, Some(PermissionLevel::NoAccess | PermissionLevel::View));
    // An imported configuration has no settings to scan with.
    let can_start = may_launch && config.imported != Some(true);
    let mut target = BindTarget::new(id, name).with_can_start(can_start);
    target.description = config.description.clone().filter(|text| !text.is_empty());
    target.locations.extend(config.target.clone());
    target.location_count = config.target_count;
    target.last_seen = config.last_scan.as_ref().and_then(|scan| {
        [&scan.finalized_at, &scan.started_at, &scan.created_at]
            .into_iter()
            .find_map(|time| time.as_ref().and_then(ApiTimestamp::timestamp))
    });
    target
}
