//! What goes over the wire, one file per resource of the API.
//!
//! Members are `pub`, and optional wherever the service has been seen to leave them out or to send `null`; lists that are absent are
//! empty. Numbers and text are read from one another, since the service is not of one mind about them. What this version does not
//! know is kept in `extra` and written back.

mod configs;
mod exports;
mod ids;
mod lenient;
mod moment;
mod plugins;
mod reports;
mod scans;
mod templates;
mod tenant;
mod vulnerabilities;
mod wire;

pub use configs::{ConfigDetails, ConfigSummary, PermissionLevel, Schedule, UserTemplateRef};
pub use exports::{
    CvssVector, ExploitFramework, ExportAsset, ExportFilters, ExportFinding, ExportPlugin, ExportRequest,
    ExportScan, ExportState, ExportStatus, FindingState, SeverityChange, ThreatVector, Vpr, VprDrivers, Xref,
};
pub use ids::{
    AssetId, ChunkId, ConfigId, ExportId, PluginId, TemplateId, TenableScanId, UserTemplateId, VulnId,
};
pub use moment::Moment;
pub use plugins::{OwaspPlace, Plugin};
pub use reports::{
    ReportConfig, ReportFinding, ReportHead, ReportNote, ReportScan, ReportXref, ScanReport, TemplateRef,
};
pub use scans::{
    ByTarget, ByTargetScan, FindingCounts, RequestedAction, Scan, ScanConfigMetadata, ScanMetadata, ScanNote,
    ScanState, Scanner, TargetRef,
};
pub use templates::Template;
pub use tenant::{AppLicence, Licence, Role, ServerProperties, Session};
pub use vulnerabilities::{Attachment, HttpRequest, HttpResponse, Vulnerability, VulnerabilityDetails};
pub use wire::{Extra, Page, Pagination, Sort};

pub(crate) use lenient::FromWire;
pub(crate) use wire::wire;
