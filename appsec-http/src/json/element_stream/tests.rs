use futures_util::poll;
use tokio::time::timeout;

use super::*;
use crate::options::{HttpOptions, RetryPolicy};
use crate::request::RetrySafety;
use crate::stack::scripted_transport::{Reply, ScriptedTransport, Step, reply};

fn request() -> Request {
    Request::get("test: list", "/v1/things")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stream(script: &ScriptedTransport, at: ArrayPath) -> ElementStream {
    script.client(HttpOptions::new()).elements(&request(), at)
}

/// All elements, and the error that ended them.
async fn read(stream: &mut ElementStream) -> (Vec<String>, Option<Error>) {
    let mut elements = Vec::new();
    while let Some(next) = stream.next().await {
        match next {
            Ok(element) => {
                assert_eq!(element.index, elements.len() as u64);
                elements.push(String::from_utf8(element.bytes.to_vec()).unwrap());
            }
            Err(error) => {
                assert!(stream.next().await.is_none(), "the first error is the last item");
                return (elements, Some(error));
            }
        }
    }
    assert!(stream.next().await.is_none());
    (elements, None)
}

#[tokio::test(start_paused = true)]
async fn elements_are_followed_by_the_members_beside_the_array() {
    let script = ScriptedTransport::new(|_| reply(200, "").pieces(&["{\"a\":[1", "23,4],\"to", "tal\":2}"]));
    let mut stream = stream(&script, ArrayPath::Field("a"));
    assert_eq!(script.count(), 0, "nothing is sent before the first element is requested");
    let (elements, error) = read(&mut stream).await;
    assert_eq!(elements, ["123", "4"]);
    assert!(error.is_none());
    assert_eq!(stream.rest().map(RawValue::get), Some(r#"{"total":2}"#));
    assert_eq!(script.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_response_is_read_again_and_each_element_is_returned_once() {
    let pieces: &[&[&'static str]] = &[&["[1,", "2,"], &["[1", ",2,3,", "4"], &["[1,2,3,4", ",5,6]"]];
    let script = ScriptedTransport::new(move |n| match n {
        2 => Step::Reset,
        3 => reply(200, "").pieces(pieces[2]).into(),
        n => Step::from(reply(200, "").pieces(pieces[n]).cut()),
    });
    let (elements, error) = read(&mut stream(&script, ArrayPath::Root)).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(elements, ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(script.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_response_is_an_error() {
    for body in ["[1,2", "[1,2]x", "[1,2,]", "", "[1,2}"] {
        let script = ScriptedTransport::new(move |_| reply(200, body));
        let (elements, error) = read(&mut stream(&script, ArrayPath::Root)).await;
        let error = error.unwrap();
        assert_eq!((error.kind(), error.attempts(), script.count()), (ErrorKind::Decode, 4, 4), "{body}");
        assert!(!error.is_retryable() && error.operation() == Some("test: list"), "{body}");
        assert!(elements.len() <= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_changed_is_an_error() {
    for second in ["[1,2,9,4]", "[1,2]", "[]", "[1,2,3.0,4]"] {
        let script =
            ScriptedTransport::new(
                move |n| if n == 0 { reply(200, "[1,2,3,").cut() } else { reply(200, second) },
            );
        let (elements, error) = read(&mut stream(&script, ArrayPath::Root)).await;
        assert_eq!(elements, ["1", "2", "3"], "{second}");
        let error = error.unwrap();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Decode, 2));
        assert!(error.to_string().ends_with("the response changed while being read again"), "{error}");
        assert_eq!(script.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn an_element_that_exceeds_a_limit_costs_that_element_only() {
    let deep: &'static str = Box::leak(format!("[1,{}{},3,", "[".repeat(200), "]".repeat(200)).into());
    let script = ScriptedTransport::new(move |n| match n {
        0 => reply(200, deep).cut(),
        _ => reply(200, "").pieces(Box::leak(Box::new([deep, "\"much longer than ten\",5]"]))),
    });
    let options = HttpOptions::new().with_max_element_bytes(10);
    let mut stream = script.client(options).elements(&request(), ArrayPath::Root);
    let mut elements = Vec::new();
    while let Some(element) = stream.next().await {
        let element = element.unwrap();
        assert_eq!(element.index, elements.len() as u64);
        elements.push(element.json::<u32>("test").map_err(|error| error.to_string()));
    }
    let whole: Vec<_> = elements.iter().filter_map(|element| element.as_ref().ok()).collect();
    assert_eq!((whole, elements.len()), (vec![&1, &3, &5], 5));
    for (index, text) in [(1, "nested more than 128 deep"), (3, "an element has more than 10 bytes")] {
        let error = elements[index].as_ref().unwrap_err();
        assert!(error.contains(text) && error.contains(&format!("[{index}]")), "{error}");
    }
    assert_eq!(script.count(), 2, "read on after the interruption");
}

#[tokio::test(start_paused = true)]
async fn an_html_page_or_an_error_response_is_retried_and_then_an_error() {
    let script = ScriptedTransport::new(|n| match n {
        0 => reply(200, "<html>busy</html>"),
        1 => reply(502, "<html>"),
        _ => reply(200, "[1]"),
    });
    assert_eq!(read(&mut stream(&script, ArrayPath::Root)).await.0, ["1"]);

    let script = ScriptedTransport::new(|_| reply(200, "<html>Bearer canary</html>"));
    let (_, error) = read(&mut stream(&script, ArrayPath::Root)).await;
    let error = error.unwrap();
    assert!(error.to_string().contains("an HTML page came instead of JSON"), "{error}");
    assert_eq!(error.body_excerpt(), Some("<html>Bearer [masked:token]</html>…"), "more may follow");
    assert_eq!((error.status(), error.attempts()), (Some(200), 4));
    assert!(error.is_html());
}

#[tokio::test(start_paused = true)]
async fn a_429_that_is_retried_sets_the_signal_of_its_stream_only() {
    let script = ScriptedTransport::new(|n| match n {
        0 => reply(429, "").header("retry-after", "1"),
        _ => reply(200, "[1]"),
    });
    let (throttled, other) = (ThrottleSignal::new(), ThrottleSignal::new());
    let client = script.client(HttpOptions::new());
    for signal in [&throttled, &other] {
        let mut stream = client.elements(&request(), ArrayPath::Root).with_throttle_signal(signal.clone());
        assert_eq!(read(&mut stream).await.0, ["1"]);
    }
    assert!(throttled.take());
    assert!(!throttled.take(), "take clears the signal");
    assert!(!other.take());
}

#[tokio::test(start_paused = true)]
async fn a_429_after_a_broken_body_or_without_a_retry_sets_the_signal() {
    let script = ScriptedTransport::new(|n| match n {
        0 => reply(200, "[1,").cut(),
        1 => reply(429, ""),
        _ => reply(200, "[1,2]"),
    });
    let signal = ThrottleSignal::new();
    let stream = |script: &ScriptedTransport, options| {
        script.client(options).elements(&request(), ArrayPath::Root).with_throttle_signal(signal.clone())
    };
    assert_eq!(read(&mut stream(&script, HttpOptions::new())).await.0, ["1", "2"]);
    assert!(signal.take());

    let script = ScriptedTransport::new(|_| reply(429, ""));
    let options = HttpOptions::new().with_retry(RetryPolicy::none());
    assert!(read(&mut stream(&script, options)).await.1.is_some());
    assert!(signal.take());
}

#[tokio::test(start_paused = true)]
async fn json_of_another_shape_is_not_requested_again() {
    for (body, at) in [
        ("{\"a\":[1]}", ArrayPath::Root),
        ("[1]", ArrayPath::Field("a")),
        ("{\"b\":[1]}", ArrayPath::Field("a")),
        ("{\"a\":null}", ArrayPath::Field("a")),
        ("7", ArrayPath::Root),
    ] {
        let script = ScriptedTransport::new(move |_| reply(200, body));
        let (elements, error) = read(&mut stream(&script, at)).await;
        let error = error.unwrap();
        assert_eq!((elements.len(), error.kind(), script.count()), (0, ErrorKind::Decode, 1), "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_waits_lose_nothing() {
    let script = ScriptedTransport::new(|n| {
        let pieces = reply(200, "").pieces(&["[1,", "2,3", ",4]"]).slowly(secs(2)).after(secs(3));
        if n == 0 { pieces.cut().pieces(&["[1,", "2,"]) } else { pieces }
    });
    let mut stream = stream(&script, ArrayPath::Root);
    let mut elements = Vec::new();
    let mut cancelled = 0;
    loop {
        match timeout(Duration::from_millis(300), stream.next()).await {
            Ok(Some(element)) => elements.push(element.unwrap().index),
            Ok(None) => break,
            Err(_) => cancelled += 1,
        }
    }
    assert_eq!(elements, [0, 1, 2, 3]);
    assert!(cancelled > 30, "{cancelled}");
    assert_eq!(script.count(), 2, "the request in flight is kept");
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_no_total_timeout_and_a_slow_consumer_causes_no_error() {
    let script =
        ScriptedTransport::new(|_| reply(200, "").pieces(&["[1", ",2", ",3", ",4", ",5]"]).slowly(secs(20)));
    let client = script.client(HttpOptions::new().with_min_throughput(0).with_call_timeout(secs(10)));
    let mut stream = client.elements(&request(), ArrayPath::Root);
    let mut elements = 0;
    while let Some(element) = stream.next().await {
        element.unwrap();
        elements += 1;
        tokio::time::sleep(secs(3600)).await;
    }
    assert_eq!(elements, 5);
}

#[tokio::test(start_paused = true)]
async fn retries_of_streams_in_an_outage_are_limited() {
    let script = ScriptedTransport::new(|_| reply(200, "[1,").cut());
    let client = script.client(HttpOptions::new().with_max_streams(100));
    for _ in 0..50 {
        assert!(read(&mut client.elements(&request(), ArrayPath::Root)).await.1.is_some());
    }
    assert_eq!(script.count(), 50 + 20);
}

#[tokio::test(start_paused = true)]
async fn a_request_with_an_effect_is_not_repeated_after_a_broken_response() {
    let script = ScriptedTransport::new(|_| reply(200, "[1,").cut());
    let launch = request().with_retry_safety(RetrySafety::IfUnsent);
    let (elements, error) =
        read(&mut script.client(HttpOptions::new()).elements(&launch, ArrayPath::Root)).await;
    let error = error.unwrap();
    assert_eq!(elements, ["1"]);
    assert!(error.outcome_unknown() && !error.is_retryable());
    assert_eq!(script.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_at_any_point_releases_its_permit() {
    for points in 0..14 {
        let first: fn(usize) -> Reply = |n| {
            let whole = reply(200, "").pieces(&["[1,", "2", "]"]).slowly(secs(1)).after(secs(1));
            if n == 0 { whole.pieces(&["[1,"]).cut() } else { whole }
        };
        let script = ScriptedTransport::new(first);
        let policy = RetryPolicy::new().with_base(secs(1));
        let client = script.client(HttpOptions::new().with_max_streams(1).with_retry(policy));
        let mut stream = client.elements(&request(), ArrayPath::Root);
        for _ in 0..points {
            let _ = poll!(Box::pin(stream.next()));
            tokio::time::advance(secs(1)).await;
        }
        drop(stream);
        let body = timeout(secs(60), client.open(&request())).await;
        body.unwrap().unwrap();
    }
}

#[derive(Debug, serde::Deserialize)]
struct Thing {
    #[allow(dead_code, reason = "only its decoding is tested")]
    id: u32,
}

#[test]
fn a_decode_error_has_the_index_and_debug_hides_the_bytes() {
    let element = Element::new(3, Bytes::from_static(br#"{"id":"canary"}"#));
    let error = element.json::<Thing>("test: list").unwrap_err();
    assert_eq!((error.path(), error.operation()), (Some("[3].id"), Some("test: list")));
    assert_eq!(format!("{element:?}"), "Element { index: 3, bytes: 15, .. }");
}
