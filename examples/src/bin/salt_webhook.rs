//! `cargo run -p examples --bin salt_webhook`
//!
//! Receives Salt's webhook with axum: checks the secret, then reads the findings of the host that the
//! webhook names. Here a fake Salt sends one webhook and the example ends; a real receiver runs on.
#![allow(clippy::print_stdout, reason = "an example prints")]

use appsec_core::{BindTargetId, DastApiScannerExt, ErrorKind, FindingQuery};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use salt_client::Webhook;
use salt_client::testing::{FakeSalt, Route, WebhookCall, demo_tenant};
use tokio::sync::mpsc::{self, Sender};

#[derive(Clone)]
struct Receiver {
    webhook: Webhook,
    hosts: Sender<BindTargetId>,
}

/// Responds at once, since the sender does not wait for an import.
async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match receiver.webhook.verify(&headers, &body) {
        // If the queue is full, the webhook is lost; the next scheduled import reads the host anyway.
        Ok(event) => {
            event.target().map_or(StatusCode::NO_CONTENT, |host| match receiver.hosts.try_send(host) {
                Ok(()) => StatusCode::ACCEPTED,
                Err(_) => StatusCode::TOO_MANY_REQUESTS,
            })
        }
        Err(error) => match error.kind() {
            ErrorKind::Auth => StatusCode::UNAUTHORIZED,
            ErrorKind::InvalidRequest => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        },
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let fake = FakeSalt::builder().with_tenant(demo_tenant()).start().await?;
    let salt = fake.client()?; // for a real Salt: SaltClient::from_env()?
    let secret = "a long random text"; // in production: from a secret store

    let (hosts, mut received) = mpsc::channel(100);
    let app = axum::Router::new()
        .route("/hooks/salt", post(receive))
        .layer(DefaultBodyLimit::max(Webhook::MAX_BODY_BYTES))
        .with_state(Receiver { webhook: Webhook::new(secret), hosts });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hooks/salt", listener.local_addr()?);
    println!(
        "settings for Salt's webhook: POST {url}, header {}, body {}",
        Webhook::HEADER,
        Webhook::TEMPLATE
    );
    tokio::spawn(axum::serve(listener, app).into_future());

    let hook = WebhookCall::new("billing.shop.example", "PostureGap");
    println!("without the secret: {}", hook.send(&url).await?);
    println!("with it: {}", hook.with_header(Webhook::HEADER, secret).send(&url).await?);

    if let Some(host) = received.recv().await {
        let (findings, coverage) = salt.collect_findings(FindingQuery::target(host.clone())).await?;
        println!("{host}: {} findings, complete: {}", findings.len(), coverage.is_complete());
        println!("requests to Salt: {} pages of posture gaps", fake.calls_to(Route::ListGaps).len());
    }
    Ok(())
}
