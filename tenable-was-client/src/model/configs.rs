//! Scan configurations.

use appsec_core::Verbatim;

use super::folders::Folder;
use super::ids::{AssetId, ConfigId, ScannerId, TagId, TemplateId, TrackingId, UserTemplateId};
use super::permissions::{Permission, PermissionLevel, ResultsVisibility};
use super::scans::Scan;
use super::schedule::{PauseWindow, Schedule, ScheduleWindows};
use super::settings::ConfigSettings;
use super::user_templates::UserTemplateRef;
use super::{ApiTimestamp, record};

record! {
    /// A scan configuration, as listed.
    pub struct ConfigSummary {
        /// The id.
        pub config_id: ConfigId,
        /// The name.
        pub name: Option<String>,
        /// The description.
        pub description: Option<String>,
        /// The id of the owner.
        pub owner_id: Option<String>,
        /// The id of the tenant.
        pub container_id: Option<String>,
        /// Whether other users can see it.
        pub is_shared: Option<bool>,
        /// The caller's permission.
        pub user_permissions: Option<Verbatim<PermissionLevel>>,
        /// The target's URL. With several targets it is the first one, or absent.
        pub target: Option<String>,
        /// The number of targets.
        pub target_count: Option<u64>,
        /// When it was created.
        pub created_at: Option<ApiTimestamp>,
        /// When it was last changed.
        pub updated_at: Option<ApiTimestamp>,
        /// The schedule; absent if the configuration runs on demand only.
        pub schedule: Option<Schedule>,
        /// The vendor's template.
        pub template_id: Option<TemplateId>,
        /// The user template.
        pub user_template: Option<UserTemplateRef>,
        /// The last scan; absent if there is none.
        pub last_scan: Option<Scan>,
        /// Whether it is in the trash.
        pub in_trash: Option<bool>,
        /// Whether it was created by importing a report.
        pub imported: Option<bool>,
    }

    /// A scan configuration with all its members.
    pub struct ConfigDetails {
        /// The id; absent in a proposed configuration.
        pub config_id: Option<ConfigId>,
        /// The id of the tenant.
        pub container_id: Option<String>,
        /// The id of the owner.
        pub owner_id: Option<String>,
        /// The vendor's template.
        pub template_id: Option<TemplateId>,
        /// The user template.
        pub user_template_id: Option<UserTemplateId>,
        /// The name.
        pub name: Option<String>,
        /// The description.
        pub description: Option<String>,
        /// The URLs to scan.
        pub targets: Vec<String>,
        /// The only URL to scan, in the form that `targets` replaced.
        pub target: Option<String>,
        /// Tags whose assets are scanned.
        pub tag_targets: Vec<TagId>,
        /// Applications to scan.
        pub applications: Vec<AssetId>,
        /// When it was created.
        pub created_at: Option<ApiTimestamp>,
        /// When it was last changed.
        pub updated_at: Option<ApiTimestamp>,
        /// The settings of the scans.
        pub settings: Option<ConfigSettings>,
        /// The scanner or scanner group: a number, a number as text, or absent (observed).
        pub scanner_id: Option<ScannerId>,
        /// The schedule.
        pub schedule: Option<Schedule>,
        /// When scheduled scans run and pause.
        pub schedule_windows: Option<ScheduleWindows>,
        /// When scheduled scans pause, in the form that `schedule_windows` replaced.
        pub pause_window: Option<PauseWindow>,
        /// The folder.
        pub folder: Option<Folder>,
        /// Whether it is in the trash.
        pub in_trash: Option<bool>,
        /// The permission of users who are not named in `permissions`.
        pub default_permissions: Option<Verbatim<PermissionLevel>>,
        /// The permissions of single users and groups.
        pub permissions: Vec<Permission>,
        /// Where the results of the scans are visible.
        pub results_visibility: Option<Verbatim<ResultsVisibility>>,
        /// Who is notified when a scan ends.
        pub notifications: Option<Notifications>,
        /// Whether it is a remediation scan (observed; not in the vendor's document).
        pub in_remediation: Option<bool>,
    }

    /// Who is notified when a scan ends.
    #[derive(Default)]
    pub struct Notifications {
        /// E-mail addresses.
        pub emails: Option<Vec<String>>,
    }
}

appsec_core::open_enum! {
    /// The status of a change to a configuration.
    pub enum TrackingStatus {
        /// In progress.
        Processing = "processing",
        /// Written.
        Completed = "completed",
        /// Failed; the service gives no reason.
        Failed = "failed",
    }
}

/// The ids by which to ask for the status of a change to a configuration, which the service makes in the
/// background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConfigTracking {
    /// The configuration.
    pub config_id: ConfigId,
    /// The change.
    pub tracking_id: TrackingId,
}

impl ConfigTracking {
    /// Reads the ids from a `Location` header. Nothing else of the header is used: requests go to the base
    /// URL only.
    pub(crate) fn from_location(location: &str) -> Option<Self> {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let [.., "configs", config, "status", tracking] = segments.as_slice() else { return None };
        Some(Self { config_id: config.parse().ok()?, tracking_id: tracking.parse().ok()? })
    }
}

/// A configuration that the service has accepted and writes in the background.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AcceptedConfig {
    /// The configuration as it will be.
    pub config: ConfigDetails,
    /// The ids by which to ask for the status; `None` if the response has none.
    pub tracking: Option<ConfigTracking>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_are_read_from_any_form_of_location() {
        let (config, tracking) =
            ("5b1f2a34-0c1d-4e5f-8a9b-101112131415", "0f0e0d0c-0b0a-4908-8706-050403020100");
        let place = format!("/configs/{config}/status/{tracking}");
        for location in [
            place.clone(),
            format!("/was/v2{place}"),
            format!("https://other.example{place}/"),
            format!("{place}?x=1"),
        ] {
            let read = ConfigTracking::from_location(&location).unwrap();
            assert_eq!(
                (read.config_id.to_string(), read.tracking_id.to_string()),
                (config.into(), tracking.into())
            );
        }
        for location in
            ["", "/configs/x/status/y", &format!("/configs/{config}"), &format!("/status/{tracking}")]
        {
            assert_eq!(ConfigTracking::from_location(location), None, "{location}");
        }
    }
}
