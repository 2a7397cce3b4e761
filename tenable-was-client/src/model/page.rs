//! Pages of listings.

use appsec_core::CoverageGap;

use super::record;

record! {
    /// The position of a page in its listing.
    pub struct Pagination {
        /// The number of items in the listing.
        pub total: Option<u64>,
        /// The number of items before this page.
        pub offset: Option<u64>,
        /// The maximum number of items in a page.
        pub limit: Option<u64>,
        /// The order.
        pub sort: Vec<Sort>,
    }

    /// One field of a listing's order.
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
    /// The position of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagination: Option<Pagination>,
    /// The items.
    pub items: Vec<T>,
    /// The items that could not be decoded, with their places, as in `items[3].name`.
    #[serde(skip)]
    pub gaps: Vec<CoverageGap>,
}

impl<T> Page<T> {
    /// Returns the number of items in the listing, if the service gives it.
    pub fn total(&self) -> Option<u64> {
        self.pagination.as_ref().and_then(|pagination| pagination.total)
    }

    /// Converts the items.
    pub(crate) fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            pagination: self.pagination,
            items: self.items.into_iter().map(make).collect(),
            gaps: self.gaps,
        }
    }
}
