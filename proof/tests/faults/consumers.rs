//! Faults of the consumer: dropped, slow, panicking and long-running ones. Rows 6, 36 to 38.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, FindingEvent, FindingQuery};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, poll};
use proof::invariants::{CheckResult, Truth, check};
use proof::{BOUND, ShortTimeouts, TestBed, Vendor, read_all};
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

/// One request at a time: a leaked permit would block everything.
fn narrow() -> ShortTimeouts {
    let timeouts = ShortTimeouts::new();
    ShortTimeouts { http: timeouts.http.with_max_in_flight(1).with_max_streams(1), ..timeouts }
}

fn slow(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let scanner = bed.scanner(&ShortTimeouts::new());
        let mut events = scanner.findings(FindingQuery::all());
        // The stream is drained here; an ordinary reading checks the result afterwards.
        let mut ids = BTreeSet::new();
        let mut whole = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(FindingEvent::Batch(batch)) => {
                    ids.extend(batch.findings.iter().flat_map(|finding| finding.aliases.clone()));
                    // Longer than these clients' idle timeout, and than their timeout for a response head.
                    sleep(Duration::from_millis(800)).await;
                }
                Ok(FindingEvent::End(coverage)) => whole = coverage.is_complete(),
                _ => break,
            }
        }
        let mut verdict = check(&Truth::of(&bed), &read_all(&*scanner).await);
        if !whole || ids != bed.truth {
            verdict.breaches.push(format!("read slowly, {} of {} findings came", ids.len(), bed.truth.len()));
        }
        verdict
    }
    .boxed()
}

/// Drops the stream after each possible number of polls. Afterwards no request is in progress, and the same
/// client reads everything.
fn dropped(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let scanner = bed.scanner(&narrow());
        let mut breaches = Vec::new();
        let mut polls = 0;
        loop {
            let ended = read_some(&*scanner, polls).await;
            if ended || polls > 400 {
                break;
            }
            if !settles(&bed).await {
                breaches.push(format!("dropped after {polls} polls, a request is still under way"));
                break;
            }
            polls += 1;
        }
        if polls < 20 {
            breaches.push(format!("only {polls} awaits were found"));
        }
        let mut verdict = check(&Truth::of(&bed), &read_all(&*scanner).await);
        verdict.breaches.extend(breaches);
        verdict
    }
    .boxed()
}

/// Polls that many times, then drops the stream. Returns whether the stream ended before.
async fn read_some(scanner: &dyn DastApiScanner, polls: u32) -> bool {
    let mut events = scanner.findings(FindingQuery::all());
    for _ in 0..polls {
        let mut next = std::pin::pin!(events.next());
        match poll!(next.as_mut()) {
            std::task::Poll::Ready(None) => return true,
            std::task::Poll::Ready(Some(_)) => {}
            // Waits until the stream is ready without taking the item; the next poll takes it.
            std::task::Poll::Pending => sleep(Duration::from_millis(1)).await,
        }
    }
    false
}

async fn settles(bed: &TestBed) -> bool {
    timeout(BOUND, async {
        while bed.gateway.under_way() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .is_ok()
}

fn panics(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let scanner = bed.scanner(&narrow());
        let consumer: Arc<dyn DastApiScanner> = Arc::clone(&scanner);
        let task = tokio::spawn(async move {
            let mut events = consumer.findings(FindingQuery::all());
            let first = events.next().await;
            // Suppresses the panic message on the terminal.
            std::panic::resume_unwind(Box::new(first.is_some()));
        });
        let panicked = task.await.is_err_and(|error| error.is_panic());
        let mut verdict = check(&Truth::of(&bed), &read_all(&*scanner).await);
        if !panicked {
            verdict.breaches.push("the consumer did not panic".to_owned());
        }
        verdict
    }
    .boxed()
}
