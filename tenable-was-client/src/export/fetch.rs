//! Fetching chunks: a task for each, few at a time, what they read on its way to the consumer through a short channel.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use appsec_core::{Error, ErrorKind, Result};
use appsec_http::Element;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::limit::{Limit, Throttling};
use super::records::in_chunk;
use crate::TenableWasClient;
use crate::model::{ChunkId, ExportId};

/// What a task makes of the records of a chunk. One for each chunk.
pub(crate) trait Reader: Send + 'static {
    /// What goes to the consumer.
    type Batch: Send + 'static;

    /// Takes a record; gives what was collected before it, when it is time to send that.
    fn take(&mut self, element: &Element<'_>, chunk: ChunkId) -> Option<Self::Batch>;

    /// Gives what is left.
    fn finish(&mut self) -> Self::Batch;
}

/// What comes out of the tasks.
#[derive(Debug)]
pub(crate) enum Event<B> {
    /// Some records. `position` is the number of the chunk's records up to here.
    Batch { chunk: ChunkId, position: u64, batch: B },
    /// A chunk was read to its end.
    Delivered(ChunkId),
    /// A chunk could not be read.
    Failed(ChunkId, Error),
}

/// Fetches chunks of one export. Dropping it ends its tasks.
pub(crate) struct Fetcher<R: Reader> {
    client: TenableWasClient,
    export: ExportId,
    make: Arc<dyn Fn() -> R + Send + Sync>,
    /// Records to pass over, by chunk: they were delivered before.
    skip: HashMap<ChunkId, u64>,
    waiting: VecDeque<(ChunkId, Instant)>,
    tasks: JoinSet<(ChunkId, Result<()>)>,
    ended: VecDeque<Event<R::Batch>>,
    sender: mpsc::Sender<Event<R::Batch>>,
    receiver: mpsc::Receiver<Event<R::Batch>>,
    limit: Limit,
    throttling: Throttling,
}

impl<R: Reader> Fetcher<R> {
    pub(crate) fn new(
        client: TenableWasClient,
        export: ExportId,
        skip: HashMap<ChunkId, u64>,
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let max = client.inner.export.chunks_in_flight;
        // One for each task: another one is being made, and a batch may have a mebibyte.
        let (sender, receiver) = mpsc::channel(max);
        Self {
            client,
            export,
            make: Arc::new(make),
            skip,
            waiting: VecDeque::new(),
            tasks: JoinSet::new(),
            ended: VecDeque::new(),
            sender,
            receiver,
            limit: Limit::new(max),
            throttling: Throttling::default(),
        }
    }

    /// Puts a chunk in line, not to be fetched before that time.
    pub(crate) fn push(&mut self, chunk: ChunkId, not_before: Instant) {
        self.waiting.push_back((chunk, not_before));
    }

    /// Puts a chunk in line again, of which so many records were taken.
    pub(crate) fn push_again(&mut self, chunk: ChunkId, not_before: Instant, taken: u64) {
        self.skip.insert(chunk, taken);
        self.push(chunk, not_before);
    }

    /// True when nothing is in line and nothing under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.tasks.is_empty() && self.ended.is_empty() && self.receiver.is_empty()
    }

    /// The next event. Waits for ever where the fetcher is idle. Cancel-safe.
    ///
    /// # Errors
    /// `Unexpected` when a task panicked.
    pub(crate) async fn next(&mut self) -> Result<Event<R::Batch>> {
        loop {
            if self.throttling.take() {
                self.limit.throttled();
            }
            let now = Instant::now();
            while self.tasks.len() < self.limit.now()
                && let Some(place) = self.waiting.iter().position(|(_, at)| *at <= now)
                && let Some((chunk, _)) = self.waiting.remove(place)
            {
                self.spawn(chunk);
            }
            // What a task sent stands in the channel before the task has ended: read that first.
            if let Ok(event) = self.receiver.try_recv() {
                return Ok(event);
            }
            if let Some(event) = self.ended.pop_front() {
                return Ok(event);
            }
            let free = self.tasks.len() < self.limit.now();
            let due = self.waiting.iter().map(|(_, at)| *at).min().filter(|_| free);
            tokio::select! {
                Some(event) = self.receiver.recv() => return Ok(event),
                Some(joined) = self.tasks.join_next() => self.join(joined)?,
                () = until(due) => {}
            }
        }
    }

    fn join(&mut self, joined: Result<(ChunkId, Result<()>), JoinError>) -> Result<()> {
        let (chunk, result) = joined.map_err(|cause| {
            Error::new(ErrorKind::Unexpected, "the task that fetched a chunk broke down").with_source(cause)
        })?;
        self.ended.push_back(match result {
            Ok(()) => {
                self.limit.succeeded();
                Event::Delivered(chunk)
            }
            Err(error) => Event::Failed(chunk, error),
        });
        Ok(())
    }

    fn spawn(&mut self, chunk: ChunkId) {
        let skip = self.skip.get(&chunk).copied().unwrap_or_default();
        let task = read(self.client.clone(), self.export, chunk, skip, (self.make)(), self.sender.clone());
        let throttling = self.throttling.clone();
        self.tasks.spawn(throttling.watch(async move { (chunk, task.await) }));
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Reads a chunk to its end.
async fn read<R: Reader>(
    client: TenableWasClient,
    export: ExportId,
    chunk: ChunkId,
    skip: u64,
    mut reader: R,
    sender: mpsc::Sender<Event<R::Batch>>,
) -> Result<()> {
    let mut elements = client.chunk_elements(export, chunk)?;
    let mut position = 0;
    while let Some(element) = elements.next().await {
        let element = element.map_err(|error| in_chunk(error, chunk))?;
        if element.index >= skip
            && let Some(batch) = reader.take(&element, chunk)
            && sender.send(Event::Batch { chunk, position, batch }).await.is_err()
        {
            // Nobody reads any more.
            return Ok(());
        }
        position = element.index + 1;
    }
    if position < skip {
        return Err(ended_early(chunk, position, skip));
    }
    // As above.
    let _ = sender.send(Event::Batch { chunk, position, batch: reader.finish() }).await;
    Ok(())
}

/// A chunk that has fewer records now than were read of it before.
fn ended_early(chunk: ChunkId, records: u64, before: u64) -> Error {
    Error::new(
        ErrorKind::ResumeExpired,
        format!("chunk {chunk} has {records} records now, of which {before} were read before; start over"),
    )
}
