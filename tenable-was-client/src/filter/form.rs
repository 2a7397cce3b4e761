//! Conditions, and the filters that are made of them.

use std::marker::PhantomData;

use appsec_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::Value;

/// One condition: a field, an operator, and what to compare with. Fields make them; `F` says whose fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct Condition<F> {
    field: String,
    operator: String,
    value: Value,
    #[serde(skip)]
    of: PhantomData<fn() -> F>,
}

impl<F> Condition<F> {
    /// A condition that nothing checks: for a field, an operator or a form of value that this version does not know.
    ///
    /// `list_*_filters` of the client asks the service what there is.
    pub fn raw(field: impl Into<String>, operator: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { field: field.into(), operator: operator.into(), value: value.into(), of: PhantomData }
    }

    fn names_nothing(&self) -> bool {
        self.value.as_array().is_some_and(Vec::is_empty)
    }
}

/// What a search lets through: everything, one condition, or groups of them. `F` says by which fields.
///
/// A condition is a filter: where one is taken, the other may be given.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent, bound = "")]
pub struct Filter<F>(Form<F>);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, bound = "")]
enum Form<F> {
    One(Condition<F>),
    Groups(Groups<F>),
    Raw(Value),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(bound = "")]
struct Groups<F> {
    #[serde(rename = "AND", skip_serializing_if = "Vec::is_empty")]
    all: Vec<Condition<F>>,
    /// `None` where nothing was said of it, which is not a choice out of nothing.
    #[serde(rename = "OR", skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Condition<F>>>,
}

impl<F> Filter<F> {
    /// Lets everything through: `{}`.
    pub fn everything() -> Self {
        Self::all([])
    }

    /// Lets through what meets all of these; everything, where there are none.
    pub fn all(conditions: impl IntoIterator<Item = Condition<F>>) -> Self {
        Self(Form::Groups(Groups { all: conditions.into_iter().collect(), any: None }))
    }

    /// Lets through what meets at least one of these. Where there are none the search is refused before it is sent: the service would
    /// take that for no filter at all (assumed).
    pub fn any(conditions: impl IntoIterator<Item = Condition<F>>) -> Self {
        Self::both([], conditions)
    }

    /// Lets through what meets all of the first, and at least one of the second. That the service joins its two groups in this way is assumed:
    /// the vendor does not say. Where the second are none, see [`any`](Self::any).
    pub fn both(
        all: impl IntoIterator<Item = Condition<F>>,
        any: impl IntoIterator<Item = Condition<F>>,
    ) -> Self {
        let (all, any) = (all.into_iter().collect(), any.into_iter().collect());
        Self(Form::Groups(Groups { all, any: Some(any) }))
    }

    /// A body that nothing checks, such as groups within groups, which one other client sends.
    pub fn raw(body: Value) -> Self {
        Self(Form::Raw(body))
    }

    /// Refuses what could only be a mistake: a choice out of nothing.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(crate) fn check(&self, operation: &'static str) -> Result<()> {
        let nothing = |what: String| {
            Err(Error::new(ErrorKind::InvalidRequest, format!("the filter asks for {what} of none"))
                .with_operation(operation))
        };
        let conditions = match &self.0 {
            Form::One(condition) => vec![condition],
            Form::Groups(Groups { any: Some(any), .. }) if any.is_empty() => {
                return nothing("one condition".to_owned());
            }
            Form::Groups(Groups { all, any }) => all.iter().chain(any.iter().flatten()).collect(),
            Form::Raw(_) => Vec::new(),
        };
        match conditions.into_iter().find(|condition| condition.names_nothing()) {
            Some(condition) => nothing(format!("a {:?}", condition.field)),
            None => Ok(()),
        }
    }
}

impl<F> Default for Filter<F> {
    fn default() -> Self {
        Self::everything()
    }
}

impl<F> From<Condition<F>> for Filter<F> {
    fn from(condition: Condition<F>) -> Self {
        Self(Form::One(condition))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{ConfigField, LastScanWord, ScanField, ScanWord};
    use super::*;

    fn sent<F>(filter: &Filter<F>) -> Value {
        serde_json::to_value(filter).unwrap()
    }

    #[test]
    fn a_filter_is_one_condition_or_groups_of_them() {
        let name = || ConfigField::NAME.matches("shop");
        let one = json!({"field": "configs.name", "operator": "match", "value": "shop"});
        assert_eq!(sent(&name().into()), one);
        assert_eq!(sent(&Filter::all([name()])), json!({"AND": [one]}));
        assert_eq!(sent(&Filter::any([name(), name()])), json!({"OR": [one, one]}));
        assert_eq!(sent(&Filter::both([name()], [name()])), json!({"AND": [one], "OR": [one]}));
        for everything in [Filter::<ConfigField>::everything(), Filter::default(), Filter::all([])] {
            assert_eq!(sent(&everything), json!({}));
        }
    }

    #[test]
    fn what_is_not_known_is_sent_as_it_is() {
        let field = Condition::<ScanField>::raw("color", "resembles", json!([1, {"a": null}]));
        let json = json!({"field": "color", "operator": "resembles", "value": [1, {"a": null}]});
        assert_eq!(sent(&Filter::all([field, ScanField::STATUS.is(ScanWord::Running)]))["AND"][0], json);
        let nested = json!({"OR": [{"AND": []}, {"AND": []}]});
        assert_eq!(sent(&Filter::<ScanField>::raw(nested.clone())), nested);
    }

    #[test]
    fn a_choice_out_of_nothing_is_refused() {
        let none: [LastScanWord; 0] = [];
        for (filter, words) in [
            (ConfigField::SCANS_STATUS.any_of(none).into(), "\"scans_status\""),
            (
                Filter::all([ConfigField::NAME.is("x"), ConfigField::SCANS_STATUS.any_of(none)]),
                "\"scans_status\"",
            ),
            (Filter::any([]), "one condition"),
            (Filter::both([ConfigField::NAME.is("x")], []), "one condition"),
        ] {
            let error = filter.check("tenable: search configs").unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::InvalidRequest, Some("tenable: search configs"))
            );
            assert!(error.message().contains(words), "{error}");
        }
        for filter in [
            Filter::everything(),
            Filter::any([ConfigField::NAME.is("")]),
            ConfigField::SCANS_STATUS.any_of([LastScanWord::NeverRun]).into(),
            Filter::raw(json!({"OR": []})),
        ] {
            filter.check("x").unwrap();
        }
    }
}
