//! Fields, and the operators that each kind of field takes.

use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

use super::kind::{Choice, Exact, LastScanStatus, ScanStatus, Text, Time};
use super::{Condition, Date};

/// A field that a search can be filtered by.
///
/// `F` is the set of fields that it belongs to, one set per search. `K` is its [`kind`](super::kind), which
/// decides the operators and values it takes.
pub struct Field<F, K> {
    name: &'static str,
    marker: PhantomData<fn() -> (F, K)>,
}

impl<F, K> Field<F, K> {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, marker: PhantomData }
    }

    /// The field's name, as it is sent.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn condition(&self, operator: &'static str, value: impl Into<Value>) -> Condition<F> {
        Condition::raw(self.name, operator, value)
    }
}

impl<F, K> fmt::Debug for Field<F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.name).finish()
    }
}

impl<F> Field<F, Text> {
    /// The field equals this text (`eq`).
    pub fn is(&self, text: impl Into<String>) -> Condition<F> {
        self.condition("eq", text.into())
    }

    /// The field matches this text (`match`). The service decides what matches; assumed: the field contains
    /// the text, ignoring case.
    pub fn matches(&self, text: impl Into<String>) -> Condition<F> {
        self.condition("match", text.into())
    }
}

impl<F> Field<F, Time> {
    /// The time is before the start of this date (`lt`).
    pub fn before(&self, date: impl Into<Date>) -> Condition<F> {
        self.condition("lt", date.into().to_string())
    }

    /// The time is the start of this date, or before (`lte`).
    pub fn until(&self, date: impl Into<Date>) -> Condition<F> {
        self.condition("lte", date.into().to_string())
    }

    /// The time is after the start of this date (`gt`).
    pub fn after(&self, date: impl Into<Date>) -> Condition<F> {
        self.condition("gt", date.into().to_string())
    }

    /// The time is the start of this date, or after (`gte`).
    pub fn since(&self, date: impl Into<Date>) -> Condition<F> {
        self.condition("gte", date.into().to_string())
    }
}

impl<F, V: fmt::Display> Field<F, Exact<V>> {
    /// The field equals this value (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        // Numbers are sent as text too (vendor document).
        self.condition("eq", value.to_string())
    }
}

impl<F, V: fmt::Display> Field<F, Choice<V>> {
    /// The field equals this value (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        self.condition("eq", value.to_string())
    }

    /// The field differs from this value (`neq`).
    pub fn is_not(&self, value: V) -> Condition<F> {
        self.condition("neq", value.to_string())
    }
}

impl<F, V: fmt::Display> Field<F, LastScanStatus<V>> {
    /// The status equals this value (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        self.condition("eq", value.to_string())
    }

    /// The status is one of these values (`contains`). An empty list is refused before the search is sent.
    pub fn any_of(&self, values: impl IntoIterator<Item = V>) -> Condition<F> {
        self.condition("contains", texts(values))
    }
}

impl<F, V: fmt::Display> Field<F, ScanStatus<V>> {
    /// The status equals this value (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        self.condition("eq", value.to_string())
    }

    /// The status differs from this value (`neq`).
    pub fn is_not(&self, value: V) -> Condition<F> {
        self.condition("neq", value.to_string())
    }

    /// The status matches this text (`match`).
    pub fn matches(&self, text: impl Into<String>) -> Condition<F> {
        self.condition("match", text.into())
    }

    /// The status does not match this text (`nmatch`).
    pub fn matches_not(&self, text: impl Into<String>) -> Condition<F> {
        self.condition("nmatch", text.into())
    }

    /// The status is one of these values (`contains`). An empty list is refused before the search is sent.
    pub fn any_of(&self, values: impl IntoIterator<Item = V>) -> Condition<F> {
        self.condition("contains", texts(values))
    }

    /// The status is none of these values (`ncontains`). An empty list is refused before the search is
    /// sent.
    pub fn none_of(&self, values: impl IntoIterator<Item = V>) -> Condition<F> {
        self.condition("ncontains", texts(values))
    }
}

fn texts<V: fmt::Display>(values: impl IntoIterator<Item = V>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}
