//! Delivery from an outbox to receivers that verify messages with the reference implementation of Standard
//! Webhooks.
#![cfg(feature = "webhook")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use appsec_core::testing::MemoryScanner;
use appsec_core::{
    DastApiScannerExt, Error, ErrorKind, FindingQuery, Result, Severity, Timestamp, async_trait,
};
use appsec_import::outbox::{
    BindingRef, ConnectionFailed, Event, EventBatcher, EventData, EventKind, MemoryOutbox, Message,
    MessageId, MessageState, Outbox, RunRef, Subscription, messages_for,
};
use appsec_import::webhook::{DeliveryCounts, DeliveryOptions, Dispatcher, Endpoint, RetrySchedule};
use appsec_import::{ScanConfiguration, reconcile};
use standardwebhooks::Webhook;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "whsec_c2VjcmV0IG51bWJlciB0d28sIHRoaXJ0eSBieXRlcw==";

fn binding() -> BindingRef {
    BindingRef::new("shop", "memory", &ScanConfiguration::new("app:shop"))
}

/// A message for the endpoint, different for each number.
fn message(endpoint: &str, number: u32) -> Message {
    let error = Error::new(ErrorKind::Auth, format!("number {number}"));
    let failed = ConnectionFailed::from_error(binding(), &error);
    Message::new(endpoint, &Event::new(Timestamp::now(), EventData::ConnectionFailed(failed)))
}

async fn outbox(messages: impl IntoIterator<Item = Message>) -> Arc<MemoryOutbox> {
    let outbox = Arc::new(MemoryOutbox::new());
    outbox.enqueue(&messages.into_iter().collect::<Vec<_>>()).await.unwrap();
    outbox
}

async fn receiver(status: u16) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(status)).mount(&server).await;
    server
}

fn endpoint(name: &str, server: &MockServer) -> Endpoint {
    Endpoint::new(name, format!("{}/hook?key=1", server.uri()), SECRET).unwrap()
}

/// Delays that are short enough for a test, since a paused clock does not work with sockets.
fn delivery() -> DeliveryOptions {
    DeliveryOptions::new()
        .with_timeout(Duration::from_secs(10))
        .with_poll_interval(Duration::from_millis(10))
        .with_retry_schedule(RetrySchedule::from_delays([Duration::from_millis(20); 2]))
}

/// Delays so long that no message is retried within a test.
fn delivery_with_long_delays() -> DeliveryOptions {
    delivery().with_retry_schedule(RetrySchedule::new())
}

fn dispatcher(outbox: &Arc<MemoryOutbox>, endpoint: Endpoint, delivery: &DeliveryOptions) -> Dispatcher {
    Dispatcher::new(Arc::clone(outbox) as Arc<dyn Outbox>, [endpoint], delivery).unwrap()
}

fn counts(delivered: DeliveryCounts) -> (u64, u64, u64) {
    (delivered.delivered, delivered.failed, delivered.dead)
}

fn verifies(secret: &str, request: &Request) -> bool {
    Webhook::new(secret).unwrap().verify(&request.body, &request.headers).is_ok()
}

fn id(request: &Request) -> &str {
    request.headers["webhook-id"].to_str().unwrap()
}

/// Delivers until no message is pending.
async fn deliver_all(outbox: &Arc<MemoryOutbox>, endpoint: &Endpoint) -> DeliveryCounts {
    let mut last = DeliveryCounts::default();
    while outbox.messages().iter().any(|message| message.state == MessageState::Pending) {
        // A new dispatcher each time, as after a restart: all state is in the outbox.
        last = dispatcher(outbox, endpoint.clone(), &delivery()).deliver_due().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    last
}

#[tokio::test]
async fn a_receiver_verifies_the_events_of_a_run_with_the_reference_implementation() {
    let scanner = (0..120).fold(MemoryScanner::new(), |scanner, number| {
        let url = format!("https://shop.example.com/überweisung/{number}");
        scanner.with_finding(MemoryScanner::finding(
            "app:shop",
            "SQL injection – „blind“",
            Severity::High,
            &url,
        ))
    });
    let (findings, coverage) = scanner.collect_findings(FindingQuery::all()).await.unwrap();
    let now = Timestamp::now();
    let run = reconcile(Vec::new(), &findings, &coverage, now);
    let mut batcher = EventBatcher::new(RunRef::new(binding(), "1"), now);
    let mut events = Vec::new();
    for outcome in &run.transitions {
        events.extend(batcher.push(&outcome.finding, outcome.change, None));
    }
    events.extend(batcher.finish(&run.summary, &coverage));

    let server = receiver(200).await;
    let endpoint = endpoint("chat", &server).with_events([EventKind::FindingNew, EventKind::ScanCompleted]);
    let dispatcher = dispatcher(&Arc::new(MemoryOutbox::new()), endpoint.clone(), &delivery());
    let subscriptions = dispatcher.subscriptions();
    assert_eq!(subscriptions, [endpoint.subscription().clone()]);
    let outbox = outbox(events.iter().flat_map(|event| messages_for(event, &subscriptions))).await;
    let delivered = self::dispatcher(&outbox, endpoint, &delivery()).deliver_due().await.unwrap();
    assert_eq!(counts(delivered), (3, 0, 0), "120 findings are two events, and the run's end is one");

    let requests = server.received_requests().await.unwrap();
    for request in &requests {
        assert!(verifies(SECRET, request));
        assert!(!verifies(NEW_SECRET, request), "another secret does not do");
        assert_eq!(request.headers["content-type"], "application/json");
        let mut forged = request.clone();
        forged.body.push(b' ');
        assert!(!verifies(SECRET, &forged), "nor does another body");
    }
    let mut read: Vec<Event> =
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect();
    read.sort_by_key(|event| events.iter().position(|sent| sent == event));
    assert_eq!(read, events);
}

#[tokio::test]
async fn during_secret_rotation_receivers_with_either_secret_accept() {
    let server = receiver(204).await;
    let url = server.uri();
    let rotating = Endpoint::new("e", url.clone(), NEW_SECRET).unwrap().with_previous_secret(SECRET).unwrap();
    let rotated = Endpoint::new("e", url, NEW_SECRET).unwrap();
    for endpoint in [rotating, rotated] {
        let outbox = outbox([message("e", 1)]).await;
        dispatcher(&outbox, endpoint, &delivery()).deliver_due().await.unwrap();
    }
    let requests = server.received_requests().await.unwrap();
    assert!(verifies(SECRET, &requests[0]) && verifies(NEW_SECRET, &requests[0]));
    assert!(!verifies(SECRET, &requests[1]) && verifies(NEW_SECRET, &requests[1]));
}

#[tokio::test]
async fn a_failed_message_is_retried_with_the_same_id_and_body() {
    let server = MockServer::start().await;
    let refusing = Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).up_to_n_times(2);
    refusing.mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let outbox = outbox([message("e", 1)]).await;

    let before = Timestamp::now();
    let first = dispatcher(&outbox, endpoint("e", &server), &delivery_with_long_delays())
        .deliver_due()
        .await
        .unwrap();
    assert_eq!(counts(first), (0, 1, 0));
    let waiting = outbox.messages().remove(0);
    assert_eq!((waiting.state, waiting.attempts), (MessageState::Pending, 1));
    let error = waiting.last_error.unwrap();
    assert_eq!(error, "webhook: deliver: server fault: the receiver returned 503");
    assert!(waiting.due_at.duration_since(before).as_secs() >= 5, "{}", waiting.due_at);

    outbox.redeliver(&waiting.id, Timestamp::now()).await.unwrap();
    let last = deliver_all(&outbox, &endpoint("e", &server)).await;
    assert_eq!(counts(last), (1, 0, 0));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!((id(request), &request.body), (id(&requests[0]), &requests[0].body));
        assert!(verifies(SECRET, request), "signed anew, with the time of the attempt");
    }
    let done = outbox.messages().remove(0);
    assert_eq!((done.state, done.last_error), (MessageState::Delivered, None));
}

#[tokio::test]
async fn after_the_last_attempt_a_message_is_dead_and_can_be_redelivered() {
    let server = MockServer::start().await;
    let refusing = Mock::given(method("POST")).respond_with(ResponseTemplate::new(500)).up_to_n_times(3);
    refusing.expect(3).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
    let outbox = outbox([message("e", 1)]).await;
    assert_eq!(counts(deliver_all(&outbox, &endpoint("e", &server)).await), (0, 0, 1));

    let dead = outbox.dead_letters(None, 10).await.unwrap().remove(0);
    assert_eq!(dead.attempts, 3);
    assert!(dead.last_error.as_deref().unwrap().contains("500"), "{dead:?}");
    let none = dispatcher(&outbox, endpoint("e", &server), &delivery()).deliver_due().await.unwrap();
    assert_eq!(counts(none), (0, 0, 0), "the dead are left alone");

    outbox.redeliver(&dead.id, Timestamp::now()).await.unwrap();
    assert_eq!(counts(deliver_all(&outbox, &endpoint("e", &server)).await), (1, 0, 0));
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| id(request) == dead.id.as_str()));
}

#[tokio::test]
async fn a_410_makes_the_message_dead() {
    let server = receiver(410).await;
    let outbox = outbox([message("e", 1)]).await;
    let delivered = dispatcher(&outbox, endpoint("e", &server), &delivery()).deliver_due().await.unwrap();
    assert_eq!(counts(delivered), (0, 0, 1));
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let server = MockServer::start().await;
    let elsewhere = format!("{}/elsewhere", server.uri());
    let redirect = ResponseTemplate::new(307).insert_header("location", elsewhere.as_str());
    Mock::given(path("/hook")).respond_with(redirect).expect(1).mount(&server).await;
    Mock::given(path("/elsewhere")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&server).await;
    let outbox = outbox([message("e", 1)]).await;
    let delivered = dispatcher(&outbox, endpoint("e", &server), &delivery_with_long_delays())
        .deliver_due()
        .await
        .unwrap();
    assert_eq!(counts(delivered), (0, 1, 0));
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "7200");
    Mock::given(method("POST")).respond_with(busy).mount(&server).await;
    let outbox = outbox([message("e", 1)]).await;
    let before = Timestamp::now();
    dispatcher(&outbox, endpoint("e", &server), &delivery_with_long_delays()).deliver_due().await.unwrap();
    let wait = outbox.messages()[0].due_at.duration_since(before);
    assert!(wait.as_secs() >= 7200, "{wait:?}");
}

#[tokio::test]
async fn a_failing_endpoint_costs_later_messages_no_attempts() {
    let server = receiver(503).await;
    let outbox = outbox((0..10).map(|number| message("e", number))).await;
    let delivery = delivery_with_long_delays().with_max_in_flight(4);
    let delivered = dispatcher(&outbox, endpoint("e", &server), &delivery).deliver_due().await.unwrap();
    assert_eq!(counts(delivered), (0, 4, 0));
    let untouched = outbox.messages().iter().filter(|message| message.attempts == 0).count();
    assert_eq!(untouched, 6);
}

#[tokio::test]
async fn a_refused_message_does_not_delay_the_others() {
    let server = MockServer::start().await;
    let outbox = outbox((0..10).map(|number| message("e", number))).await;
    let refused = outbox.messages()[0].id.clone();
    Mock::given(header("webhook-id", refused.as_str()))
        .respond_with(ResponseTemplate::new(400))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let delivery = delivery_with_long_delays().with_max_in_flight(1);
    let delivered = dispatcher(&outbox, endpoint("e", &server), &delivery).deliver_due().await.unwrap();
    assert_eq!(counts(delivered), (9, 1, 0));
}

#[tokio::test]
async fn a_slow_endpoint_does_not_delay_another() {
    let slow = MockServer::start().await;
    let stuck = ResponseTemplate::new(200).set_delay(Duration::from_mins(10));
    Mock::given(method("POST")).respond_with(stuck).mount(&slow).await;
    let fast = receiver(200).await;
    let all = (0..20).flat_map(|number| [message("slow", number), message("fast", number)]);
    let outbox = outbox(all).await;
    let endpoints = [endpoint("slow", &slow), endpoint("fast", &fast)];
    let delivery = delivery_with_long_delays().with_timeout(Duration::from_mins(10));
    let dispatcher = Dispatcher::new(Arc::clone(&outbox) as Arc<dyn Outbox>, endpoints, &delivery).unwrap();
    let fast_done = async {
        while outbox.messages().iter().any(|m| m.endpoint == "fast" && m.state != MessageState::Delivered) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = dispatcher.run() => unreachable!("it has no end"),
        () = fast_done => {}
    }
    let of_slow: Vec<_> = outbox.messages().into_iter().filter(|m| m.endpoint == "slow").collect();
    assert!(
        of_slow.iter().all(|m| m.state == MessageState::Pending && m.last_error.is_none()),
        "still waiting"
    );
    assert_eq!(of_slow.iter().filter(|m| m.attempts == 1).count(), 4, "in flight at once");
}

#[tokio::test]
async fn dispatchers_that_share_an_outbox_deliver_each_message_once() {
    let server = receiver(200).await;
    let outbox = outbox((0..50).map(|number| message("e", number))).await;
    let [one, two, three] =
        [(); 3].map(|()| dispatcher(&outbox, endpoint("e", &server), &delivery_with_long_delays()));
    let (one, two, three) = tokio::join!(one.deliver_due(), two.deliver_due(), three.deliver_due());
    assert_eq!(one.unwrap().delivered + two.unwrap().delivered + three.unwrap().delivered, 50);
    let requests = server.received_requests().await.unwrap();
    let ids: std::collections::BTreeSet<_> = requests.iter().map(id).collect();
    assert_eq!((requests.len(), ids.len()), (50, 50));
}

/// An outbox whose clock is some minutes ahead, and which fails a set number of times.
#[derive(Debug)]
struct FailingOutbox {
    inner: Arc<MemoryOutbox>,
    ahead: Duration,
    failing_claims: AtomicU32,
    failing_delivered: AtomicU32,
}

impl FailingOutbox {
    fn new(inner: &Arc<MemoryOutbox>) -> Self {
        let none = || AtomicU32::new(0);
        let inner = Arc::clone(inner);
        Self { inner, ahead: Duration::ZERO, failing_claims: none(), failing_delivered: none() }
    }

    fn break_if(left: &AtomicU32) -> Result<()> {
        let less = |left: u32| left.checked_sub(1);
        match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err(Error::new(ErrorKind::Unexpected, "the store is away")),
            Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Outbox for FailingOutbox {
    async fn enqueue(&self, messages: &[Message]) -> Result<()> {
        self.inner.enqueue(messages).await
    }
    async fn claim(
        &self,
        endpoint: &str,
        now: Timestamp,
        hold: Duration,
        limit: usize,
    ) -> Result<Vec<Message>> {
        Self::break_if(&self.failing_claims)?;
        self.inner.claim(endpoint, now + self.ahead, hold, limit).await
    }
    async fn delivered(&self, claimed: &Message) -> Result<()> {
        Self::break_if(&self.failing_delivered)?;
        self.inner.delivered(claimed).await
    }
    async fn failed(&self, claimed: &Message, error: &str, retry_at: Option<Timestamp>) -> Result<()> {
        self.inner.failed(claimed, error, retry_at).await
    }
    async fn dead_letters(&self, after: Option<&MessageId>, limit: usize) -> Result<Vec<Message>> {
        self.inner.dead_letters(after, limit).await
    }
    async fn message(&self, id: &MessageId) -> Result<Option<Message>> {
        self.inner.message(id).await
    }
    async fn redeliver(&self, id: &MessageId, now: Timestamp) -> Result<()> {
        self.inner.redeliver(id, now).await
    }
    async fn clear_delivered(&self, before: Timestamp, limit: usize) -> Result<u64> {
        self.inner.clear_delivered(before, limit).await
    }
}

fn dispatcher_on_failing_outbox(outbox: FailingOutbox, server: &MockServer) -> Dispatcher {
    Dispatcher::new(Arc::new(outbox), [endpoint("e", server)], &delivery()).unwrap()
}

#[tokio::test]
async fn a_message_in_flight_when_a_process_ends_is_delivered_again() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_mins(10));
    Mock::given(method("POST")).respond_with(slow).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let outbox = outbox([message("e", 1)]).await;
    let ended = dispatcher(&outbox, endpoint("e", &server), &delivery());
    let received = async {
        while server.received_requests().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = ended.deliver_due() => unreachable!("the answer takes ten minutes"),
        () = received => {}
    }
    let at_once = dispatcher(&outbox, endpoint("e", &server), &delivery()).deliver_due().await.unwrap();
    assert_eq!(counts(at_once), (0, 0, 0), "the claim still holds");
    let later = FailingOutbox { ahead: Duration::from_mins(10), ..FailingOutbox::new(&outbox) };
    let delivered = dispatcher_on_failing_outbox(later, &server).deliver_due().await.unwrap();
    assert_eq!(counts(delivered), (1, 0, 0));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(id(&requests[0]), id(&requests[1]), "the receiver drops the second by its id");
}

#[tokio::test]
async fn a_delivery_that_could_not_be_recorded_is_an_error_and_is_repeated() {
    let server = receiver(200).await;
    let outbox = outbox([message("e", 1)]).await;
    let broken = FailingOutbox { failing_delivered: AtomicU32::new(1), ..FailingOutbox::new(&outbox) };
    let error = dispatcher_on_failing_outbox(broken, &server).deliver_due().await.unwrap_err();
    assert_eq!(error.message(), "the store is away");
    assert_eq!(outbox.messages()[0].state, MessageState::Pending);
    let later = FailingOutbox { ahead: Duration::from_mins(10), ..FailingOutbox::new(&outbox) };
    assert_eq!(dispatcher_on_failing_outbox(later, &server).deliver_due().await.unwrap().delivered, 1);
}

#[tokio::test]
async fn a_message_whose_attempts_never_complete_is_given_up() {
    let server = receiver(200).await;
    let outbox = outbox([message("e", 1)]).await;
    for _ in 0..3 {
        outbox.claim("e", Timestamp::now(), Duration::ZERO, 1).await.unwrap();
    }
    let delivered = dispatcher(&outbox, endpoint("e", &server), &delivery()).deliver_due().await.unwrap();
    assert_eq!(counts(delivered), (0, 0, 1));
    assert!(server.received_requests().await.unwrap().is_empty());
    let dead = outbox.messages().remove(0);
    assert_eq!(dead.last_error.as_deref(), Some("no attempt was completed"));
}

#[tokio::test]
async fn run_continues_after_a_failure_of_the_store() {
    let server = receiver(200).await;
    let outbox = outbox([message("e", 1)]).await;
    let broken = FailingOutbox { failing_claims: AtomicU32::new(3), ..FailingOutbox::new(&outbox) };
    let dispatcher = dispatcher_on_failing_outbox(broken, &server);
    let done = async {
        while outbox.messages()[0].state != MessageState::Delivered {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = dispatcher.run() => unreachable!("it has no end"),
        () = done => {}
    }
}

#[tokio::test]
async fn custom_headers_are_sent() {
    let server = MockServer::start().await;
    Mock::given(header("x-tenant", "blue"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    let endpoint = endpoint("e", &server).with_header("X-Tenant", "blue").unwrap();
    let outbox = outbox([message("e", 1)]).await;
    assert_eq!(dispatcher(&outbox, endpoint, &delivery()).deliver_due().await.unwrap().delivered, 1);
}

#[test]
fn invalid_options_are_refused() {
    let endpoint = |name: &str, url: &str| Endpoint::new(name, url, SECRET).unwrap();
    let refused = |endpoints: Vec<Endpoint>, delivery: &DeliveryOptions| {
        Dispatcher::new(Arc::new(MemoryOutbox::new()), endpoints, delivery).unwrap_err().kind()
    };
    let good = || endpoint("a", "https://hooks.example/x");
    let plain = endpoint("a", "http://hooks.example/x");
    assert_eq!(refused(vec![plain], &delivery()), ErrorKind::Config);
    assert_eq!(refused(vec![good(), good()], &delivery()), ErrorKind::Config);
    assert_eq!(refused(vec![good()], &delivery().with_max_in_flight(0)), ErrorKind::Config);
    assert_eq!(refused(vec![good()], &delivery().with_timeout(Duration::ZERO)), ErrorKind::Config);
    assert!(Endpoint::new("", "https://hooks.example/x", SECRET).is_err());
    assert_eq!(Subscription::all_events("a"), good().subscription().clone());
}
