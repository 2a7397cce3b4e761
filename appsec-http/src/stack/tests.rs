use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::future::{join, join_all};
use futures_util::poll;
use serde_json::Value;
use tokio::time::advance;

use super::*;
use crate::client::HttpClient;
use crate::options::RetryPolicy;
use crate::request::RetrySafety;
use crate::stack::scripted_transport::{Reply, ScriptedTransport, Step, reply};

fn get() -> Request {
    Request::get("test: get", "/v1/things")
}

fn launch() -> Request {
    Request::post("test: launch", "/v1/scans")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

type Make = Box<dyn Fn() -> Step + Send + Sync>;

#[tokio::test(start_paused = true)]
async fn each_kind_of_failure_is_retried_as_documented() {
    let cut = || Step::from(reply(200, "{\"a\":").cut());
    let steps: Vec<(&str, Make)> = vec![
        ("400", Box::new(|| reply(400, "").into())),
        ("401", Box::new(|| reply(401, "").into())),
        ("404", Box::new(|| reply(404, "").into())),
        ("409", Box::new(|| reply(409, "").into())),
        ("408", Box::new(|| reply(408, "").into())),
        ("429", Box::new(|| reply(429, "").into())),
        ("500", Box::new(|| reply(500, "").into())),
        ("501", Box::new(|| reply(501, "").into())),
        ("502", Box::new(|| reply(502, "<html>").into())),
        ("503", Box::new(|| reply(503, "").into())),
        ("504", Box::new(|| reply(504, "").into())),
        ("505", Box::new(|| reply(505, "").into())),
        ("302", Box::new(|| reply(302, "").header("location", "https://evil.example/?t=1").into())),
        ("407", Box::new(|| reply(407, "").into())),
        ("refused", Box::new(|| Step::Unsent)),
        ("untrusted", Box::new(|| Step::Untrusted)),
        ("reset", Box::new(|| Step::Reset)),
        ("hang", Box::new(|| Step::Hang)),
        ("cut", Box::new(cut)),
        ("html", Box::new(|| reply(200, "<!doctype html>").into())),
        ("empty", Box::new(|| reply(200, "").into())),
        ("204", Box::new(|| reply(204, "").into())),
        ("garbage", Box::new(|| reply(200, "{]").into())),
        ("shape", Box::new(|| reply(200, "[]").into())),
    ];
    let mut seen = Vec::new();
    for (name, step) in steps {
        let script = ScriptedTransport::new(move |_| step());
        let mut row = format!("{name:<9}");
        for safety in [RetrySafety::Always, RetrySafety::IfUnsent] {
            let before = script.count();
            // A separate client, so that neither retry budget nor cooldown is shared.
            let client = script.client(HttpOptions::new().with_call_timeout(secs(600)));
            let request = launch().with_retry_safety(safety);
            let error = client.json::<BTreeMap<String, Value>>(&request).await.unwrap_err();
            assert_eq!(error.attempts() as usize, script.count() - before, "{name}");
            assert_eq!(error.operation(), Some("test: launch"), "{name}");
            let again = if error.is_retryable() { "again" } else { "-" };
            let unknown = if error.outcome_unknown() { "unknown" } else { "-" };
            let kind = format!("{:?}", error.kind());
            write!(row, " | {} {kind:<14} {again:<5} {unknown:<7}", error.attempts()).unwrap();
        }
        seen.push(row.trim_end().to_owned());
    }
    // Per row: a read, then a launch; requests sent, kind, whether retryable, whether the outcome is unknown.
    let expected = "\
400       | 1 InvalidRequest -     -       | 1 InvalidRequest -     -
401       | 1 Auth           -     -       | 1 Auth           -     -
404       | 1 InvalidRequest -     -       | 1 InvalidRequest -     -
409       | 1 Conflict       -     -       | 1 Conflict       -     -
408       | 4 InvalidRequest -     -       | 1 InvalidRequest -     -
429       | 4 RateLimited    -     -       | 4 RateLimited    -     -
500       | 4 Server         -     -       | 1 Server         again -
501       | 1 Server         -     -       | 1 Server         -     -
502       | 4 Server         -     -       | 1 Server         -     unknown
503       | 4 Server         -     -       | 1 Server         again -
504       | 4 Server         -     -       | 1 Server         -     unknown
505       | 1 Server         -     -       | 1 Server         -     -
302       | 1 Decode         -     -       | 1 Decode         -     -
407       | 1 Transport      -     -       | 1 Transport      -     -
refused   | 4 Transport      -     -       | 4 Transport      -     -
untrusted | 1 Transport      -     -       | 1 Transport      -     -
reset     | 4 Transport      -     -       | 1 Transport      -     unknown
hang      | 4 Transport      -     -       | 1 Transport      -     unknown
cut       | 4 Transport      -     -       | 1 Transport      -     unknown
html      | 4 Decode         -     -       | 1 Decode         -     unknown
empty     | 4 Decode         -     -       | 1 Decode         -     unknown
204       | 1 Decode         -     -       | 1 Decode         -     unknown
garbage   | 4 Decode         -     -       | 1 Decode         -     unknown
shape     | 1 Decode         -     -       | 1 Decode         -     unknown";
    assert_eq!(seen.join("\n"), expected);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_faults_is_retried_with_growing_waits() {
    let script = ScriptedTransport::new(|n| if n < 3 { reply(503, "") } else { reply(200, "7") });
    let response: u32 = script.client(HttpOptions::new()).json(&get()).await.unwrap();
    assert_eq!((response, script.count()), (7, 4));
    let wait = |n: usize| script.sent_at(n + 1) - script.sent_at(n);
    for (n, least) in [(0, 500), (1, 1000), (2, 2000)] {
        let least = Duration::from_millis(least);
        assert!(wait(n) >= least && wait(n) <= 2 * least + Duration::from_millis(2), "{n}: {:?}", wait(n));
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_the_one_that_the_service_requests() {
    let date = |n: usize| if n == 0 { reply(429, "").header("retry-after", "7") } else { reply(200, "1") };
    let script = ScriptedTransport::new(date);
    let _: u32 = script.client(HttpOptions::new()).json(&launch()).await.unwrap();
    let waited = script.sent_at(1) - script.sent_at(0);
    assert!(waited >= secs(7) && waited < secs(8), "{waited:?}");

    let script = ScriptedTransport::new(|n| match n {
        0 => reply(503, "")
            .header("date", "Wed, 21 Oct 2015 07:28:00 GMT")
            .header("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"),
        _ => reply(200, "1"),
    });
    let _: u32 = script.client(HttpOptions::new()).json(&get()).await.unwrap();
    let waited = script.sent_at(1) - script.sent_at(0);
    assert!(waited >= secs(30) && waited < secs(31), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_limit_is_an_error_and_is_not_shortened() {
    for (wait, call_timeout) in [("86400", secs(1_000_000)), ("200", secs(120))] {
        let script = ScriptedTransport::new(move |_| reply(429, "").header("retry-after", wait));
        let client = script.client(HttpOptions::new().with_call_timeout(call_timeout));
        let start = Instant::now();
        let error = client.send(&get()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(error.retry_after(), Some(secs(wait.parse().unwrap())));
        assert!(error.is_retryable(), "when that time has passed");
        assert_eq!((script.count(), start.elapsed()), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn one_429_starts_a_cooldown_for_all_calls() {
    let script = ScriptedTransport::new(|n| {
        if n == 0 { reply(429, "").header("retry-after", "60") } else { reply(200, "1") }
    });
    let client = script.client(HttpOptions::new());
    let start = Instant::now();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.json::<u32>(&get()).await }
    });
    tokio::task::yield_now().await;
    advance(secs(1)).await;
    let (second, stream) = (get(), get());
    let (second, stream) = tokio::join!(client.json::<u32>(&second), client.open(&stream));
    assert_eq!(second.unwrap(), 1);
    stream.unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(script.count(), 4);
    assert!((1..4).all(|n| script.sent_at(n) - start >= secs(60)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_cooldown_outlasts_is_refused_unsent() {
    let script = ScriptedTransport::new(|_| reply(429, "").header("retry-after", "86400"));
    let client = script.client(HttpOptions::new());
    client.send(&get()).await.unwrap_err();
    let start = Instant::now();
    let error = client.send(&launch()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(secs(300)), "the day is capped");
    assert_eq!((error.attempts(), script.count(), start.elapsed()), (0, 1, Duration::ZERO));
    assert!(!error.outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn retries_in_an_outage_are_limited() {
    let script = ScriptedTransport::new(|n| if n < 120 { reply(503, "") } else { reply(200, "1") });
    let client = script.client(HttpOptions::new());
    let request = get();
    let calls = join_all((0..100).map(|_| client.send(&request))).await;
    assert!(calls.iter().all(Result::is_err));
    assert_eq!(script.count(), 120);
    assert!(calls.iter().all(|call| !call.as_ref().unwrap_err().is_retryable()));
    // Successes refill the budget.
    for _ in 0..5 {
        client.send(&request).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_call_timeout_covers_waits_retries_and_bodies() {
    let options = || HttpOptions::new().with_call_timeout(secs(40)).with_idle_timeout(secs(10));
    let start = Instant::now();
    // The head timeout ends the first attempt, the call timeout the second.
    let script = ScriptedTransport::new(|_| Step::Hang);
    let error = script.client(options()).send(&get()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), start.elapsed()), (ErrorKind::Deadline, 2, secs(40)));
    assert!(!error.is_retryable() && !error.outcome_unknown());

    let start = Instant::now();
    let script = ScriptedTransport::new(|_| reply(200, "").pieces(&["1"; 100]).slowly(secs(9)));
    let error = script.client(options()).send(&launch()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), start.elapsed()), (ErrorKind::Deadline, 1, secs(40)));
    assert!(error.outcome_unknown());

    // A wait that would end after the deadline does not begin.
    let start = Instant::now();
    let script = ScriptedTransport::new(|_| reply(503, "").after(secs(29)));
    let policy = RetryPolicy::new().with_base(secs(15));
    let error = script.client(options().with_retry(policy)).send(&get()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), start.elapsed()), (ErrorKind::Server, 1, secs(29)));
    assert!(!error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gets_no_permit_sends_nothing() {
    let script = ScriptedTransport::new(|_| Step::Hang);
    let client = script.client(HttpOptions::new().with_max_in_flight(1).with_call_timeout(secs(5)));
    let (first, second) = (get(), launch());
    let (_, second) = tokio::join!(client.send(&first), client.send(&second));
    let error = second.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Deadline, 0));
    assert!(!error.outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_requested_again() {
    let script = ScriptedTransport::new(|n| reply(200, "1").slowly(if n == 0 { secs(31) } else { secs(1) }));
    assert_eq!(script.client(HttpOptions::new()).json::<u32>(&get()).await.unwrap(), 1);
    assert_eq!(script.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_and_streams_are_limited_separately() {
    let script = ScriptedTransport::new(|_| reply(200, "1").after(secs(1)));
    let client = script.client(HttpOptions::new().with_max_in_flight(3).with_max_streams(1));
    let body = client.open(&get()).await.unwrap();
    let request = get();
    let calls = join_all((0..10).map(|_| client.send(&request))).await;
    assert!(calls.iter().all(Result::is_ok), "while a stream is open");
    assert_eq!(script.max_in_flight(), 3);
    let second = client.clone();
    let second = tokio::spawn(async move { second.open(&get()).await.map(drop) });
    tokio::time::sleep(secs(100)).await;
    assert!(!second.is_finished(), "there is one permit for streams, and it is taken");
    drop(body);
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_unread_stream_does_not_block_another_for_ever() {
    let script = ScriptedTransport::new(|_| reply(200, "1"));
    let client = script.client(HttpOptions::new().with_max_streams(1));
    let _unread = client.open(&get()).await.unwrap();
    let error = client.open(&get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert!(error.message().contains("no further stream could be opened within 120s: 1 are open"), "{error}");
    assert_eq!(script.count(), 1, "the second was never sent");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_releases_its_permit_before_it_is_dropped() {
    let script = ScriptedTransport::new(|_| reply(200, "1"));
    let client = script.client(HttpOptions::new().with_max_streams(1));
    let mut first = client.open(&get()).await.unwrap();
    while first.chunk().await.unwrap().is_some() {}
    client.open(&get()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_applies_to_retries() {
    let script = ScriptedTransport::new(|n| if n % 2 == 0 { reply(503, "") } else { reply(200, "1") });
    let policy = RetryPolicy::new().with_base(Duration::from_millis(1));
    let client = script.client(HttpOptions::new().with_requests_per_second(5.0).with_retry(policy));
    let request = get();
    join_all((0..5).map(|_| client.send(&request))).await;
    let gaps = (1..script.count()).map(|n| script.sent_at(n) - script.sent_at(n - 1));
    assert!(gaps.into_iter().all(|gap| gap >= Duration::from_millis(200)));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_releases_its_permit() {
    for points in 0..12 {
        let script = ScriptedTransport::new(|n| match n {
            0 => reply(503, "").after(secs(1)),
            _ => reply(200, "").pieces(&["[1,", "2]"]).slowly(secs(1)),
        });
        let client = script.client(HttpOptions::new().with_max_in_flight(1).with_max_streams(1));
        let (single, streamed) = (get(), get());
        let stream = async {
            let mut body = client.open(&streamed).await?;
            while body.chunk().await?.is_some() {}
            Ok::<_, Error>(())
        };
        let mut both = Box::pin(join(client.send(&single), stream));
        for _ in 0..points {
            if poll!(&mut both).is_ready() {
                break;
            }
            advance(secs(1)).await;
        }
        drop(both);
        assert_eq!(free_permits(&client), (1, 1), "after {points} points");
        client.send(&get()).await.unwrap();
    }
}

fn free_permits(client: &HttpClient) -> (usize, usize) {
    let stack = client.stack();
    stack.in_flight.available()
}

#[tokio::test(start_paused = true)]
async fn an_error_holds_the_details_of_the_response_but_no_secret() {
    let script = ScriptedTransport::new(|_| {
        reply(400, r#"{"message":"unknown canary-canary","token":"canary","hint":"x"}"#)
            .header("x-request-id", "abc-123")
            .header("retry-after", "9")
    });
    let client = script.client(HttpOptions::new());
    let error = client.send(&get()).await.unwrap_err();
    assert_eq!(error.status(), Some(400));
    assert_eq!(error.request_id(), Some("abc-123"));
    assert_eq!(error.retry_after(), Some(secs(9)));
    assert_eq!(
        error.body_excerpt(),
        Some(r#"{"message":"unknown [masked:token]","token":"[masked:token]","hint":"x"}"#)
    );
    assert!(!format!("{error:?}{error}{client:?}").contains("canary"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_redirect_names_its_target_without_query_and_user() {
    let script = ScriptedTransport::new(|_| {
        reply(302, "").header("location", "https://me:canary@sso.example/in?t=canary#canary")
    });
    let error = script.client(HttpOptions::new()).send(&get()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "test: get: undecodable response: the service redirected to https://sso.example/in; redirects are not followed"
    );
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_above_the_limit_is_refused_without_a_retry() {
    let script = ScriptedTransport::new(|_| reply(200, "123456789"));
    let client = script.client(HttpOptions::new().with_max_body_bytes(8));
    let error = client.send(&get()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 1));
}

#[tokio::test(start_paused = true)]
async fn an_error_response_with_an_endless_body_ends() {
    let script = ScriptedTransport::new(|_| reply(404, "").pieces(&["x"; 50]).slowly(secs(20)));
    let error = script.client(HttpOptions::new()).send(&get()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, Some(404)));
    let endless: fn(usize) -> Reply = |_| reply(404, "").pieces(&["0123456789 abcdef"; 900].repeat(10));
    let error = ScriptedTransport::new(endless).client(HttpOptions::new()).send(&get()).await.unwrap_err();
    assert!(error.body_excerpt().unwrap().len() <= 1024);
}

#[tokio::test(start_paused = true)]
async fn a_header_that_cannot_be_sent_is_refused_without_echoing_it() {
    let script = ScriptedTransport::new(|_| reply(200, ""));
    let request = get().with_header("x-note", "can\r\nary");
    let error = script.client(HttpOptions::new()).send(&request).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), script.count()), (ErrorKind::InvalidRequest, 0, 0));
    assert!(!format!("{error:?}").contains("ary"), "{error:?}");
}

#[test]
fn the_stack_is_shared_between_threads() {
    fn portable<T: Send + Sync + 'static>(_: &T) {}
    let client = ScriptedTransport::new(|_| reply(200, "")).client(HttpOptions::new());
    portable(&client);
    assert_eq!(Arc::strong_count(client.stack()), 1);
    assert_eq!(Arc::strong_count(client.clone().stack()), 2);
}
