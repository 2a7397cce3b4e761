//! Scans.

use serde_json::json;
use tenable_was_client::filter::{Filter, ScanField, ScanStatusValue};
use tenable_was_client::model::RequestedAction;

use super::{Row, Sample, done, id, json, page, rows};

rows! {
    "was-v2-scans-launch" as launch_scan { |client| json(&json!({"scan_id": client.launch_scan(id()).await?})) }
    "was-v2-scans-search" as search_scans {
        |client| json(&client.search_scans(id(), &Filter::everything(), &page()).await?),
        |client| json(&client.search_scans(id(), &ScanField::STATUS.is(ScanStatusValue::Completed).into(), &page()).await?),
        |client| {
            let since = appsec_core::Timestamp::from_second(1_600_000_000).unwrap();
            let filter = Filter::both([ScanField::STARTED_AT.since(since)], [ScanField::STATUS.matches("abort")]);
            json(&client.search_scans(id(), &filter, &page()).await?)
        },
    }
    "was-v2-scans-details" as get_scan { |client| json(&client.get_scan(id()).await?) }
    "was-v2-scans-status-update" as update_scan {
        |client| { client.update_scan(id(), &RequestedAction::Stop).await?; done() },
        |client| { client.pause_scan(id()).await?; done() },
        |client| { client.resume_scan(id()).await?; done() },
    }
    "was-v2-scans-delete" as delete_scan { |client| { client.delete_scan(id()).await?; done() } }
    "was-v2-scans-notes-list" as list_scan_notes { |client| json(&client.list_scan_notes(id(), &page()).await?) }
}
