//! Tenable's export, through the whole client.

use std::time::Duration;

use appsec_core::{Absence, FindingQuery, FindingScope};
use bytes::Bytes;
use serde_json::value::RawValue;
use tenable_was_client::model::{ChunkId, ExportFinding};
use tenable_was_client::{ExportOptions, TenableWasClient};

use crate::input::split_at_nul;
use crate::loopback::{Loopback, ReceivedRequest, Reply, findings, options};

const EXPORT: &str = "bf000000-53aa-4e70-9ef3-87cfca1d2be0";

struct Tenable {
    service: Loopback,
    client: TenableWasClient,
}

thread_local! {
    static TENABLE: Tenable = {
        let service = Loopback::start();
        let millisecond = Duration::from_millis(1);
        let client = TenableWasClient::builder("access", "secret")
            .with_base_url(service.base_url())
            .with_http(options())
            .with_export(ExportOptions::new().with_pauses(millisecond, millisecond).with_patience(5 * millisecond))
            .build()
            .expect("a client");
        Tenable { service, client }
    };
}

/// A chunk of an export, read twice: its records equal those of an ordinary decoder, whatever was decoded
/// before.
pub fn tenable_export(chunk: &[u8]) {
    TENABLE.with(|Tenable { service, client }| {
        let bytes = Bytes::copy_from_slice(chunk);
        let expected = serde_json::from_slice::<Vec<Box<RawValue>>>(chunk).ok().map(|elements| {
            let decoded =
                elements.iter().map(|element| serde_json::from_str::<ExportFinding>(element.get()).ok());
            decoded.collect::<Vec<_>>()
        });
        for _ in 0..2 {
            let bytes = bytes.clone();
            let read = service.run(move |_| (200, bytes.clone()), read(client));
            match (&expected, read) {
                (Some(expected), Some(read)) => assert_eq!(&read, expected),
                // The nesting depth is limited; a decoder that skips values has no such limit.
                (Some(_), None) => assert!(count_brackets(chunk) > 128),
                // An error inside a record concerns that record only.
                (None, read) => assert!(read.is_none_or(|records| records.contains(&None))),
            }
        }
    });
}

/// The records, `None` for one that is rejected; `None` as a whole where the chunk is rejected.
async fn read(client: &TenableWasClient) -> Option<Vec<Option<ExportFinding>>> {
    let mut records = client.export_chunk(EXPORT.parse().ok()?, ChunkId(1)).expect("a valid request");
    let mut read = Vec::new();
    while let Some(record) = records.next().await {
        match record {
            Ok(record) => read.push(Some(record)),
            // The error of a record has the record's path; any other error ends the chunk.
            Err(error) if error.path().is_some() => read.push(None),
            Err(_) => return None,
        }
    }
    Some(read)
}

fn count_brackets(chunk: &[u8]) -> usize {
    chunk.iter().filter(|byte| matches!(byte, b'[' | b'{')).count()
}

/// A chunk and the job's status, separated by NUL, to findings.
pub fn tenable_findings(data: &[u8]) {
    let [chunk, status, resume] = split_at_nul(data).map(Bytes::copy_from_slice);
    let mut query = FindingQuery::new(FindingScope::All);
    query.resume = serde_json::from_slice(&resume).ok();
    query.raw = true;
    TENABLE.with(|Tenable { service, client }| {
        let respond = move |request: &ReceivedRequest| -> Reply {
            let path = request.uri.path();
            if path.ends_with("/status") && status.is_empty() {
                let finished = r#"{"status": "FINISHED", "chunks_available": [1, 2], "total_chunks": 2}"#;
                (200, finished.into())
            } else if path.ends_with("/status") {
                (200, status.clone())
            } else if path.contains("/chunks/") {
                (200, chunk.clone())
            } else {
                (200, format!(r#"{{"export_uuid": "{EXPORT}"}}"#).into())
            }
        };
        let (found, end) = service.run(respond, findings(client, query));
        for finding in &found {
            let stored = serde_json::to_string(finding).expect("a finding can be stored");
            assert_eq!(serde_json::from_str(&stored).ok().as_ref(), Some(finding), "{stored}");
        }
        if let Some(coverage) = end {
            let inconclusive =
                coverage.partitions().all(|(key, _)| coverage.absence_of(key) == Absence::Inconclusive);
            assert!(inconclusive, "absence from an export is never conclusive: {coverage:?}");
        }
    });
}
