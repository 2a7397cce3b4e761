//! The filter fields of a search, as the service lists them.

use super::record;

record! {
    /// The filter fields of a search.
    pub struct FilterList {
        /// The fields.
        pub filters: Vec<FilterField>,
    }

    /// A filter field of a search.
    pub struct FilterField {
        /// The name to use in a condition.
        pub name: Option<String>,
        /// The name to display.
        pub readable_name: Option<String>,
        /// The operators that it takes. Others may work too: `contains` works for `scans_status`, which
        /// lists only `eq` (observed).
        pub operators: Vec<String>,
        /// The form control of the field, if the service describes one.
        pub control: Option<FilterControl>,
    }

    /// The form control of a field.
    pub struct FilterControl {
        /// `dropdown`, `datefield` or `entry`.
        pub kind: Option<String> as "type",
        /// The values of a `dropdown` (observed; not in the vendor's schema).
        pub list: Vec<String>,
        /// The regular expression that a value must match.
        pub regex: Option<String>,
        /// A description of that expression.
        pub readable_regex: Option<String>,
        /// The maximum length of a value.
        pub max_length: Option<u64>,
    }
}

impl FilterList {
    /// Returns the field with this name.
    pub fn get(&self, name: &str) -> Option<&FilterField> {
        self.filters.iter().find(|field| field.name.as_deref() == Some(name))
    }
}
