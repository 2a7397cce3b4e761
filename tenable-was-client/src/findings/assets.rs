//! Which assets belong to which bind targets. The export knows assets only; projects are bound to configurations.

use std::collections::{BTreeSet, HashMap};

use appsec_core::{BindTargetId, CoverageGap, GapKind, Result};
use futures_util::TryStreamExt;

use super::children::children;
use crate::TenableWasClient;
use crate::filter::Filter;
use crate::map::Target;
use crate::model::{AssetId, ConfigId, ConfigSummary, Scan};

/// Assets by the configurations that scan them.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    targets: HashMap<AssetId, Vec<BindTargetId>>,
    /// True where the whole tenant is asked for, so that an asset nobody scans is asked for too.
    whole_tenant: bool,
    /// The id by which the whole tenant was asked for, where it was.
    all: Option<BindTargetId>,
    pub(crate) gaps: Vec<CoverageGap>,
}

impl Assets {
    /// Those of the targets, or of the whole tenant.
    pub(crate) async fn of(client: &TenableWasClient, targets: Option<&[Target]>) -> Result<Self> {
        let all = targets.is_some_and(|targets| targets.contains(&Target::All));
        let mut asked: BTreeSet<ConfigId> = targets
            .unwrap_or_default()
            .iter()
            .filter_map(|target| match target {
                Target::All => None,
                Target::Config(config) => Some(*config),
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
                let named = asked.remove(&config.config_id);
                if named || assets.whole_tenant {
                    assets.add(client, &config, named).await?;
                }
            }
            if asked.is_empty() && !assets.whole_tenant {
                break;
            }
        }
        for config in asked {
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

    async fn add(&mut self, client: &TenableWasClient, config: &ConfigSummary, named: bool) -> Result<()> {
        let id = BindTargetId::from(config.config_id);
        let Some(last) = &config.last_scan else {
            self.never_scanned(config, named, "was never scanned, so nothing is known of it");
            return Ok(());
        };
        let mut found = Found::of_scan(client, config, last).await?;
        if !found.whole {
            // The newest scan may only just have been asked for.
            found.add_earlier_scans(client, config, last).await?;
        }
        if found.assets.is_empty() {
            self.never_scanned(config, named, "has no scanned target so far, so nothing is known of it");
        } else if !found.whole {
            let what = format!("has {} targets without an asset, of which nothing is known", found.without);
            self.never_scanned(config, named, &what);
        }
        for asset in found.assets {
            let targets = self.targets.entry(asset).or_default();
            if !targets.contains(&id) {
                targets.push(id.clone());
            }
        }
        Ok(())
    }

    /// A gap, where the target was asked for by name: the tenant's export is not made of targets.
    fn never_scanned(&mut self, config: &ConfigSummary, named: bool, why: &str) {
        if named {
            let name = config.name.as_deref().unwrap_or("without a name");
            self.gaps.push(
                CoverageGap::new(GapKind::NeverScanned, format!("configuration {name:?} {why}"))
                    .with_partition(BindTargetId::from(config.config_id).as_str()),
            );
        }
    }

    /// The assets to export; `None` means all, and an empty list nothing.
    pub(crate) fn filter(&self) -> Option<Vec<AssetId>> {
        (!self.whole_tenant).then(|| self.known().collect())
    }

    /// The assets that targets scan.
    pub(crate) fn known(&self) -> impl Iterator<Item = AssetId> {
        self.targets.keys().copied()
    }

    /// The targets that an asset belongs to; `None` where it was not asked for.
    pub(crate) fn targets(&self, asset: Option<AssetId>) -> Option<Vec<BindTargetId>> {
        let known = asset.and_then(|asset| self.targets.get(&asset));
        if known.is_none() && !self.whole_tenant {
            return None;
        }
        let mut targets = known.cloned().unwrap_or_default();
        targets.extend(self.all.clone());
        Some(targets)
    }
}

/// The assets that scans of a configuration examined.
#[derive(Debug)]
struct Found {
    assets: Vec<AssetId>,
    /// The targets of the newest scan that name no asset, or are not listed.
    without: u64,
    /// All targets of one scan are among them.
    whole: bool,
}

impl Found {
    /// The assets of one scan: its own, or those of its children.
    async fn of_scan(client: &TenableWasClient, config: &ConfigSummary, scan: &Scan) -> Result<Self> {
        if let Some(asset) = scan.asset_id {
            return Ok(Self { assets: vec![asset], without: 0, whole: true });
        }
        let mut scan = scan.clone();
        scan.config_id = scan.config_id.or(Some(config.config_id));
        let expected = scan.metadata.as_ref().and_then(|metadata| metadata.total_children);
        let children = children(client, &scan).await?;
        let targets = expected.unwrap_or_default().max(children.len() as u64);
        let assets: Vec<_> = children.into_iter().filter_map(|child| child.asset).collect();
        let without = targets.saturating_sub(assets.len() as u64);
        Ok(Self { whole: without == 0 && !assets.is_empty(), assets, without })
    }

    /// Adds those of the scans before the last, up to one that has all of its own, or a few of which none has.
    async fn add_earlier_scans(
        &mut self,
        client: &TenableWasClient,
        config: &ConfigSummary,
        last: &Scan,
    ) -> Result<()> {
        let mut pages = client.scans_of_config(config.config_id, Filter::everything());
        let mut partly = usize::from(!self.assets.is_empty());
        while let Some(page) = pages.try_next().await? {
            for scan in page.iter().filter(|scan| scan.scan_id != last.scan_id && scan.parent_id.is_none()) {
                let earlier = Self::of_scan(client, config, scan).await?;
                partly += usize::from(!earlier.assets.is_empty());
                self.whole = earlier.whole;
                for asset in earlier.assets {
                    if !self.assets.contains(&asset) {
                        self.assets.push(asset);
                    }
                }
                if self.whole || partly > MAX_PARTLY {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// How many scans are looked at that do not name the assets of all their targets.
const MAX_PARTLY: usize = 5;
