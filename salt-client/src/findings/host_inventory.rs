//! The hosts that the service knows, for deciding what the absence of a finding proves.

use std::collections::BTreeMap;

use appsec_core::{CoverageGap, ErrorKind, Result};
use futures_util::TryStreamExt;

use crate::client::{ListQuery, NO_HOST_LISTED, SaltClient};
use crate::map::host_key;
use crate::model::{Host, Page};

/// The hosts that the inventory lists.
#[derive(Debug, Default)]
pub(super) struct HostInventory {
    /// The labels of each host, by [`host_key`].
    pub(super) hosts: BTreeMap<String, Vec<String>>,
    /// Why the inventory proves nothing about any host.
    pub(super) problem: Option<String>,
    /// What the list may lack, if it could not be read completely: then a host that it does not name, and
    /// the labels of that host, are unknown.
    pub(super) gap: Option<CoverageGap>,
}

impl HostInventory {
    /// Reads the whole list.
    ///
    /// # Errors
    /// Those of the listing. A list that the token may not read, or that does not exist, is no error: it
    /// becomes the [`problem`](Self::problem).
    pub(super) async fn load(client: &SaltClient) -> Result<Self> {
        let mut inventory = Self::default();
        let mut pages = client.hosts(ListQuery::new().with_limit(client.settings().page_size));
        loop {
            match pages.try_next().await {
                Ok(Some(page)) => inventory.add(page),
                Ok(None) => break,
                Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound) => {
                    inventory.problem =
                        Some(format!("the inventory of hosts cannot be read: {}", error.message()));
                    return Ok(inventory);
                }
                Err(error) => return Err(error),
            }
        }
        if inventory.hosts.is_empty() && inventory.gap.is_none() {
            inventory.problem = Some(NO_HOST_LISTED.to_owned());
        }
        Ok(inventory)
    }

    fn add(&mut self, page: Page<Host>) {
        let bad = page.bad.into_iter().map(|bad| bad.into_gap("a host"));
        if let Some(gap) = page.gaps.into_iter().chain(bad).next() {
            self.gap.get_or_insert(gap);
        }
        for host in &page.records {
            if let Some(name) = host.host() {
                self.hosts.entry(host_key(&name)).or_insert_with(|| host.labels());
            }
        }
    }

    /// Returns the labels of a host, given by its [`host_key`].
    pub(super) fn labels(&self, host: &str) -> &[String] {
        self.hosts.get(host).map_or(&[], Vec::as_slice)
    }
}
