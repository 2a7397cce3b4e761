//! The reports of a scan, in every form that the service makes, and what it writes about a scan beside them.

use appsec_core::{Error, ErrorKind};
use appsec_http::{At, Body, ElementStream, Path, Request, Result, RetrySafety};
use tokio::io::AsyncWrite;

use super::{TenableWasClient, download};
use crate::model::{ReportFinding, ReportFormat, ScanReport, TenableScanId};

pub(crate) const OPERATION: &str = "tenable: download report";

fn path(id: TenableScanId) -> Result<Path> {
    Path::new("/was/v2/scans").join(&id.to_string())?.join("report")
}

/// The request's content type chooses the form, on a GET and without a body too (vendor document).
fn in_form(request: Request, format: ReportFormat) -> Request {
    request.with_header("content-type", format.content_type())
}

pub(super) fn ask(id: TenableScanId, format: ReportFormat) -> Result<Request> {
    // Asked for twice it is the same report.
    let request = Request::put("tenable: request report", path(id)?).with_repeat(RetrySafety::Always);
    Ok(in_form(request, format))
}

pub(super) fn get(id: TenableScanId, format: ReportFormat) -> Result<Request> {
    Ok(in_form(Request::get(OPERATION, path(id)?), format))
}

pub(super) fn debug_zip(id: TenableScanId) -> Result<Request> {
    let path = Path::new("/api/v3/export").join(&id.to_string())?;
    Ok(Request::get("tenable: download debug log", path))
}

impl TenableWasClient {
    /// The JSON report of a scan that has ended: its findings one by one while they arrive, then what stands beside them. Needs the
    /// role Basic. A multi-target scan has no report of its own, its children have.
    ///
    /// # Errors
    /// Of the stream: `Conflict` while the scan has not ended, `NotFound` where the report is not ready or the scan not known,
    /// `PermissionDenied`; those of every call, as for [`search_configs`](Self::search_configs).
    pub fn scan_report(&self, id: TenableScanId) -> Result<ReportFindings> {
        let request = get(id, ReportFormat::Json)?;
        Ok(ReportFindings { elements: self.http().elements(&request, At::Field("findings")) })
    }

    /// Asks for a report; true when it is there already. Needs the role Basic. It is not always said when it is there:
    /// [`save_report`](Self::save_report) knows how to wait.
    ///
    /// # Errors
    /// `Conflict` while the scan has not ended; `PermissionDenied`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn request_report(&self, id: TenableScanId, format: ReportFormat) -> Result<bool> {
        self.http().send(&ask(id, format)?).await.map(|answer| answer.status() == 200)
    }

    /// Writes a report out while it arrives; gives its length in bytes. Needs the role Basic.
    ///
    /// The memory needed does not depend on the length. What breaks off midway is not asked for again: write to a place that can be thrown away.
    ///
    /// # Errors
    /// `NotFound` where it is not there yet; `Decode` for an answer that is no report; `Unexpected` where the writer fails;
    /// those of [`request_report`](Self::request_report).
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

    /// Asks for a report, waits until it is there, and writes it out while it arrives; gives its length in bytes. Needs the role Basic.
    ///
    /// The service has been seen to say for ever that it is making a report that it has made, so each time that it is asked, the report is
    /// tried for too. How long to wait is what the builder's [`with_waits`](crate::TenableWasClientBuilder::with_waits) says.
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
    /// `Deadline` where it does not come in time; those of [`download_report`](Self::download_report) otherwise. The writer holds nothing of a
    /// report unless the answer broke off midway.
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
            wait.pause(|| format!("the report of scan {id} did not come")).await?;
        }
    }

    /// Writes out the log that a scan keeps where the configuration's `debug_mode` is on, a ZIP file, while it arrives; gives its length in
    /// bytes. Needs the role Basic.
    ///
    /// # Errors
    /// `PermissionDenied`; `Unexpected` where the writer fails; those of every call, as for [`search_configs`](Self::search_configs). The
    /// writer may hold a part by then.
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
        download::refuse_page(&body, OPERATION)?;
    }
    match download::copy(body, OPERATION, writer).await? {
        0 => Err(Error::new(ErrorKind::Decode, "an empty answer came instead of a report")
            .with_operation(OPERATION)),
        length => Ok(length),
    }
}

/// The findings of a report, one by one, and then the rest of it.
#[derive(Debug)]
pub struct ReportFindings {
    pub(crate) elements: ElementStream,
}

impl ReportFindings {
    /// The next finding, or `None` after the last one. Cancel-safe.
    ///
    /// # Errors
    /// `Decode` for a finding that cannot be decoded, with its path; the next call goes on after it. Others, as for
    /// [`TenableWasClient::scan_report`], end the stream.
    pub async fn next(&mut self) -> Option<Result<ReportFinding>> {
        Some(self.elements.next().await?.and_then(|element| element.json(OPERATION)))
    }

    /// What stands beside the findings, once the last one was read.
    ///
    /// # Errors
    /// `Unexpected` before the end; `Decode` where it has another shape.
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
    fn the_content_type_of_the_request_asks_for_the_form() {
        let id = "9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a";
        for (format, content_type) in [
            (ReportFormat::Json, "application/json"),
            (ReportFormat::Pdf, "application/pdf"),
            (ReportFormat::Csv, "text/csv"),
            (ReportFormat::Html, "text/html"),
            (ReportFormat::Xml, "text/xml"),
        ] {
            for (request, method) in
                [(ask(id.parse().unwrap(), format), "PUT"), (get(id.parse().unwrap(), format), "GET")]
            {
                let request = request.unwrap();
                assert_eq!(request.method().as_str(), method);
                assert_eq!(request.path().as_str(), format!("/was/v2/scans/{id}/report"));
                assert_eq!(request.headers(), [("content-type", content_type.to_owned())]);
                assert_eq!((request.body(), request.repeat()), (None, RetrySafety::Always));
            }
        }
        let zip = debug_zip(id.parse().unwrap()).unwrap();
        assert_eq!(zip.path().as_str(), format!("/api/v3/export/{id}"));
    }
}
