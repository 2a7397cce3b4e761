//! The bind targets: the hosts of the inventory, their labels, and the whole tenant.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, CoverageGap, ErrorKind, GapKind,
    Result, Timestamp, stream_from,
};
use futures_util::TryStreamExt;

use crate::client::{ListQuery, NO_HOST_LISTED, SaltClient};
use crate::map::{host_key, host_target};
use crate::model::{Endpoint, Host, Page};

/// Streams the bind targets: a batch of hosts for each page of the inventory, then the labels of all hosts
/// and `all`, and at last the labels that only endpoints have.
pub(crate) fn stream(
    client: &SaltClient,
    query: BindTargetQuery,
) -> BoxStream<'static, Result<BindTargetBatch>> {
    let all = ListQuery::new().with_limit(client.settings().page_size);
    let (mut hosts, mut endpoints) = (client.hosts(all.clone()), client.endpoints(all));
    stream_from(move |batches| async move {
        let admitted = |mut batch: BindTargetBatch| {
            batch.targets.retain(|target| query.matches(target));
            batch
        };
        let mut listing = Listing::default();
        while let Some(page) = hosts.try_next().await? {
            batches.send(admitted(listing.add_page(page))).await?;
        }
        batches.send(admitted(BindTargetBatch::new(listing.groups()))).await?;
        loop {
            match endpoints.try_next().await {
                Ok(Some(page)) => batches.send(admitted(listing.add_endpoints(page))).await?,
                Ok(None) => return Ok(()),
                // Without the list no endpoint has a label that a project could be bound to.
                Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
                    tracing::warn!(%error, "labels that only endpoints have are not listed");
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), ErrorKind::Server | ErrorKind::Decode) => {
                    let message =
                        format!("labels that only endpoints have may be missing: {}", error.message());
                    let gap = CoverageGap::new(GapKind::NotInInventory, message);
                    return batches.send(BindTargetBatch::default().with_gap(gap)).await;
                }
                Err(error) => return Err(error),
            }
        }
    })
}

/// The hosts listed so far, and the groups that they form.
#[derive(Debug, Default)]
struct Listing {
    hosts: BTreeSet<String>,
    labels: BTreeMap<String, HostGroup>,
    all: HostGroup,
}

/// A group of hosts.
#[derive(Debug, Default)]
struct HostGroup {
    hosts: u64,
    last_seen: Option<Timestamp>,
}

impl HostGroup {
    fn add(&mut self, last_seen: Option<Timestamp>) {
        self.hosts += 1;
        self.last_seen = self.last_seen.max(last_seen);
    }

    fn describe(&self, target: BindTarget) -> BindTarget {
        let target = target.with_location_count(self.hosts);
        match self.last_seen {
            Some(at) => target.with_last_seen(at),
            None => target,
        }
    }
}

impl Listing {
    /// Adds a page of hosts and returns the bind targets of those that are new. A record that cannot be read
    /// is a gap. One without a name is no gap: nothing can be bound to it.
    fn add_page(&mut self, page: Page<Host>) -> BindTargetBatch {
        let mut batch = Vec::with_capacity(page.records.len());
        let mut nameless = 0_usize;
        for host in &page.records {
            let Some(name) = host.host() else {
                nameless += 1;
                continue;
            };
            if !self.hosts.insert(host_key(&name)) {
                continue;
            }
            let (labels, last_seen) = (host.labels(), host.last_activity_at());
            self.all.add(last_seen);
            for label in &labels {
                self.labels.entry(label.clone()).or_default().add(last_seen);
            }
            let mut target =
                BindTarget::new(host_target(&name), &name).with_location(name).with_labels(labels);
            target.last_seen = last_seen;
            target.description = host.endpoint_count().map(|count| format!("{count} endpoints"));
            batch.push(target);
        }
        if nameless > 0 {
            tracing::warn!(
                nameless,
                "the inventory has records without a host name; they are no bind targets"
            );
        }
        let mut gaps = page.gaps;
        gaps.extend(page.bad.into_iter().map(|bad| bad.into_gap("a host")));
        BindTargetBatch::new(batch).with_gaps(gaps)
    }

    /// Adds a page of endpoints and returns the bind targets of labels that no host and no earlier endpoint
    /// has.
    fn add_endpoints(&mut self, page: Page<Endpoint>) -> BindTargetBatch {
        let mut batch = Vec::new();
        for label in page.records.iter().flat_map(Endpoint::labels) {
            if let Entry::Vacant(place) = self.labels.entry(label) {
                batch.push(
                    BindTarget::new(BindTargetId::from_parts("label", place.key()), place.key().as_str())
                        .with_description("a label of endpoints"),
                );
                place.insert(HostGroup::default());
            }
        }
        let mut gaps = page.gaps;
        gaps.extend(page.bad.into_iter().map(|bad| bad.into_gap("an endpoint")));
        BindTargetBatch::new(batch).with_gaps(gaps)
    }

    /// Returns the bind targets of the labels of hosts and of the whole tenant.
    fn groups(&self) -> Vec<BindTarget> {
        let mut all = self.all.describe(BindTarget::new(BindTargetId::all(), "All hosts"));
        if self.hosts.is_empty() {
            all = all.with_description(NO_HOST_LISTED);
        }
        let label = |(name, group): (&String, &HostGroup)| {
            group.describe(BindTarget::new(BindTargetId::from_parts("label", name), name.as_str()))
        };
        self.labels.iter().map(label).chain([all]).collect()
    }
}
