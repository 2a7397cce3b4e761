//! The way from the outbox to the endpoints.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use appsec_core::{Error, ErrorKind, Result, Timestamp};
use appsec_http::{HttpOptions, WebhookSender};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::endpoint::Endpoint;
use super::retry::RetrySchedule;
use crate::outbox::{Message, Outbox, Subscription};

const OPERATION: &str = "webhook: deliver";
const USER_AGENT: &str = concat!("appsec-import/", env!("CARGO_PKG_VERSION"));

/// The status by which a receiver says that it wants no more.
const GONE: u16 = 410;

/// How much longer a claim holds than an attempt may take: for the answer's rest and for writing down how it ended.
const MARGIN: Duration = Duration::from_mins(1);

/// The longest that an endpoint in trouble is left alone before the next message is tried.
const LONGEST_REST: Duration = Duration::from_mins(5);

/// How messages are delivered.
#[derive(Debug, Clone)]
pub struct Delivery {
    schedule: RetrySchedule,
    timeout: Duration,
    in_flight: usize,
    every: Duration,
    http: HttpOptions,
}

impl Default for Delivery {
    fn default() -> Self {
        Self::new()
    }
}

impl Delivery {
    /// The defaults, as each `with_` method states them.
    pub fn new() -> Self {
        Self {
            schedule: RetrySchedule::new(),
            timeout: Duration::from_secs(20),
            in_flight: 4,
            every: Duration::from_secs(5),
            http: HttpOptions::new(),
        }
    }

    /// When a message is tried again. Default: that of [`RetrySchedule::new`].
    pub fn with_schedule(mut self, schedule: RetrySchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// How long an attempt may take, until the head of the answer. Default: 20 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many messages are on their way to one endpoint at once, at least 1. Default: 4.
    pub fn with_in_flight(mut self, messages: usize) -> Self {
        self.in_flight = messages;
        self
    }

    /// How often [`Dispatcher::run`] looks for messages that are due. Default: 5 s.
    pub fn with_every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Proxy, trust and resolver. Plain http stays for loopback whatever they say, and their timeouts and retries do not count.
    pub fn with_http(mut self, options: HttpOptions) -> Self {
        self.http = options;
        self
    }
}

/// What became of the messages that were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivered {
    /// The endpoint has them.
    pub delivered: u64,
    /// The attempt failed; they will be tried again.
    pub failed: u64,
    /// The last attempt failed, or the endpoint said that it wants no more.
    pub dead: u64,
}

impl Delivered {
    fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead += other.dead;
    }
}

/// Takes messages that are due from an outbox and delivers them, at least once.
///
/// Several may run over one outbox, in one process or in many. Nothing about a message is kept here: attempts, waits and what is given
/// up are in the outbox, so that a process may end at any moment. Each endpoint has a lane of its own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_core::Result<()> {
/// use std::sync::Arc;
/// use appsec_import::outbox::MemoryOutbox;
/// use appsec_import::webhook::{Delivery, Dispatcher, Endpoint};
///
/// let chat = Endpoint::new("chat", "https://hooks.example/T0", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
/// let dispatcher = Dispatcher::new(Arc::new(MemoryOutbox::new()), [chat], &Delivery::new())?;
/// assert_eq!(dispatcher.deliver_due().await?.delivered, 0); // or, beside other work: dispatcher.run()
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Dispatcher {
    outbox: Arc<dyn Outbox>,
    lanes: Vec<Lane>,
    schedule: RetrySchedule,
    hold: Duration,
    in_flight: usize,
    every: Duration,
}

#[derive(Debug)]
struct Lane {
    endpoint: Endpoint,
    webhook_sender: WebhookSender,
}

/// How one batch of an endpoint went.
#[derive(Default)]
struct Batch {
    counts: Delivered,
    /// How many failed because the endpoint is in trouble, not because of the message.
    troubled: u64,
    /// The longest wait that the endpoint asked for.
    asked: Duration,
}

impl Dispatcher {
    /// A dispatcher from the outbox to the endpoints. Messages for others stay in the outbox.
    ///
    /// # Errors
    /// `Config` for a URL that is neither https nor loopback, two endpoints of one name, or a setting that cannot work.
    pub fn new(
        outbox: Arc<dyn Outbox>,
        endpoints: impl IntoIterator<Item = Endpoint>,
        delivery: &Delivery,
    ) -> Result<Self> {
        if delivery.in_flight == 0 {
            return Err(Error::new(ErrorKind::Config, "in_flight is zero"));
        }
        let http = delivery.http.clone().with_head_timeout(delivery.timeout);
        let lanes = endpoints.into_iter().map(|endpoint| {
            let webhook_sender =
                WebhookSender::new(&endpoint.url, USER_AGENT, endpoint.headers.clone(), &http);
            Ok(Lane { webhook_sender: webhook_sender?, endpoint })
        });
        let lanes = lanes.collect::<Result<Vec<_>>>()?;
        let mut names = HashSet::new();
        if let Some(twice) = lanes.iter().find(|lane| !names.insert(lane.endpoint.name())) {
            let message = format!("two webhooks have the name {:?}", twice.endpoint.name());
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(Self {
            outbox,
            lanes,
            schedule: delivery.schedule.clone(),
            hold: delivery.timeout.saturating_add(MARGIN),
            in_flight: delivery.in_flight,
            every: delivery.every,
        })
    }

    /// What the endpoints want, for whoever writes the outbox.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.lanes.iter().map(|lane| lane.endpoint.subscription().clone()).collect()
    }

    /// Delivers what is due, to all endpoints at the same time, until nothing is. An endpoint in trouble is left alone after a batch of
    /// which nothing arrived; what is still due for it waits for the next call, with no attempt spent.
    ///
    /// # Errors
    /// Those of the outbox, once every endpoint has had its turn. That a message cannot be delivered is none: see
    /// [`Delivered`].
    pub async fn deliver_due(&self) -> Result<Delivered> {
        let mut counts = Delivered::default();
        for result in join_all(self.lanes.iter().map(|lane| self.pass(lane))).await {
            counts.add(result?.0);
        }
        Ok(counts)
    }

    /// Delivers what becomes due, without an end; drop the future to stop. What was under way then is delivered again once its claim has
    /// run out.
    ///
    /// An outbox that fails is logged and tried again.
    pub async fn run(&self) {
        join_all(self.lanes.iter().map(|lane| async move {
            loop {
                let rest = match self.pass(lane).await {
                    Ok((_, asked)) => asked.min(LONGEST_REST).max(self.every),
                    Err(error) => {
                        tracing::warn!(endpoint = lane.endpoint.name(), %error, "the outbox cannot be used");
                        self.every
                    }
                };
                sleep(rest).await;
            }
        }))
        .await;
        // Without endpoints there is nothing to do, and that without an end too.
        std::future::pending::<()>().await;
    }

    /// Delivers what is due for one endpoint; with how long it asked to be left alone.
    async fn pass(&self, lane: &Lane) -> Result<(Delivered, Duration)> {
        let mut counts = Delivered::default();
        loop {
            let now = Timestamp::now();
            let due = self.outbox.claim(lane.endpoint.name(), now, self.hold, self.in_flight).await?;
            if due.is_empty() {
                return Ok((counts, Duration::ZERO));
            }
            let claimed = due.len() as u64;
            let mut batch = Batch::default();
            for one in join_all(due.iter().map(|message| self.attempt(lane, message))).await {
                let one = one?;
                batch.counts.add(one.counts);
                batch.troubled += one.troubled;
                batch.asked = batch.asked.max(one.asked);
            }
            counts.add(batch.counts);
            if batch.troubled == claimed {
                return Ok((counts, batch.asked));
            }
        }
    }

    /// One attempt at one message, written down.
    async fn attempt(&self, lane: &Lane, message: &Message) -> Result<Batch> {
        let mut batch = Batch::default();
        if message.attempts > self.schedule.attempts() {
            // The process ended in the middle of the last one.
            let error = message.last_error.as_deref().unwrap_or("no attempt came to an end");
            self.outbox.failed(message, error, None).await?;
            batch.counts.dead = 1;
            return Ok(batch);
        }
        let Err(error) = self.post(lane, message).await else {
            self.outbox.delivered(message).await?;
            batch.counts.delivered = 1;
            return Ok(batch);
        };
        let asked = error.retry_after();
        let gone = error.status() == Some(GONE);
        let wait = if gone { None } else { self.schedule.wait_after(message, asked) };
        let retry_at = wait.map(|wait| Timestamp::now().saturating_add(wait).unwrap_or(Timestamp::MAX));
        tracing::info!(
            endpoint = lane.endpoint.name(),
            message = message.id.as_str(),
            attempt = message.attempts,
            %error,
            ?wait,
            "a webhook was not delivered"
        );
        self.outbox.failed(message, &error.to_string(), retry_at).await?;
        match retry_at {
            Some(_) => batch.counts.failed = 1,
            None => batch.counts.dead = 1,
        }
        batch.troubled = u64::from(is_in_trouble(&error));
        batch.asked = asked.unwrap_or_default();
        Ok(batch)
    }

    async fn post(&self, lane: &Lane, message: &Message) -> Result<()> {
        // The receiver compares this with its own clock: it is the time of the attempt, not of the event.
        let headers = lane.endpoint.sign(message, Timestamp::now())?;
        lane.webhook_sender.post(OPERATION, &headers, message.payload.clone()).await
    }
}

/// True when another message would meet the same: no answer, too many requests, a fault of the receiver's own.
fn is_in_trouble(error: &Error) -> bool {
    error.status().is_none_or(|status| status == 429 || status >= 500)
}
