//! The filters of the searches, typed so that a filter that the service would refuse does not compile.
//!
//! Each search has its own fields: [`ConfigField`], [`ScanField`], [`UserTemplateField`],
//! [`VulnerabilityField`] and, for the detections of one scan, [`ScanVulnerabilityField`]. Each field has
//! its own operators and values. All of them are those of the vendor's document; [`Condition::raw`] and
//! [`Filter::raw`] are for the rest.
//!
//! ```
//! use tenable_was_client::filter::{ConfigField, Date, Filter, LastScanStatusValue};
//!
//! # fn main() -> tenable_was_client::Result<()> {
//! let finished = ConfigField::SCANS_STATUS.any_of([LastScanStatusValue::Completed, LastScanStatusValue::Aborted]);
//! let recent = ConfigField::SCANS_FINALIZED_AT.since(Date::new(2026, 10, 1)?);
//! let shop = [ConfigField::NAME.matches("storefront"), ConfigField::TARGET.matches("shop.example.com")];
//! let filter = Filter::both([finished, recent], shop);
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
//! # use tenable_was_client::filter::{ScheduleValue, ConfigField};
//! let backwards = ConfigField::SCHEDULE.is_not(ScheduleValue::Enabled);
//! ```
//!
//! nor a value that the field does not take.
//!
//! ```compile_fail,E0308
//! # use tenable_was_client::filter::{ConfigField, ScanField, ScanStatusValue};
//! let unknown = ConfigField::SCANS_STATUS.is(ScanStatusValue::Running);
//! ```

mod condition;
mod date;
mod field;
mod fields;
pub mod kind;
mod values;

pub use condition::{Condition, Filter};
pub use date::Date;
pub use field::Field;
pub use fields::{ConfigField, ScanField, ScanVulnerabilityField, UserTemplateField, VulnerabilityField};
pub use values::{LastScanStatusValue, ScanStatusValue, ScheduleValue, TemplateNameValue};
