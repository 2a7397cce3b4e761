//! Opens the scanners: those of the real services, or the fakes.

use std::env;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use appsec_core::{DastApiScanner, Timestamp};
use salt_client::testing::FakeSalt;
use salt_client::{SALT_API_TOKEN, SaltClient};
use tenable_was_client::testing::FakeTenableWas;
use tenable_was_client::{TENABLE_ACCESS_KEY, TENABLE_SECRET_KEY, TenableWasClient};

/// The scanners to show.
pub(crate) struct Source {
    /// The first line of the output.
    pub(crate) headline: String,
    pub(crate) scanners: Vec<Arc<dyn DastApiScanner>>,
    pub(crate) is_fake: bool,
    /// The interval between two requests for the status of a running scan.
    pub(crate) poll_every: Duration,
    // The fakes stop when they are dropped.
    _fakes: Option<(FakeSalt, FakeTenableWas)>,
}

/// Opens the services for which the environment has credentials; the fakes if there are none, or if `fake`
/// is set.
pub(crate) async fn open(fake: bool, token: Option<String>) -> Result<Source> {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let salt = is_set(SALT_API_TOKEN);
    let tenable = is_set(TENABLE_ACCESS_KEY) || is_set(TENABLE_SECRET_KEY);
    if !fake && (salt || tenable) { real(salt, tenable) } else { fakes(token).await }
}

fn real(salt: bool, tenable: bool) -> Result<Source> {
    let mut scanners: Vec<Arc<dyn DastApiScanner>> = Vec::new();
    if salt {
        scanners.push(Arc::new(SaltClient::from_env()?));
    }
    if tenable {
        scanners.push(Arc::new(TenableWasClient::from_env()?));
    }
    let names: Vec<_> = scanners.iter().map(|scanner| scanner.info().name).collect();
    let headline = format!("Using the real service: {}.", names.join(" and "));
    Ok(Source { headline, scanners, is_fake: false, poll_every: Duration::from_secs(30), _fakes: None })
}

async fn fakes(token: Option<String>) -> Result<Source> {
    let salt = FakeSalt::builder().with_tenant(salt_client::testing::demo_tenant()).start().await?;
    let tenable = FakeTenableWas::builder()
        .with_tenant(tenable_was_client::testing::demo_tenant())
        .with_now(Timestamp::now())
        .start()
        .await?;
    let salt_token = token.clone().unwrap_or_else(|| salt.token());
    let secret_key = token.unwrap_or_else(|| tenable.secret_key());
    let scanners: Vec<Arc<dyn DastApiScanner>> = vec![
        Arc::new(SaltClient::builder(salt.base_url(), salt_token).with_requests_per_second(None).build()?),
        Arc::new(
            TenableWasClient::builder(tenable.access_key(), secret_key)
                .with_base_url(tenable.base_url())
                .build()?,
        ),
    ];
    Ok(Source {
        headline: "Using fakes of both services on loopback, with invented data and without credentials."
            .to_owned(),
        scanners,
        is_fake: true,
        poll_every: Duration::from_secs(1),
        _fakes: Some((salt, tenable)),
    })
}
