//! Tenable Web App Scanning.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, Timestamp};
use appsec_http::testing::fake::When;
use futures_util::FutureExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tenable_was_client::testing::{
    FakeBuilder, FakeConfig, FakeNote, FakeTenableWas, Reply, Route, ScanScript, Tenant, demo_tenant,
};
use tenable_was_client::{
    DEFAULT_BASE_URL, ExportOptions, TENABLE_ACCESS_KEY, TENABLE_BASE_URL, TENABLE_SECRET_KEY,
    TenableWasClient,
};

use super::fake::{DemoScans, Fake, FakeCredential, FakeData, call_json};
use super::vendor::{OpenContext, Settings, Vendor, default_settings, parse_settings};
use crate::duration_arg;
use crate::exit::Result;

pub(super) static VENDOR: Vendor = Vendor {
    key: "tenableiowas",
    name: "Tenable Web App Scanning",
    short_name: "tenable",
    port_option: "tenable-port",
    log_target: "tenable_was_client",
    base_url_variable: TENABLE_BASE_URL,
    base_url: |url| url.unwrap_or(DEFAULT_BASE_URL).to_owned(),
    credential_variables: &[TENABLE_ACCESS_KEY, TENABLE_SECRET_KEY],
    default_settings: default_settings::<TenableSettings>,
    parse_settings: parse_settings::<TenableSettings>,
    start_fake: |data, address| start_fake(data, address).boxed(),
};

/// The keys of `[connections.NAME]` that only Tenable has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TenableSettings {
    access_key_env: Option<String>,
    access_key_file: Option<PathBuf>,
    secret_key_env: Option<String>,
    secret_key_file: Option<PathBuf>,
    /// How long to wait for an export that makes no progress.
    #[serde(default, deserialize_with = "duration_arg::deserialize")]
    patience: Option<Duration>,
}

impl Settings for TenableSettings {
    fn open(&self, context: OpenContext<'_>) -> Result<Arc<dyn DastApiScanner>> {
        let source = (self.access_key_env.as_ref(), self.access_key_file.as_ref());
        let access_key = context.secret("access key", source, TENABLE_ACCESS_KEY)?;
        let source = (self.secret_key_env.as_ref(), self.secret_key_file.as_ref());
        let secret_key = context.secret("secret key", source, TENABLE_SECRET_KEY)?;
        let mut client = TenableWasClient::builder(access_key, secret_key).with_http(context.http);
        if let Some(url) = context.base_url {
            client = client.with_base_url(url);
        }
        if let Some(patience) = context.patience.or(self.patience) {
            client = client.with_export(ExportOptions::new().with_patience(patience));
        }
        Ok(Arc::new(client.build()?))
    }
}

/// The configuration that the demo scans.
const DEMO_CONFIG: &str = "storefront nightly";

#[derive(Debug)]
struct TenableFake {
    server: FakeTenableWas,
    data: FakeData,
}

async fn start_fake(data: FakeData, address: SocketAddr) -> io::Result<Box<dyn Fake>> {
    let server = builder(data).with_address(address).start().await?;
    Ok(Box::new(TenableFake { server, data }))
}

fn builder(data: FakeData) -> FakeBuilder {
    let tenant = match data {
        FakeData::Demo => demo_tenant(),
        FakeData::Empty => Tenant::new(),
    };
    FakeTenableWas::builder().with_tenant(tenant).with_now(Timestamp::now())
}

impl Fake for TenableFake {
    fn base_url(&self) -> String {
        self.server.base_url()
    }

    fn credentials(&self) -> Vec<FakeCredential> {
        let (access_key, secret_key) = (self.server.access_key(), self.server.secret_key());
        vec![
            FakeCredential { key: "access_key", variable: TENABLE_ACCESS_KEY, value: access_key },
            FakeCredential { key: "secret_key", variable: TENABLE_SECRET_KEY, value: secret_key },
        ]
    }

    fn calls(&self) -> Vec<Value> {
        self.server.calls().iter().map(call_json).collect()
    }

    fn down_after(&self, requests: u64) {
        self.server.down_after(requests);
    }

    fn respond(&self, times: u64, status: u16) {
        self.server.script(Route::Any, When::Next(times), Reply::Json(status, json!({})));
    }

    fn revoke(&self) {
        self.server.script(Route::Any, When::Always, Reply::Unauthorized);
    }

    fn recover(&self) {
        self.server.recover();
    }

    fn reset(&self) {
        self.server.reset(builder(self.data));
    }

    fn advance(&self, by: Duration) -> bool {
        self.server.advance(by);
        true
    }

    fn demo_scans(&self) -> Option<&dyn DemoScans> {
        Some(self)
    }
}

impl TenableFake {
    fn edit_demo_config(&self, edit: impl FnOnce(&mut FakeConfig)) {
        self.server.edit(|tenant| {
            if let Some(config) = tenant.configs.iter_mut().find(|config| config.name == DEMO_CONFIG) {
                edit(config);
            }
        });
    }
}

impl DemoScans for TenableFake {
    fn target(&self) -> &'static str {
        DEMO_CONFIG
    }

    fn end_scans_quickly(&self, by_time_limit: bool) {
        let mut script = ScanScript::new().with_statuses(["running", "completed"]);
        if by_time_limit {
            script = script.with_note(FakeNote::time_limit());
        }
        self.edit_demo_config(|config| config.script = Some(script));
    }

    fn fix_half(&self) {
        self.edit_demo_config(|config| {
            for target in &mut config.targets {
                target.findings.truncate(target.findings.len() / 2);
            }
        });
    }
}
