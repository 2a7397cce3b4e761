//! Which bind target and which partition a record of the export belongs to.
//!
//! The export can be asked by asset only, and an asset covers a host that several configurations share. A
//! record is attributed by the scan that it names, else by its URL.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use appsec_core::{BindTargetId, Error, ErrorKind, Location, PartitionKey, ProfileKey, Result, ScanId};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::child_scans::ChildScan;
use crate::TenableWasClient;
use crate::filter::Filter;
use crate::map::{Profile, TargetUrl, target_partition};
use crate::model::{ConfigId, Scan, TenableScanId};

/// The number of unknown scans from which on the scans of the requested configurations are listed. Fewer are
/// read one by one.
const LIST_FROM: usize = 3;

/// The maximum number of pages of scans that are listed of one configuration.
const MAX_PAGES: usize = 10;

/// The number of scans that are read at the same time.
const LOOKUPS_IN_FLIGHT: usize = 4;

/// The maximum number of scans that are read one by one in one read of an export. Records of further scans
/// are attributed by their URLs.
const MAX_LOOKUPS: usize = 1000;

/// What a record is attributed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributed {
    /// The bind targets: those that were requested, or that of another configuration.
    pub(super) targets: Vec<BindTargetId>,
    pub(super) partition: PartitionKey,
    pub(super) profile: Option<ProfileKey>,
}

/// Whether a record belongs to the requested targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    Requested(Attributed),
    /// Another configuration.
    Other(Attributed),
    /// Nothing decides.
    Unknown,
    /// The scan that the record names is still to be looked up.
    NotLookedUp,
}

/// A scan, as far as it decides about records.
#[derive(Debug)]
struct KnownScan {
    config: ConfigId,
    target: BindTargetId,
    /// The partition of the target that it examined; `None` for a scan of several targets.
    partition: Option<PartitionKey>,
    profile: Option<ProfileKey>,
}

/// A target URL of a known configuration.
#[derive(Debug)]
struct ConfiguredUrl {
    config: ConfigId,
    target: BindTargetId,
    url: TargetUrl,
}

/// The configurations, target URLs and scans by which records are attributed.
#[derive(Debug, Default)]
pub(super) struct Attribution {
    /// The requested configurations.
    requested: BTreeSet<ConfigId>,
    /// Whether every record belongs to the request.
    whole_tenant: bool,
    /// The bind target of the whole tenant, if it was requested by its id.
    all: Option<BindTargetId>,
    urls_by_host: HashMap<String, Vec<ConfiguredUrl>>,
    /// The scans by their ids; `None` for a scan that cannot be read.
    scans: RwLock<HashMap<ScanId, Option<Arc<KnownScan>>>>,
}

impl Attribution {
    /// Creates an attribution to the configurations, or to the whole tenant.
    pub(super) fn new(
        requested: impl IntoIterator<Item = ConfigId>,
        whole_tenant: bool,
        all: Option<BindTargetId>,
    ) -> Self {
        Self { requested: requested.into_iter().collect(), whole_tenant, all, ..Self::default() }
    }

    /// Adds a target URL of a configuration.
    pub(super) fn add_url(&mut self, config: ConfigId, url: &str) {
        let url = TargetUrl::new(config, url);
        let urls = self.urls_by_host.entry(url.host.clone()).or_default();
        if urls.iter().all(|known| known.url != url) {
            urls.push(ConfiguredUrl { config, target: BindTargetId::from(config), url });
        }
    }

    /// Adds a scan of a configuration.
    pub(super) fn add_scan(&self, config: ConfigId, scan: &Scan) {
        let profile = Profile::of_scan(scan).map(|profile| profile.key());
        self.insert(scan.scan_id, config, scan.url(), profile);
    }

    /// Adds a child of a scan of a configuration.
    pub(super) fn add_child(&self, config: ConfigId, parent: &Scan, child: &ChildScan) {
        let Some(id) = child.id else { return };
        let profile = Profile::of_scan(parent).map(|profile| profile.key());
        self.insert(id, config, child.url.as_deref(), profile);
    }

    fn insert(&self, id: TenableScanId, config: ConfigId, url: Option<&str>, profile: Option<ProfileKey>) {
        let known = KnownScan {
            config,
            target: BindTargetId::from(config),
            partition: url.map(|url| target_partition(config, url)),
            profile,
        };
        self.set(ScanId::from(id), Some(Arc::new(known)));
    }

    fn set(&self, id: ScanId, scan: Option<Arc<KnownScan>>) {
        // Nothing can panic while the lock is held, so a poisoned lock still guards valid data.
        self.scans.write().unwrap_or_else(PoisonError::into_inner).insert(id, scan);
    }

    /// Returns the partitions of the requested configurations' targets.
    pub(super) fn requested_partitions(&self) -> impl Iterator<Item = PartitionKey> {
        let urls = self.urls_by_host.values().flatten();
        urls.filter(|url| self.whole_tenant || self.requested.contains(&url.config))
            .map(|url| url.url.partition.clone())
    }

    /// Returns what a record belongs to, given the scan that it names and its place.
    pub(super) fn owner(&self, scan: Option<&ScanId>, place: &Location) -> Owner {
        let known =
            scan.and_then(|id| self.scans.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned());
        match known {
            Some(Some(scan)) => self.owner_of_scan(&scan, place),
            None if scan.is_some() && !self.whole_tenant => Owner::NotLookedUp,
            _ => self.owner_by_url(place),
        }
    }

    fn owner_of_scan(&self, scan: &KnownScan, place: &Location) -> Owner {
        let partition = scan
            .partition
            .clone()
            .or_else(|| self.longest_url(place, Some(scan.config))?.partition)
            .unwrap_or_else(PartitionKey::unattributed);
        let mut attributed =
            Attributed { targets: vec![scan.target.clone()], partition, profile: scan.profile.clone() };
        if self.whole_tenant {
            attributed.targets.extend(self.all.clone());
        } else if !self.requested.contains(&scan.config) {
            return Owner::Other(attributed);
        }
        Owner::Requested(attributed)
    }

    fn owner_by_url(&self, place: &Location) -> Owner {
        let found = self.longest_url(place, None);
        if found.is_none() && !self.whole_tenant {
            return Owner::Unknown;
        }
        let (mut targets, partition) =
            found.map_or((Vec::new(), None), |found| (found.targets, found.partition));
        targets.extend(self.all.clone());
        let partition = partition.unwrap_or_else(PartitionKey::unattributed);
        Owner::Requested(Attributed { targets, partition, profile: None })
    }

    /// Returns the target URL with the longest path that the place is below, among those of one configuration
    /// or of all that were requested.
    fn longest_url(&self, place: &Location, config: Option<ConfigId>) -> Option<UrlMatch> {
        let mut longest: Option<(usize, UrlMatch)> = None;
        for known in self.urls_by_host.get(&place.host)? {
            if config.is_some_and(|config| config != known.config) {
                continue;
            }
            let Some(length) = known.url.matched_length(place) else { continue };
            match &mut longest {
                Some((longer, _)) if *longer > length => {}
                // Two URLs that differ by query only, or one URL of two configurations.
                Some((equal, found)) if *equal == length => {
                    found.partition = None;
                    if !found.targets.contains(&known.target) {
                        found.targets.push(known.target.clone());
                    }
                }
                _ => {
                    let (targets, partition) =
                        (vec![known.target.clone()], Some(known.url.partition.clone()));
                    longest = Some((length, UrlMatch { targets, partition }));
                }
            }
        }
        longest.map(|(_, found)| found)
    }

    /// Looks up the scans that are not known, each once: in the listings of the requested configurations if
    /// they are many, and one by one. A scan that cannot be read stays unknown.
    ///
    /// # Errors
    /// `Auth`. Any other error leaves the scan unknown.
    pub(super) async fn look_up(
        &self,
        client: &TenableWasClient,
        scans: impl IntoIterator<Item = ScanId>,
        progress: &mut LookUps,
    ) -> Result<()> {
        let mut missing: HashSet<ScanId> = scans.into_iter().collect();
        self.retain_missing(&mut missing);
        if missing.len() >= LIST_FROM {
            for config in &self.requested {
                if !missing.is_empty() && progress.listed.insert(*config) {
                    self.list_scans(client, *config, &mut missing).await?;
                }
            }
        }
        let (mut ids, mut skipped) = (Vec::new(), Vec::new());
        for id in missing {
            match id.as_str().parse::<TenableScanId>() {
                Ok(parsed) if progress.read + ids.len() < MAX_LOOKUPS => ids.push((id, parsed)),
                _ => skipped.push(id),
            }
        }
        progress.read += ids.len();
        for id in skipped {
            self.set(id, None);
        }
        let mut responses = stream::iter(ids)
            .map(|(id, parsed)| async move { (id, client.get_scan(parsed).await) })
            .buffer_unordered(LOOKUPS_IN_FLIGHT);
        while let Some((id, response)) = responses.next().await {
            match response {
                Ok(scan) if scan.config_id.is_some() => {
                    // The id of the response may be spelled in another way.
                    scan.config_id.into_iter().for_each(|config| self.add_scan(config, &scan));
                    self.scans.write().unwrap_or_else(PoisonError::into_inner).entry(id).or_default();
                }
                Ok(_) => self.set(id, None),
                Err(error) => {
                    let error = unless_refused(error)?;
                    tracing::debug!(scan = %id, %error, "the scan of a record cannot be read");
                    self.set(id, None);
                }
            }
        }
        Ok(())
    }

    fn retain_missing(&self, missing: &mut HashSet<ScanId>) {
        let scans = self.scans.read().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|id| !scans.contains_key(id));
    }

    /// Adds scans of a configuration, newest first, until none is missing.
    async fn list_scans(
        &self,
        client: &TenableWasClient,
        config: ConfigId,
        missing: &mut HashSet<ScanId>,
    ) -> Result<()> {
        let mut pages = client.scans_of_config(config, Filter::everything()).take(MAX_PAGES);
        while !missing.is_empty() {
            match pages.try_next().await {
                Ok(Some(page)) => page.records.iter().for_each(|scan| self.add_scan(config, scan)),
                Ok(None) => break,
                Err(error) => {
                    let error = unless_refused(error)?;
                    tracing::debug!(%config, %error, "the scans of a configuration cannot be listed");
                    break;
                }
            }
            self.retain_missing(missing);
        }
        Ok(())
    }
}

/// A target URL that a place is below.
#[derive(Debug)]
struct UrlMatch {
    targets: Vec<BindTargetId>,
    /// `None` if several target URLs match equally well.
    partition: Option<PartitionKey>,
}

/// What was looked up so far.
#[derive(Debug, Default)]
pub(super) struct LookUps {
    listed: HashSet<ConfigId>,
    read: usize,
}

/// Fails with an error that concerns every call, and returns any other one.
fn unless_refused(error: Error) -> Result<Error> {
    if error.kind() == ErrorKind::Auth { Err(error) } else { Ok(error) }
}
