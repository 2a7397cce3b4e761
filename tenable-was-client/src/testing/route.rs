//! The operations of the service, and the recorded requests.

use appsec_http::testing::fake;
use appsec_http::testing::fake::FakeRoute;

/// An operation of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Route {
    /// Every operation; for scripts.
    Any,
    /// An operation that the fake does not have.
    Unknown,
    /// `GET /server/properties`
    GetServerProperties,
    /// `GET /server/status`
    GetServerStatus,
    /// `GET /session`
    GetSession,
    /// `GET /scanners`
    ListScanners,
    /// `POST /api/v2/was/applications`
    AddApplications,
    /// `GET /was/v2/folders`
    ListFolders,
    /// `POST /was/v2/folders`
    CreateFolder,
    /// `PUT /was/v2/folders/{id}`
    RenameFolder,
    /// `DELETE /was/v2/folders/{id}`
    DeleteFolder,
    /// `GET /was/v2/configs/filters`
    ListConfigFilters,
    /// `GET /was/v2/configs/{id}/scans/filters`
    ListScanFilters,
    /// `GET /was/v2/user-templates/filters`
    ListUserTemplateFilters,
    /// `GET /was/v2/vulnerabilities/filters`
    ListVulnerabilityFilters,
    /// `GET /was/v2/scans/{id}/vulnerabilities/filters`
    ListScanVulnerabilityFilters,
    /// `POST /was/v2/configs/search`
    SearchConfigs,
    /// `GET /was/v2/configs/{id}`
    GetConfig,
    /// `POST /was/v2/configs`
    CreateConfig,
    /// `PUT /was/v2/configs/{id}`
    UpsertConfig,
    /// `PATCH /was/v2/configs/{id}`
    MoveConfig,
    /// `DELETE /was/v2/configs/{id}`
    DeleteConfig,
    /// `GET /was/v2/configs/{id}/status/{id}`
    GetConfigStatus,
    /// `GET /api/v3/export/configs/remediation/{id}`
    GetRemediationConfig,
    /// `GET /api/v3/export/configs/{id}`
    GetCicdConfig,
    /// `GET /was/v2/templates`
    ListTemplates,
    /// `GET /was/v2/templates/{id}`
    GetTemplate,
    /// `POST /was/v2/user-templates/search`
    SearchUserTemplates,
    /// `GET /was/v2/user-templates/{id}`
    GetUserTemplate,
    /// `PUT /was/v2/user-templates/{id}`
    UpdateUserTemplate,
    /// `DELETE /was/v2/user-templates/{id}`
    DeleteUserTemplate,
    /// `POST /was/v2/configs/{id}/scans`
    LaunchScan,
    /// `POST /was/v2/configs/{id}/scans/search`
    SearchScans,
    /// `GET /was/v2/scans/{id}`
    GetScan,
    /// `PATCH /was/v2/scans/{id}`
    UpdateScan,
    /// `DELETE /was/v2/scans/{id}`
    DeleteScan,
    /// `POST /api/v3/was/import`
    ImportReport,
    /// `GET /api/v3/export/{id}`
    GetDebugZip,
    /// `GET /was/v2/scans/{id}/notes`
    ListNotes,
    /// `POST /was/v2/scans/{id}/vulnerabilities/by-targets/search`
    SearchByTargets,
    /// `POST /was/v2/scans/{id}/vulnerabilities/search`
    SearchVulnerabilities,
    /// `POST /was/v2/vulnerabilities/search`
    SearchAllVulnerabilities,
    /// `GET /was/v2/vulnerabilities/{id}`
    GetVulnerability,
    /// `PUT /was/v2/scans/{id}/report`
    RequestReport,
    /// `GET /was/v2/scans/{id}/report`
    GetReport,
    /// `GET /was/v2/plugins`
    ListPlugins,
    /// `GET /was/v2/plugins/{id}`
    GetPlugin,
    /// `GET /was/v2/attachments/{id}`
    GetAttachment,
    /// `POST /was/v1/export/vulns`
    RequestExport,
    /// `GET /was/v1/export/vulns/{id}/status`
    GetExport,
    /// `GET /was/v1/export/vulns/status`
    ListExports,
    /// `GET /was/v1/export/vulns/{id}/chunks/{n}`
    GetChunk,
    /// `POST /was/v1/export/vulns/{id}/cancel`
    CancelExport,
}

impl FakeRoute for Route {
    const ANY: Self = Self::Any;
    const UNKNOWN: Self = Self::Unknown;
}

/// A request that the fake received. The credentials are not recorded, only whether they were correct.
pub type Call = fake::Call<Route>;
