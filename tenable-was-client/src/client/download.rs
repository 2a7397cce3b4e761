//! Downloads: responses that are written out as they arrive and never held in memory.

use appsec_core::{Error, ErrorKind};
use appsec_http::{Body, Request, Result};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::TenableWasClient;

impl TenableWasClient {
    /// Downloads a file into a writer, as it arrives. Returns its length in bytes. Memory use does not
    /// depend on the length.
    ///
    /// An interrupted download is not retried: the writer holds a part by then.
    pub(super) async fn download<W>(&self, request: &Request, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let body = self.http().open(request).await?;
        refuse_html(&body, request.operation())?;
        copy(body, request.operation(), writer).await
    }
}

/// Refuses an HTML page where a file is expected, such as of a login portal.
pub(super) fn refuse_html(body: &Body, operation: &'static str) -> Result<()> {
    if body.header("content-type").is_some_and(|text| text.trim_start().starts_with("text/html")) {
        let error = Error::new(ErrorKind::Decode, "an HTML page came instead of a file");
        return Err(error.with_operation(operation).with_status(body.status()).with_html(true));
    }
    Ok(())
}

/// Writes a body out as it arrives. Returns its length in bytes.
pub(super) async fn copy<W>(mut body: Body, operation: &'static str, writer: &mut W) -> Result<u64>
where
    W: AsyncWrite + Unpin + Send + ?Sized,
{
    let write_failed = |cause: std::io::Error| {
        Error::new(ErrorKind::Unexpected, "the downloaded data could not be written")
            .with_operation(operation)
            .with_source(cause)
    };
    let mut written = 0;
    while let Some(chunk) = body.chunk().await? {
        writer.write_all(&chunk).await.map_err(write_failed)?;
        written += chunk.len() as u64;
    }
    writer.flush().await.map_err(write_failed)?;
    Ok(written)
}
