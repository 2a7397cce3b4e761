//! Plugins in the records of the findings export.

use appsec_core::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deserialize::{LenientDeserialize, impl_lenient_by_serde};
use super::ids::PluginId;
use super::{ApiTimestamp, record};

record! {
    /// A plugin in an export record.
    pub struct ExportPlugin {
        /// The plugin id.
        pub id: PluginId,
        /// The name.
        pub name: Option<String>,
        /// The plugin family.
        pub family: Option<String>,
        /// The id of the plugin family.
        pub family_id: Option<u64>,
        /// The severity.
        pub risk_factor: Option<Severity>,
        /// The severity as a number: an integer (observed; the vendor's document says text).
        pub original_risk_factor_num: Option<u64>,
        /// The language.
        pub locale: Option<String>,
        /// `REMOTE`, …
        pub kind: Option<String> as "type",
        /// `SENSOR`, …
        pub intel_type: Option<String>,
        /// The version.
        pub version: Option<String>,
        /// A summary in one line.
        pub synopsis: Option<String>,
        /// The description of the weakness.
        pub description: Option<String>,
        /// How to fix it.
        pub solution: Option<String>,
        /// When it was published.
        pub publication_date: Option<ApiTimestamp>,
        /// When it was last changed.
        pub modification_date: Option<ApiTimestamp>,
        /// When the fix was published.
        pub patch_publication_date: Option<ApiTimestamp>,
        /// When the vulnerability was published.
        pub vuln_publication_date: Option<ApiTimestamp>,
        /// Whether exploits are known, as text.
        pub exploitability_ease: Option<String>,
        /// Whether an exploit is known.
        pub exploit_available: Option<bool>,
        /// Whether malware uses it.
        pub exploited_by_malware: Option<bool>,
        /// Whether the vulnerability was in the news.
        pub in_the_news: Option<bool>,
        /// Whether Nessus exploited it.
        pub exploited_by_nessus: Option<bool>,
        /// Whether the plugin checks for accounts with default passwords.
        pub checks_for_default_account: Option<bool>,
        /// Whether the plugin checks for malware.
        pub checks_for_malware: Option<bool>,
        /// Whether Canvas has an exploit.
        pub exploit_framework_canvas: Option<bool>,
        /// Whether Core Impact has an exploit.
        pub exploit_framework_core: Option<bool>,
        /// Whether D2 Elliot has an exploit.
        pub exploit_framework_d2_elliot: Option<bool>,
        /// Whether `ExploitHub` has an exploit.
        pub exploit_framework_exploithub: Option<bool>,
        /// Whether Metasploit has an exploit.
        pub exploit_framework_metasploit: Option<bool>,
        /// The package in Canvas.
        pub canvas_package: Option<String>,
        /// The name in D2 Elliot.
        pub d2_elliot_name: Option<String>,
        /// The number in `ExploitHub`.
        pub exploithub_sku: Option<String>,
        /// The name in Metasploit.
        pub metasploit_name: Option<String>,
        /// The Microsoft security bulletin.
        pub ms_bulletin: Option<String>,
        /// The Ubuntu security notice.
        pub usn: Option<String>,
        /// Whether a fix exists.
        pub has_patch: Option<bool>,
        /// Exploits, by framework.
        pub exploit_frameworks: Vec<ExploitFramework>,
        /// The probability of exploitation, in percent.
        pub epss_score: Option<f64>,
        /// CVSS 2 base score.
        pub cvss2_base_score: Option<f64>,
        /// CVSS 2 vector.
        pub cvss2_vector: Option<CvssVector>,
        /// CVSS 2 temporal score.
        pub cvss2_temporal_score: Option<f64>,
        /// CVSS 2 temporal vector; an empty object where there is none.
        pub cvss2_temporal_vector: Option<CvssTemporalVector>,
        /// CVSS 3 base score.
        pub cvss3_base_score: Option<f64>,
        /// CVSS 3 vector.
        pub cvss3_vector: Option<CvssVector>,
        /// CVSS 3 temporal score.
        pub cvss3_temporal_score: Option<f64>,
        /// CVSS 3 temporal vector; an empty object where there is none.
        pub cvss3_temporal_vector: Option<CvssTemporalVector>,
        /// CVSS 4 base score.
        pub cvss4_base_score: Option<f64>,
        /// CVSS 4 vector.
        pub cvss4_vector: Option<Cvss4Vector>,
        /// CVSS 4 threat score and vector.
        pub cvss4_threat_vector: Option<Cvss4ThreatVector>,
        /// The vendor's priority rating (VPR).
        pub vpr: Option<Vpr>,
        /// The vendor's priority rating by the previous model; deprecated.
        pub vpr_v2: Option<Vpr>,
        /// Links to further information.
        pub see_also: Vec<String>,
        /// Bugtraq ids: text (observed; the vendor's document says numbers).
        pub bid: Vec<String>,
        /// Policies that contain the plugin.
        pub policy: Vec<String>,
        /// References to other catalogues.
        pub xrefs: Vec<Xref>,
        /// Affected products.
        pub cpe: Vec<String>,
        /// CVE ids.
        pub cve: Vec<String>,
        /// CWE ids.
        pub cwe: Vec<String>,
        /// Names of WASC threat classes.
        pub wasc: Vec<String>,
        /// Categories of the OWASP Top Ten 2010.
        pub owasp_2010: Vec<String>,
        /// Categories of the OWASP Top Ten 2013.
        pub owasp_2013: Vec<String>,
        /// Categories of the OWASP Top Ten 2017.
        pub owasp_2017: Vec<String>,
        /// Categories of the OWASP Top Ten 2021.
        pub owasp_2021: Vec<String>,
        /// Categories of the OWASP API Top Ten 2019.
        pub owasp_api_2019: Vec<String>,
        /// The number it is displayed under.
        pub public_display: Option<u64>,
        /// The severity by DISA STIG.
        pub stig_severity: Option<String>,
        /// The workaround.
        pub workaround: Option<String>,
        /// The kind of workaround.
        pub workaround_type: Option<String>,
        /// When the workaround was published.
        pub workaround_published: Option<ApiTimestamp>,
        /// Whether a workaround exists.
        pub has_workaround: Option<bool>,
        /// Whether the product's vendor has ended its support.
        pub unsupported_by_vendor: Option<bool>,
        /// Whether the product's vendor has no fix.
        pub vendor_unpatched: Option<bool>,
    }

    /// The exploits of a framework.
    pub struct ExploitFramework {
        /// The framework.
        pub kind: Option<String> as "type",
        /// The exploits.
        pub ids: Vec<String>,
    }

    /// A CVSS 2 or 3 vector, verbatim and by metric. In both, the members have the names of CVSS 2.
    pub struct CvssVector {
        /// The vector string.
        pub raw: Option<String>,
        /// The attack vector.
        pub access_vector: Option<String>,
        /// The attack complexity.
        pub access_complexity: Option<String>,
        /// The required authentication.
        pub authentication: Option<String>,
        /// The impact on confidentiality.
        pub confidentiality_impact: Option<String>,
        /// The impact on integrity.
        pub integrity_impact: Option<String>,
        /// The impact on availability.
        pub availability_impact: Option<String>,
    }

    /// A CVSS 2 or 3 temporal vector, verbatim and by metric.
    pub struct CvssTemporalVector {
        /// The vector string.
        pub raw: Option<String>,
        /// The maturity of exploits.
        pub exploitability: Option<String>,
        /// The remediation level.
        pub remediation_level: Option<String>,
        /// The report confidence.
        pub report_confidence: Option<String>,
    }

    /// A CVSS 4 vector, verbatim and by metric.
    pub struct Cvss4Vector {
        /// The vector string.
        pub raw: Option<String>,
        /// The attack vector.
        pub attack_vector: Option<String>,
        /// The attack complexity.
        pub attack_complexity: Option<String>,
        /// The attack requirements.
        pub attack_requirements: Option<String>,
        /// The required privileges.
        pub privileges_required: Option<String>,
        /// The required user interaction.
        pub user_interaction: Option<String>,
        /// The impact on the vulnerable system's confidentiality.
        pub vulnerable_system_confidentiality: Option<String>,
        /// The impact on the vulnerable system's integrity.
        pub vulnerable_system_integrity: Option<String>,
        /// The impact on the vulnerable system's availability.
        pub vulnerable_system_availability: Option<String>,
        /// The impact on subsequent systems' confidentiality.
        pub subsequent_system_confidentiality: Option<String>,
        /// The impact on subsequent systems' integrity.
        pub subsequent_system_integrity: Option<String>,
        /// The impact on subsequent systems' availability.
        pub subsequent_system_availability: Option<String>,
    }

    /// A CVSS 4 threat rating.
    pub struct Cvss4ThreatVector {
        /// The score.
        pub threat_score: Option<f64>,
        /// The maturity of exploits.
        pub exploit_maturity: Option<String>,
        /// The vector string.
        pub raw: Option<String>,
    }

    /// The vendor's priority rating (VPR).
    pub struct Vpr {
        /// The score, 0.1 to 10.
        pub score: Option<f64>,
        /// The factors of the score.
        pub drivers: Option<VprDrivers>,
        /// When it was created.
        pub updated: Option<ApiTimestamp>,
    }

    /// The factors of the vendor's priority rating.
    pub struct VprDrivers {
        /// The maturity of exploits.
        pub exploit_code_maturity: Option<String>,
        /// The intensity of the threat in the last 28 days.
        pub threat_intensity_last28: Option<String>,
        /// The sources of the threat in the last 28 days.
        pub threat_sources_last28: Vec<String>,
        /// The number of affected products, as text.
        pub product_coverage: Option<String>,
        /// The CVSS 3 impact score.
        pub cvss3_impact_score: Option<f64>,
        /// Whether the impact score is a prediction.
        pub cvss_impact_score_predicted: Option<bool>,
        /// The age of the vulnerability, in days.
        pub age_of_vuln: Option<DayRange>,
        /// The time since the last threat event, in days.
        pub threat_recency: Option<DayRange>,
    }

    /// A range of days.
    pub struct DayRange {
        /// The lower bound.
        pub lower_bound: Option<u64>,
        /// The upper bound; 0 or absent if there is none.
        pub upper_bound: Option<u64>,
    }
}

/// A reference to another catalogue: an object (observed) or text (the vendor's document).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Xref {
    /// A catalogue and the ids in it.
    Typed {
        /// The catalogue: `owasp_asvs`, `capec`, `hipaa`, `iso`, `nist`, `disa_stig`, `pci_dss`, …
        #[serde(rename = "type")]
        kind: String,
        /// The ids, each prefixed by the catalogue's version.
        id: Vec<String>,
    },
    /// Text.
    Text(String),
    /// Any other JSON, kept unchanged.
    Other(Value),
}

impl<'de> Deserialize<'de> for Xref {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let typed = value.as_object().filter(|object| object.len() == 2).and_then(|object| {
            let kind = object.get("type")?.as_str()?.to_owned();
            let id = Vec::<String>::read(object.get("id")?).ok()?;
            Some(Self::Typed { kind, id })
        });
        Ok(match (typed, value) {
            (Some(typed), _) => typed,
            (None, Value::String(text)) => Self::Text(text),
            (None, other) => Self::Other(other),
        })
    }
}

impl_lenient_by_serde!(Xref);
