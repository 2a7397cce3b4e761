//! Files attached to detections.

use appsec_http::{Path, Request, Result};
use tokio::io::AsyncWrite;

use super::TenableWasClient;
use crate::model::AttachmentId;

pub(super) fn download(id: AttachmentId) -> Result<Request> {
    let path = Path::new("/was/v2/attachments").join(&id.to_string())?;
    Ok(Request::get("tenable: download attachment", path))
}

impl TenableWasClient {
    /// Downloads a file that is attached to a detection, a text or an image, into a writer. Returns its
    /// length in bytes. Requires the role Basic. It is written as it arrives, so memory use does not depend
    /// on its size, for which the vendor gives no bound. An interrupted download is not retried: the writer
    /// holds a part by then.
    ///
    /// Ids are in the detections and in the URLs of a report: see [`AttachmentId::from_link`].
    ///
    /// # Errors
    /// `NotFound`; `Decode` for an HTML page, such as of a login portal; `Unexpected` if the writer fails;
    /// those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn download_attachment<W>(&self, id: AttachmentId, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        self.download(&download(id)?, writer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_matches_the_document() {
        let id = "0d0d0d0d-1e1e-4f2f-8a3a-4b4b5c5c6d6d";
        let request = download(id.parse().unwrap()).unwrap();
        assert_eq!(request.path().as_str(), format!("/was/v2/attachments/{id}"));
        assert!(request.headers().is_empty(), "no media type is requested");
    }
}
