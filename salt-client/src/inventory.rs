//! What the inventory lists, for those who bind to it and for those who ask what an absence means.

use std::collections::{BTreeMap, BTreeSet};

use appsec_core::{BindTarget, BindTargetId, BindTargetQuery, BoxStream, ErrorKind, Result, Timestamp};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::client::SaltClient;
use crate::map::host_key;
use crate::model::{Host, Page};
use crate::request::ListQuery;

/// Said where no host is visible.
pub(crate) const PERM_VIEWER: &str =
    "the inventory lists no host; if there should be some, the token may lack the scope perm-viewer";

/// The hosts that the service lists, with their labels.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) hosts: BTreeMap<String, Vec<String>>,
    /// Why it cannot vouch for any host.
    pub(crate) problem: Option<String>,
}

impl Inventory {
    /// Reads the whole list.
    ///
    /// # Errors
    /// Those of the listing. That the token may not read it, or that there is none, is no error: the inventory then vouches
    /// for nothing.
    pub(crate) async fn load(client: &SaltClient) -> Result<Self> {
        let mut inventory = Self::default();
        let mut pages = client.hosts(ListQuery::new().with_limit(client.settings().page_size));
        loop {
            match pages.try_next().await {
                Ok(Some(page)) => inventory.take(&page),
                Ok(None) => break,
                Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
                    inventory.problem =
                        Some(format!("the inventory of hosts cannot be read: {}", error.message()));
                    return Ok(inventory);
                }
                Err(error) => return Err(error),
            }
        }
        if inventory.hosts.is_empty() {
            inventory.problem = Some(PERM_VIEWER.to_owned());
        }
        Ok(inventory)
    }

    fn take(&mut self, page: &Page<Host>) {
        for host in &page.records {
            if let Some(name) = host.host() {
                self.hosts.entry(host_key(&name)).or_insert_with(|| host.labels());
            }
        }
    }

    pub(crate) fn labels_of(&self, host: &str) -> &[String] {
        self.hosts.get(host).map_or(&[], Vec::as_slice)
    }
}

/// Lists bind targets: a batch of hosts for each page of the inventory, then the labels of all hosts, then `all`.
pub(crate) fn bind_targets(
    client: &SaltClient,
    query: BindTargetQuery,
) -> BoxStream<'static, Result<Vec<BindTarget>>> {
    let pages = client.hosts(ListQuery::new().with_limit(client.settings().page_size));
    let state = Some((pages, Listing::default()));
    stream::try_unfold(state, move |state| {
        let query = query.clone();
        async move {
            let Some((mut pages, mut listing)) = state else { return Ok(None) };
            let (mut batch, state) = match pages.try_next().await? {
                Some(page) => (listing.hosts(&page), Some((pages, listing))),
                None => (listing.rest(), None),
            };
            batch.retain(|target| query.admits(target));
            Ok(Some((batch, state)))
        }
    })
    .boxed()
}

/// What was listed so far.
#[derive(Debug, Default)]
struct Listing {
    hosts: BTreeSet<String>,
    labels: BTreeMap<String, Group>,
    all: Group,
}

/// Some hosts.
#[derive(Debug, Default)]
struct Group {
    hosts: u64,
    last_seen: Option<Timestamp>,
}

impl Group {
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
    fn hosts(&mut self, page: &Page<Host>) -> Vec<BindTarget> {
        let mut batch = Vec::with_capacity(page.records.len());
        let mut nameless = page.bad.len();
        for host in &page.records {
            let Some(name) = host.host() else {
                nameless += 1;
                continue;
            };
            let key = host_key(&name);
            if !self.hosts.insert(key.clone()) {
                continue;
            }
            let (labels, last_seen) = (host.labels(), host.last_activity_at());
            self.all.add(last_seen);
            for label in &labels {
                self.labels.entry(label.clone()).or_default().add(last_seen);
            }
            let mut target = BindTarget::new(BindTargetId::of("host", &key), &name)
                .with_location(name)
                .with_labels(labels);
            target.last_seen = last_seen;
            target.description = host.endpoint_count().map(|count| format!("{count} endpoints"));
            batch.push(target);
        }
        if nameless > 0 {
            tracing::warn!(
                nameless,
                "the inventory has records without a host's name, which cannot be bound to"
            );
        }
        batch
    }

    fn rest(self) -> Vec<BindTarget> {
        let mut all = self.all.describe(BindTarget::new(BindTargetId::all(), "All hosts"));
        if self.hosts.is_empty() {
            all = all.with_description(PERM_VIEWER);
        }
        let label = |(name, group): (String, Group)| {
            group.describe(BindTarget::new(BindTargetId::of("label", &name), name.as_str()))
        };
        self.labels.into_iter().map(label).chain([all]).collect()
    }
}
