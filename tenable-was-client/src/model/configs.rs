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
    /// A scan configuration as listings show it.
    pub struct ConfigSummary {
        /// Its id.
        pub config_id: ConfigId,
        /// Its name.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// The tenant.
        pub container_id: Option<String>,
        /// True when others may see it.
        pub is_shared: Option<bool>,
        /// What the caller may do with it.
        pub user_permissions: Option<Verbatim<PermissionLevel>>,
        /// Its URL, where it has one; the first or none where it has several.
        pub target: Option<String>,
        /// How many targets it has.
        pub target_count: Option<u64>,
        /// When it was made.
        pub created_at: Option<ApiTimestamp>,
        /// When it was changed.
        pub updated_at: Option<ApiTimestamp>,
        /// When it runs by itself; absent for one that runs on demand.
        pub schedule: Option<Schedule>,
        /// The vendor's template that it follows.
        pub template_id: Option<TemplateId>,
        /// The user's template that it follows.
        pub user_template: Option<UserTemplateRef>,
        /// Its newest scan; absent where it never ran.
        pub last_scan: Option<Scan>,
        /// True when it lies in the trash.
        pub in_trash: Option<bool>,
        /// True when it was made by the import of a report.
        pub imported: Option<bool>,
    }

    /// A scan configuration in full.
    pub struct ConfigDetails {
        /// Its id; absent in an answer that only proposes a configuration.
        pub config_id: Option<ConfigId>,
        /// The tenant.
        pub container_id: Option<String>,
        /// The user who owns it.
        pub owner_id: Option<String>,
        /// The vendor's template that it follows.
        pub template_id: Option<TemplateId>,
        /// The user's template that it follows.
        pub user_template_id: Option<UserTemplateId>,
        /// Its name.
        pub name: Option<String>,
        /// A word on it.
        pub description: Option<String>,
        /// The URLs it scans.
        pub targets: Vec<String>,
        /// The only URL it scans; in the form that `targets` has replaced.
        pub target: Option<String>,
        /// The tags whose assets it scans.
        pub tag_targets: Vec<TagId>,
        /// The applications it scans.
        pub applications: Vec<AssetId>,
        /// When it was made.
        pub created_at: Option<ApiTimestamp>,
        /// When it was changed.
        pub updated_at: Option<ApiTimestamp>,
        /// How it scans.
        pub settings: Option<ConfigSettings>,
        /// The scanner or scanner group it runs on: a number, its text, or absent (observed).
        pub scanner_id: Option<ScannerId>,
        /// When it runs by itself.
        pub schedule: Option<Schedule>,
        /// When scans run and pause.
        pub schedule_windows: Option<ScheduleWindows>,
        /// When scans pause, in the older form.
        pub pause_window: Option<PauseWindow>,
        /// The folder it lies in.
        pub folder: Option<Folder>,
        /// True when it lies in the trash.
        pub in_trash: Option<bool>,
        /// What those may do with it who are not named.
        pub default_permissions: Option<Verbatim<PermissionLevel>>,
        /// What others may do with it.
        pub permissions: Vec<Permission>,
        /// Where the results of its scans show.
        pub results_visibility: Option<Verbatim<ResultsVisibility>>,
        /// Who is told when a scan ends.
        pub notifications: Option<Notifications>,
        /// True when it checks a remedy (observed; not in the vendor's document).
        pub in_remediation: Option<bool>,
    }

    /// Who is told when a scan ends.
    #[derive(Default)]
    pub struct Notifications {
        /// Mail addresses.
        pub emails: Option<Vec<String>>,
    }
}

appsec_core::open_enum! {
    /// How far the service is with a change to a configuration.
    pub enum TrackingStatus {
        /// At it.
        Processing = "processing",
        /// Done.
        Completed = "completed",
        /// Given up; it does not say why.
        Failed = "failed",
    }
}

/// A change to a configuration that the service makes in the background, and where to ask how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConfigTracking {
    /// The configuration.
    pub config_id: ConfigId,
    /// The change.
    pub tracking_id: TrackingId,
}

impl ConfigTracking {
    /// Reads the ids from where an answer says that its progress is. Nothing else of it is used: requests go to the base URL alone.
    pub(crate) fn from_location(location: &str) -> Option<Self> {
        let path = location.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let [.., "configs", config, "status", tracking] = segments.as_slice() else { return None };
        Some(Self { config_id: config.parse().ok()?, tracking_id: tracking.parse().ok()? })
    }
}

/// A configuration that the service has taken, and is writing in the background.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AcceptedConfig {
    /// The configuration as it will be.
    pub config: ConfigDetails,
    /// Where to ask how far the service is; `None` where it did not say.
    pub tracking: Option<ConfigTracking>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_are_read_from_a_location_in_any_form_and_from_nothing_else() {
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
