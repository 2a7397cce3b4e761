//! The bind targets: the hosts of the inventory, their labels, and the whole tenant.

use std::collections::{BTreeMap, BTreeSet};

use appsec_core::{
    BindTarget, BindTargetBatch, BindTargetId, BindTargetQuery, BoxStream, Result, Timestamp, stream_from,
};
use futures_util::TryStreamExt;

use crate::client::{ListQuery, NO_HOST_LISTED, SaltClient};
use crate::map::{host_key, host_target};
use crate::model::{Host, Page};

/// Streams the bind targets: a batch of hosts for each page of the inventory, then the labels of all hosts
/// and `all`.
pub(crate) fn stream(
    client: &SaltClient,
    query: BindTargetQuery,
) -> BoxStream<'static, Result<BindTargetBatch>> {
    let mut pages = client.hosts(ListQuery::new().with_limit(client.settings().page_size));
    stream_from(move |batches| async move {
        let admitted = |mut batch: Vec<BindTarget>| {
            batch.retain(|target| query.matches(target));
            batch
        };
        let mut listing = Listing::default();
        while let Some(page) = pages.try_next().await? {
            batches.send(BindTargetBatch::new(admitted(listing.add_page(&page)))).await?;
        }
        batches.send(BindTargetBatch::new(admitted(listing.into_groups()))).await
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
    /// Adds a page of hosts and returns the bind targets of those that are new.
    fn add_page(&mut self, page: &Page<Host>) -> Vec<BindTarget> {
        let mut batch = Vec::with_capacity(page.records.len());
        let mut nameless = page.bad.len();
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
        batch
    }

    /// Returns the bind targets of the labels and of the whole tenant.
    fn into_groups(self) -> Vec<BindTarget> {
        let mut all = self.all.describe(BindTarget::new(BindTargetId::all(), "All hosts"));
        if self.hosts.is_empty() {
            all = all.with_description(NO_HOST_LISTED);
        }
        let label = |(name, group): (String, HostGroup)| {
            group.describe(BindTarget::new(BindTargetId::from_parts("label", &name), name.as_str()))
        };
        self.labels.into_iter().map(label).chain([all]).collect()
    }
}
