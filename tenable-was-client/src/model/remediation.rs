//! The configuration of a scan that checks a remedy.

use appsec_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::configs::ConfigDetails;

/// The configuration of a scan that looks for one detection again, as the service proposes it. It is not made yet:
/// [`create_remediation_config`](crate::TenableWasClient::create_remediation_config) makes it.
///
/// It is kept as it came, byte by byte: it has members that no request is documented to have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RemediationConfig(Box<RawValue>);

impl RemediationConfig {
    /// The JSON as it came.
    pub fn json(&self) -> &str {
        self.0.get()
    }

    /// What it says; without an id, since it is not made yet.
    ///
    /// # Errors
    /// `Decode` where it has another form than configurations have.
    pub fn details(&self) -> Result<ConfigDetails> {
        serde_json::from_str(self.json()).map_err(|cause| {
            Error::new(ErrorKind::Decode, format!("the proposed configuration is not understood: {cause}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PluginId;

    #[test]
    fn it_is_kept_as_it_came_and_can_be_read() {
        let json = r#"{"scanner_id":"36960339","z":1.50,"in_remediation":true,"settings":{"remediation":{"findings":[{"plugin_id":115540,"details":{"inputType":"cookie"}}]}}}"#;
        let proposed: RemediationConfig = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&proposed).unwrap(), json, "as 1.50 is still 1.50");
        let details = proposed.details().unwrap();
        assert_eq!(details.in_remediation, Some(true));
        let findings = details.settings.unwrap().remediation.unwrap().findings.unwrap();
        assert_eq!(findings[0].plugin_id, Some(PluginId(115_540)));
    }
}
