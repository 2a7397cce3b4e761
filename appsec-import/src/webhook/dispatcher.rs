//! Delivers messages from the outbox to the endpoints.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::WebhookSender;
use futures_util::future::join_all;
use tokio::time::sleep;

use super::delivery_options::DeliveryOptions;
use super::endpoint::Endpoint;
use super::retry_schedule::RetrySchedule;
use crate::outbox::{Message, Outbox, Subscription};

const OPERATION: &str = "webhook: deliver";
const USER_AGENT: &str = concat!("appsec-import/", env!("CARGO_PKG_VERSION"));

/// The status by which a receiver refuses all further messages.
const GONE: u16 = 410;

/// How much longer a claim lasts than an attempt may take: for the rest of the response, and for recording
/// the result.
const MARGIN: Duration = Duration::from_mins(1);

/// The longest pause for a failing endpoint before the next message is attempted.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// The results of the messages that were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryCounts {
    /// The number of messages that were delivered.
    pub delivered: u64,
    /// The number of failed attempts that will be retried.
    pub failed: u64,
    /// The number of messages given up: their last attempt failed, or the endpoint refuses all messages.
    pub dead: u64,
}

impl DeliveryCounts {
    fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead += other.dead;
    }
}

/// Takes messages that are due from an outbox and delivers them, at least once.
///
/// Several dispatchers may share an outbox, in one process or in many. The outbox has all state of a
/// message, so that a process may end at any moment. The endpoints do not delay each other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use std::sync::Arc;
/// use appsec_import::outbox::MemoryOutbox;
/// use appsec_import::webhook::{DeliveryOptions, Dispatcher, Endpoint};
///
/// let chat = Endpoint::new("chat", "https://hooks.example/T0", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let dispatcher = Dispatcher::new(Arc::new(MemoryOutbox::new()), [chat], &DeliveryOptions::new())?;
/// assert_eq!(dispatcher.deliver_due().await?.delivered, 0); // or, beside other work: dispatcher.run()
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dispatcher {
    outbox: Arc<dyn Outbox>,
    receivers: Vec<Receiver>,
    retry_schedule: RetrySchedule,
    claim_duration: Duration,
    max_in_flight: usize,
    poll_interval: Duration,
}

/// An endpoint and the client that posts to it.
#[derive(Debug)]
struct Receiver {
    endpoint: Endpoint,
    sender: WebhookSender,
}

/// The result of a batch of messages to one endpoint, or of one of them.
#[derive(Default)]
struct BatchResult {
    counts: DeliveryCounts,
    /// The number of messages that failed because of the endpoint, not because of the message.
    endpoint_failures: u64,
    /// The longest wait that the endpoint asked for.
    retry_after: Duration,
}

impl Dispatcher {
    /// Creates a dispatcher from the outbox to the endpoints. Messages for other endpoints stay in the
    /// outbox.
    ///
    /// # Errors
    /// `Config` for a URL that is neither https nor loopback, two endpoints with the same name, or an
    /// invalid option.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        endpoints: impl IntoIterator<Item = Endpoint>,
        options: &DeliveryOptions,
    ) -> Result<Self> {
        if options.max_in_flight() == 0 {
            return Err(Error::new(ErrorKind::Config, "max_in_flight is zero"));
        }
        let http = options.http().clone().with_head_timeout(options.timeout());
        let receivers = endpoints.into_iter().map(|endpoint| {
            let sender = WebhookSender::new(&endpoint.url, USER_AGENT, endpoint.headers.clone(), &http)?;
            Ok(Receiver { endpoint, sender })
        });
        let receivers = receivers.collect::<Result<Vec<_>>>()?;
        let mut names = HashSet::new();
        if let Some(duplicate) = receivers.iter().find(|receiver| !names.insert(receiver.endpoint.name())) {
            let message = format!("two webhooks have the name {:?}", duplicate.endpoint.name());
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(Self {
            outbox,
            receivers,
            retry_schedule: options.retry_schedule().clone(),
            claim_duration: options.timeout().saturating_add(MARGIN),
            max_in_flight: options.max_in_flight(),
            poll_interval: options.poll_interval(),
        })
    }

    /// The subscriptions of the endpoints, which are needed to write messages to the outbox.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.receivers.iter().map(|receiver| receiver.endpoint.subscription().clone()).collect()
    }

    /// Delivers messages to all endpoints concurrently until none is due. When an endpoint fails for a
    /// whole batch, its remaining messages wait for the next call, and no attempt of theirs is counted.
    ///
    /// # Errors
    /// Those of the outbox, after all endpoints were processed. A failed delivery is no error: see
    /// [`DeliveryCounts`].
    pub async fn deliver_due(&self) -> Result<DeliveryCounts> {
        let mut counts = DeliveryCounts::default();
        for result in join_all(self.receivers.iter().map(|receiver| self.deliver_to(receiver))).await {
            counts.add(result?.0);
        }
        Ok(counts)
    }

    /// Delivers messages as they become due, for ever; drop the future to stop. A message whose delivery
    /// was interrupted is delivered again after its claim has ended.
    ///
    /// Errors of the outbox are logged, and the operation is retried.
    pub async fn run(&self) {
        join_all(self.receivers.iter().map(|receiver| async move {
            loop {
                let pause = match self.deliver_to(receiver).await {
                    Ok((_, retry_after)) => retry_after.min(MAX_PAUSE).max(self.poll_interval),
                    Err(error) => {
                        tracing::warn!(endpoint = receiver.endpoint.name(), %error, "the outbox cannot be used");
                        self.poll_interval
                    }
                };
                sleep(pause).await;
            }
        }))
        .await;
        // Without endpoints there is nothing to do, but this future still never ends.
        std::future::pending::<()>().await;
    }

    /// Delivers the messages that are due for one endpoint. Returns the counts, and the wait that the
    /// endpoint asked for.
    async fn deliver_to(&self, receiver: &Receiver) -> Result<(DeliveryCounts, Duration)> {
        let mut counts = DeliveryCounts::default();
        loop {
            let now = Timestamp::now();
            let name = receiver.endpoint.name();
            let due = self.outbox.claim(name, now, self.claim_duration, self.max_in_flight).await?;
            if due.is_empty() {
                return Ok((counts, Duration::ZERO));
            }
            let claimed = due.len() as u64;
            let mut batch = BatchResult::default();
            for result in join_all(due.iter().map(|message| self.attempt(receiver, message))).await {
                let result = result?;
                batch.counts.add(result.counts);
                batch.endpoint_failures += result.endpoint_failures;
                batch.retry_after = batch.retry_after.max(result.retry_after);
            }
            counts.add(batch.counts);
            if batch.endpoint_failures == claimed {
                return Ok((counts, batch.retry_after));
            }
        }
    }

    /// Attempts to deliver one message, and records the result.
    async fn attempt(&self, receiver: &Receiver, message: &Message) -> Result<BatchResult> {
        let mut result = BatchResult::default();
        if message.attempts > self.retry_schedule.attempts() {
            // A process ended during the last attempt.
            let error = message.last_error.as_deref().unwrap_or("no attempt was completed");
            self.outbox.failed(message, error, None).await?;
            result.counts.dead = 1;
            return Ok(result);
        }
        let Err(error) = self.post(receiver, message).await else {
            self.outbox.delivered(message).await?;
            result.counts.delivered = 1;
            return Ok(result);
        };
        let retry_after = error.retry_after();
        let gone = error.status() == Some(GONE);
        let wait = if gone { None } else { self.retry_schedule.delay_after(message, retry_after) };
        let retry_at = wait.map(|wait| Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX));
        tracing::info!(
            endpoint = receiver.endpoint.name(),
            message = message.id.as_str(),
            attempt = message.attempts,
            %error,
            ?wait,
            "a webhook was not delivered"
        );
        self.outbox.failed(message, &error.to_string(), retry_at).await?;
        match retry_at {
            Some(_) => result.counts.failed = 1,
            None => result.counts.dead = 1,
        }
        result.endpoint_failures = u64::from(is_endpoint_failure(&error));
        result.retry_after = retry_after.unwrap_or_default();
        Ok(result)
    }

    async fn post(&self, receiver: &Receiver, message: &Message) -> Result<()> {
        // The time of the attempt, not of the event: the receiver compares it with its own clock.
        let headers = receiver.endpoint.sign(message, Timestamp::now())?;
        receiver.sender.post(OPERATION, &headers, message.payload.clone()).await
    }
}

/// Whether another message would fail in the same way: no response, too many requests, or a server error.
fn is_endpoint_failure(error: &Error) -> bool {
    error.status().is_none_or(|status| status == 429 || status >= 500)
}
