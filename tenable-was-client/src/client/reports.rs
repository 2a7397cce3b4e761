//! The reports of a scan, in every format, and its debug log.

use appsec_core::{Error, ErrorKind};
use appsec_http::{ArrayPath, Body, ElementStream, Path, Request, Result, RetrySafety};
use tokio::io::AsyncWrite;

use super::{TenableWasClient, download};
use crate::model::{ReportFinding, ReportFormat, ScanReport, TenableScanId};

pub(crate) const OPERATION: &str = "tenable: download report";

fn path(id: TenableScanId) -> Result<Path> {
    Path::new("/was/v2/scans").join(&id.to_string())?.join("report")
}

/// The request's content type selects the format, even for a GET without a body (vendor document).
fn with_format(request: Request, format: ReportFormat) -> Request {
    request.with_header("content-type", format.content_type())
}

pub(super) fn request(id: TenableScanId, format: ReportFormat) -> Result<Request> {
    // Requesting it twice creates the same report.
    let request = Request::put("tenable: request report", path(id)?).with_retry_safety(RetrySafety::Always);
    Ok(with_format(request, format))
}

pub(super) fn get(id: TenableScanId, format: ReportFormat) -> Result<Request> {
    Ok(with_format(Request::get(OPERATION, path(id)?), format))
}

pub(super) fn debug_zip(id: TenableScanId) -> Result<Request> {
    let path = Path::new("/api/v3/export").join(&id.to_string())?;
    Ok(Request::get("tenable: download debug log", path))
}

impl TenableWasClient {
    /// Reads the JSON report of a scan that has ended: its findings one by one as they arrive, then the
    /// rest. Requires the role Basic. A multi-target scan has no report; its children have.
    ///
    /// # Errors
    /// Of the stream: `Conflict` while the scan has not ended, `NotFound` if the report is not ready or the
    /// scan unknown, `PermissionDenied`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub fn scan_report(&self, id: TenableScanId) -> Result<ReportFindings> {
        let request = get(id, ReportFormat::Json)?;
        Ok(ReportFindings { elements: self.http().elements(&request, ArrayPath::Field("findings")) })
    }

    /// Requests a report. Returns true if it is ready already. Requires the role Basic. The service does
    /// not always say when a report is ready: [`save_report`](Self::save_report) handles that.
    ///
    /// # Errors
    /// `Conflict` while the scan has not ended; `PermissionDenied`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn request_report(&self, id: TenableScanId, format: ReportFormat) -> Result<bool> {
        self.http().send(&request(id, format)?).await.map(|response| response.status() == 200)
    }

    /// Downloads a report into a writer, as it arrives. Returns its length in bytes. Requires the role
    /// Basic.
    ///
    /// Memory use does not depend on the length. An interrupted download is not retried: write to a
    /// destination that can be discarded.
    ///
    /// # Errors
    /// `NotFound` if it is not ready; `Decode` for a response that is not a report; `Unexpected` if the
    /// writer fails; those of [`request_report`](Self::request_report).
    pub async fn download_report<W>(
        &self,
        id: TenableScanId,
        format: ReportFormat,
        writer: &mut W,
    ) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        write_report(self.http().open(&get(id, format)?).await?, format, writer).await
    }

    /// Requests a report, waits until it is ready, and downloads it into a writer. Returns its length in
    /// bytes. Requires the role Basic.
    ///
    /// The service was observed to report forever that a finished report is in progress, so each poll also
    /// tries to download it. The builder's [`with_waits`](crate::TenableWasClientBuilder::with_waits) sets
    /// how long to wait.
    ///
    /// ```no_run
    /// use tenable_was_client::TenableWasClient;
    /// use tenable_was_client::model::{ReportFormat, TenableScanId};
    ///
    /// # async fn example(client: TenableWasClient, scan: TenableScanId) -> Result<(), Box<dyn std::error::Error>> {
    /// # async fn create(name: &str) -> std::io::Result<tokio::io::Sink> { Ok(tokio::io::sink()) }
    /// let mut file = create("report.pdf").await?;
    /// client.save_report(scan, ReportFormat::Pdf, &mut file).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `Deadline` if it is not ready in time; otherwise those of
    /// [`download_report`](Self::download_report). The writer is empty unless the download was interrupted.
    pub async fn save_report<W>(&self, id: TenableScanId, format: ReportFormat, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let mut wait = self.wait();
        loop {
            self.request_report(id, format).await?;
            match self.http().open(&get(id, format)?).await {
                Ok(body) => return write_report(body, format, writer).await,
                Err(error) if error.kind() == ErrorKind::NotFound => wait.tolerate(error)?,
                Err(error) => return Err(error),
            }
            wait.pause(|| format!("the report of scan {id} was not ready")).await?;
        }
    }

    /// Downloads the log of a scan into a writer: a ZIP file, which exists if `debug_mode` is set in the
    /// configuration. Returns its length in bytes. Requires the role Basic.
    ///
    /// # Errors
    /// `PermissionDenied`; `Unexpected` if the writer fails; those of every call, as for
    /// [`search_configs`](Self::search_configs). The writer may hold a part by then.
    pub async fn download_scan_debug_zip<W>(&self, id: TenableScanId, writer: &mut W) -> Result<u64>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        self.download(&debug_zip(id)?, writer).await
    }
}

async fn write_report<W>(body: Body, format: ReportFormat, writer: &mut W) -> Result<u64>
where
    W: AsyncWrite + Unpin + Send + ?Sized,
{
    if format != ReportFormat::Html {
        download::refuse_html(&body, OPERATION)?;
    }
    match download::copy(body, OPERATION, writer).await? {
        0 => Err(Error::new(ErrorKind::Decode, "an empty response came instead of a report")
            .with_operation(OPERATION)),
        length => Ok(length),
    }
}

/// A reader of a report: its findings one by one, then the rest.
#[derive(Debug)]
pub struct ReportFindings {
    pub(crate) elements: ElementStream,
}

impl ReportFindings {
    /// Returns the next finding, or `None` after the last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a finding that cannot be decoded, with its path; the next call continues after it.
    /// Other errors, as for [`TenableWasClient::scan_report`], end the stream.
    pub async fn next(&mut self) -> Option<Result<ReportFinding>> {
        Some(self.elements.next().await?.and_then(|element| element.json(OPERATION)))
    }

    /// Returns the report without its findings, after the last one was read.
    ///
    /// # Errors
    /// `Unexpected` before the end; `Decode` if it has another form.
    pub fn rest(&self) -> Result<ScanReport> {
        let rest = self.elements.rest().ok_or_else(|| {
            Error::new(ErrorKind::Unexpected, "the report was not read to its end").with_operation(OPERATION)
        })?;
        ScanReport::from_rest(rest.get(), OPERATION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_of_the_request_selects_the_format() {
        let id = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
        for (format, content_type) in [
            (ReportFormat::Json, "application/json"),
            (ReportFormat::Pdf, "application/pdf"),
            (ReportFormat::Csv, "text/csv"),
            (ReportFormat::Html, "text/html"),
            (ReportFormat::Xml, "text/xml"),
        ] {
            for (request, method) in
                [(request(id.parse().unwrap(), format), "PUT"), (get(id.parse().unwrap(), format), "GET")]
            {
                let request = request.unwrap();
                assert_eq!(request.method().as_str(), method);
                assert_eq!(request.path().as_str(), format!("/was/v2/scans/{id}/report"));
                assert_eq!(request.headers(), [("content-type", content_type.to_owned())]);
                assert_eq!((request.body(), request.retry_safety()), (None, RetrySafety::Always));
            }
        }
        let zip = debug_zip(id.parse().unwrap()).unwrap();
        assert_eq!(zip.path().as_str(), format!("/api/v3/export/{id}"));
    }
}
