//! What an export is asked for, and the rules of the service that are kept before it is.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use appsec_core::{Error, ErrorKind, Result, Severity, Timestamp, Verbatim};
use serde::Serialize;
use serde_json::Value;

use super::export_records::{FindingState, SeverityModification};
use super::ids::{AssetId, PluginId};
use super::record;

/// What to export.
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
    /// How many assets a chunk covers: 50 to 5000. The service would take the nearer bound for anything else (vendor document).
    pub num_assets: u32,
    /// Whether assets outside the licence are exported too.
    pub include_unlicensed: bool,
    /// The only members of the records to export, as in `asset.name`; none means all.
    ///
    /// Likely, and not proven: the vendor's Python library has it and the vendor's document has not, so the legal names are not known. Name
    /// `plugin.id` with any other member of the plugin, without which no plugin is decoded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<String>,
    /// Which findings.
    pub filters: ExportFilters,
}

impl ExportRequest {
    /// The time bound of [`ExportRequest::everything`], in seconds of Unix time (September 2001).
    ///
    /// Without a time bound only the last 30 days are exported. A number that is not 0, since unset numbers come back as 0, and
    /// always the same, so that equal questions are equal requests.
    pub const SINCE: i64 = 1_000_000_000;

    /// The findings that the filters let through, of licensed assets, 500 of them in a chunk.
    ///
    /// Where the filters name no time, only the last 30 days are exported; where they name no state, only what is open or reopened, unless
    /// `since` is set (vendor document).
    pub fn new(filters: ExportFilters) -> Self {
        Self { num_assets: 500, include_unlicensed: false, properties: Vec::new(), filters }
    }

    /// All findings of the tenant in every state, of assets outside the licence too.
    pub fn everything() -> Self {
        let state = [FindingState::Open, FindingState::Reopened, FindingState::Fixed];
        let filters = ExportFilters { since: Some(Self::SINCE), ..ExportFilters::default() };
        Self::new(filters.with_states(state)).with_unlicensed(true)
    }

    /// Sets how many assets a chunk covers.
    pub fn with_num_assets(mut self, assets: u32) -> Self {
        self.num_assets = assets;
        self
    }

    /// Sets whether assets outside the licence are exported too.
    pub fn with_unlicensed(mut self, yes: bool) -> Self {
        self.include_unlicensed = yes;
        self
    }

    /// Sets the only members of the records to export; see [`properties`](Self::properties).
    pub fn with_properties(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.properties = names.into_iter().map(Into::into).collect();
        self
    }

    /// Only findings of these assets. None at all is refused before anything is sent: the service may take it for every asset (assumed).
    pub fn with_assets(mut self, assets: impl IntoIterator<Item = AssetId>) -> Self {
        self.filters = self.filters.with_assets(assets);
        self
    }

    /// Keeps the service's rules.
    ///
    /// # Errors
    /// `InvalidRequest` with the rule that is broken.
    pub(crate) fn check(&self) -> Result<()> {
        if !(50..=5000).contains(&self.num_assets) {
            return Err(refused("a chunk covers 50 to 5000 assets"));
        }
        self.filters.check()
    }
}

record! {
    /// Which findings an export holds; in a job's status, what was asked for. All filters together must let a finding through.
    ///
    /// A filter that is not set is `None`. One that is set to an empty list is refused before anything is sent: the service may take it for
    /// none at all (assumed). In a job's status unset numbers come back as 0.
    #[derive(Default)]
    pub struct ExportFilters {
        /// The states: `OPEN`, `REOPENED`, `FIXED`. Open and reopened where nothing is said, all three with `since`.
        pub state: Option<Vec<Verbatim<FindingState>>>,
        /// Seen since, or fixed since where fixed, in seconds of Unix time. Not together with `first_found`, `last_found` or `last_fixed`.
        pub since: Option<i64>,
        /// First found from then on. It needs `state`, as the next two do.
        pub first_found: Option<i64>,
        /// Last found from then on.
        pub last_found: Option<i64>,
        /// Fixed from then on.
        pub last_fixed: Option<i64>,
        /// Stored from then on.
        pub indexed_at: Option<i64>,
        /// The severities.
        pub severity: Option<Vec<Verbatim<Severity>>>,
        /// Whether a rule of the tenant's changed the severity.
        pub severity_modification_type: Option<Vec<Verbatim<SeverityModification>>>,
        /// The assets.
        pub asset_uuid: Option<Vec<AssetId>>,
        /// The name of an asset.
        pub asset_name: Option<String>,
        /// Addresses of assets.
        pub ipv4s: Option<Vec<String>>,
        /// The plugins.
        pub plugin_ids: Option<Vec<PluginId>>,
        /// Places in OWASP's list of 2010, `A1` to `A10`.
        pub owasp_2010: Option<Vec<String>>,
        /// Places in OWASP's list of 2013, `A1` to `A10`.
        pub owasp_2013: Option<Vec<String>>,
        /// Places in OWASP's list of 2017, `A1` to `A10`.
        pub owasp_2017: Option<Vec<String>>,
        /// Places in OWASP's list of 2021, `A1` to `A10`.
        pub owasp_2021: Option<Vec<String>>,
        /// Places in OWASP's list of APIs of 2019, `API1` to `API10`.
        pub owasp_api_2019: Option<Vec<String>>,
        /// The CVSS 4 base score, 0 to 10.
        pub cvss4_base_score: Option<ScoreFilter>,
        /// The vendor's own rating, 0.1 to 10.
        pub vpr_score: Option<ScoreFilter>,
        /// The vendor's own rating by the model of before, 0.1 to 10; deprecated by the vendor.
        pub vpr_v2_score: Option<ScoreFilter>,
        /// The probability of exploitation, 0 to 100; without effect on web applications so far (vendor document).
        pub epss_score: Option<ScoreFilter>,
    }

    /// Which scores. `eq` does not go with the four bounds.
    #[derive(Default)]
    pub struct ScoreFilter {
        /// One of these.
        pub eq: Vec<f64>,
        /// None of these.
        pub neq: Vec<f64>,
        /// Above.
        pub gt: Option<f64>,
        /// From.
        pub gte: Option<f64>,
        /// Below.
        pub lt: Option<f64>,
        /// Up to.
        pub lte: Option<f64>,
    }
}

/// One of OWASP's lists that findings can be exported by.
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
    /// The Top Ten of APIs of 2019.
    Api2019,
}

impl ExportFilters {
    /// Only findings in these states.
    pub fn with_states(mut self, states: impl IntoIterator<Item = FindingState>) -> Self {
        self.state = Some(states.into_iter().map(Verbatim::from).collect());
        self
    }

    /// Only findings of these severities.
    pub fn with_severities(mut self, severities: impl IntoIterator<Item = Severity>) -> Self {
        // The document spells them in upper case here.
        let spelled = |severity: Severity| Verbatim::new(&severity.as_str().to_uppercase());
        self.severity = Some(severities.into_iter().map(spelled).collect());
        self
    }

    /// Only findings whose severity was so changed, or not changed.
    pub fn with_severity_modifications(
        mut self,
        changes: impl IntoIterator<Item = SeverityModification>,
    ) -> Self {
        self.severity_modification_type = Some(changes.into_iter().map(Verbatim::from).collect());
        self
    }

    /// Only findings seen since then, and fixed ones fixed since then.
    pub fn with_since(mut self, since: Timestamp) -> Self {
        self.since = Some(since.as_second());
        self
    }

    /// Only findings first found from then on.
    pub fn with_first_found(mut self, from: Timestamp) -> Self {
        self.first_found = Some(from.as_second());
        self
    }

    /// Only findings last found from then on.
    pub fn with_last_found(mut self, from: Timestamp) -> Self {
        self.last_found = Some(from.as_second());
        self
    }

    /// Only findings fixed from then on.
    pub fn with_last_fixed(mut self, from: Timestamp) -> Self {
        self.last_fixed = Some(from.as_second());
        self
    }

    /// Only findings stored from then on.
    pub fn with_indexed_at(mut self, from: Timestamp) -> Self {
        self.indexed_at = Some(from.as_second());
        self
    }

    /// Only findings of these assets. Their order and repetitions do not matter.
    pub fn with_assets(mut self, assets: impl IntoIterator<Item = AssetId>) -> Self {
        let mut assets: Vec<AssetId> = assets.into_iter().collect();
        // Equal questions are to be equal requests.
        assets.sort_unstable();
        assets.dedup();
        self.asset_uuid = Some(assets);
        self
    }

    /// Only findings of the asset of that name.
    pub fn with_asset_name(mut self, name: impl Into<String>) -> Self {
        self.asset_name = Some(name.into());
        self
    }

    /// Only findings of assets with one of these addresses.
    pub fn with_ipv4s(mut self, addresses: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        self.ipv4s = Some(addresses.into_iter().map(|address| address.to_string()).collect());
        self
    }

    /// Only findings of these plugins.
    pub fn with_plugins(mut self, plugins: impl IntoIterator<Item = PluginId>) -> Self {
        self.plugin_ids = Some(plugins.into_iter().collect());
        self
    }

    /// Only findings at these places of a list, 1 to 10.
    pub fn with_owasp(mut self, list: OwaspList, places: impl IntoIterator<Item = u8>) -> Self {
        let (filter, letters) = match list {
            OwaspList::Web2010 => (&mut self.owasp_2010, "A"),
            OwaspList::Web2013 => (&mut self.owasp_2013, "A"),
            OwaspList::Web2017 => (&mut self.owasp_2017, "A"),
            OwaspList::Web2021 => (&mut self.owasp_2021, "A"),
            OwaspList::Api2019 => (&mut self.owasp_api_2019, "API"),
        };
        *filter = Some(places.into_iter().map(|place| format!("{letters}{place}")).collect());
        self
    }

    /// Only findings with such a CVSS 4 base score, 0 to 10.
    pub fn with_cvss4_base_score(mut self, score: ScoreFilter) -> Self {
        self.cvss4_base_score = Some(score);
        self
    }

    /// Only findings with such a rating by the vendor, 0.1 to 10.
    pub fn with_vpr_score(mut self, score: ScoreFilter) -> Self {
        self.vpr_score = Some(score);
        self
    }

    /// Only findings with such a rating by the vendor's model of before, 0.1 to 10. Deprecated by the vendor.
    pub fn with_vpr_v2_score(mut self, score: ScoreFilter) -> Self {
        self.vpr_v2_score = Some(score);
        self
    }

    /// Only findings with such a probability of exploitation, 0 to 100. Without effect on web applications so far (vendor document).
    pub fn with_epss_score(mut self, score: ScoreFilter) -> Self {
        self.epss_score = Some(score);
        self
    }

    fn check(&self) -> Result<()> {
        let precise = [self.first_found, self.last_found, self.last_fixed].iter().any(Option::is_some);
        if precise && self.since.is_some() {
            return Err(refused("since does not go with first_found, last_found and last_fixed"));
        }
        if precise && self.state.is_none() {
            return Err(refused("first_found, last_found and last_fixed need the states to export"));
        }
        let times = [self.since, self.first_found, self.last_found, self.last_fixed, self.indexed_at];
        if times.into_iter().flatten().any(|time| time <= 0) {
            return Err(refused("a time lies after the beginning of 1970: the service takes 0 for none"));
        }
        let states = self.state.iter().flatten();
        if states.into_iter().any(|state| *state == FindingState::Active) {
            return Err(refused("no export knows the state ACTIVE: OPEN is the word for it"));
        }
        self.check_lists()?;
        let owasp = [
            (&self.owasp_2010, "A"),
            (&self.owasp_2013, "A"),
            (&self.owasp_2017, "A"),
            (&self.owasp_2021, "A"),
            (&self.owasp_api_2019, "API"),
        ];
        let is_place =
            |letters: &str, place: &str| (1..=10).any(|number| place == format!("{letters}{number}"));
        for (places, letters) in owasp {
            if let Some(place) = places.iter().flatten().find(|place| !is_place(letters, place)) {
                return Err(refused(&format!("{place:?} is none of the places {letters}1 to {letters}10")));
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

    /// Lists that are set have something in them.
    fn check_lists(&self) -> Result<()> {
        let filters = serde_json::to_value(self).unwrap_or_default();
        let mut lists = filters.as_object().into_iter().flatten();
        match lists.find(|(_, list)| list.as_array().is_some_and(Vec::is_empty)) {
            Some((name, _)) => {
                Err(refused(&format!("{name} is an empty list, which may be taken for no filter")))
            }
            None => Ok(()),
        }
    }

    /// What is asked for, whatever its form: words in one case, lists in one order, and nothing where nothing is said.
    ///
    /// The service echoes a number that is not set as 0, so that its 0 says nothing; a 0 of our own is said.
    pub(crate) fn essence(&self, echoed: bool) -> Value {
        let mut filters = serde_json::to_value(self).unwrap_or_default();
        // All severities are no restriction, whether they are named or not.
        let named = self.severity.iter().flatten().map(Verbatim::value);
        if Severity::WORST_FIRST.iter().all(|severity| named.clone().any(|one| one == severity))
            && let Some(filters) = filters.as_object_mut()
        {
            filters.remove("severity");
        }
        essence(filters, echoed)
    }
}

fn essence(value: Value, echoed: bool) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, essence(value, echoed)));
            let members: serde_json::Map<_, _> = members.filter(|(_, value)| !value.is_null()).collect();
            if members.is_empty() { Value::Null } else { members.into() }
        }
        Value::Array(items) => {
            let mut items: Vec<String> =
                items.into_iter().map(|item| essence(item, false).to_string()).collect();
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
    /// One of these scores.
    pub fn with_eq(mut self, scores: impl IntoIterator<Item = f64>) -> Self {
        self.eq = scores.into_iter().collect();
        self
    }

    /// None of these scores.
    pub fn with_neq(mut self, scores: impl IntoIterator<Item = f64>) -> Self {
        self.neq = scores.into_iter().collect();
        self
    }

    /// Above that score.
    pub fn with_gt(mut self, score: f64) -> Self {
        self.gt = Some(score);
        self
    }

    /// That score, or above.
    pub fn with_gte(mut self, score: f64) -> Self {
        self.gte = Some(score);
        self
    }

    /// Below that score.
    pub fn with_lt(mut self, score: f64) -> Self {
        self.lt = Some(score);
        self
    }

    /// That score, or below.
    pub fn with_lte(mut self, score: f64) -> Self {
        self.lte = Some(score);
        self
    }

    fn check(&self, name: &str, bounds: &RangeInclusive<f64>) -> Result<()> {
        let range = [self.gt, self.gte, self.lt, self.lte];
        if !self.eq.is_empty() && range.iter().any(Option::is_some) {
            return Err(refused(&format!("{name}: eq does not go with gt, gte, lt and lte")));
        }
        if self.eq.is_empty() && self.neq.is_empty() && range.iter().all(Option::is_none) {
            return Err(refused(&format!("{name} says nothing, which may be taken for no filter")));
        }
        let mut scores = self.eq.iter().chain(&self.neq).chain(range.iter().flatten());
        match scores.find(|score| !bounds.contains(score)) {
            Some(score) => {
                Err(refused(&format!("{name}: {score} is not within {} to {}", bounds.start(), bounds.end())))
            }
            None => Ok(()),
        }
    }
}

fn refused(rule: &str) -> Error {
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
    fn every_filter_is_written_as_the_service_reads_it() {
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
    fn the_rules_of_the_service_are_kept_before_anything_is_sent() {
        let now = at("2026-10-01T00:00:00Z");
        let score = |score: ScoreFilter| ExportFilters::default().with_vpr_score(score);
        let none = ScoreFilter::default;
        for (filters, rule) in vec![
            (with_state().with_since(now).with_first_found(now), "since does not go with"),
            (with_state().with_since(now).with_last_found(now), "since does not go with"),
            (with_state().with_since(now).with_last_fixed(now), "since does not go with"),
            (ExportFilters::default().with_first_found(now), "need the states"),
            (ExportFilters::default().with_last_found(now), "need the states"),
            (ExportFilters::default().with_last_fixed(now), "need the states"),
            (with_state().with_last_found(at("1970-01-01T00:00:00Z")), "takes 0 for none"),
            (ExportFilters::default().with_indexed_at(at("1969-12-31T00:00:00Z")), "takes 0 for none"),
            (ExportFilters::default().with_states([FindingState::Active]), "ACTIVE"),
            (ExportFilters::default().with_states([]), "state is an empty list"),
            (ExportFilters::default().with_severities([]), "severity is an empty list"),
            (ExportFilters::default().with_assets([]), "asset_uuid is an empty list"),
            (ExportFilters::default().with_plugins([]), "plugin_ids is an empty list"),
            (ExportFilters::default().with_ipv4s([]), "ipv4s is an empty list"),
            (ExportFilters::default().with_owasp(OwaspList::Web2017, []), "owasp_2017 is an empty list"),
            (
                ExportFilters::default().with_owasp(OwaspList::Web2017, [0]),
                "\"A0\" is none of the places A1 to A10",
            ),
            (
                ExportFilters::default().with_owasp(OwaspList::Api2019, [11]),
                "\"API11\" is none of the places",
            ),
            (ExportFilters { owasp_2021: Some(vec!["A03".to_owned()]), ..with_state() }, "\"A03\""),
            (score(none()), "vpr_score says nothing"),
            (score(none().with_eq([5.0]).with_gte(5.0)), "eq does not go with"),
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
        assert!(ExportRequest::everything().with_assets([]).check().is_err(), "no assets are not all assets");
    }

    #[test]
    fn filters_are_equal_whatever_form_the_service_gives_them() {
        let ours = with_state()
            .with_vpr_score(ScoreFilter::default().with_gte(7.0))
            .with_plugins([PluginId(2), PluginId(1)]);
        let echo = |value: Value| serde_json::from_value::<ExportFilters>(value).unwrap().essence(true);
        let equal = json!({"state": ["open"], "since": 0, "last_found": 0, "plugin_ids": [1, 2], "asset_name": "",
            "vpr_score": {"eq": [], "gt": 0, "gte": 7, "lt": 0}, "epss_score": {"gt": 0}, "ipv4s": [], "new": {"a": [], "b": false}});
        assert_eq!(ours.essence(false), echo(equal.clone()));
        for (name, value) in
            [("plugin_ids", json!([1])), ("vpr_score", json!({"gte": 6})), ("new", json!("x"))]
        {
            let mut other = equal.clone();
            other[name] = value;
            assert_ne!(ours.essence(false), echo(other), "{name}");
        }
        let zero = ExportFilters::default().with_cvss4_base_score(ScoreFilter::default().with_gte(0.0));
        assert_ne!(
            zero.essence(false),
            echo(json!({"cvss4_base_score": {"gte": 0}})),
            "an unset bound looks the same"
        );
    }
}
