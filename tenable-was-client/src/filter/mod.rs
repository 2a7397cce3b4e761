//! The filter language of every search, so that a filter that the service would refuse does not compile.
//!
//! Each search has its own fields, each field its own operators and values: [`ConfigField`], [`ScanField`], [`UserTemplateField`],
//! [`VulnerabilityField`] and, for the detections of one scan, [`ScanVulnerabilityField`]. They are those of the vendor's document;
//! [`Condition::raw`] and [`Filter::raw`] are for what it does not name.
//!
//! ```
//! use tenable_was_client::filter::{ConfigField, Day, Filter, LastScanWord};
//!
//! # fn main() -> tenable_was_client::Result<()> {
//! let finished = ConfigField::SCANS_STATUS.any_of([LastScanWord::Completed, LastScanWord::Aborted]);
//! let lately = ConfigField::SCANS_FINALIZED_AT.since(Day::new(2026, 10, 1)?);
//! let of_the_shop = [ConfigField::NAME.matches("storefront"), ConfigField::TARGET.matches("shop.example.com")];
//! let filter = Filter::both([finished, lately], of_the_shop);
//! assert_eq!(
//!     serde_json::to_string(&filter).unwrap(),
//!     r#"{"AND":[{"field":"scans_status","operator":"contains","value":["completed","aborted"]},"#.to_owned()
//!         + r#"{"field":"scans_finalized_at","operator":"gte","value":"2026/10/01"}],"#
//!         + r#""OR":[{"field":"configs.name","operator":"match","value":"storefront"},"#
//!         + r#"{"field":"target","operator":"match","value":"shop.example.com"}]}"#
//! );
//! # Ok(())
//! # }
//! ```
//!
//! A field of another search does not compile,
//!
//! ```compile_fail,E0308
//! # use tenable_was_client::filter::{ConfigField, Filter, UserTemplateField};
//! let mixed = Filter::all([ConfigField::NAME.is("a"), UserTemplateField::NAME.is("a")]);
//! ```
//!
//! nor does an operator that the field does not take,
//!
//! ```compile_fail,E0599
//! # use tenable_was_client::filter::{ScheduleWord, ConfigField};
//! let backwards = ConfigField::SCHEDULE.is_not(ScheduleWord::Enabled);
//! ```
//!
//! nor a word that it does not know.
//!
//! ```compile_fail,E0308
//! # use tenable_was_client::filter::{ConfigField, ScanField, ScanWord};
//! let unknown = ConfigField::SCANS_STATUS.is(ScanWord::Running);
//! ```

mod day;
mod field;
mod fields;
mod form;

pub use day::Day;
pub use field::{Choice, Date, Exact, Field, Recent, State, Text};
pub use fields::{
    ConfigField, LastScanWord, ScanField, ScanVulnerabilityField, ScanWord, ScheduleWord, TemplateWord,
    UserTemplateField, VulnerabilityField,
};
pub use form::{Condition, Filter};
