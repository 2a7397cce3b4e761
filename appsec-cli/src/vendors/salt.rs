//! Salt Security.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use appsec_core::DastApiScanner;
use appsec_http::testing::fake::When;
use futures_util::FutureExt as _;
use salt_client::testing::{FakeBuilder, FakeSalt, Reply, Route, Tenant, demo_tenant};
use salt_client::{Region, SALT_API_TOKEN, SALT_BASE_URL, SaltClient, SpeculativeBody};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fake::{Fake, FakeCredential, FakeData, call_json};
use super::vendor::{OpenContext, Settings, Vendor, default_settings, parse_settings};
use crate::exit::Result;

pub(super) static VENDOR: Vendor = Vendor {
    key: "saltsecurity",
    name: "Salt Security",
    short_name: "salt",
    port_option: "salt-port",
    log_target: "salt_client",
    base_url_variable: SALT_BASE_URL,
    base_url,
    credential_variables: &[SALT_API_TOKEN],
    default_settings: default_settings::<SaltSettings>,
    parse_settings: parse_settings::<SaltSettings>,
    start_fake: |data, address| start_fake(data, address).boxed(),
};

/// The base URL of the region, or of another host without the version of the API.
fn base_url(url: Option<&str>) -> String {
    let region = url.map_or(Region::Us, Region::from);
    let url = region.url().trim_end_matches('/');
    url.strip_suffix("/v1").unwrap_or(url).to_owned()
}

/// The keys of `[connections.NAME]` that only Salt has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaltSettings {
    token_env: Option<String>,
    token_file: Option<PathBuf>,
    /// Allows status changes, with a request body of this form. Which form Salt accepts is not known.
    write_back: Option<WriteBackBody>,
}

/// The forms of a status change that Salt may accept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WriteBackBody {
    Object,
    List,
    Ids,
}

impl From<WriteBackBody> for SpeculativeBody {
    fn from(body: WriteBackBody) -> Self {
        match body {
            WriteBackBody::Object => Self::Object,
            WriteBackBody::List => Self::List,
            WriteBackBody::Ids => Self::Ids,
        }
    }
}

impl Settings for SaltSettings {
    fn open(&self, context: OpenContext<'_>) -> Result<Arc<dyn DastApiScanner>> {
        let source = (self.token_env.as_ref(), self.token_file.as_ref());
        let token = context.secret("API token", source, SALT_API_TOKEN)?;
        let region = context.base_url.map_or(Region::Us, Region::from);
        let mut client = SaltClient::builder(region, token).with_http(context.http);
        if let Some(body) = self.write_back {
            client = client.with_write_back(SpeculativeBody::from(body));
        }
        Ok(Arc::new(client.build()?))
    }
}

#[derive(Debug)]
struct SaltFake {
    server: FakeSalt,
    data: FakeData,
}

async fn start_fake(data: FakeData, address: SocketAddr) -> io::Result<Box<dyn Fake>> {
    let server = builder(data).with_address(address).start().await?;
    Ok(Box::new(SaltFake { server, data }))
}

fn builder(data: FakeData) -> FakeBuilder {
    FakeSalt::builder().with_tenant(match data {
        FakeData::Demo => demo_tenant(),
        FakeData::Empty => Tenant::new(),
    })
}

impl Fake for SaltFake {
    fn base_url(&self) -> String {
        self.server.base_url()
    }

    fn credentials(&self) -> Vec<FakeCredential> {
        vec![FakeCredential { key: "token", variable: SALT_API_TOKEN, value: self.server.token() }]
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
        self.server.revoke_token();
    }

    fn recover(&self) {
        self.server.recover();
    }

    fn reset(&self) {
        self.server.reset(builder(self.data));
    }
}
