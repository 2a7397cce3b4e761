//! Typed ids. They cannot be confused with one another, and cannot change the path of a request.

use std::fmt;
use std::str::FromStr;

use appsec_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::deserialize::impl_lenient_by_serde;

macro_rules! uuid_ids {
    ($($(#[$meta:meta])* $name:ident, $what:literal;)+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Parses the id.
            ///
            /// # Errors
            /// `InvalidRequest` for anything but a UUID.
            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text).map(Self).map_err(|_| {
                    Error::new(ErrorKind::InvalidRequest, format!("{text:?} is not {}: a UUID is needed", $what))
                })
            }
        }

        impl_lenient_by_serde!($name);
    )+};
}

uuid_ids! {
    /// The id of a scan configuration.
    ConfigId, "the id of a scan configuration";
    /// The id of a scan, or of the scan of one target.
    TenableScanId, "the id of a scan";
    /// The id of an asset: what is scanned, across configurations.
    AssetId, "the id of an asset";
    /// The id of one of the vendor's scan templates.
    TemplateId, "the id of a template";
    /// The id of a user template.
    UserTemplateId, "the id of a user template";
    /// The id of one detection in one scan. It is not the export's `finding_id`, which stays the same
    /// across scans.
    VulnId, "the id of a vulnerability";
    /// The id of an export job.
    ExportId, "the id of an export";
    /// The id of a folder of configurations.
    FolderId, "the id of a folder";
    /// The id of a file attached to a detection.
    AttachmentId, "the id of an attachment";
    /// The id of a tag value.
    TagId, "the id of a tag";
    /// The id of credentials that the tenant manages.
    CredentialId, "the id of credentials";
    /// The id of a change to a configuration that the service makes in the background.
    TrackingId, "the id of a change to a configuration";
}

/// The number of a plugin, the check that produces a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PluginId(pub u64);

/// The number of a chunk within its export. Numbers need be neither contiguous nor in order (vendor
/// document).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ChunkId(pub u64);

/// The number of a scanner or scanner group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ScannerId(pub u64);

macro_rules! numbers {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl super::LenientDeserialize for $name {
            fn read<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                u64::read(deserializer).map(Self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::LenientDeserialize::read(deserializer)
            }
        }
    )+};
}

numbers!(PluginId, ChunkId, ScannerId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_from_a_uuid_only() {
        let text = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
        assert_eq!(text.parse::<ConfigId>().unwrap().to_string(), text);
        for text in ["", "..", "5b1f2a34", "5b1f2a34-0c1d-4e5f-8a9b-101112131415/../x", "10-ABC"] {
            let error = text.parse::<ConfigId>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{text}");
        }
    }

    #[test]
    fn numbers_are_read_from_text_too() {
        assert_eq!(serde_json::from_str::<PluginId>("98104").unwrap(), PluginId(98104));
        assert_eq!(serde_json::from_str::<PluginId>("\"98104\"").unwrap(), PluginId(98104));
        assert!(serde_json::from_str::<PluginId>("\"98a\"").is_err());
        assert!(serde_json::from_str::<ChunkId>("-1").is_err());
    }
}
