//! Fields, by the operators that they take.

use std::fmt;
use std::marker::PhantomData;

use serde_json::Value;

use super::{Condition, Day};

/// A field that a search can be filtered by. `F` says of which search, `K` which operators and values it takes: [`Text`], [`Date`],
/// [`Exact`], [`Choice`], [`Recent`] or [`State`].
pub struct Field<F, K> {
    name: &'static str,
    of: PhantomData<fn() -> (F, K)>,
}

/// The kind of a [`Field`] that holds text: `eq`, `match`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Text;

/// The kind of a [`Field`] that holds a point in time: `lt`, `lte`, `gt`, `gte`.
#[derive(Debug)]
#[non_exhaustive]
pub struct Date;

/// The kind of a [`Field`] that holds a `V`: `eq`.
#[derive(Debug)]
pub struct Exact<V>(PhantomData<fn() -> V>);

/// The kind of a [`Field`] that holds one word out of several: `eq`, `neq`.
#[derive(Debug)]
pub struct Choice<V>(PhantomData<fn() -> V>);

/// The kind of a [`Field`] that holds the state of a configuration's newest scan: `eq`, and `contains`, which is not listed and works (observed).
#[derive(Debug)]
pub struct Recent<V>(PhantomData<fn() -> V>);

/// The kind of a [`Field`] that holds the state of a scan: `eq`, `neq`, `match`, `nmatch`, `contains`, `ncontains`.
#[derive(Debug)]
pub struct State<V>(PhantomData<fn() -> V>);

impl<F, K> Field<F, K> {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// Its name, as it is sent.
    pub fn name(&self) -> &'static str {
        self.name
    }

    fn compared(&self, operator: &'static str, value: impl Into<Value>) -> Condition<F> {
        Condition::raw(self.name, operator, value)
    }
}

impl<F, K> fmt::Debug for Field<F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&self.name).finish()
    }
}

impl<F> Field<F, Text> {
    /// It is this text (`eq`).
    pub fn is(&self, text: impl Into<String>) -> Condition<F> {
        self.compared("eq", text.into())
    }

    /// It is like this text (`match`). What is alike is the service's to say: it holds the text, in any case of letters (assumed).
    pub fn matches(&self, text: impl Into<String>) -> Condition<F> {
        self.compared("match", text.into())
    }
}

impl<F> Field<F, Date> {
    /// It lies before the beginning of that day (`lt`).
    pub fn before(&self, day: impl Into<Day>) -> Condition<F> {
        self.compared("lt", day.into().to_string())
    }

    /// It lies before the beginning of that day, or at it (`lte`).
    pub fn until(&self, day: impl Into<Day>) -> Condition<F> {
        self.compared("lte", day.into().to_string())
    }

    /// It lies after the beginning of that day (`gt`).
    pub fn after(&self, day: impl Into<Day>) -> Condition<F> {
        self.compared("gt", day.into().to_string())
    }

    /// It lies at the beginning of that day, or after it (`gte`).
    pub fn since(&self, day: impl Into<Day>) -> Condition<F> {
        self.compared("gte", day.into().to_string())
    }
}

impl<F, V: fmt::Display> Field<F, Exact<V>> {
    /// It is this (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        // Numbers too are sent as text (vendor document).
        self.compared("eq", value.to_string())
    }
}

impl<F, V: fmt::Display> Field<F, Choice<V>> {
    /// It is this (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        self.compared("eq", value.to_string())
    }

    /// It is not this (`neq`).
    pub fn is_not(&self, value: V) -> Condition<F> {
        self.compared("neq", value.to_string())
    }
}

impl<F, V: fmt::Display> Field<F, Recent<V>> {
    /// It is this (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        self.compared("eq", value.to_string())
    }

    /// It is one of these (`contains`). Where there are none the search is refused before it is sent.
    pub fn any_of(&self, values: impl IntoIterator<Item = V>) -> Condition<F> {
        self.compared("contains", words(values))
    }
}

impl<F, V: fmt::Display> Field<F, State<V>> {
    /// It is this (`eq`).
    pub fn is(&self, value: V) -> Condition<F> {
        self.compared("eq", value.to_string())
    }

    /// It is not this (`neq`).
    pub fn is_not(&self, value: V) -> Condition<F> {
        self.compared("neq", value.to_string())
    }

    /// It is like this text (`match`).
    pub fn matches(&self, text: impl Into<String>) -> Condition<F> {
        self.compared("match", text.into())
    }

    /// It is not like this text (`nmatch`).
    pub fn matches_not(&self, text: impl Into<String>) -> Condition<F> {
        self.compared("nmatch", text.into())
    }

    /// It is one of these (`contains`). Where there are none the search is refused before it is sent.
    pub fn any_of(&self, values: impl IntoIterator<Item = V>) -> Condition<F> {
        self.compared("contains", words(values))
    }

    /// It is none of these (`ncontains`). Where there are none the search is refused before it is sent.
    pub fn none_of(&self, values: impl IntoIterator<Item = V>) -> Condition<F> {
        self.compared("ncontains", words(values))
    }
}

fn words<V: fmt::Display>(values: impl IntoIterator<Item = V>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}
