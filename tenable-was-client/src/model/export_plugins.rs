//! Plugins as the records of the findings export carry them.

use appsec_core::Severity;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::deserialize::{LenientDeserialize, impl_lenient_by_serde};
use super::ids::PluginId;
use super::{ApiTimestamp, record};

record! {
    /// A plugin as export records carry it.
    pub struct ExportPlugin {
        /// Its number.
        pub id: PluginId,
        /// Its name.
        pub name: Option<String>,
        /// Its family.
        pub family: Option<String>,
        /// Its family's number.
        pub family_id: Option<u64>,
        /// How grave it is.
        pub risk_factor: Option<Severity>,
        /// The same as a number: an integer (observed; the vendor's document says text).
        pub original_risk_factor_num: Option<u64>,
        /// The language.
        pub locale: Option<String>,
        /// `REMOTE`, …
        pub kind: Option<String> as "type",
        /// `SENSOR`, …
        pub intel_type: Option<String>,
        /// Its version.
        pub version: Option<String>,
        /// It in one line.
        pub synopsis: Option<String>,
        /// What the weakness is.
        pub description: Option<String>,
        /// How to remedy it.
        pub solution: Option<String>,
        /// When it was published.
        pub publication_date: Option<ApiTimestamp>,
        /// When it was changed.
        pub modification_date: Option<ApiTimestamp>,
        /// When the remedy was published.
        pub patch_publication_date: Option<ApiTimestamp>,
        /// When the vulnerability was published.
        pub vuln_publication_date: Option<ApiTimestamp>,
        /// Whether exploits are known, in words.
        pub exploitability_ease: Option<String>,
        /// Whether an exploit is known.
        pub exploit_available: Option<bool>,
        /// Whether malware uses it.
        pub exploited_by_malware: Option<bool>,
        /// Whether the press wrote of it.
        pub in_the_news: Option<bool>,
        /// Whether the vendor's other scanner exploited it.
        pub exploited_by_nessus: Option<bool>,
        /// Whether it looks for accounts with default passwords.
        pub checks_for_default_account: Option<bool>,
        /// Whether it looks for malware.
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
        /// Its package in Canvas.
        pub canvas_package: Option<String>,
        /// Its name in D2 Elliot.
        pub d2_elliot_name: Option<String>,
        /// Its number at `ExploitHub`.
        pub exploithub_sku: Option<String>,
        /// Its name in Metasploit.
        pub metasploit_name: Option<String>,
        /// Its bulletin at Microsoft.
        pub ms_bulletin: Option<String>,
        /// Its notice at Ubuntu.
        pub usn: Option<String>,
        /// Whether a remedy exists.
        pub has_patch: Option<bool>,
        /// Exploits, by the framework that has them.
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
        /// The vendor's own rating.
        pub vpr: Option<Vpr>,
        /// The vendor's own rating by the model of before; deprecated.
        pub vpr_v2: Option<Vpr>,
        /// Where to read on.
        pub see_also: Vec<String>,
        /// Numbers at Bugtraq: text (observed; the vendor's document says numbers).
        pub bid: Vec<String>,
        /// Policies that it belongs to.
        pub policy: Vec<String>,
        /// References to other lists.
        pub xrefs: Vec<Xref>,
        /// Products concerned.
        pub cpe: Vec<String>,
        /// Places in the CVE list.
        pub cve: Vec<String>,
        /// Numbers in the CWE list.
        pub cwe: Vec<String>,
        /// Names in WASC's list.
        pub wasc: Vec<String>,
        /// Places in OWASP's list of 2010.
        pub owasp_2010: Vec<String>,
        /// Places in OWASP's list of 2013.
        pub owasp_2013: Vec<String>,
        /// Places in OWASP's list of 2017.
        pub owasp_2017: Vec<String>,
        /// Places in OWASP's list of 2021.
        pub owasp_2021: Vec<String>,
        /// Places in OWASP's list of APIs of 2019.
        pub owasp_api_2019: Vec<String>,
        /// The number it is shown under.
        pub public_display: Option<u64>,
        /// Its grade by DISA.
        pub stig_severity: Option<String>,
        /// A way round, in words.
        pub workaround: Option<String>,
        /// The kind of way round.
        pub workaround_type: Option<String>,
        /// When the way round was published.
        pub workaround_published: Option<ApiTimestamp>,
        /// Whether there is a way round.
        pub has_workaround: Option<bool>,
        /// Whether the product's vendor does not support it any more.
        pub unsupported_by_vendor: Option<bool>,
        /// Whether the product's vendor has no remedy.
        pub vendor_unpatched: Option<bool>,
    }

    /// Exploits that a framework has.
    pub struct ExploitFramework {
        /// The framework.
        pub kind: Option<String> as "type",
        /// The exploits.
        pub ids: Vec<String>,
    }

    /// A CVSS 2 or 3 vector: verbatim, and spelled out. The members are named after those of CVSS 2 in both.
    pub struct CvssVector {
        /// The vector, verbatim.
        pub raw: Option<String>,
        /// Where the attacker has to be.
        pub access_vector: Option<String>,
        /// How hard the attack is.
        pub access_complexity: Option<String>,
        /// What the attacker has to be logged in to.
        pub authentication: Option<String>,
        /// What becomes of secrets.
        pub confidentiality_impact: Option<String>,
        /// What becomes of data.
        pub integrity_impact: Option<String>,
        /// What becomes of the service.
        pub availability_impact: Option<String>,
    }

    /// A CVSS 2 or 3 temporal vector: verbatim, and spelled out.
    pub struct CvssTemporalVector {
        /// The vector, verbatim.
        pub raw: Option<String>,
        /// How mature exploits are.
        pub exploitability: Option<String>,
        /// What remedies there are.
        pub remediation_level: Option<String>,
        /// How sure the report is.
        pub report_confidence: Option<String>,
    }

    /// A CVSS 4 vector: verbatim, and spelled out.
    pub struct Cvss4Vector {
        /// The vector, verbatim.
        pub raw: Option<String>,
        /// Where the attacker has to be.
        pub attack_vector: Option<String>,
        /// How hard the attack is.
        pub attack_complexity: Option<String>,
        /// What has to be given for the attack.
        pub attack_requirements: Option<String>,
        /// The rights that the attacker needs.
        pub privileges_required: Option<String>,
        /// What a user has to do for it.
        pub user_interaction: Option<String>,
        /// What becomes of the system's secrets.
        pub vulnerable_system_confidentiality: Option<String>,
        /// What becomes of the system's data.
        pub vulnerable_system_integrity: Option<String>,
        /// What becomes of the system's service.
        pub vulnerable_system_availability: Option<String>,
        /// What becomes of the secrets of systems behind it.
        pub subsequent_system_confidentiality: Option<String>,
        /// What becomes of the data of systems behind it.
        pub subsequent_system_integrity: Option<String>,
        /// What becomes of the service of systems behind it.
        pub subsequent_system_availability: Option<String>,
    }

    /// A CVSS 4 threat rating.
    pub struct Cvss4ThreatVector {
        /// The score.
        pub threat_score: Option<f64>,
        /// How mature exploits are.
        pub exploit_maturity: Option<String>,
        /// The vector, verbatim.
        pub raw: Option<String>,
    }

    /// The vendor's own rating.
    pub struct Vpr {
        /// The score, 0.1 to 10.
        pub score: Option<f64>,
        /// What it is made of.
        pub drivers: Option<VprDrivers>,
        /// When it was made.
        pub updated: Option<ApiTimestamp>,
    }

    /// What the vendor's rating is made of.
    pub struct VprDrivers {
        /// How mature exploits are.
        pub exploit_code_maturity: Option<String>,
        /// How intense the threat was in the last 28 days.
        pub threat_intensity_last28: Option<String>,
        /// Where the threat was seen in the last 28 days.
        pub threat_sources_last28: Vec<String>,
        /// How many products are concerned.
        pub product_coverage: Option<String>,
        /// The impact part of CVSS 3.
        pub cvss3_impact_score: Option<f64>,
        /// Whether the impact is a prediction.
        pub cvss_impact_score_predicted: Option<bool>,
        /// How old the vulnerability is, in days.
        pub age_of_vuln: Option<DayRange>,
        /// How recent the threat is, in days.
        pub threat_recency: Option<DayRange>,
    }

    /// A number of days, from one to another.
    pub struct DayRange {
        /// The least.
        pub lower_bound: Option<u64>,
        /// The most; 0 or absent where there is no end to it.
        pub upper_bound: Option<u64>,
    }
}

/// A reference to another list: an object (observed), or text (the vendor's document).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Xref {
    /// A list and the places in it.
    Typed {
        /// The list: `owasp_asvs`, `capec`, `hipaa`, `iso`, `nist`, `disa_stig`, `pci_dss`, …
        #[serde(rename = "type")]
        kind: String,
        /// The places, each preceded by the list's version.
        id: Vec<String>,
    },
    /// Text.
    Text(String),
    /// Another shape, kept as it is.
    Other(Value),
}

impl<'de> Deserialize<'de> for Xref {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let places = value.as_object().filter(|object| object.len() == 2).and_then(|object| {
            let kind = object.get("type")?.as_str()?.to_owned();
            let id = Vec::<String>::read(object.get("id")?).ok()?;
            Some(Self::Typed { kind, id })
        });
        Ok(match (places, value) {
            (Some(places), _) => places,
            (None, Value::String(text)) => Self::Text(text),
            (None, other) => Self::Other(other),
        })
    }
}

impl_lenient_by_serde!(Xref);
