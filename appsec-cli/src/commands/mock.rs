//! `appsec mock`: fakes of the services, for test suites in any language.

mod control;
mod fakes;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use appsec_http::testing::fake::Server;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::output::{Format, note};
use crate::vendors::FakeData;
use fakes::{FakePorts, Fakes};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The address to listen on; any other than loopback gives other machines access
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    listen: IpAddr,
    #[command(flatten)]
    ports: FakePorts,
    /// The port of the control server, which scripts faults, lists requests and sets the time; 0 for any
    /// free port
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    control_port: u16,
    /// What the services hold
    #[arg(long, value_enum, default_value_t)]
    data: FakeData,
}

/// Prints the URLs and credentials of the fakes: in JSON as one document, otherwise as `export` lines for a
/// shell.
pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    let listening =
        |error: io::Error| Failure::new(Exit::Output, format!("listening on {}: {error}", args.listen));
    let fakes = Fakes::start(args.data, args.listen, &args.ports).await.map_err(listening)?;
    let fakes = Arc::new(fakes);
    let controlled = Arc::clone(&fakes);
    let address = SocketAddr::new(args.listen, args.control_port);
    let control = Server::start_at(address, move |request| {
        let response = control::respond(&controlled, request.method(), request.uri());
        async move { response }
    });
    let control = control.await.map_err(listening)?;
    show(app, &fakes, &control.base_url())?;
    note("serving until Ctrl-C");
    app.stopped().await;
    Ok(Exit::Passed)
}

fn show(app: &App, fakes: &Fakes, control: &str) -> Result<()> {
    if app.out.format == Format::Json {
        let mut document = Map::new();
        for (vendor, fake) in fakes.iter() {
            let mut access = Map::new();
            access.insert("base_url".to_owned(), fake.base_url().into());
            access.extend(fake.credentials().into_iter().map(|it| (it.key.to_owned(), it.value.into())));
            document.insert(vendor.key.to_owned(), access.into());
        }
        document.insert("control".to_owned(), json!({ "base_url": control }));
        return app.out.json(&Value::from(document));
    }
    let mut variables = Vec::new();
    for (vendor, fake) in fakes.iter() {
        variables.push((vendor.base_url_variable, fake.base_url()));
        variables.extend(fake.credentials().into_iter().map(|it| (it.variable, it.value)));
    }
    variables.push(("APPSEC_MOCK_CONTROL", control.to_owned()));
    variables.iter().try_for_each(|(name, value)| app.out.line(format_args!("export {name}={value}")))
}
