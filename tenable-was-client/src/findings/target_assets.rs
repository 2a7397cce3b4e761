//! Which assets the scans of bind targets examined. The export can be asked by asset only; projects are bound
//! to configurations.

use std::collections::BTreeSet;

use appsec_core::{BindTargetId, CoverageGap, GapKind, Result};
use futures_util::TryStreamExt;

use super::attribution::Attribution;
use super::child_scans::{ChildScan, ChildScans, child_scans};
use super::refusal::is_refusal;
use crate::TenableWasClient;
use crate::filter::Filter;
use crate::map::BindTargetKind;
use crate::model::{AssetId, ConfigId, ConfigSummary, Scan};

/// The assets of the requested bind targets, and what decides which of their records belong to them.
#[derive(Debug, Default)]
pub(super) struct TargetAssets {
    assets: BTreeSet<AssetId>,
    /// Whether the whole tenant is requested, so that assets of no configuration are wanted too.
    whole_tenant: bool,
    pub(super) attribution: Attribution,
    pub(super) gaps: Vec<CoverageGap>,
}

impl TargetAssets {
    /// Looks up the assets of the targets, or of the whole tenant if `targets` is `None`.
    pub(super) async fn fetch(client: &TenableWasClient, targets: Option<&[BindTargetKind]>) -> Result<Self> {
        let all = targets.is_some_and(|targets| targets.contains(&BindTargetKind::All));
        let mut requested: BTreeSet<ConfigId> = targets
            .unwrap_or_default()
            .iter()
            .filter_map(|target| match target {
                BindTargetKind::All => None,
                BindTargetKind::Config(config) => Some(*config),
            })
            .collect();
        let whole_tenant = all || targets.is_none();
        let attribution =
            Attribution::new(requested.iter().copied(), whole_tenant, all.then(BindTargetId::all));
        let mut assets = Self { whole_tenant, attribution, ..Self::default() };
        let mut pages = client.configs(Filter::everything());
        let mut listing_gap: Option<CoverageGap> = None;
        while let Some(page) = pages.try_next().await? {
            listing_gap = listing_gap.or(page.gaps.into_iter().next());
            for config in page.records {
                let explicit = requested.remove(&config.config_id);
                if explicit || assets.whole_tenant {
                    assets.add(client, &config, explicit).await?;
                }
            }
            if requested.is_empty() && !assets.whole_tenant {
                break;
            }
        }
        for config in requested {
            let message = format!("configuration {config} does not exist or is not visible");
            let gap = match &listing_gap {
                None => CoverageGap::new(GapKind::TargetMissing, message),
                // It may be among what the listing lacks.
                Some(gap) => {
                    CoverageGap::new(gap.kind.clone(), format!("{message}, in a list with a gap: {gap}"))
                }
            };
            assets.gaps.push(gap.with_partition(BindTargetId::from(config).as_str()));
        }
        if let Some(gap) = listing_gap.filter(|_| assets.whole_tenant) {
            // The targets of some assets are unknown.
            assets.gaps.push(gap);
        }
        Ok(assets)
    }

    /// Adds the assets of a configuration. `explicit` says whether it was requested by its own id, not as
    /// part of the tenant.
    async fn add(&mut self, client: &TenableWasClient, config: &ConfigSummary, explicit: bool) -> Result<()> {
        let has_urls = self.add_urls(client, config, explicit).await?;
        let Some(last) = &config.last_scan else {
            self.add_never_scanned_gap(config, explicit, "was never scanned, so it has no results");
            return Ok(());
        };
        let mut scanned = ScannedAssets::fetch(client, config, last).await?;
        if !scanned.complete {
            // The newest scan may have been requested only moments ago.
            scanned.add_earlier_scans(client, config, last).await?;
        }
        if scanned.assets.is_empty() {
            let reason = "has no scanned target so far, so it has no results";
            self.add_never_scanned_gap(config, explicit, reason);
        } else if !scanned.complete {
            let reason =
                format!("has {} targets without an asset, whose results are unknown", scanned.without_asset);
            self.add_never_scanned_gap(config, explicit, &reason);
        }
        self.assets.extend(scanned.assets);
        for (scan, children) in &scanned.scans {
            self.attribution.add_scan(config.config_id, scan);
            for child in children {
                self.attribution.add_child(config.config_id, scan, child);
            }
        }
        if !has_urls {
            let scans = scanned.scans.iter().flat_map(|(scan, children)| {
                scan.url().into_iter().chain(children.iter().filter_map(|child| child.url.as_deref()))
            });
            scans.for_each(|url| self.attribution.add_url(config.config_id, url));
        }
        Ok(())
    }

    /// Adds the target URLs of a configuration. Returns whether all of them are known.
    ///
    /// A listing contains one URL only. Those of a requested configuration with several targets are in its
    /// details, which need a higher role.
    async fn add_urls(
        &mut self,
        client: &TenableWasClient,
        config: &ConfigSummary,
        explicit: bool,
    ) -> Result<bool> {
        let id = config.config_id;
        if let Some(url) = &config.target {
            self.attribution.add_url(id, url);
        }
        if config.target_count.is_some_and(|count| count <= 1) && config.target.is_some() {
            return Ok(true);
        }
        if !explicit {
            return Ok(false);
        }
        match client.get_config(id).await {
            Ok(details) => {
                details
                    .targets
                    .iter()
                    .chain(&details.target)
                    .for_each(|url| self.attribution.add_url(id, url));
                let count = config.target_count.unwrap_or_default();
                Ok(!details.targets.is_empty() && details.targets.len() as u64 >= count)
            }
            Err(error) if is_refusal(&error) => {
                tracing::debug!(config = %id, %error, "the targets of a configuration cannot be read");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds a gap if the configuration was requested by its own id. The export of the whole tenant does
    /// not depend on targets.
    fn add_never_scanned_gap(&mut self, config: &ConfigSummary, explicit: bool, reason: &str) {
        if explicit {
            let name = config.name.as_deref().unwrap_or("without a name");
            self.gaps.push(
                CoverageGap::new(GapKind::NeverScanned, format!("configuration {name:?} {reason}"))
                    .with_partition(BindTargetId::from(config.config_id).as_str()),
            );
        }
    }

    /// Returns the assets to export: `None` for all, an empty list for none.
    pub(super) fn export_filter(&self) -> Option<Vec<AssetId>> {
        (!self.whole_tenant).then(|| self.ids().collect())
    }

    /// Returns the assets that are known to belong to a target.
    pub(super) fn ids(&self) -> impl Iterator<Item = AssetId> {
        self.assets.iter().copied()
    }

    /// Whether records of the asset were requested.
    pub(super) fn contains(&self, asset: Option<AssetId>) -> bool {
        self.whole_tenant || asset.is_some_and(|asset| self.assets.contains(&asset))
    }
}

/// The assets that scans of one configuration examined.
#[derive(Debug)]
struct ScannedAssets {
    assets: Vec<AssetId>,
    /// The scans that were looked at, each with its children.
    scans: Vec<(Scan, Vec<ChildScan>)>,
    /// The number of targets of the newest scan that name no asset, or are not listed.
    without_asset: u64,
    /// Whether `assets` contains all targets of one scan.
    complete: bool,
}

impl ScannedAssets {
    /// Looks up the assets of one scan: its own, or those of its children.
    async fn fetch(client: &TenableWasClient, config: &ConfigSummary, scan: &Scan) -> Result<Self> {
        if let Some(asset) = scan.asset_id {
            let scans = vec![(scan.clone(), Vec::new())];
            return Ok(Self { assets: vec![asset], scans, without_asset: 0, complete: true });
        }
        let mut scan = scan.clone();
        scan.config_id = scan.config_id.or(Some(config.config_id));
        let expected = scan.metadata.as_ref().and_then(|metadata| metadata.total_children);
        let ChildScans { children, gaps } = child_scans(client, &scan).await?;
        // What a listing with a gap lacks is at least one target.
        let listed = children.len() as u64 + u64::from(!gaps.is_empty());
        let targets = expected.unwrap_or_default().max(listed);
        let assets: Vec<_> = children.iter().filter_map(|child| child.asset).collect();
        let without_asset = targets.saturating_sub(assets.len() as u64);
        let complete = without_asset == 0 && !assets.is_empty();
        Ok(Self { complete, assets, scans: vec![(scan, children)], without_asset })
    }

    /// Adds the assets of the scans before the last one. Stops at a scan that names all of its own assets,
    /// or after [`MAX_INCOMPLETE_SCANS`] scans that name only some.
    async fn add_earlier_scans(
        &mut self,
        client: &TenableWasClient,
        config: &ConfigSummary,
        last: &Scan,
    ) -> Result<()> {
        let mut pages = client.scans_of_config(config.config_id, Filter::everything());
        let mut incomplete = usize::from(!self.assets.is_empty());
        while let Some(page) = pages.try_next().await? {
            // A scan that the list lacks is not missed: the walk ends at one that names all of its assets.
            for scan in
                page.records.iter().filter(|scan| scan.scan_id != last.scan_id && scan.parent_id.is_none())
            {
                let earlier = Self::fetch(client, config, scan).await?;
                incomplete += usize::from(!earlier.assets.is_empty());
                self.complete = earlier.complete;
                self.scans.extend(earlier.scans);
                for asset in earlier.assets {
                    if !self.assets.contains(&asset) {
                        self.assets.push(asset);
                    }
                }
                if self.complete || incomplete > MAX_INCOMPLETE_SCANS {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The maximum number of scans to read that do not name the assets of all their targets.
const MAX_INCOMPLETE_SCANS: usize = 5;
