//! `appsec worker`: runs the bindings that are due, until a signal stops it. Any number of workers on any
//! number of machines can share a store.

use std::net::SocketAddr;
use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use appsec_import::schedule::{OpenConnection, Worker, WorkerOptions};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::import_run::dispatcher;
use crate::output::note;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The number of imports that this process runs at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    slots: usize,
    /// The number of imports of one connection that run at a time, in all workers of the store
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    limit: usize,
    /// The same for one connection, as in `salt=2`; repeatable
    #[arg(long, value_name = "CONNECTION=N", value_parser = limit_of)]
    limit_of: Vec<(String, usize)>,
    /// How long imports may continue after a signal; another worker resumes what has not ended by then
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace: u64,
    /// First apply the schedule of the configuration, as `appsec schedule apply` does
    #[arg(long)]
    apply: bool,
    /// Serve metrics for Prometheus on this address, such as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a number of at least 1".to_owned()),
    }
}

fn limit_of(text: &str) -> Result<(String, usize), String> {
    let (name, number) = text.split_once('=').ok_or("expected a connection, = and a number")?;
    Ok((name.to_owned(), at_least_one(number)?))
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    if let Some(address) = args.metrics {
        let served = PrometheusBuilder::new().with_http_listener(address).install();
        served.map_err(|error| Failure::usage(format!("metrics cannot be served on {address}: {error}")))?;
    }
    if args.apply {
        super::schedule::apply(app, false).await?;
    }
    let store = app.store().await?;
    let dispatcher = dispatcher(app, &store)?;
    let mut options = WorkerOptions::new()
        .with_concurrency(args.slots)
        .with_connection_limit(args.limit)
        .with_shutdown_grace(Duration::from_secs(args.grace))
        .with_subscriptions(dispatcher.subscriptions());
    for (connection, limit) in &args.limit_of {
        options = options.with_connection_limit_for(connection, *limit);
    }
    let configured = app.config.connections.clone();
    let connections = move |name: &str| {
        let open = || -> Result<OpenConnection> {
            let named = configured.find(name)?;
            // A worker never prompts for a credential.
            Ok(OpenConnection::new(named.open(false)?).with_tenant(named.tenant()?))
        };
        open().map_err(|failure| Error::new(ErrorKind::Config, failure.message))
    };
    let worker = Worker::new(store.clone(), connections, options).await.map_err(Failure::store)?;
    note(format_args!("worker {} is ready; SIGTERM or Ctrl-C stops it cleanly", worker.name()));
    let result = tokio::select! {
        result = worker.run(app.stopped()) => result,
        // The dispatcher never ends by itself.
        () = dispatcher.run() => Ok(()),
    };
    store.close().await;
    result?;
    note("the worker has stopped");
    Ok(Exit::Passed)
}
