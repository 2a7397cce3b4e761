//! Which assets belong to which bind targets. The export knows assets only; projects are bound to
//! configurations.

use std::collections::{BTreeSet, HashMap};

use appsec_core::{BindTargetId, CoverageGap, GapKind, Result};
use futures_util::TryStreamExt;

use super::child_scans::child_scans;
use crate::TenableWasClient;
use crate::filter::Filter;
use crate::map::BindTargetKind;
use crate::model::{AssetId, ConfigId, ConfigSummary, Scan};

/// The assets of the requested bind targets.
#[derive(Debug, Default)]
pub(super) struct TargetAssets {
    targets: HashMap<AssetId, Vec<BindTargetId>>,
    /// Whether the whole tenant is requested, so that assets of no configuration are wanted too.
    whole_tenant: bool,
    /// The bind target of the whole tenant, if it was requested by its id.
    all: Option<BindTargetId>,
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
        let mut assets = Self {
            whole_tenant: all || targets.is_none(),
            all: all.then(BindTargetId::all),
            ..Self::default()
        };
        let mut pages = client.configs(Filter::everything());
        while let Some(page) = pages.try_next().await? {
            for config in page {
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
            assets.gaps.push(
                CoverageGap::new(
                    GapKind::TargetMissing,
                    format!("configuration {config} does not exist or is not visible"),
                )
                .with_partition(BindTargetId::from(config).as_str()),
            );
        }
        Ok(assets)
    }

    /// Adds the assets of a configuration. `explicit` says whether it was requested by its own id, not as
    /// part of the tenant.
    async fn add(&mut self, client: &TenableWasClient, config: &ConfigSummary, explicit: bool) -> Result<()> {
        let id = BindTargetId::from(config.config_id);
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
        for asset in scanned.assets {
            let targets = self.targets.entry(asset).or_default();
            if !targets.contains(&id) {
                targets.push(id.clone());
            }
        }
        Ok(())
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
        self.targets.keys().copied()
    }

    /// Returns the targets that an asset belongs to, or `None` if the asset was not requested.
    pub(super) fn targets(&self, asset: Option<AssetId>) -> Option<Vec<BindTargetId>> {
        let known = asset.and_then(|asset| self.targets.get(&asset));
        if known.is_none() && !self.whole_tenant {
            return None;
        }
        let mut targets = known.cloned().unwrap_or_default();
        targets.extend(self.all.clone());
        Some(targets)
    }
}

/// The assets that scans of one configuration examined.
#[derive(Debug)]
struct ScannedAssets {
    assets: Vec<AssetId>,
    /// The number of targets of the newest scan that name no asset, or are not listed.
    without_asset: u64,
    /// Whether `assets` contains all targets of one scan.
    complete: bool,
}

impl ScannedAssets {
    /// Looks up the assets of one scan: its own, or those of its children.
    async fn fetch(client: &TenableWasClient, config: &ConfigSummary, scan: &Scan) -> Result<Self> {
        if let Some(asset) = scan.asset_id {
            return Ok(Self { assets: vec![asset], without_asset: 0, complete: true });
        }
        let mut scan = scan.clone();
        scan.config_id = scan.config_id.or(Some(config.config_id));
        let expected = scan.metadata.as_ref().and_then(|metadata| metadata.total_children);
        let children = child_scans(client, &scan).await?;
        let targets = expected.unwrap_or_default().max(children.len() as u64);
        let assets: Vec<_> = children.into_iter().filter_map(|child| child.asset).collect();
        let without_asset = targets.saturating_sub(assets.len() as u64);
        Ok(Self { complete: without_asset == 0 && !assets.is_empty(), assets, without_asset })
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
            for scan in page.iter().filter(|scan| scan.scan_id != last.scan_id && scan.parent_id.is_none()) {
                let earlier = Self::fetch(client, config, scan).await?;
                incomplete += usize::from(!earlier.assets.is_empty());
                self.complete = earlier.complete;
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
