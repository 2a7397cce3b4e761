//! The findings export: its request, its job, and its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use appsec_core::{Severity, Spelled};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{AssetId, ChunkId, ExportId, PluginId};
use super::lenient::{FromWire, by_serde};
use super::{Moment, wire};

appsec_core::open_enum! {
    /// Where an export job stands.
    pub enum ExportState {
        /// Waiting for its turn.
        Queued = "QUEUED",
        /// Under way; chunks may be there already.
        Processing = "PROCESSING",
        /// Ended. Chunks may have failed all the same.
        Finished = "FINISHED",
        /// Ended by someone.
        Cancelled = "CANCELLED",
        /// Ended by a fault. Chunks may be there all the same.
        Error = "ERROR",
    }
}

impl ExportState {
    /// True when no more chunks will come. A word this version does not know is not an end.
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Finished | Self::Cancelled | Self::Error)
    }
}

appsec_core::open_enum! {
    /// Where a finding stands.
    pub enum FindingState {
        /// Found.
        Open = "OPEN",
        /// Found; a word of the vendor's data stream for the same.
        Active = "ACTIVE",
        /// Was fixed and is back.
        Reopened = "REOPENED",
        /// Fixed.
        Fixed = "FIXED",
    }
}

appsec_core::open_enum! {
    /// Whether a rule of the tenant's changed a finding's severity.
    pub enum SeverityChange {
        /// None did.
        None = "NONE",
        /// One set another severity.
        Recasted = "RECASTED",
        /// One accepts the risk.
        Accepted = "ACCEPTED",
    }
}

/// What to export.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExportRequest {
    /// How many assets a chunk covers: 50 to 5000; the service takes the nearer bound for anything else.
    pub num_assets: u32,
    /// Whether assets outside the licence are exported too.
    pub include_unlicensed: bool,
    /// Which findings.
    pub filters: ExportFilters,
}

impl ExportRequest {
    /// The time bound of [`ExportRequest::everything`], in seconds of Unix time (September 2001).
    ///
    /// Without a time bound only the last 30 days are exported. A number that is not 0, since unset numbers come back as 0, and
    /// always the same, so that equal questions are equal requests.
    pub const SINCE: i64 = 1_000_000_000;

    /// All findings in every state, of these assets or, where there are none, of the whole tenant.
    pub fn everything(mut assets: Vec<AssetId>) -> Self {
        assets.sort_unstable();
        assets.dedup();
        let state = [FindingState::Open, FindingState::Reopened, FindingState::Fixed];
        Self {
            num_assets: 500,
            include_unlicensed: true,
            filters: ExportFilters {
                state: state.map(Spelled::from).to_vec(),
                since: Some(Self::SINCE),
                asset_uuid: assets,
                ..ExportFilters::default()
            },
        }
    }
}

wire! {
    /// Which findings an export holds; in a job's status, what was asked for. Unset numbers come back as 0.
    #[derive(Default)]
    pub struct ExportFilters {
        /// The states.
        pub state: Vec<Spelled<FindingState>>,
        /// Seen since, or fixed since, in seconds of Unix time.
        pub since: Option<i64>,
        /// First found from then on.
        pub first_found: Option<i64>,
        /// Last found from then on.
        pub last_found: Option<i64>,
        /// Fixed from then on.
        pub last_fixed: Option<i64>,
        /// Stored from then on.
        pub indexed_at: Option<i64>,
        /// The severities.
        pub severity: Vec<Severity>,
        /// The assets; none means all.
        pub asset_uuid: Vec<AssetId>,
    }

    /// An export job.
    pub struct ExportStatus {
        /// Its id.
        pub uuid: Option<ExportId>,
        /// Where it stands.
        pub status: Option<Spelled<ExportState>>,
        /// What went wrong.
        pub reason: Option<String>,
        /// Chunks that can be fetched.
        pub chunks_available: Vec<ChunkId>,
        /// Chunks that could not be made.
        pub chunks_failed: Vec<ChunkId>,
        /// Chunks that were dropped after a failure or a cancellation.
        pub chunks_cancelled: Vec<ChunkId>,
        /// How many chunks there are in all.
        pub total_chunks: Option<u64>,
        /// How many can be fetched.
        pub chunks_available_count: Option<u64>,
        /// How many hold nothing.
        pub empty_chunks_count: Option<u64>,
        /// How many are done.
        pub finished_chunks: Option<u64>,
        /// What was asked for.
        pub filters: Option<ExportFilters>,
        /// How many assets a chunk covers.
        pub num_assets_per_chunk: Option<u64>,
        /// When it was asked for.
        pub created: Option<Moment>,
    }

    /// A finding of an export: the record of one weakness at one place, kept across scans.
    pub struct ExportFinding {
        /// Its long-lived id.
        pub finding_id: Option<String>,
        /// Where it is.
        pub url: Option<String>,
        /// What the vulnerable input is.
        pub input_type: Option<String>,
        /// The vulnerable input's name.
        pub input_name: Option<String>,
        /// The HTTP method (not seen so far).
        pub http_method: Option<String>,
        /// What the plugin printed, at most 1 MB.
        pub output: Option<String>,
        /// What of the answer proves it.
        pub proof: Option<String>,
        /// What was sent to provoke it.
        pub payload: Option<String>,
        /// Where it stands.
        pub state: Option<Spelled<FindingState>>,
        /// How grave it is now.
        pub severity: Option<Severity>,
        /// The same as a number, 0 (info) to 4 (critical).
        pub severity_id: Option<u64>,
        /// How grave it was before any rule changed it.
        pub severity_default_id: Option<u64>,
        /// Whether a rule changed it.
        pub severity_modification_type: Option<Spelled<SeverityChange>>,
        /// That rule's comment.
        pub recast_reason: Option<String>,
        /// That rule.
        pub recast_rule_uuid: Option<String>,
        /// When it was first found.
        pub first_found: Option<Moment>,
        /// When it was last found.
        pub last_found: Option<Moment>,
        /// When it was fixed.
        pub last_fixed: Option<Moment>,
        /// When it was last looked at.
        pub last_observed: Option<Moment>,
        /// When it was stored: text (observed; the vendor's document says a number).
        pub indexed_at: Option<Moment>,
        /// The plugin. Equal plugins of an export are one.
        pub plugin: Option<Arc<ExportPlugin>>,
        /// What was scanned.
        pub asset: Option<ExportAsset>,
        /// The latest scan that saw it.
        pub scan: Option<ExportScan>,
    }

    /// What was scanned.
    pub struct ExportAsset {
        /// The asset.
        pub uuid: Option<AssetId>,
        /// Its host name.
        pub fqdn: Option<String>,
        /// Its address.
        pub ipv4: Option<String>,
        /// Its addresses.
        pub ipv4s: Vec<String>,
    }

    /// The latest scan that saw a finding.
    pub struct ExportScan {
        /// Its id.
        pub uuid: Option<String>,
        /// The schedule that started it.
        pub schedule_uuid: Option<String>,
        /// When it began.
        pub started_at: Option<Moment>,
        /// When it ended.
        pub completed_at: Option<Moment>,
    }

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
        pub publication_date: Option<Moment>,
        /// When it was changed.
        pub modification_date: Option<Moment>,
        /// When the remedy was published.
        pub patch_publication_date: Option<Moment>,
        /// When the vulnerability was published.
        pub vuln_publication_date: Option<Moment>,
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
        pub cvss2_temporal_vector: Option<CvssVector>,
        /// CVSS 3 base score.
        pub cvss3_base_score: Option<f64>,
        /// CVSS 3 vector.
        pub cvss3_vector: Option<CvssVector>,
        /// CVSS 3 temporal score.
        pub cvss3_temporal_score: Option<f64>,
        /// CVSS 3 temporal vector; an empty object where there is none.
        pub cvss3_temporal_vector: Option<CvssVector>,
        /// CVSS 4 base score.
        pub cvss4_base_score: Option<f64>,
        /// CVSS 4 vector.
        pub cvss4_vector: Option<CvssVector>,
        /// CVSS 4 threat score and vector.
        pub cvss4_threat_vector: Option<ThreatVector>,
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
        pub workaround_published: Option<Moment>,
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

    /// A CVSS vector. What spells it out is in `extra`.
    pub struct CvssVector {
        /// The vector, verbatim.
        pub raw: Option<String>,
    }

    /// A CVSS 4 threat rating.
    pub struct ThreatVector {
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
        pub updated: Option<Moment>,
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
        pub age_of_vuln: BTreeMap<String, Value>,
        /// How recent the threat is, in days.
        pub threat_recency: BTreeMap<String, Value>,
    }
}

/// A reference to another list: an object (observed), or text (the vendor's document).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Xref {
    /// A list and the places in it.
    Places {
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
            Some(Self::Places { kind, id })
        });
        Ok(match (places, value) {
            (Some(places), _) => places,
            (None, Value::String(text)) => Self::Text(text),
            (None, other) => Self::Other(other),
        })
    }
}

by_serde!(Xref);
