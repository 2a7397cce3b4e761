//! What goes over the wire, one file per resource of the API.
//!
//! Members are `pub`, and optional wherever the service has been seen to leave them out or to send `null`; lists that are absent are
//! empty. Numbers and text are read from one another, since the service is not of one mind about them. What this version does not
//! know is kept in `extra` and written back.

mod api_spec;
mod api_timestamp;
mod applications;
mod configs;
mod deserialize;
mod export_plugins;
mod export_records;
mod export_request;
mod exports;
mod extra;
mod filters;
mod folders;
mod ids;
mod page;
mod permissions;
mod plugins;
mod record;
mod remediation;
mod reports;
mod scan_config;
mod scans;
mod schedule;
mod settings;
mod templates;
mod tenant;
mod user_templates;
mod vulnerabilities;

pub use api_spec::ApiSpec;
pub use api_timestamp::ApiTimestamp;
pub use applications::{AddedApplication, NewApplication};
pub use configs::{
    AcceptedConfig, ConfigDetails, ConfigSummary, ConfigTracking, Notifications, TrackingStatus,
};
pub use export_plugins::{
    Cvss4ThreatVector, Cvss4Vector, CvssTemporalVector, CvssVector, DayRange, ExploitFramework, ExportPlugin,
    Vpr, VprDrivers, Xref,
};
pub use export_records::{ExportAsset, ExportFinding, ExportScan, FindingState, SeverityModification};
pub use export_request::{ExportFilters, ExportRequest, OwaspList, ScoreFilter};
pub use exports::{ExportList, ExportState, ExportStatus};
pub use extra::Extra;
pub use filters::{FilterControl, FilterField, FilterList};
pub use folders::Folder;
pub use ids::{
    AssetId, AttachmentId, ChunkId, ConfigId, CredentialId, ExportId, FolderId, PluginId, ScannerId, TagId,
    TemplateId, TenableScanId, TrackingId, UserTemplateId, VulnId,
};
pub use page::{Page, Pagination, Sort};
pub use permissions::{Permission, PermissionEntity, PermissionLevel, ResultsVisibility};
pub use plugins::{OwaspCategory, Plugin, PluginSummary};
pub use remediation::RemediationConfig;
pub use reports::{
    ReportConfig, ReportFinding, ReportFormat, ReportHeader, ReportNote, ReportScan, ReportXref, ScanReport,
};
pub use scan_config::{ScanConfig, TemplateChoice};
pub use scans::{
    FindingCounts, RequestedAction, Scan, ScanConfigMetadata, ScanMetadata, ScanNote, ScanState, ScanTarget,
    Scanner, TargetRef, TargetScan,
};
pub use schedule::{
    DayWindow, LaunchInterval, PauseWindow, Schedule, ScheduleWindow, ScheduleWindows, Weekday, WindowKind,
    WindowTime,
};
pub use settings::{
    AssessmentSettings, AuditSettings, BrowserSettings, ChromeScriptSettings, ChromeSettings, ConfigSettings,
    CredentialSettings, Dictionary, ElementExclusion, HttpSettings, PluginMode, PluginSettings, RateLimiter,
    Redacted, RemediationFinding, RemediationInput, RemediationSettings, ScopeOption, ScopeSettings,
};
pub use templates::{Template, TemplateRef};
pub use tenant::{
    AppLicence, Licence, ListedScanner, Role, ScannerList, ServerProperties, ServerState, ServerStatus,
    Session, Withheld,
};
pub use user_templates::{UserTemplate, UserTemplateRef, UserTemplateUpdate};
pub use vulnerabilities::{Attachment, HttpRequest, HttpResponse, Vulnerability, VulnerabilityDetails};

pub(crate) use deserialize::LenientDeserialize;
pub(crate) use record::record;
pub(crate) use user_templates::Unwrapped;
