//! A stream written as a function that hands out its items.

use std::task::Poll;

use appsec_core::{BoxStream, Error, ErrorKind, Result};
use futures_util::stream;
use tokio::sync::mpsc;

/// Where the function hands out its items.
#[derive(Debug)]
pub(crate) struct Emit<T>(mpsc::Sender<T>);

impl<T> Emit<T> {
    /// Hands out an item, and waits until the consumer takes it.
    ///
    /// # Errors
    /// `Unexpected` when nobody reads; the function is being dropped then.
    pub(crate) async fn send(&self, item: T) -> Result<()> {
        self.0
            .send(item)
            .await
            .map_err(|_| Error::new(ErrorKind::Unexpected, "nobody reads the stream any more"))
    }
}

/// The stream of what a function hands out, and of its error at the end. The function runs only while the stream is polled, and is dropped with it.
pub(crate) fn stream<T, F, Fut>(run: F) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    F: FnOnce(Emit<T>) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let (sender, mut items) = mpsc::channel(1);
    let mut work = Some(Box::pin(run(Emit(sender))));
    let mut error = None;
    Box::pin(stream::poll_fn(move |cx| {
        if let Some(running) = &mut work
            && let Poll::Ready(result) = running.as_mut().poll(cx)
        {
            work = None;
            error = result.err();
        }
        // What was handed out comes before the error, and an item makes room for the function's next one.
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
        let mut stream = stream(|emit| async move {
            for number in 0..5 {
                emit.send(number).await?;
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
        let mut stream = stream(|emit| async move {
            loop {
                emit.send(()).await?;
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        stream.next().await.unwrap().unwrap();
        assert!(sent.load(Ordering::SeqCst) <= 2, "one taken, one waiting");
    }
}
