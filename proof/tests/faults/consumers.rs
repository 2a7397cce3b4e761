//! Faults of the consumer: dropped, slow, panicking and long-running ones. Cases 6, 36 to 38.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{DastApiScanner, FindingEvent, FindingQuery};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, poll};
use proof::invariants::{CheckResult, ExpectedFindings, check};
use proof::{TIME_LIMIT, TestBed, Timeouts, Vendor, read_all};
use tokio::time::{sleep, timeout};

use crate::case::{Case, custom_case};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        custom_case(6, "a consumer slower than every timeout", slow_consumer),
        custom_case(36, "the stream is dropped at each await point", drop_at_each_await),
        custom_case(37, "a consumer that panics", panicking_consumer),
        custom_case(38, "ten times as many findings", |vendor, tag| {
            crate::child_process::tenfold_memory(vendor, tag).boxed()
        }),
    ]
}

/// With one request at a time, a leaked permit would block every later request.
fn one_request_at_a_time() -> Timeouts {
    let timeouts = Timeouts::short();
    Timeouts { http: timeouts.http.with_max_in_flight(1).with_max_streams(1), ..timeouts }
}

fn slow_consumer(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let scanner = bed.scanner(&Timeouts::short());
        let mut events = scanner.findings(FindingQuery::all());
        // The stream is drained here; an ordinary read checks the result afterwards.
        let mut ids = BTreeSet::new();
        let mut complete = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(FindingEvent::Batch(batch)) => {
                    ids.extend(batch.findings.iter().flat_map(|finding| finding.aliases.clone()));
                    // Longer than these clients' idle timeout, and than their timeout for a response head.
                    sleep(Duration::from_millis(800)).await;
                }
                Ok(FindingEvent::End(coverage)) => complete = coverage.is_complete(),
                _ => break,
            }
        }
        let mut result = check(&ExpectedFindings::new(&bed), &read_all(&*scanner).await);
        if !complete || ids != bed.finding_ids {
            result.violations.push(format!(
                "a slow read delivered {} of {} findings",
                ids.len(),
                bed.finding_ids.len()
            ));
        }
        result
    }
    .boxed()
}

/// Drops the stream after each possible number of polls. Afterwards no request is in progress, and the same
/// client reads everything.
fn drop_at_each_await(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let scanner = bed.scanner(&one_request_at_a_time());
        let mut violations = Vec::new();
        let mut polls = 0;
        loop {
            let ended = poll_and_drop(&*scanner, polls).await;
            if ended || polls > 400 {
                break;
            }
            if !no_request_remains(&bed).await {
                violations.push(format!("dropped after {polls} polls, a request is still in progress"));
                break;
            }
            polls += 1;
        }
        if polls < 20 {
            violations.push(format!("only {polls} await points were found"));
        }
        let mut result = check(&ExpectedFindings::new(&bed), &read_all(&*scanner).await);
        result.violations.extend(violations);
        result
    }
    .boxed()
}

/// Polls that many times, then drops the stream. Returns whether the stream ended before.
async fn poll_and_drop(scanner: &dyn DastApiScanner, polls: u32) -> bool {
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

async fn no_request_remains(bed: &TestBed) -> bool {
    timeout(TIME_LIMIT, async {
        while bed.gateway.in_progress() > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .is_ok()
}

fn panicking_consumer(vendor: Vendor, tag: String) -> BoxFuture<'static, CheckResult> {
    async move {
        let bed = TestBed::start(vendor, &tag).await;
        let scanner = bed.scanner(&one_request_at_a_time());
        let consumer: Arc<dyn DastApiScanner> = Arc::clone(&scanner);
        let task = tokio::spawn(async move {
            let mut events = consumer.findings(FindingQuery::all());
            let first = events.next().await;
            // Suppresses the panic message on the terminal.
            std::panic::resume_unwind(Box::new(first.is_some()));
        });
        let panicked = task.await.is_err_and(|error| error.is_panic());
        let mut result = check(&ExpectedFindings::new(&bed), &read_all(&*scanner).await);
        if !panicked {
            result.violations.push("the consumer did not panic".to_owned());
        }
        result
    }
    .boxed()
}
