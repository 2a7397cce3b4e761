//! Salt's responses, through the whole client.

use std::collections::BTreeSet;

use appsec_core::{FindingQuery, FindingScope};
use bytes::Bytes;
use salt_client::{GapsQuery, ListQuery, SaltClient};
use serde_json::Value;

use crate::input::split_at_nul;
use crate::loopback::{Loopback, ReceivedRequest, Reply, findings, options};

struct Salt {
    service: Loopback,
    client: SaltClient,
}

thread_local! {
    static SALT: Salt = {
        let service = Loopback::start();
        let client = SaltClient::builder(service.base_url(), "the token")
            .with_http(options())
            .with_requests_per_second(None)
            .with_page_size(2)
            .build()
            .expect("a client");
        Salt { service, client }
    };
}

/// One response to every reading call, as a success and as an error.
pub fn salt_responses(body: &[u8]) {
    SALT.with(|Salt { service, client }| {
        for status in [200, 400] {
            let bytes = Bytes::copy_from_slice(body);
            service.run(move |_| (status, bytes.clone()), read(client, status == 200));
        }
    });
}

async fn read(client: &SaltClient, success: bool) {
    let list = ListQuery::new();
    if let Ok(page) = client.list_gaps(&GapsQuery::new()).await {
        assert!(success && page.len() == (page.records.len() + page.bad.len()) as u64);
        for gap in &page.records {
            let _ = (gap.labels(), gap.detected_at(), gap.last_activity_at());
            assert!(!gap.cwe_numbers().contains(&0));
        }
    }
    if let Ok(page) = client.list_hosts(&list).await {
        for host in &page.records {
            let _ = (
                host.id(),
                host.labels(),
                host.last_activity_at(),
                host.discovered_at(),
                host.endpoint_count(),
            );
            assert!(host.host().is_none_or(|name| !name.is_empty()));
            assert!(host.risk_score().is_none_or(f64::is_finite));
        }
    }
    if let Ok(page) = client.list_endpoints(&list).await {
        for endpoint in &page.records {
            let _ = (endpoint.host(), endpoint.method(), endpoint.path(), endpoint.labels());
        }
    }
    let assets = client.list_cloud_assets(&list).await.map(|page| page.records).unwrap_or_default();
    for asset in assets.iter().chain(&client.get_cloud_asset("id").await.ok()) {
        let _ = (asset.account(), asset.endpoint_count(), asset.first_discovered_at());
        let _ = (asset.additional_pairs(), asset.tag_pairs());
    }
    if let Err(error) = client.get_openapi("a.example").await {
        assert_eq!(error.status(), Some(if success { 200 } else { 400 }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("the token"));
    }
}

/// Gaps, hosts and a resume point, separated by NUL: the stream ends, and no finding is delivered twice.
pub fn salt_findings(data: &[u8]) {
    let [gaps, hosts, resume] = split_at_nul(data);
    let mut query = FindingQuery::new(FindingScope::All);
    query.resume = serde_json::from_slice(resume).ok();
    let resumed = query.resume.is_some();
    let (gaps, hosts) = (List::from_body(gaps), List::from_body(hosts));
    let records = gaps.len();
    SALT.with(|Salt { service, client }| {
        let respond = move |request: &ReceivedRequest| match request.uri.path() {
            "/v1/apigovern/posture/gaps" => gaps.page(request),
            _ => hosts.page(request),
        };
        let (found, end) = service.run(respond, findings(client, query));
        let ids: BTreeSet<_> = found.iter().flat_map(|finding| &finding.aliases).collect();
        assert_eq!(ids.len(), found.len(), "each finding is delivered once, with its id");
        assert!(found.len() <= records);
        if let Some(coverage) = end
            && !resumed
            && coverage.is_complete()
        {
            assert!(found.len() <= records, "a read without gaps has read every record");
        }
    });
}

/// A list that is paged as by the service, or any other bytes.
enum List {
    Records(Vec<Value>),
    Bytes(Bytes),
}

impl List {
    fn from_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Array(records)) => Self::Records(records),
            Ok(Value::Object(mut page)) => match page.remove("response") {
                Some(Value::Array(records)) => Self::Records(records),
                _ => Self::Bytes(Bytes::copy_from_slice(body)),
            },
            _ => Self::Bytes(Bytes::copy_from_slice(body)),
        }
    }

    fn len(&self) -> usize {
        if let Self::Records(records) = self { records.len() } else { 0 }
    }

    fn page(&self, request: &ReceivedRequest) -> Reply {
        match self {
            Self::Bytes(bytes) => (200, bytes.clone()),
            Self::Records(records) => {
                let offset = request.number("offset").unwrap_or(0);
                let limit = request.number("limit").unwrap_or(100);
                let page: Vec<&Value> = records.iter().skip(offset).take(limit).collect();
                let end = offset.saturating_add(page.len());
                (200, serde_json::json!({"response": page, "endOffset": end}).to_string().into())
            }
        }
    }
}
