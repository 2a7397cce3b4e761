//! Streams for implementors: one that is written as a function, and one that is a single error.

use std::future::Future;
use std::task::Poll;

use futures_core::stream::BoxStream;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};

/// Makes a stream that yields one error and ends, for a listing that cannot begin.
pub fn stream_error<T: Send + 'static>(error: Error) -> BoxStream<'static, Result<T>> {
    Box::pin(stream::iter([Err(error)]))
}

/// The sending half of a stream that [`stream_from`] makes.
#[derive(Debug)]
pub struct StreamSender<T>(mpsc::Sender<T>);

impl<T> StreamSender<T> {
    /// Sends an item, and waits until there is room for it. The stream holds one item at most.
    ///
    /// # Errors
    /// `Unexpected` when the stream was dropped. The function that sends is dropped with its stream, so it
    /// sees this only where it has moved the sender elsewhere.
    pub async fn send(&self, item: T) -> Result<()> {
        self.0.send(item).await.map_err(|_| Error::new(ErrorKind::Unexpected, "the stream was dropped"))
    }
}

/// Makes a stream from a function that sends its items.
///
/// The stream yields what `run` sends, then the error that `run` returns, where it returns one, and ends.
/// `run` runs only while the stream is polled, is at most one item ahead of the consumer, and is dropped
/// with the stream.
///
/// ```
/// use appsec_core::{BoxStream, Result, stream_from};
/// use futures_util::TryStreamExt;
///
/// fn pages(last: u32) -> BoxStream<'static, Result<u32>> {
///     stream_from(move |sender| async move {
///         for page in 1..=last {
///             sender.send(page).await?;
///         }
///         Ok(())
///     })
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// assert_eq!(pages(3).try_collect::<Vec<_>>().await?, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn stream_from<T, F, Fut>(run: F) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    F: FnOnce(StreamSender<T>) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, mut items) = mpsc::channel(1);
    let mut work = Some(Box::pin(run(StreamSender(sender))));
    let mut error = None;
    Box::pin(stream::poll_fn(move |cx| {
        if let Some(running) = &mut work
            && let Poll::Ready(result) = running.as_mut().poll(cx)
        {
            work = None;
            error = result.err();
        }
        // Items come before the error. Taking an item makes room for the next one.
        match items.poll_recv(cx) {
            Poll::Ready(Some(item)) => Poll::Ready(Some(Ok(item))),
            _ if work.is_some() => Poll::Pending,
            _ => Poll::Ready(error.take().map(Err)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn items_come_in_order_then_the_error_then_the_end() {
        let mut stream = stream_from(|sender: StreamSender<_>| async move {
            for number in 0..5 {
                sender.send(number).await?;
                tokio::task::yield_now().await;
            }
            Err(Error::new(ErrorKind::Server, "down"))
        });
        for number in 0..5 {
            assert_eq!(stream.next().await.unwrap().unwrap(), number);
        }
        assert_eq!(stream.next().await.unwrap().unwrap_err().kind(), ErrorKind::Server);
        assert!(stream.next().await.is_none());
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn nothing_runs_before_the_first_poll_or_far_ahead_of_the_consumer() {
        let sent = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&sent);
        let mut stream = stream_from(|sender: StreamSender<_>| async move {
            loop {
                sender.send(()).await?;
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        stream.next().await.unwrap().unwrap();
        assert!(sent.load(Ordering::SeqCst) <= 2, "one taken, one waiting");
    }
}
