//! The fields of each search, as the vendor's document lists them.

use super::field::Field;
use super::kind::{Choice, Exact, LastScanStatus, ScanStatus, Text, Time};
use super::values::{LastScanStatusValue, ScanStatusValue, ScheduleValue, TemplateNameValue};
use crate::model::{AssetId, PluginId};

/// Declares the fields of a search.
macro_rules! fields {
    ($($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $field:ident: $kind:ty = $text:literal),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {}

        impl $name {
            $($(#[$about])* pub const $field: Field<Self, $kind> = Field::new($text);)+
        }
    )+};
}

fields! {
    /// The fields of scan configurations.
    ConfigField {
        /// The status of the last scan.
        SCANS_STATUS: LastScanStatus<LastScanStatusValue> = "scans_status",
        /// When the last scan started.
        SCANS_STARTED_AT: Time = "scans_started_at",
        /// When the last scan ended.
        SCANS_FINALIZED_AT: Time = "scans_finalized_at",
        /// When the configuration was created.
        CREATED_AT: Time = "configs.created_at",
        /// When the configuration was last changed.
        UPDATED_AT: Time = "configs.updated_at",
        /// The name.
        NAME: Text = "configs.name",
        /// The description.
        DESCRIPTION: Text = "configs.description",
        /// The URL that is scanned.
        TARGET: Text = "target",
        /// The name of the folder.
        FOLDER_NAME: Text = "folder_name",
        /// The name of the user template.
        USER_TEMPLATE_NAME: Text = "user_template.name",
        /// The vendor's template.
        TEMPLATE_NAME: Choice<TemplateNameValue> = "templates.name",
        /// Whether the configuration is scheduled.
        SCHEDULE: Exact<ScheduleValue> = "configs.schedule",
    }

    /// The fields of the scans of a configuration.
    ScanField {
        /// The status.
        STATUS: ScanStatus<ScanStatusValue> = "status",
        /// When the scan started.
        STARTED_AT: Time = "started_at",
        /// When the scan ended.
        FINALIZED_AT: Time = "finalized_at",
    }

    /// The fields of user templates.
    UserTemplateField {
        /// The vendor's template that it is based on.
        TEMPLATE_NAME: Choice<TemplateNameValue> = "template_name",
        /// When the template was created.
        CREATED_AT: Time = "user_templates.created_at",
        /// When the template was last changed.
        UPDATED_AT: Time = "user_templates.updated_at",
        /// The name.
        NAME: Text = "user_templates.name",
        /// The description.
        DESCRIPTION: Text = "user_templates.description",
    }

    /// The fields of the detections of all scans. There are none for severity, state, or the status of the
    /// scan.
    VulnerabilityField {
        /// The asset.
        ASSET_ID: Exact<AssetId> = "asset_id",
        /// The URL.
        URI: Text = "uri",
        /// The kind of the vulnerable input.
        INPUT_TYPE: Text = "input_type",
        /// The name of the vulnerable input.
        INPUT_NAME: Text = "input_name",
        /// The output of the plugin.
        OUTPUT: Text = "output",
        /// The plugin.
        PLUGIN_ID: Exact<PluginId> = "plugin_id",
        /// When it was detected.
        CREATED_AT: Time = "vulns.created_at",
    }

    /// The fields of the detections of one scan: those of [`VulnerabilityField`] without the asset.
    ScanVulnerabilityField {
        /// The URL.
        URI: Text = "uri",
        /// The kind of the vulnerable input.
        INPUT_TYPE: Text = "input_type",
        /// The name of the vulnerable input.
        INPUT_NAME: Text = "input_name",
        /// The output of the plugin.
        OUTPUT: Text = "output",
        /// The plugin.
        PLUGIN_ID: Exact<PluginId> = "plugin_id",
        /// When it was detected.
        CREATED_AT: Time = "vulns.created_at",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fmt;

    use serde_json::Value;

    use super::super::{Condition, Date};
    use super::*;
    use crate::model::FilterList;

    /// Field, operators, and values where the set is closed.
    type Table = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

    /// The fields that the service lists.
    fn listed(fixture: &str) -> Table {
        let list: FilterList = serde_json::from_str(fixture).unwrap();
        let row = |field: crate::model::FilterField| {
            let values = field.control.map(|control| control.list).unwrap_or_default();
            (field.name.unwrap(), (field.operators.into_iter().collect(), values.into_iter().collect()))
        };
        list.filters.into_iter().map(row).collect()
    }

    /// The fields that this module can build conditions of.
    struct Built<F>(Table, std::marker::PhantomData<F>);

    impl<F> Built<F> {
        fn new() -> Self {
            Self(Table::new(), std::marker::PhantomData)
        }

        fn with(mut self, conditions: impl IntoIterator<Item = Condition<F>>) -> Self {
            for condition in conditions {
                let json = serde_json::to_value(condition).unwrap();
                let text = |key: &str| json[key].as_str().unwrap().to_owned();
                self.0.entry(text("field")).or_default().0.insert(text("operator"));
            }
            self
        }

        fn text(self, field: &Field<F, Text>) -> Self {
            self.with([field.is("x"), field.matches("x")])
        }

        fn time(self, field: &Field<F, Time>) -> Self {
            let date = Date::new(2026, 10, 1).unwrap();
            self.with([field.before(date), field.until(date), field.after(date), field.since(date)])
        }

        fn values<V: fmt::Display>(mut self, field: &'static str, values: &[V]) -> Self {
            self.0.entry(field.to_owned()).or_default().1.extend(values.iter().map(V::to_string));
            self
        }
    }

    #[test]
    fn config_fields_are_those_the_service_lists() {
        use ConfigField as Config;
        let built = Built::new()
            .with(LastScanStatusValue::ALL.iter().map(|value| Config::SCANS_STATUS.is(*value)))
            .values("scans_status", LastScanStatusValue::ALL)
            .with(TemplateNameValue::ALL.iter().map(|value| Config::TEMPLATE_NAME.is(*value)))
            .with([Config::TEMPLATE_NAME.is_not(TemplateNameValue::Pci)])
            .values("templates.name", TemplateNameValue::ALL)
            .with([Config::SCHEDULE.is(ScheduleValue::Enabled)])
            .values("configs.schedule", ScheduleValue::ALL)
            .text(&Config::NAME)
            .text(&Config::DESCRIPTION)
            .text(&Config::TARGET)
            .text(&Config::FOLDER_NAME)
            .text(&Config::USER_TEMPLATE_NAME)
            .time(&Config::SCANS_STARTED_AT)
            .time(&Config::SCANS_FINALIZED_AT)
            .time(&Config::CREATED_AT)
            .time(&Config::UPDATED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_configs.json")));
    }

    #[test]
    fn scan_fields_are_those_the_service_lists() {
        let status = ScanField::STATUS;
        let built = Built::new()
            .with([status.is(ScanStatusValue::Running), status.is_not(ScanStatusValue::Running)])
            .with([status.matches("x"), status.matches_not("x")])
            .with([status.any_of([ScanStatusValue::Running]), status.none_of([ScanStatusValue::Running])])
            .values("status", ScanStatusValue::ALL)
            .time(&ScanField::STARTED_AT)
            .time(&ScanField::FINALIZED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_scans.json")));
    }

    #[test]
    fn user_template_fields_are_those_the_service_lists() {
        let template = UserTemplateField::TEMPLATE_NAME;
        let built = Built::new()
            .with([template.is(TemplateNameValue::Api), template.is_not(TemplateNameValue::Api)])
            .values("template_name", TemplateNameValue::ALL)
            .time(&UserTemplateField::CREATED_AT)
            .time(&UserTemplateField::UPDATED_AT)
            .text(&UserTemplateField::NAME)
            .text(&UserTemplateField::DESCRIPTION);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_user_templates.json")));
    }

    #[test]
    fn vulnerability_fields_are_those_the_service_lists() {
        let plugin = PluginId(98_104);
        let asset: AssetId = "77778888-9999-4aaa-8bbb-ccccddddeeee".parse().unwrap();
        let built = Built::new()
            .with([VulnerabilityField::ASSET_ID.is(asset), VulnerabilityField::PLUGIN_ID.is(plugin)])
            .text(&VulnerabilityField::URI)
            .text(&VulnerabilityField::INPUT_TYPE)
            .text(&VulnerabilityField::INPUT_NAME)
            .text(&VulnerabilityField::OUTPUT)
            .time(&VulnerabilityField::CREATED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_vulnerabilities.json")));
        let built = Built::new()
            .with([ScanVulnerabilityField::PLUGIN_ID.is(plugin)])
            .text(&ScanVulnerabilityField::URI)
            .text(&ScanVulnerabilityField::INPUT_TYPE)
            .text(&ScanVulnerabilityField::INPUT_NAME)
            .text(&ScanVulnerabilityField::OUTPUT)
            .time(&ScanVulnerabilityField::CREATED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_scan_vulnerabilities.json")));
    }

    #[test]
    fn a_number_is_sent_as_text() {
        let json = serde_json::to_value(VulnerabilityField::PLUGIN_ID.is(PluginId(98_104))).unwrap();
        assert_eq!(json["value"], Value::from("98104"));
    }
}
