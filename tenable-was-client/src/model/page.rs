//! Pages of listings.

use super::record;

record! {
    /// Where a page lies in its listing.
    pub struct Pagination {
        /// How many items the listing has in all.
        pub total: Option<u64>,
        /// How many items come before this page.
        pub offset: Option<u64>,
        /// How many items a page holds at most.
        pub limit: Option<u64>,
        /// The order.
        pub sort: Vec<Sort>,
    }

    /// A part of a listing's order.
    pub struct Sort {
        /// The field.
        pub name: Option<String>,
        /// `asc` or `desc`.
        pub order: Option<String>,
    }
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(bound(deserialize = "T: serde::Deserialize<'de>"))]
#[non_exhaustive]
pub struct Page<T> {
    /// Where the page lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// Its items.
    pub items: Vec<T>,
}

impl<T> Page<T> {
    /// How many items the listing has in all, where the service says so.
    pub fn total(&self) -> Option<u64> {
        self.pagination.as_ref().and_then(|pagination| pagination.total)
    }

    /// The same page with its items made into others.
    pub(crate) fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page { pagination: self.pagination, items: self.items.into_iter().map(make).collect() }
    }
}
