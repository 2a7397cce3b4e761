//! The types of requests and responses, one file per resource of the API.
//!
//! Members are `pub`, and optional wherever the service was observed to omit them or to send `null`. Absent
//! lists are empty. Numbers are read from text and text from numbers, because the service uses both.
//! Members that this version does not know are kept in `extra` and written back.
//!
//! Types that occur only inside other records are in the public modules, such as [`settings`] and
//! [`schedule`].

mod api_spec;
mod api_timestamp;
mod applications;
mod configs;
mod deserialize;
pub mod export_plugins;
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
pub mod reports;
mod scan_config;
pub mod scans;
pub mod schedule;
pub mod settings;
mod templates;
pub mod tenant;
mod user_templates;
mod validation;
pub mod vulnerabilities;

pub use api_spec::ApiSpec;
pub use api_timestamp::ApiTimestamp;
pub use applications::{AddedApplication, NewApplication};
pub use configs::{
    AcceptedConfig, ConfigDetails, ConfigSummary, ConfigTracking, Notifications, TrackingStatus,
};
pub use export_plugins::ExportPlugin;
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
pub use reports::{ReportFinding, ReportFormat, ReportNote, ScanReport};
pub use scan_config::{ScanConfig, TemplateChoice};
pub use scans::{RequestedAction, Scan, ScanMetadata, ScanNote, ScanState, ScanTarget, Scanner};
pub use schedule::{LaunchInterval, Schedule, ScheduleWindows, Weekday, WindowKind};
pub use settings::{ConfigSettings, ScopeOption};
pub use templates::{Template, TemplateRef};
pub use tenant::{Licence, Role, ScannerList, ServerProperties, ServerState, ServerStatus, Session};
pub use user_templates::{UserTemplate, UserTemplateRef, UserTemplateUpdate};
pub use vulnerabilities::{Attachment, Vulnerability, VulnerabilityDetails};

pub(crate) use deserialize::LenientDeserialize;
pub(crate) use record::record;
pub(crate) use user_templates::Unwrapped;
