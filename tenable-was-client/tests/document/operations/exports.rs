//! The findings export.

use std::net::Ipv4Addr;

use appsec_core::Severity;
use serde_json::json;
use tenable_was_client::model::{
    ChunkId, ExportFilters, ExportRequest, FindingState, OwaspList, PluginId, ScoreFilter,
    SeverityModification,
};

use super::{Row, Sample, id, json, rows};

/// All filters but `since`, which excludes some of them, and `eq`, which excludes the bounds.
fn all() -> ExportRequest {
    let at = |seconds| appsec_core::Timestamp::from_second(seconds).unwrap();
    let score =
        || ScoreFilter::default().with_neq([5.0]).with_gt(0.5).with_gte(1.0).with_lt(9.5).with_lte(9.0);
    let lists =
        [OwaspList::Web2010, OwaspList::Web2013, OwaspList::Web2017, OwaspList::Web2021, OwaspList::Api2019];
    let filters = ExportFilters::default()
        .with_states([FindingState::Open, FindingState::Reopened, FindingState::Fixed])
        .with_severities(Severity::WORST_FIRST)
        .with_severity_modifications([
            SeverityModification::None,
            SeverityModification::Recasted,
            SeverityModification::Accepted,
        ])
        .with_first_found(at(1_600_000_000))
        .with_last_found(at(1_600_000_001))
        .with_last_fixed(at(1_600_000_002))
        .with_indexed_at(at(1_600_000_003))
        .with_assets([id()])
        .with_asset_name("shop.example.com")
        .with_ipv4s([Ipv4Addr::new(192, 0, 2, 10)])
        .with_plugins([PluginId(98_104)])
        .with_cvss4_base_score(score())
        .with_vpr_score(score())
        .with_vpr_v2_score(score())
        .with_epss_score(score());
    ExportRequest::new(lists.into_iter().fold(filters, |filters, list| filters.with_owasp(list, 1..=10)))
}

fn exactly() -> ExportRequest {
    let one = || ScoreFilter::default().with_eq([2.5]).with_neq([3.0]);
    let filters = ExportFilters::default().with_cvss4_base_score(one()).with_vpr_score(one());
    ExportRequest::new(filters.with_vpr_v2_score(one()).with_epss_score(one()))
}

rows! {
    "was-export-findings" as request_export {
        |client| json(&json!({"export_uuid": client.request_export(&ExportRequest::everything()).await?})),
        |client| json(&json!({"export_uuid": client.request_export(&all()).await?})),
        |client| json(&json!({"export_uuid": client.request_export(&exactly()).await?})),
        |client| {
            let request = ExportRequest::everything().with_assets([id()]).with_properties(["asset.name"]);
            json(&json!({"export_uuid": client.request_export(&request).await?}))
        },
    }
    "was-export-findings-status" as get_export { |client| json(&client.get_export(id()).await?) }
    "was-export-findings-jobs-list" as list_exports { |client| json(&client.list_exports().await?) }
    "was-export-findings-download-chunk" as export_chunk {
        |client| {
            let mut records = client.export_chunk(id(), ChunkId(1))?;
            let mut all = Vec::new();
            while let Some(record) = records.next().await {
                all.push(record?);
            }
            json(&all)
        },
    }
    "was-export-findings-cancel" as cancel_export { |client| json(&client.cancel_export(id()).await?) }
}
