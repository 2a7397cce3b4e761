//! `appsec mock`: both services on loopback, for test suites in any language.

mod control;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use appsec_core::Timestamp;
use appsec_http::testing::fake::Server;
use clap::ValueEnum;
use salt_client::testing::FakeSalt;
use salt_client::{SALT_API_TOKEN, SALT_BASE_URL};
use serde_json::json;
use tenable_was_client::testing::FakeTenableWas;
use tenable_was_client::{TENABLE_ACCESS_KEY, TENABLE_BASE_URL, TENABLE_SECRET_KEY};

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::output::{Format, note};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where to listen; anything but loopback lets others in
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    listen: IpAddr,
    /// The port of Salt; 0 is a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    salt_port: u16,
    /// The port of Tenable; 0 is a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    tenable_port: u16,
    /// The port of what steers both: faults, calls, time; 0 is a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    control_port: u16,
    /// What the services hold
    #[arg(long, value_enum, default_value_t)]
    data: Data,
}

/// What the fakes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Data {
    /// A shop with its oddities: 336 posture gaps, six configurations, about 400 findings
    #[default]
    Demo,
    /// Nothing
    Empty,
}

/// Both fakes.
#[derive(Debug)]
struct Fakes {
    salt: FakeSalt,
    tenable: FakeTenableWas,
    data: Data,
}

impl Data {
    fn salt(self) -> salt_client::testing::FakeBuilder {
        FakeSalt::builder().with_tenant(match self {
            Self::Demo => salt_client::testing::demo_tenant(),
            Self::Empty => salt_client::testing::Tenant::new(),
        })
    }

    fn tenable(self) -> tenable_was_client::testing::FakeBuilder {
        let tenant = match self {
            Self::Demo => tenable_was_client::testing::demo_tenant(),
            Self::Empty => tenable_was_client::testing::Tenant::new(),
        };
        FakeTenableWas::builder().with_tenant(tenant).with_now(Timestamp::now())
    }
}

/// In JSON: where they are and what they take, one document. The other forms are bindings for a shell.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let at = |port| SocketAddr::new(args.listen, port);
    let listening =
        |error: io::Error| Failure::new(Exit::Output, format!("listening on {}: {error}", args.listen));
    let salt = args.data.salt().with_address(at(args.salt_port));
    let tenable = args.data.tenable().with_address(at(args.tenable_port));
    let fakes = Arc::new(Fakes {
        salt: salt.start().await.map_err(listening)?,
        tenable: tenable.start().await.map_err(listening)?,
        data: args.data,
    });
    let steered = Arc::clone(&fakes);
    let control = Server::start_at(at(args.control_port), move |request| {
        let asked = (request.method().clone(), request.uri().clone());
        let answer = control::answer(&steered, &asked.0, &asked.1);
        async move { answer }
    });
    let control = control.await.map_err(listening)?;
    show(app, &fakes, &control.base_url())?;
    note("serving until Ctrl-C");
    app.stopped().await;
    Ok(Exit::Passed)
}

fn show(app: &App, fakes: &Fakes, control: &str) -> Result<()> {
    let Fakes { salt, tenable, .. } = fakes;
    if app.out.format == Format::Json {
        return app.out.json(&json!({
            "saltsecurity": { "base_url": salt.base_url(), "token": salt.token() },
            "tenableiowas": {
                "base_url": tenable.base_url(),
                "access_key": tenable.access_key(),
                "secret_key": tenable.secret_key(),
            },
            "control": { "base_url": control },
        }));
    }
    for (name, value) in [
        (SALT_BASE_URL, salt.base_url()),
        (SALT_API_TOKEN, salt.token()),
        (TENABLE_BASE_URL, tenable.base_url()),
        (TENABLE_ACCESS_KEY, tenable.access_key()),
        (TENABLE_SECRET_KEY, tenable.secret_key()),
        ("APPSEC_MOCK_CONTROL", control.to_owned()),
    ] {
        app.out.line(format_args!("export {name}={value}"))?;
    }
    Ok(())
}
