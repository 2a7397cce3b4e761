//! Fetching chunks: one task for each, few at a time, which send what they read through a short channel.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::{Element, ThrottleSignal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::chunk_records::in_chunk;
use super::concurrency_limit::ConcurrencyLimit;
use crate::TenableWasClient;
use crate::model::{ChunkId, ExportId};

/// Makes batches of the records of one chunk.
pub(crate) trait ChunkReader: Send + 'static {
    /// What is sent to the consumer.
    type Batch: Send + 'static;

    /// Takes a record. Returns the batch before it if that is complete.
    fn take(&mut self, element: &Element<'_>, chunk: ChunkId) -> Option<Self::Batch>;

    /// Returns the last batch.
    fn finish(&mut self) -> Self::Batch;
}

/// What the tasks report.
#[derive(Debug)]
pub(crate) enum ChunkEvent<B> {
    /// A batch of records. `position` is the number of the chunk's records up to its end.
    Batch { chunk: ChunkId, position: u64, batch: B },
    /// A chunk was read to its end.
    Delivered(ChunkId),
    /// A chunk could not be read.
    Failed(ChunkId, Error),
}

/// Fetches chunks of one export. Dropping it aborts its tasks.
pub(crate) struct ChunkFetcher<R: ChunkReader> {
    client: TenableWasClient,
    export: ExportId,
    new_reader: Arc<dyn Fn() -> R + Send + Sync>,
    /// The number of records to skip, by chunk, because they were delivered before.
    skip: HashMap<ChunkId, u64>,
    /// The chunks to fetch, each with its earliest time.
    queue: VecDeque<(ChunkId, Instant)>,
    tasks: JoinSet<(ChunkId, Result<()>)>,
    ended: VecDeque<ChunkEvent<R::Batch>>,
    sender: mpsc::Sender<ChunkEvent<R::Batch>>,
    receiver: mpsc::Receiver<ChunkEvent<R::Batch>>,
    limit: ConcurrencyLimit,
    /// Whether the next chunk is taken from the end of the queue.
    from_end: bool,
    /// Set by a 429, which the HTTP stack retries without an error.
    throttle_signal: ThrottleSignal,
}

impl<R: ChunkReader> ChunkFetcher<R> {
    pub(crate) fn new(
        client: TenableWasClient,
        export: ExportId,
        skip: HashMap<ChunkId, u64>,
        new_reader: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let max = client.inner.export.chunks_in_flight();
        // One place for each task, which makes its next batch meanwhile. A batch may have a mebibyte.
        let (sender, receiver) = mpsc::channel(max);
        Self {
            client,
            export,
            new_reader: Arc::new(new_reader),
            skip,
            queue: VecDeque::new(),
            tasks: JoinSet::new(),
            ended: VecDeque::new(),
            sender,
            receiver,
            limit: ConcurrencyLimit::new(max),
            from_end: false,
            throttle_signal: ThrottleSignal::new(),
        }
    }

    /// Adds a chunk to the queue. It is not fetched before the given time.
    pub(crate) fn push(&mut self, chunk: ChunkId, not_before: Instant) {
        self.queue.push_back((chunk, not_before));
    }

    /// Adds a chunk to the queue again, of which `taken` records were delivered.
    pub(crate) fn push_again(&mut self, chunk: ChunkId, not_before: Instant, taken: u64) {
        self.skip.insert(chunk, taken);
        self.push(chunk, not_before);
    }

    /// Takes the next chunk from the other end of the queue. Bad chunks are often neighbours, so this finds
    /// out sooner whether all of them fail.
    pub(crate) fn change_end(&mut self) {
        self.from_end = !self.from_end;
    }

    /// Whether no chunk is queued, being fetched, or waiting to be reported.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.tasks.is_empty() && self.ended.is_empty() && self.receiver.is_empty()
    }

    /// Returns the next event. Never returns while the fetcher is idle. Cancel-safe.
    ///
    /// # Errors
    /// `Unexpected` if a task panicked.
    pub(crate) async fn next(&mut self) -> Result<ChunkEvent<R::Batch>> {
        loop {
            if self.throttle_signal.take() {
                self.limit.throttled();
            }
            let now = Instant::now();
            while self.tasks.len() < self.limit.current()
                && let Some(index) = self.next_due(now)
                && let Some((chunk, _)) = self.queue.remove(index)
            {
                self.spawn(chunk);
            }
            // A task sends its batches before it ends, so the channel is read first.
            if let Ok(event) = self.receiver.try_recv() {
                return Ok(event);
            }
            if let Some(event) = self.ended.pop_front() {
                return Ok(event);
            }
            let may_start = self.tasks.len() < self.limit.current();
            let due = self.queue.iter().map(|(_, at)| *at).min().filter(|_| may_start);
            tokio::select! {
                Some(event) = self.receiver.recv() => return Ok(event),
                Some(joined) = self.tasks.join_next() => self.join(joined)?,
                () = sleep_until(due) => {}
            }
        }
    }

    /// The position in the queue of the next chunk that may be fetched.
    fn next_due(&self, now: Instant) -> Option<usize> {
        let is_due = |(_, at): &(ChunkId, Instant)| *at <= now;
        if self.from_end { self.queue.iter().rposition(is_due) } else { self.queue.iter().position(is_due) }
    }

    fn join(&mut self, joined: Result<(ChunkId, Result<()>), JoinError>) -> Result<()> {
        let (chunk, result) = joined.map_err(|cause| {
            Error::new(ErrorKind::Unexpected, "the task that fetched a chunk panicked").with_source(cause)
        })?;
        self.ended.push_back(match result {
            Ok(()) => {
                self.limit.succeeded();
                ChunkEvent::Delivered(chunk)
            }
            Err(error) => ChunkEvent::Failed(chunk, error),
        });
        Ok(())
    }

    fn spawn(&mut self, chunk: ChunkId) {
        let skip = self.skip.get(&chunk).copied().unwrap_or_default();
        let task = read_chunk(
            self.client.clone(),
            self.export,
            chunk,
            skip,
            (self.new_reader)(),
            self.sender.clone(),
            self.throttle_signal.clone(),
        );
        self.tasks.spawn(async move { (chunk, task.await) });
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Reads a chunk to its end, and sends its batches. Of a chunk that breaks off, what was read is sent.
async fn read_chunk<R: ChunkReader>(
    client: TenableWasClient,
    export: ExportId,
    chunk: ChunkId,
    skip: u64,
    mut reader: R,
    sender: mpsc::Sender<ChunkEvent<R::Batch>>,
    throttle_signal: ThrottleSignal,
) -> Result<()> {
    let mut elements = client.chunk_elements(export, chunk)?.with_throttle_signal(throttle_signal);
    let mut position = 0;
    let result = loop {
        let element = match elements.next().await {
            Some(Ok(element)) => element,
            Some(Err(error)) => break Err(in_chunk(error, chunk)),
            None if position < skip => break Err(shrunk(chunk, position, skip)),
            None => break Ok(()),
        };
        if element.index >= skip
            && let Some(batch) = reader.take(&element, chunk)
            && sender.send(ChunkEvent::Batch { chunk, position, batch }).await.is_err()
        {
            // The receiver is gone.
            return Ok(());
        }
        position = element.index + 1;
    };
    if result.is_ok() || position > skip {
        // An error means that the receiver is gone.
        let _ = sender.send(ChunkEvent::Batch { chunk, position, batch: reader.finish() }).await;
    }
    result
}

/// The error for a chunk that has fewer records than were read from it before.
fn shrunk(chunk: ChunkId, records: u64, before: u64) -> Error {
    Error::new(
        ErrorKind::ResumeExpired,
        format!("chunk {chunk} now has {records} records, but {before} were read before; start over"),
    )
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    /// A reader that counts records.
    struct Counter(u64);

    impl ChunkReader for Counter {
        type Batch = u64;

        fn take(&mut self, _: &Element<'_>, _: ChunkId) -> Option<u64> {
            self.0 += 1;
            None
        }

        fn finish(&mut self) -> u64 {
            self.0
        }
    }

    /// Reads a chunk from a server that responds with 429 to the first requests. Returns its signal.
    async fn read(throttled: u64) -> ThrottleSignal {
        let server = MockServer::start().await;
        if throttled > 0 {
            let too_many = ResponseTemplate::new(429).insert_header("retry-after", "0");
            Mock::given(any()).respond_with(too_many).up_to_n_times(throttled).mount(&server).await;
        }
        let chunk = ResponseTemplate::new(200).set_body_string("[{}]");
        Mock::given(any()).respond_with(chunk).mount(&server).await;
        let client = TenableWasClient::builder("a", "s").with_base_url(server.uri()).build().unwrap();
        let export = "bf000000-53aa-4e70-9ef3-87cfca1d2be0".parse().unwrap();
        let (sender, mut events) = mpsc::channel(1);
        let signal = ThrottleSignal::new();
        read_chunk(client, export, ChunkId(1), 0, Counter(0), sender, signal.clone()).await.unwrap();
        let event = events.recv().await.unwrap();
        assert!(matches!(event, ChunkEvent::Batch { batch: 1, .. }), "{event:?}");
        signal
    }

    #[tokio::test]
    async fn a_429_that_the_stack_retries_is_recorded() {
        let signal = read(1).await;
        assert!(signal.take());
        assert!(!signal.take(), "reported once");
    }

    #[tokio::test]
    async fn without_a_429_nothing_is_recorded() {
        assert!(!read(0).await.take());
    }
}
