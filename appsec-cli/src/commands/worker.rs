//! `appsec worker`: runs what is due, until it is told to stop. Any number of them, on any number of machines, share a store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind};
use appsec_import::schedule::{Worker, WorkerOptions};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::app::App;
use crate::exit::{Exit, Failure, Result};
use crate::output::note;
use crate::run::dispatcher;
use crate::scanners;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many imports this process runs at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    slots: usize,
    /// How many imports of one connection run at a time, over all workers of the store
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    limit: usize,
    /// The same for one connection: `salt=2`; more than once
    #[arg(long, value_name = "CONNECTION=N", value_parser = limit_of)]
    limit_of: Vec<(String, usize)>,
    /// How long imports may go on after a signal; what is not done by then goes on elsewhere
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    grace: u64,
    /// Make the schedule what the configuration says before working, as `appsec schedule apply`
    #[arg(long)]
    apply: bool,
    /// Serve figures for Prometheus there, as 127.0.0.1:9464
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("it is a number from 1".to_owned()),
    }
}

fn limit_of(text: &str) -> Result<(String, usize), String> {
    let (name, number) = text.split_once('=').ok_or("it is a connection, = and a number")?;
    Ok((name.to_owned(), at_least_one(number)?))
}

pub(crate) async fn run(app: &App, args: &Args) -> Result<Exit> {
    if let Some(address) = args.metrics {
        let served = PrometheusBuilder::new().with_http_listener(address).install();
        served.map_err(|error| Failure::usage(format!("figures cannot be served at {address}: {error}")))?;
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
    let config = Arc::new(app.config.clone());
    let connections = move |name: &str| {
        let named = scanners::find(&config, name);
        // Nobody is there to be asked for a credential.
        let scanner = named.and_then(|named| scanners::open(&config, &named, false));
        scanner.map_err(|failure| Error::new(ErrorKind::Config, failure.message))
    };
    let worker = Worker::new(store.clone(), connections, options).await.map_err(Failure::store)?;
    note(format_args!("worker {} is ready; SIGTERM or Ctrl-C ends it in good order", worker.name()));
    let result = tokio::select! {
        result = worker.run(app.stopped()) => result,
        // It has no end of its own.
        () = dispatcher.run() => Ok(()),
    };
    store.close().await;
    result?;
    note("the worker has stopped");
    Ok(Exit::Passed)
}
