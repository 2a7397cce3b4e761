//! Answers that are files: written out while they arrive, never held.

use appsec_core::{Error, ErrorKind};
use appsec_http::{Body, Request, Result};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::TenableWasClient;

impl TenableWasClient {
    /// Asks for a file, and writes it out as it comes; gives its length in bytes. The memory needed does not depend on that.
    ///
    /// What breaks off midway is not asked for again: the writer holds a part by then.
    pub(super) async fn download<W>(&self, request: &Request, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let body = self.http().open(request).await?;
        refuse_page(&body, request.operation())?;
        copy(body, request.operation(), writer).await
    }
}

/// Refuses a web page where a file is expected, as a login portal answers with.
pub(super) fn refuse_page(body: &Body, operation: &'static str) -> Result<()> {
    if body.header("content-type").is_some_and(|text| text.trim_start().starts_with("text/html")) {
        let error = Error::new(ErrorKind::Decode, "an HTML page came instead of a file");
        return Err(error.with_operation(operation).with_status(body.status()));
    }
    Ok(())
}

/// Writes a body out as it comes, and gives its length in bytes.
pub(super) async fn copy<W>(mut body: Body, operation: &'static str, writer: &mut W) -> Result<u64>
where
    W: AsyncWrite + Unpin + Send + ?Sized,
{
    let unwritten = |cause: std::io::Error| {
        Error::new(ErrorKind::Unexpected, "what was received could not be written")
            .with_operation(operation)
            .with_source(cause)
    };
    let mut written = 0;
    while let Some(chunk) = body.chunk().await? {
        writer.write_all(&chunk).await.map_err(unwritten)?;
        written += chunk.len() as u64;
    }
    writer.flush().await.map_err(unwritten)?;
    Ok(written)
}
