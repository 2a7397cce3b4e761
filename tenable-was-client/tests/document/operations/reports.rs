//! Reports, attachments, and other files of a scan.

use serde_json::Value;
use tenable_was_client::model::ReportFormat;
use tenable_was_client::{Error, ErrorKind, Result, TenableWasClient};

use super::{Output, Row, Sample, done, id, rows};
use crate::openapi::Document;

async fn report(client: TenableWasClient, format: ReportFormat) -> Result<Output> {
    let mut file = Vec::new();
    client.download_report(id(), format, &mut file).await?;
    Ok(Output::Bytes(file))
}

async fn call(client: TenableWasClient, format: ReportFormat) -> Result<Output> {
    client.request_report(id(), format).await?;
    Ok(done())
}

rows! {
    "was-v2-attachments-download" as download_attachment {
        |client| {
            let mut file = Vec::new();
            client.download_attachment(id(), &mut file).await?;
            Output::Bytes(file)
        },
    }
    "was-v2-scans-export" as request_report {
        |client| call(client, ReportFormat::Json).await?,
        |client| call(client, ReportFormat::Pdf).await?,
        |client| call(client, ReportFormat::Csv).await?,
        |client| call(client, ReportFormat::Html).await?,
        |client| call(client, ReportFormat::Xml).await?,
    }
    "was-v2-scans-download-export" as download_report {
        "application/json" => |client| {
            let mut report = client.scan_report(id())?;
            let mut findings = Vec::new();
            while let Some(finding) = report.next().await {
                findings.push(serde_json::to_value(finding?).unwrap());
            }
            let rest = report.rest()?;
            let mut whole = serde_json::to_value(&rest).unwrap();
            whole["findings"] = Value::Array(findings);
            // A report is not refused for its settings: they are kept as they came, and read when requests
            // for.
            if let Some(config) = rest.config.filter(|config| config.settings.is_some()) {
                let settings = config.typed_settings().ok_or_else(|| Error::new(ErrorKind::Decode, "no settings"))?;
                whole["config"]["settings"] = serde_json::to_value(settings).unwrap();
            }
            Output::Json(whole)
        },
        "application/pdf" => |client| report(client, ReportFormat::Pdf).await?,
        "text/csv" => |client| report(client, ReportFormat::Csv).await?,
        "text/html" => |client| report(client, ReportFormat::Html).await?,
        "text/xml" => |client| report(client, ReportFormat::Xml).await?,
    }
    "was-v3-scans-debug-zip-download" as download_scan_debug_zip {
        |client| {
            let mut file = Vec::new();
            client.download_scan_debug_zip(id(), &mut file).await?;
            Output::Bytes(file)
        },
    }
    "was-v3-scans-import" as import_report {
        |client| {
            let report = Document::get().unwrap().success("was-v2-scans-download-export").to_string();
            client.import_report(report.as_bytes()).await?;
            done()
        },
    }
}
