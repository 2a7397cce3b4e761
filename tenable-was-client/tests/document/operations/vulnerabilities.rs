//! Detections.

use serde_json::json;
use tenable_was_client::filter::{Filter, ScanVulnerabilityField, VulnerabilityField};
use tenable_was_client::model::PluginId;
use tenable_was_client::{Result, client::VulnerabilityPage};

use super::{Output, Row, Sample, id, json, page, rows};

async fn whole(mut page: VulnerabilityPage) -> Result<Output> {
    let mut items = Vec::new();
    while let Some(item) = page.next().await {
        items.push(item?);
    }
    Ok(json(&json!({"pagination": page.pagination()?, "items": items})))
}

rows! {
    "was-v2-scans-details-vulns-search" as search_scan_vulnerabilities {
        |client| whole(client.search_scan_vulnerabilities(id(), &Filter::everything(), &page())?).await?,
        |client| {
            let filter = ScanVulnerabilityField::URI.matches("/search").into();
            whole(client.search_scan_vulnerabilities(id(), &filter, &page())?).await?
        },
        |client| {
            let filter = Filter::both(
                [ScanVulnerabilityField::PLUGIN_ID.is(PluginId(98_104))],
                [ScanVulnerabilityField::INPUT_NAME.is("q")],
            );
            whole(client.search_scan_vulnerabilities(id(), &filter, &page())?).await?
        },
    }
    "was-v2-vulns-details" as get_vulnerability { |client| json(&client.get_vulnerability(id()).await?) }
    "was-v2-vulns-search" as search_vulnerabilities {
        |client| whole(client.search_vulnerabilities(&Filter::everything(), &page())?).await?,
        |client| {
            let filter = VulnerabilityField::ASSET_ID.is(id()).into();
            whole(client.search_vulnerabilities(&filter, &page())?).await?
        },
        |client| {
            let filter = Filter::both(
                [VulnerabilityField::INPUT_TYPE.is("link")],
                [VulnerabilityField::OUTPUT.matches("jQuery")],
            );
            whole(client.search_vulnerabilities(&filter, &page())?).await?
        },
    }
}
