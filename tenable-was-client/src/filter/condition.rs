//! Conditions, and the filters made of them.

use std::marker::PhantomData;

use appsec_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde_json::Value;

/// One condition: a field, an operator and a value. The methods of [`Field`](super::Field) create
/// conditions; `F` is the set of fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(bound = "")]
pub struct Condition<F> {
    field: String,
    operator: String,
    value: Value,
    #[serde(skip)]
    marker: PhantomData<fn() -> F>,
}

impl<F> Condition<F> {
    /// Creates a condition without any check, for a field, an operator or a type of value that this version
    /// does not know.
    ///
    /// The client's `list_*_filters` methods ask the service for its fields and operators.
    pub fn raw(field: impl Into<String>, operator: impl Into<String>, value: impl Into<Value>) -> Self {
        Self { field: field.into(), operator: operator.into(), value: value.into(), marker: PhantomData }
    }

    fn has_empty_list(&self) -> bool {
        self.value.as_array().is_some_and(Vec::is_empty)
    }
}

/// What a search returns: everything, or what meets one condition or groups of conditions. `F` is the set
/// of fields.
///
/// A [`Condition`] converts into a filter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent, bound = "")]
pub struct Filter<F>(Body<F>);

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, bound = "")]
enum Body<F> {
    One(Condition<F>),
    Groups(Groups<F>),
    Raw(Value),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(bound = "")]
struct Groups<F> {
    #[serde(rename = "AND", skip_serializing_if = "Vec::is_empty")]
    all: Vec<Condition<F>>,
    /// `None` if the filter has no such group, which differs from an empty group.
    #[serde(rename = "OR", skip_serializing_if = "Option::is_none")]
    any: Option<Vec<Condition<F>>>,
}

impl<F> Filter<F> {
    /// Matches everything: `{}`.
    pub fn everything() -> Self {
        Self::all([])
    }

    /// Matches what meets all of the conditions; everything, if there are none.
    pub fn all(conditions: impl IntoIterator<Item = Condition<F>>) -> Self {
        Self(Body::Groups(Groups { all: conditions.into_iter().collect(), any: None }))
    }

    /// Matches what meets at least one of the conditions. Without conditions the search is refused before
    /// it is sent, because the service would treat it as no filter at all (assumed).
    pub fn any(conditions: impl IntoIterator<Item = Condition<F>>) -> Self {
        Self::both([], conditions)
    }

    /// Matches what meets all conditions of `all` and at least one of `any`. That the service combines its
    /// two groups in this way is assumed: the vendor does not say. If `any` is empty, see
    /// [`any`](Self::any).
    pub fn both(
        all: impl IntoIterator<Item = Condition<F>>,
        any: impl IntoIterator<Item = Condition<F>>,
    ) -> Self {
        let (all, any) = (all.into_iter().collect(), any.into_iter().collect());
        Self(Body::Groups(Groups { all, any: Some(any) }))
    }

    /// Creates a filter from a request body without any check, such as nested groups, which one other
    /// client sends.
    pub fn raw(body: Value) -> Self {
        Self(Body::Raw(body))
    }

    /// Refuses a filter with an empty group or an empty list of values, which can only be a mistake.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(crate) fn check(&self, operation: &'static str) -> Result<()> {
        let refused =
            |problem: String| Err(Error::new(ErrorKind::InvalidRequest, problem).with_operation(operation));
        let conditions = match &self.0 {
            Body::One(condition) => vec![condition],
            Body::Groups(Groups { any: Some(any), .. }) if any.is_empty() => {
                return refused("the filter requires one of no conditions".to_owned());
            }
            Body::Groups(Groups { all, any }) => all.iter().chain(any.iter().flatten()).collect(),
            Body::Raw(_) => Vec::new(),
        };
        match conditions.into_iter().find(|condition| condition.has_empty_list()) {
            Some(condition) => {
                refused(format!("the filter compares {:?} with an empty list", condition.field))
            }
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
        Self(Body::One(condition))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{ConfigField, LastScanStatusValue, ScanField, ScanStatusValue};
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
    fn raw_conditions_and_filters_are_sent_unchanged() {
        let field = Condition::<ScanField>::raw("color", "resembles", json!([1, {"a": null}]));
        let json = json!({"field": "color", "operator": "resembles", "value": [1, {"a": null}]});
        assert_eq!(
            sent(&Filter::all([field, ScanField::STATUS.is(ScanStatusValue::Running)]))["AND"][0],
            json
        );
        let nested = json!({"OR": [{"AND": []}, {"AND": []}]});
        assert_eq!(sent(&Filter::<ScanField>::raw(nested.clone())), nested);
    }

    #[test]
    fn empty_groups_and_lists_are_refused() {
        let none: [LastScanStatusValue; 0] = [];
        for (filter, text) in [
            (ConfigField::SCANS_STATUS.any_of(none).into(), "\"scans_status\""),
            (
                Filter::all([ConfigField::NAME.is("x"), ConfigField::SCANS_STATUS.any_of(none)]),
                "\"scans_status\"",
            ),
            (Filter::any([]), "one of no conditions"),
            (Filter::both([ConfigField::NAME.is("x")], []), "one of no conditions"),
        ] {
            let error = filter.check("tenable: search configs").unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::InvalidRequest, Some("tenable: search configs"))
            );
            assert!(error.message().contains(text), "{error}");
        }
        for filter in [
            Filter::everything(),
            Filter::any([ConfigField::NAME.is("")]),
            ConfigField::SCANS_STATUS.any_of([LastScanStatusValue::NeverRun]).into(),
            Filter::raw(json!({"OR": []})),
        ] {
            filter.check("x").unwrap();
        }
    }
}
