//! Reads a listing page by page, as a stream.

use appsec_core::{Error, ErrorKind, Result};
use futures_core::Stream;
use futures_util::stream;

/// The largest number of pages of one listing. A service that returns more is assumed to repeat pages
/// without end.
pub const MAX_PAGES: u32 = 100_000;

/// Streams a listing page by page.
///
/// `fetch` takes a cursor and returns a page with the cursor of the next one, or `None` at the end. `fetch`
/// decides where the listing ends, from what the service states (a total, an empty page); a short page
/// proves nothing.
///
/// For cursors that the service hands out. A listing by offset may move between two pages and lose
/// records; read it with [`paginate_overlapping`](crate::paginate_overlapping), which notices that.
///
/// * Lazy: nothing is fetched before the stream is polled, and no page is fetched ahead of the one
///   requested.
/// * The first error is the last item.
/// * A cursor equal to the one just used, and more than [`MAX_PAGES`] pages, are errors of kind
///   `Unexpected`.
///
/// ```
/// use appsec_http::paginate;
/// use futures_util::TryStreamExt as _;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> appsec_http::Result<()> {
/// let pages = paginate(0, |offset: usize| async move {
///     let page: Vec<usize> = (offset..offset + 2).collect();
///     Ok((page, (offset < 4).then_some(offset + 2)))
/// });
/// let pages: Vec<_> = pages.try_collect().await?;
/// assert_eq!(pages, [[0, 1], [2, 3], [4, 5]]);
/// # Ok(())
/// # }
/// ```
pub fn paginate<S, T, F, Fut>(start: S, fetch: F) -> impl Stream<Item = Result<T>> + Send + 'static
where
    S: Clone + PartialEq + Send + 'static,
    T: Send + 'static,
    F: FnMut(S) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(T, Option<S>)>> + Send + 'static,
{
    // The cursor is a result, so that a page is delivered before the error about what follows it.
    stream::try_unfold((Ok(Some(start)), 0_u32, fetch), |(cursor, pages, mut fetch)| async move {
        let Some(cursor) = cursor? else { return Ok(None) };
        let (page, next) = fetch(cursor.clone()).await?;
        let pages = pages + 1;
        let next = match next {
            Some(next) if next == cursor => Err("the listing's next page is the page just read".to_owned()),
            Some(_) if pages == MAX_PAGES => Err(format!("the listing continues after {MAX_PAGES} pages")),
            next => Ok(next),
        };
        let next = next.map_err(|message| Error::new(ErrorKind::Unexpected, message));
        Ok(Some((page, (next, pages, fetch))))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::{StreamExt as _, TryStreamExt as _};

    use super::*;

    #[tokio::test]
    async fn nothing_is_fetched_before_the_stream_is_polled() {
        let fetched = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&fetched);
        let mut pages = Box::pin(paginate(0, move |page: u32| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok((page, Some(page + 1))) }
        }));
        assert_eq!(fetched.load(Ordering::SeqCst), 0);
        assert_eq!(pages.next().await.unwrap().unwrap(), 0);
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_error_is_the_last_item_of_the_stream() {
        let pages = paginate(0, |page: u32| async move {
            if page == 1 { Err(Error::new(ErrorKind::Server, "500")) } else { Ok((page, Some(page + 1))) }
        });
        let results: Vec<_> = pages.collect().await;
        assert_eq!(results.len(), 2);
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Server);
    }

    #[tokio::test]
    async fn a_repeated_cursor_is_an_error() {
        let results: Vec<_> =
            paginate("same", |cursor| async move { Ok(((), Some(cursor))) }).collect().await;
        assert_eq!(results.len(), 2, "the page itself, then the error");
        assert_eq!(results[1].as_ref().unwrap_err().kind(), ErrorKind::Unexpected);
    }

    #[tokio::test]
    async fn an_endless_listing_ends_in_an_error() {
        let error = paginate(0_u64, |page| async move { Ok(((), Some(page + 1))) })
            .try_fold(0_u32, |pages, ()| async move { Ok(pages + 1) })
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unexpected);
    }
}
