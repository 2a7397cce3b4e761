//! Rows about who reads: dropped, slow, panicking, and for long: 6, 36 to 38.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, FindingEvent, FindingQuery};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, poll};
use proof::judge::{Truth, Verdict, judge};
use proof::{BOUND, Short, Stage, Vendor, walk};
use tokio::time::{sleep, timeout};

use crate::row::{Row, own};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        own(6, "a consumer that is slower than every limit", slow),
        own(36, "the stream is dropped at each of its awaits", dropped),
        own(37, "a consumer that panics", panics),
        own(38, "ten times as many findings", |vendor, tag| crate::child::ten_times(vendor, tag).boxed()),
    ]
}

/// One request at a time: a place that is not given back stops everything.
fn narrow() -> Short {
    let short = Short::new();
    Short { http: short.http.with_max_in_flight(1).with_max_streams(1), ..short }
}

fn slow(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let scanner = stage.scanner(&Short::new());
        let mut events = scanner.findings(FindingQuery::all());
        // The stream is only drained so that what was read slowly is then judged by an ordinary reading.
        let mut ids = BTreeSet::new();
        let mut whole = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(FindingEvent::Batch(batch)) => {
                    ids.extend(batch.findings.iter().flat_map(|finding| finding.aliases.clone()));
                    // Longer than the idle limit of these clients, and than their limit for an answer's head.
                    sleep(Duration::from_millis(800)).await;
                }
                Ok(FindingEvent::End(coverage)) => whole = coverage.is_complete(),
                _ => break,
            }
        }
        let mut verdict = judge(&Truth::of(&stage), &walk(&*scanner).await);
        if !whole || ids != stage.truth {
            verdict.breaches.push(format!(
                "read slowly, {} of {} findings came",
                ids.len(),
                stage.truth.len()
            ));
        }
        verdict
    }
    .boxed()
}

/// Drops the stream after each number of polls there is; then nothing is under way, and the same client reads everything.
fn dropped(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let scanner = stage.scanner(&narrow());
        let mut breaches = Vec::new();
        let mut polls = 0;
        loop {
            let ended = read_some(&*scanner, polls).await;
            if ended || polls > 400 {
                break;
            }
            if !settles(&stage).await {
                breaches.push(format!("dropped after {polls} polls, a request is still under way"));
                break;
            }
            polls += 1;
        }
        if polls < 20 {
            breaches.push(format!("only {polls} awaits were found"));
        }
        let mut verdict = judge(&Truth::of(&stage), &walk(&*scanner).await);
        verdict.breaches.extend(breaches);
        verdict
    }
    .boxed()
}

/// Polls so often, then drops; true where the stream ended before.
async fn read_some(scanner: &dyn DastApiScanner, polls: u32) -> bool {
    let mut events = scanner.findings(FindingQuery::all());
    for _ in 0..polls {
        let mut next = std::pin::pin!(events.next());
        match poll!(next.as_mut()) {
            std::task::Poll::Ready(None) => return true,
            std::task::Poll::Ready(Some(_)) => {}
            // Waits for what it waits for, without taking it: the next poll finds it.
            std::task::Poll::Pending => sleep(Duration::from_millis(1)).await,
        }
    }
    false
}

async fn settles(stage: &Stage) -> bool {
    timeout(BOUND, async {
        while stage.gateway.under_way() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .is_ok()
}

fn panics(vendor: Vendor, tag: String) -> BoxFuture<'static, Verdict> {
    async move {
        let stage = Stage::start(vendor, &tag).await;
        let scanner = stage.scanner(&narrow());
        let consumer: Arc<dyn DastApiScanner> = Arc::clone(&scanner);
        let task = tokio::spawn(async move {
            let mut events = consumer.findings(FindingQuery::all());
            let first = events.next().await;
            // Without a message on the terminal.
            std::panic::resume_unwind(Box::new(first.is_some()));
        });
        let panicked = task.await.is_err_and(|error| error.is_panic());
        let mut verdict = judge(&Truth::of(&stage), &walk(&*scanner).await);
        if !panicked {
            verdict.breaches.push("the consumer did not panic".to_owned());
        }
        verdict
    }
    .boxed()
}
