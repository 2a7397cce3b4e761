//! What goes over the wire, one file per resource of the API.
//!
//! Members are `pub`, and optional wherever the service has been seen to leave them out or to send `null`; lists that are absent are
//! empty. Numbers and text are read from one another, since the service is not of one mind about them. What this version does not
//! know is kept in `extra` and written back.

mod api_spec;
mod applications;
mod configs;
mod export_filters;
mod export_plugins;
mod exports;
mod filters;
mod folders;
mod ids;
mod lenient;
mod moment;
mod permissions;
mod plugins;
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
mod wire;

pub use api_spec::ApiSpec;
pub use applications::{AddedApplication, NewApplication};
pub use configs::{
    AcceptedConfig, ConfigDetails, ConfigSummary, ConfigTracking, Notifications, TrackingStatus,
    UserTemplateRef,
};
pub use export_filters::{ExportFilters, ExportRequest, OwaspList, ScoreFilter};
pub use export_plugins::{
    Cvss4Vector, CvssTemporalVector, CvssVector, DayRange, ExploitFramework, ExportPlugin, ThreatVector, Vpr,
    VprDrivers, Xref,
};
pub use exports::{
    ExportAsset, ExportFinding, ExportList, ExportScan, ExportState, ExportStatus, FindingState,
    SeverityChange,
};
pub use filters::{FilterControl, FilterField, FilterList};
pub use folders::Folder;
pub use ids::{
    AssetId, AttachmentId, ChunkId, ConfigId, CredentialId, ExportId, FolderId, PluginId, ScannerId, TagId,
    TemplateId, TenableScanId, TrackingId, UserTemplateId, VulnId,
};
pub use moment::Moment;
pub use permissions::{Permission, PermissionEntity, PermissionLevel, ResultsVisibility};
pub use plugins::{OwaspPlace, Plugin, PluginSummary};
pub use remediation::RemediationConfig;
pub use reports::{
    ReportConfig, ReportFinding, ReportFormat, ReportHead, ReportNote, ReportScan, ReportXref, ScanReport,
    TemplateRef,
};
pub use scan_config::{ScanConfig, TemplateChoice};
pub use scans::{
    ByTarget, ByTargetScan, FindingCounts, RequestedAction, Scan, ScanConfigMetadata, ScanMetadata, ScanNote,
    ScanState, Scanner, TargetRef,
};
pub use schedule::{
    DayWindow, LaunchInterval, PauseWindow, Schedule, ScheduleWindow, ScheduleWindows, Weekday, WindowKind,
    WindowTime,
};
pub use settings::{
    AssessmentSettings, AuditSettings, BrowserSettings, ChromeScriptSettings, ChromeSettings, ConfigSettings,
    CredentialSettings, Dictionary, ElementExclusion, HttpSettings, PluginMode, PluginSettings, RateLimiter,
    RemediationFinding, RemediationInput, RemediationSettings, ScopeOption, ScopeSettings, Unshown,
};
pub use templates::Template;
pub use tenant::{
    AppLicence, Licence, ListedScanner, Role, ScannerList, ServerProperties, ServerState, ServerStatus,
    Session, Withheld,
};
pub use user_templates::{UserTemplate, UserTemplateUpdate};
pub use vulnerabilities::{Attachment, HttpRequest, HttpResponse, Vulnerability, VulnerabilityDetails};
pub use wire::{Extra, Page, Pagination, Sort};

pub(crate) use lenient::FromWire;
pub(crate) use user_templates::Unwrapped;
pub(crate) use wire::wire;
