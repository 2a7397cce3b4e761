//! The request of a findings export, checked by the rules of the service.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use appsec_core::{Error, ErrorKind, Result, Severity, Timestamp, Verbatim};
use serde::Serialize;
use serde_json::Value;

use super::export_records::{FindingState, SeverityModification};
use super::ids::{AssetId, PluginId};
use super::record;

/// The request of a findings export.
///
/// ```
/// use appsec_core::Severity;
/// use tenable_was_client::model::{ExportFilters, ExportRequest, FindingState, OwaspList, ScoreFilter};
///
/// let filters = ExportFilters::default()
///     .with_states([FindingState::Open, FindingState::Reopened])
///     .with_severities([Severity::High, Severity::Critical])
///     .with_last_found("2026-10-01T00:00:00Z".parse()?)
///     .with_owasp(OwaspList::Web2021, [1, 3])
///     .with_vpr_score(ScoreFilter::default().with_gte(7.0));
/// let request = ExportRequest::new(filters).with_num_assets(1000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ExportRequest {
    /// The number of assets in a chunk: 50 to 5000. The service replaces anything else by the nearer bound
    /// (vendor document).
    pub num_assets: u32,
    /// Whether unlicensed assets are included.
    pub include_unlicensed: bool,
    /// The members of the records to export, such as `asset.name`. An empty list means all.
    ///
    /// The vendor's Python library has this option and the vendor's document does not, so it probably
    /// works, and the valid names are not known. With any other member of the plugin, also list
    /// `plugin.id`: no plugin is decoded without it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
    /// The filters.
    pub filters: ExportFilters,
}

impl ExportRequest {
    /// The lower time bound of [`ExportRequest::everything`], in seconds since the Unix epoch (September
    /// 2001).
    ///
    /// Without a time bound only the last 30 days are exported. The number is not 0, because the service
    /// returns unset numbers as 0, and it is constant, so that two exports of the same findings have equal
    /// requests.
    pub const SINCE: i64 = 1_000_000_000;

    /// Creates a request for the findings of licensed assets that match the filters, with 500 assets in a
    /// chunk.
    ///
    /// Without a filter by time, only the last 30 days are exported. Without a filter by state, only open
    /// and reopened findings are exported, unless `since` is set (vendor document).
    pub fn new(filters: ExportFilters) -> Self {
        Self { num_assets: 500, include_unlicensed: false, properties: Vec::new(), filters }
    }

    /// Creates a request for all findings of the tenant in every state, including unlicensed assets.
    pub fn everything() -> Self {
        let state = [FindingState::Open, FindingState::Reopened, FindingState::Fixed];
        let filters = ExportFilters { since: Some(Self::SINCE), ..ExportFilters::default() };
        Self::new(filters.with_states(state)).with_unlicensed(true)
    }

    /// Sets the number of assets in a chunk.
    pub fn with_num_assets(mut self, assets: u32) -> Self {
        self.num_assets = assets;
        self
    }

    /// Sets whether unlicensed assets are included.
    pub fn with_unlicensed(mut self, yes: bool) -> Self {
        self.include_unlicensed = yes;
        self
    }

    /// Sets the members of the records to export; see [`properties`](Self::properties).
    pub fn with_properties(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.properties = names.into_iter().map(Into::into).collect();
        self
    }

    /// Exports only findings of these assets. An empty list is refused before anything is sent: the service
    /// may treat it as all assets (assumed).
    pub fn with_assets(mut self, assets: impl IntoIterator<Item = AssetId>) -> Self {
        self.filters = self.filters.with_assets(assets);
        self
    }

    /// Checks the rules of the service.
    ///
    /// # Errors
    /// `InvalidRequest` with the violated rule.
    pub(crate) fn check(&self) -> Result<()> {
        if !(50..=5000).contains(&self.num_assets) {
            return Err(invalid("a chunk covers 50 to 5000 assets"));
        }
        self.filters.check()
    }
}

record! {
    /// The filters of an export: in a request, or in the status of a job. An exported finding matches all
    /// of them.
    ///
    /// A filter that is not set is `None`. An empty list is refused before anything is sent: the service
    /// may treat it as no filter at all (assumed). In a job's status, unset numbers are returned as 0.
    #[derive(Default)]
    pub struct ExportFilters {
        /// The states: `OPEN`, `REOPENED`, `FIXED`. The default is open and reopened, or all three with
        /// `since`.
        pub state: Option<Vec<Verbatim<FindingState>>>,
        /// Found since then, or fixed since then if fixed, in seconds since the Unix epoch. Not together
        /// with `first_found`, `last_found` or `last_fixed`.
        pub since: Option<i64>,
        /// First found since then. Requires `state`, as the next two do.
        pub first_found: Option<i64>,
        /// Last found since then.
        pub last_found: Option<i64>,
        /// Fixed since then.
        pub last_fixed: Option<i64>,
        /// Indexed since then.
        pub indexed_at: Option<i64>,
        /// The severities.
        pub severity: Option<Vec<Verbatim<Severity>>>,
        /// Whether a rule of the tenant changed the severity.
        pub severity_modification_type: Option<Vec<Verbatim<SeverityModification>>>,
        /// The assets.
        pub asset_uuid: Option<Vec<AssetId>>,
        /// The name of an asset.
        pub asset_name: Option<String>,
        /// IP addresses of assets.
        pub ipv4s: Option<Vec<String>>,
        /// The plugins.
        pub plugin_ids: Option<Vec<PluginId>>,
        /// Categories of the OWASP Top Ten 2010, `A1` to `A10`.
        pub owasp_2010: Option<Vec<String>>,
        /// Categories of the OWASP Top Ten 2013, `A1` to `A10`.
        pub owasp_2013: Option<Vec<String>>,
        /// Categories of the OWASP Top Ten 2017, `A1` to `A10`.
        pub owasp_2017: Option<Vec<String>>,
        /// Categories of the OWASP Top Ten 2021, `A1` to `A10`.
        pub owasp_2021: Option<Vec<String>>,
        /// Categories of the OWASP API Top Ten 2019, `API1` to `API10`.
        pub owasp_api_2019: Option<Vec<String>>,
        /// The CVSS 4 base score, 0 to 10.
        pub cvss4_base_score: Option<ScoreFilter>,
        /// The vendor's priority rating, 0.1 to 10.
        pub vpr_score: Option<ScoreFilter>,
        /// The vendor's priority rating by the previous model, 0.1 to 10; deprecated by the vendor.
        pub vpr_v2_score: Option<ScoreFilter>,
        /// The probability of exploitation, 0 to 100; no effect for web applications so far (vendor
        /// document).
        pub epss_score: Option<ScoreFilter>,
    }

    /// A filter of scores. `eq` cannot be combined with the four bounds.
    #[derive(Default)]
    pub struct ScoreFilter {
        /// Equal to one of these.
        pub eq: Vec<f64>,
        /// Equal to none of these.
        pub neq: Vec<f64>,
        /// Above this score.
        pub gt: Option<f64>,
        /// This score or above.
        pub gte: Option<f64>,
        /// Below this score.
        pub lt: Option<f64>,
        /// This score or below.
        pub lte: Option<f64>,
    }
}

/// An OWASP Top Ten that findings can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwaspList {
    /// The Top Ten of 2010.
    Web2010,
    /// The Top Ten of 2013.
    Web2013,
    /// The Top Ten of 2017.
    Web2017,
    /// The Top Ten of 2021.
    Web2021,
    /// The API Top Ten of 2019.
    Api2019,
}

impl ExportFilters {
    /// Exports only findings in these states.
    pub fn with_states(mut self, states: impl IntoIterator<Item = FindingState>) -> Self {
        self.state = Some(states.into_iter().map(Verbatim::from).collect());
        self
    }

    /// Exports only findings of these severities.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        // Upper case here (vendor document).
        let upper_case = |severity: Severity| Verbatim::new(&severity.as_str().to_uppercase());
        self.severity = Some(severities.into_iter().map(upper_case).collect());
        self
    }

    /// Exports only findings whose severity was modified in one of these ways, or not.
    pub fn with_severity_modifications(
        mut self,
        changes: impl IntoIterator<Item = SeverityModification>,
    ) -> Self {
        self.severity_modification_type = Some(changes.into_iter().map(Verbatim::from).collect());
        self
    }

    /// Exports only findings found since then; fixed findings only if they were fixed since then.
    pub fn with_since(mut self, since: Timestamp) -> Self {
        self.since = Some(since.as_second());
        self
    }

    /// Exports only findings first found since then.
    pub fn with_first_found(mut self, from: Timestamp) -> Self {
        self.first_found = Some(from.as_second());
        self
    }

    /// Exports only findings last found since then.
    pub fn with_last_found(mut self, from: Timestamp) -> Self {
        self.last_found = Some(from.as_second());
        self
    }

    /// Exports only findings fixed since then.
    pub fn with_last_fixed(mut self, from: Timestamp) -> Self {
        self.last_fixed = Some(from.as_second());
        self
    }

    /// Exports only findings indexed since then.
    pub fn with_indexed_at(mut self, from: Timestamp) -> Self {
        self.indexed_at = Some(from.as_second());
        self
    }

    /// Exports only findings of these assets. Order and duplicates do not matter.
    pub fn with_assets(mut self, assets: impl IntoIterator<Item = AssetId>) -> Self {
        let mut assets: Vec<AssetId> = assets.into_iter().collect();
        // Two exports of the same assets must have equal requests.
        assets.sort_unstable();
        assets.dedup();
        self.asset_uuid = Some(assets);
        self
    }

    /// Exports only findings of the asset with this name.
    pub fn with_asset_name(mut self, name: impl Into<String>) -> Self {
        self.asset_name = Some(name.into());
        self
    }

    /// Exports only findings of assets with one of these IP addresses.
    pub fn with_ipv4s(mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        self.ipv4s = Some(addresses.into_iter().map(|address| address.to_string()).collect());
        self
    }

    /// Exports only findings of these plugins.
    pub fn with_plugins(mut self, plugins: impl IntoIterator<Item = PluginId>) -> Self {
        self.plugin_ids = Some(plugins.into_iter().collect());
        self
    }

    /// Exports only findings in these categories, 1 to 10, of a Top Ten.
    pub fn with_owasp(mut self, list: OwaspList, categories: impl IntoIterator<Item = u8>) -> Self {
        let (filter, letters) = match list {
            OwaspList::Web2010 => (&mut self.owasp_2010, "A"),
            OwaspList::Web2013 => (&mut self.owasp_2013, "A"),
            OwaspList::Web2017 => (&mut self.owasp_2017, "A"),
            OwaspList::Web2021 => (&mut self.owasp_2021, "A"),
            OwaspList::Api2019 => (&mut self.owasp_api_2019, "API"),
        };
        *filter = Some(categories.into_iter().map(|category| format!("{letters}{category}")).collect());
        self
    }

    /// Exports only findings with such a CVSS 4 base score, 0 to 10.
    pub fn with_cvss4_base_score(mut self, score: ScoreFilter) -> Self {
        self.cvss4_base_score = Some(score);
        self
    }

    /// Exports only findings with such a priority rating, 0.1 to 10.
    pub fn with_vpr_score(mut self, score: ScoreFilter) -> Self {
        self.vpr_score = Some(score);
        self
    }

    /// Exports only findings with such a priority rating by the previous model, 0.1 to 10. Deprecated by
    /// the vendor.
    pub fn with_vpr_v2_score(mut self, score: ScoreFilter) -> Self {
        self.vpr_v2_score = Some(score);
        self
    }

    /// Exports only findings with such a probability of exploitation, 0 to 100. No effect for web
    /// applications so far (vendor document).
    pub fn with_epss_score(mut self, score: ScoreFilter) -> Self {
        self.epss_score = Some(score);
        self
    }

    fn check(&self) -> Result<()> {
        let has_exact_time = [self.first_found, self.last_found, self.last_fixed].iter().any(Option::is_some);
        if has_exact_time && self.since.is_some() {
            return Err(invalid("since cannot be combined with first_found, last_found or last_fixed"));
        }
        if has_exact_time && self.state.is_none() {
            return Err(invalid("first_found, last_found and last_fixed require a filter by state"));
        }
        let times = [self.since, self.first_found, self.last_found, self.last_fixed, self.indexed_at];
        if times.into_iter().flatten().any(|time| time <= 0) {
            return Err(invalid("a time must be after the start of 1970: the service treats 0 as unset"));
        }
        let states = self.state.iter().flatten();
        if states.into_iter().any(|state| *state == FindingState::Active) {
            return Err(invalid("the state ACTIVE does not exist in exports: use OPEN"));
        }
        self.check_lists()?;
        let owasp = [
            (&self.owasp_2010, "A"),
            (&self.owasp_2013, "A"),
            (&self.owasp_2017, "A"),
            (&self.owasp_2021, "A"),
            (&self.owasp_api_2019, "API"),
        ];
        let is_category =
            |letters: &str, category: &str| (1..=10).any(|number| category == format!("{letters}{number}"));
        for (categories, letters) in owasp {
            if let Some(category) =
                categories.iter().flatten().find(|category| !is_category(letters, category))
            {
                return Err(invalid(&format!(
                    "{category:?} is not one of the categories {letters}1 to {letters}10"
                )));
            }
        }
        for (name, score, bounds) in [
            ("cvss4_base_score", &self.cvss4_base_score, 0.0..=10.0),
            ("vpr_score", &self.vpr_score, 0.1..=10.0),
            ("vpr_v2_score", &self.vpr_v2_score, 0.1..=10.0),
            ("epss_score", &self.epss_score, 0.0..=100.0),
        ] {
            score.as_ref().map_or(Ok(()), |score| score.check(name, &bounds))?;
        }
        Ok(())
    }

    /// Checks that no list that is set is empty.
    fn check_lists(&self) -> Result<()> {
        let filters = serde_json::to_value(self).unwrap_or_default();
        let mut lists = filters.as_object().into_iter().flatten();
        match lists.find(|(_, list)| list.as_array().is_some_and(Vec::is_empty)) {
            Some((name, _)) => {
                Err(invalid(&format!("{name} is an empty list, which the service may treat as no filter")))
            }
            None => Ok(()),
        }
    }

    /// Returns the filters in a normal form for comparison: upper case, sorted lists, and no empty values.
    ///
    /// The service returns an unset number as 0, so an `echoed` 0 is dropped and a requested 0 is kept.
    pub(crate) fn normalized(&self, echoed: bool) -> Value {
        let mut filters = serde_json::to_value(self).unwrap_or_default();
        // A list of all severities is no restriction.
        let named = self.severity.iter().flatten().map(Verbatim::value);
        if Severity::WORST_FIRST.iter().all(|severity| named.clone().any(|one| one == severity))
            && let Some(filters) = filters.as_object_mut()
        {
            filters.remove("severity");
        }
        normalize(filters, echoed)
    }
}

fn normalize(value: Value, echoed: bool) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, normalize(value, echoed)));
            let members: serde_json::Map<_, _> = members.filter(|(_, value)| !value.is_null()).collect();
            if members.is_empty() { Value::Null } else { members.into() }
        }
        Value::Array(items) => {
            let mut items: Vec<String> =
                items.into_iter().map(|item| normalize(item, false).to_string()).collect();
            items.sort_unstable();
            items.dedup();
            if items.is_empty() { Value::Null } else { items.into() }
        }
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => text.to_uppercase().into(),
        Value::Number(number) if echoed && number.as_f64() == Some(0.0) => Value::Null,
        Value::Number(number) => number.as_f64().into(),
        Value::Bool(false) => Value::Null,
        other => other,
    }
}

impl ScoreFilter {
    /// Matches these scores.
    pub fn with_eq(mut self, scores: impl IntoIterator<Item = f64>) -> Self {
        self.eq = scores.into_iter().collect();
        self
    }

    /// Excludes these scores.
    pub fn with_neq(mut self, scores: impl IntoIterator<Item = f64>) -> Self {
        self.neq = scores.into_iter().collect();
        self
    }

    /// Matches scores above this one.
    pub fn with_gt(mut self, score: f64) -> Self {
        self.gt = Some(score);
        self
    }

    /// Matches this score and scores above.
    pub fn with_gte(mut self, score: f64) -> Self {
        self.gte = Some(score);
        self
    }

    /// Matches scores below this one.
    pub fn with_lt(mut self, score: f64) -> Self {
        self.lt = Some(score);
        self
    }

    /// Matches this score and scores below.
    pub fn with_lte(mut self, score: f64) -> Self {
        self.lte = Some(score);
        self
    }

    fn check(&self, name: &str, bounds: &RangeInclusive<f64>) -> Result<()> {
        let range = [self.gt, self.gte, self.lt, self.lte];
        if !self.eq.is_empty() && range.iter().any(Option::is_some) {
            return Err(invalid(&format!("{name}: eq cannot be combined with gt, gte, lt or lte")));
        }
        if self.eq.is_empty() && self.neq.is_empty() && range.iter().all(Option::is_none) {
            return Err(invalid(&format!("{name} has no bound, which the service may treat as no filter")));
        }
        let mut scores = self.eq.iter().chain(&self.neq).chain(range.iter().flatten());
        match scores.find(|score| !bounds.contains(score)) {
            Some(score) => {
                Err(invalid(&format!("{name}: {score} is not within {} to {}", bounds.start(), bounds.end())))
            }
            None => Ok(()),
        }
    }
}

fn invalid(rule: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, rule)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn with_state() -> ExportFilters {
        ExportFilters::default().with_states([FindingState::Open])
    }

    #[test]
    fn every_filter_is_serialized_as_documented() {
        let asset: AssetId = "77778888-9999-4aaa-8bbb-ccccddddeeee".parse().unwrap();
        let score =
            ScoreFilter::default().with_neq([2.0]).with_gt(0.5).with_gte(1.0).with_lt(9.5).with_lte(9.0);
        let filters = with_state()
            .with_severities([Severity::High])
            .with_severity_modifications([SeverityModification::None, SeverityModification::Accepted])
            .with_first_found(at("2020-09-13T12:26:40Z"))
            .with_last_found(at("2020-09-13T12:26:41.9Z"))
            .with_last_fixed(at("2020-09-13T12:26:42Z"))
            .with_indexed_at(at("2020-09-13T12:26:43Z"))
            .with_assets([asset, asset])
            .with_asset_name("shop.example.com")
            .with_ipv4s([Ipv4Addr::new(192, 0, 2, 10)])
            .with_plugins([PluginId(98104)])
            .with_owasp(OwaspList::Web2010, [1])
            .with_owasp(OwaspList::Web2013, [2])
            .with_owasp(OwaspList::Web2017, [3])
            .with_owasp(OwaspList::Web2021, [4, 10])
            .with_owasp(OwaspList::Api2019, [5])
            .with_cvss4_base_score(score.clone())
            .with_vpr_score(ScoreFilter::default().with_eq([2.0]).with_neq([3.0]))
            .with_vpr_v2_score(ScoreFilter::default().with_gte(0.1))
            .with_epss_score(ScoreFilter::default().with_gt(99.0));
        let request = ExportRequest::new(filters).with_properties(["asset.name"]);
        request.check().unwrap();
        assert_eq!(
            serde_json::to_value(&request).unwrap(),
            json!({"num_assets": 500, "include_unlicensed": false, "properties": ["asset.name"], "filters": {
                "state": ["OPEN"], "severity": ["HIGH"], "severity_modification_type": ["NONE", "ACCEPTED"],
                "first_found": 1_600_000_000, "last_found": 1_600_000_001, "last_fixed": 1_600_000_002,
                "indexed_at": 1_600_000_003, "asset_uuid": [asset], "asset_name": "shop.example.com",
                "ipv4s": ["192.0.2.10"], "plugin_ids": [98104], "owasp_2010": ["A1"], "owasp_2013": ["A2"],
                "owasp_2017": ["A3"], "owasp_2021": ["A4", "A10"], "owasp_api_2019": ["API5"],
                "cvss4_base_score": {"neq": [2.0], "gt": 0.5, "gte": 1.0, "lt": 9.5, "lte": 9.0},
                "vpr_score": {"eq": [2.0], "neq": [3.0]}, "vpr_v2_score": {"gte": 0.1}, "epss_score": {"gt": 99.0}}})
        );
    }

    #[test]
    fn requests_that_break_a_rule_of_the_service_are_refused() {
        let now = at("2026-10-01T00:00:00Z");
        let score = |score: ScoreFilter| ExportFilters::default().with_vpr_score(score);
        let none = ScoreFilter::default;
        for (filters, rule) in vec![
            (with_state().with_since(now).with_first_found(now), "since cannot be combined with"),
            (with_state().with_since(now).with_last_found(now), "since cannot be combined with"),
            (with_state().with_since(now).with_last_fixed(now), "since cannot be combined with"),
            (ExportFilters::default().with_first_found(now), "require a filter by state"),
            (ExportFilters::default().with_last_found(now), "require a filter by state"),
            (ExportFilters::default().with_last_fixed(now), "require a filter by state"),
            (with_state().with_last_found(at("1970-01-01T00:00:00Z")), "treats 0 as unset"),
            (ExportFilters::default().with_indexed_at(at("1969-12-31T00:00:00Z")), "treats 0 as unset"),
            (ExportFilters::default().with_states([FindingState::Active]), "ACTIVE"),
            (ExportFilters::default().with_states([]), "state is an empty list"),
            (ExportFilters::default().with_severities([]), "severity is an empty list"),
            (ExportFilters::default().with_assets([]), "asset_uuid is an empty list"),
            (ExportFilters::default().with_plugins([]), "plugin_ids is an empty list"),
            (ExportFilters::default().with_ipv4s([]), "ipv4s is an empty list"),
            (ExportFilters::default().with_owasp(OwaspList::Web2017, []), "owasp_2017 is an empty list"),
            (
                ExportFilters::default().with_owasp(OwaspList::Web2017, [0]),
                "\"A0\" is not one of the categories A1 to A10",
            ),
            (
                ExportFilters::default().with_owasp(OwaspList::Api2019, [11]),
                "\"API11\" is not one of the categories",
            ),
            (ExportFilters { owasp_2021: Some(vec!["A03".to_owned()]), ..with_state() }, "\"A03\""),
            (score(none()), "vpr_score has no bound"),
            (score(none().with_eq([5.0]).with_gte(5.0)), "eq cannot be combined with"),
            (score(none().with_eq([0.0])), "0 is not within 0.1 to 10"),
            (score(none().with_neq([10.1])), "10.1 is not within"),
            (score(none().with_gt(-1.0)), "-1 is not within"),
            (score(none().with_lte(f64::NAN)), "NaN is not within"),
            (ExportFilters::default().with_vpr_v2_score(none().with_gte(0.0)), "vpr_v2_score: 0"),
            (ExportFilters::default().with_cvss4_base_score(none().with_gte(10.5)), "cvss4_base_score: 10.5"),
            (ExportFilters::default().with_epss_score(none().with_lt(100.5)), "within 0 to 100"),
        ] {
            let error = ExportRequest::new(filters).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRequest, "{rule}");
            assert!(error.message().contains(rule), "{} is not {rule:?}", error.message());
        }
        for filters in [
            ExportFilters::default(),
            ExportFilters::default().with_since(now),
            ExportFilters::default().with_indexed_at(now),
            with_state().with_since(now).with_indexed_at(now),
            with_state().with_first_found(now).with_last_found(now).with_last_fixed(now),
            score(none().with_eq([0.1, 10.0]).with_neq([5.0])),
            score(none().with_gt(0.1).with_lt(10.0).with_neq([5.0])),
            ExportFilters::default().with_cvss4_base_score(none().with_gte(0.0)),
        ] {
            ExportRequest::new(filters.clone())
                .check()
                .unwrap_or_else(|error| panic!("{filters:?}: {error}"));
        }
        for (assets, fits) in [(49, false), (50, true), (5000, true), (5001, false)] {
            assert_eq!(ExportRequest::everything().with_num_assets(assets).check().is_ok(), fits, "{assets}");
        }
        assert!(
            ExportRequest::everything().with_assets([]).check().is_err(),
            "an empty list of assets does not mean all assets"
        );
    }

    #[test]
    fn filters_are_compared_in_a_normal_form() {
        let ours = with_state()
            .with_vpr_score(ScoreFilter::default().with_gte(7.0))
            .with_plugins([PluginId(2), PluginId(1)]);
        let echo = |value: Value| serde_json::from_value::<ExportFilters>(value).unwrap().normalized(true);
        let equal = json!({"state": ["open"], "since": 0, "last_found": 0, "plugin_ids": [1, 2], "asset_name": "",
            "vpr_score": {"eq": [], "gt": 0, "gte": 7, "lt": 0}, "epss_score": {"gt": 0}, "ipv4s": [], "new": {"a": [], "b": false}});
        assert_eq!(ours.normalized(false), echo(equal.clone()));
        for (name, value) in
            [("plugin_ids", json!([1])), ("vpr_score", json!({"gte": 6})), ("new", json!("x"))]
        {
            let mut other = equal.clone();
            other[name] = value;
            assert_ne!(ours.normalized(false), echo(other), "{name}");
        }
        let zero = ExportFilters::default().with_cvss4_base_score(ScoreFilter::default().with_gte(0.0));
        assert_ne!(
            zero.normalized(false),
            echo(json!({"cvss4_base_score": {"gte": 0}})),
            "an unset bound looks the same"
        );
    }
}
