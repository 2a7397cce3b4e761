//! By which fields a search can be filtered, as the service lists them.

use super::record;

record! {
    /// The fields by which a search can be filtered.
    pub struct FilterList {
        /// The fields.
        pub filters: Vec<FilterField>,
    }

    /// A field by which a search can be filtered.
    pub struct FilterField {
        /// Its name, as it goes into a condition.
        pub name: Option<String>,
        /// Its name for people.
        pub readable_name: Option<String>,
        /// The operators that it takes. Others may work all the same: `contains` does for `scans_status`, which lists `eq` alone (observed).
        pub operators: Vec<String>,
        /// What a user would be shown to fill in; absent where nothing is said.
        pub control: Option<FilterControl>,
    }

    /// What a field's value looks like.
    pub struct FilterControl {
        /// `dropdown`, `datefield` or `entry`.
        pub kind: Option<String> as "type",
        /// The values, of a `dropdown` (observed; not in the vendor's schema).
        pub list: Vec<String>,
        /// The expression that a value matches.
        pub regex: Option<String>,
        /// The same for people.
        pub readable_regex: Option<String>,
        /// How long a value may be.
        pub max_length: Option<u64>,
    }
}

impl FilterList {
    /// The field of that name.
    pub fn get(&self, name: &str) -> Option<&FilterField> {
        self.filters.iter().find(|field| field.name.as_deref() == Some(name))
    }
}
