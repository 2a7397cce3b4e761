//! Configurations of remediation scans.

use appsec_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::configs::ConfigDetails;

/// The configuration of a scan that checks one detection again, as the service proposes it. It does not
/// exist yet: [`create_remediation_config`](crate::TenableWasClient::create_remediation_config) creates it.
///
/// It is kept byte by byte as received, because it has members that no request is documented to have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemediationConfig(Box<RawValue>);

impl RemediationConfig {
    /// Returns the JSON as received.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// Decodes the configuration. It has no id because it does not exist yet.
    ///
    /// # Errors
    /// `Decode` if it does not have the form of a configuration.
    pub fn details(&self) -> Result<ConfigDetails> {
        serde_json::from_str(self.json()).map_err(|cause| {
            Error::new(ErrorKind::Decode, format!("the proposed configuration cannot be decoded: {cause}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PluginId;

    #[test]
    fn it_is_kept_unchanged_and_can_be_decoded() {
        let json = r#"{"scanner_id":"36960339","z":1.50,"in_remediation":true,"settings":{"remediation":{"findings":[{"plugin_id":115540,"details":{"inputType":"cookie"}}]}}}"#;
        let proposed: RemediationConfig = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&proposed).unwrap(), json, "as 1.50 is still 1.50");
        let details = proposed.details().unwrap();
        assert_eq!(details.in_remediation, Some(true));
        let findings = details.settings.unwrap().remediation.unwrap().findings.unwrap();
        assert_eq!(findings[0].plugin_id, Some(PluginId(115_540)));
    }
}
