//! The fields of each search, as the vendor's document lists them, and the words that some of them hold.

use std::fmt;

use super::field::{Choice, Date, Exact, Field, Recent, State, Text};
use crate::model::{AssetId, PluginId};

/// Declares words that a field can hold. They are closed: a word that the service does not know is what a type is to keep out.
macro_rules! words {
    ($($(#[$meta:meta])* $name:ident { $($(#[$about:meta])* $word:ident = $text:literal),+ $(,)? })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about])* $word,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The word as it is sent.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    )+};
}

words! {
    /// Where a scan stands, in the words that the search of scans takes. These are fewer than the words of a
    /// [`ScanState`](crate::model::ScanState).
    ScanWord {
        /// Asked for, not yet running.
        Pending = "pending",
        /// The scanner is at work.
        Running = "running",
        /// Asked to stop.
        Stopping = "stopping",
        /// Ended by a fault.
        Aborted = "aborted",
        /// Stopped by a user.
        Canceled = "canceled",
        /// Finished.
        Completed = "completed",
    }

    /// Where the newest scan of a configuration stands, in the words that the search of configurations takes.
    LastScanWord {
        /// There is none.
        NeverRun = "Never Run",
        /// Asked for, not yet running.
        Pending = "pending",
        /// The scanner is at work.
        Running = "running",
        /// Asked to stop.
        Stopping = "stopping",
        /// Ended by a fault.
        Aborted = "aborted",
        /// Stopped by a user.
        Canceled = "canceled",
        /// Finished.
        Completed = "completed",
    }

    /// The vendor's templates that can be searched for. The observed template `quick` is not among them.
    TemplateWord {
        /// A scan of a web application.
        Scan = "scan",
        /// A look without attacks.
        Overview = "overview",
        /// Certificates and ciphers.
        SslTls = "ssl_tls",
        /// The configuration of the server.
        ConfigAudit = "config_audit",
        /// A scan for the payment card standard.
        Pci = "pci",
        /// A scan of an API.
        Api = "api",
    }

    /// Whether a configuration runs by itself.
    ScheduleWord {
        /// It does.
        Enabled = "Enabled",
        /// It runs when it is launched.
        OnDemand = "On Demand",
    }
}

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
        /// Where the newest scan stands.
        SCANS_STATUS: Recent<LastScanWord> = "scans_status",
        /// When the newest scan began.
        SCANS_STARTED_AT: Date = "scans_started_at",
        /// When the newest scan ended.
        SCANS_FINALIZED_AT: Date = "scans_finalized_at",
        /// When the configuration was made.
        CREATED_AT: Date = "configs.created_at",
        /// When the configuration was changed.
        UPDATED_AT: Date = "configs.updated_at",
        /// Its name.
        NAME: Text = "configs.name",
        /// The word on it.
        DESCRIPTION: Text = "configs.description",
        /// The URL it scans.
        TARGET: Text = "target",
        /// The name of the folder it lies in.
        FOLDER_NAME: Text = "folder_name",
        /// The name of the user's template it follows.
        USER_TEMPLATE_NAME: Text = "user_template.name",
        /// The vendor's template it follows.
        TEMPLATE_NAME: Choice<TemplateWord> = "templates.name",
        /// Whether it runs by itself.
        SCHEDULE: Exact<ScheduleWord> = "configs.schedule",
    }

    /// The fields of the scans of a configuration.
    ScanField {
        /// Where it stands.
        STATUS: State<ScanWord> = "status",
        /// When it began.
        STARTED_AT: Date = "started_at",
        /// When it ended.
        FINALIZED_AT: Date = "finalized_at",
    }

    /// The fields of users' templates.
    UserTemplateField {
        /// The vendor's template it builds on.
        TEMPLATE_NAME: Choice<TemplateWord> = "template_name",
        /// When it was made.
        CREATED_AT: Date = "user_templates.created_at",
        /// When it was changed.
        UPDATED_AT: Date = "user_templates.updated_at",
        /// Its name.
        NAME: Text = "user_templates.name",
        /// The word on it.
        DESCRIPTION: Text = "user_templates.description",
    }

    /// The fields of the detections of all scans. There are none for severity, state, or the status of the scan.
    VulnerabilityField {
        /// The asset it is in.
        ASSET_ID: Exact<AssetId> = "asset_id",
        /// The URL it is at.
        URI: Text = "uri",
        /// What the vulnerable input is.
        INPUT_TYPE: Text = "input_type",
        /// The vulnerable input's name.
        INPUT_NAME: Text = "input_name",
        /// What the plugin printed.
        OUTPUT: Text = "output",
        /// The plugin.
        PLUGIN_ID: Exact<PluginId> = "plugin_id",
        /// When it was detected.
        CREATED_AT: Date = "vulns.created_at",
    }

    /// The fields of the detections of one scan: those of [`VulnerabilityField`] without the asset.
    ScanVulnerabilityField {
        /// The URL it is at.
        URI: Text = "uri",
        /// What the vulnerable input is.
        INPUT_TYPE: Text = "input_type",
        /// The vulnerable input's name.
        INPUT_NAME: Text = "input_name",
        /// What the plugin printed.
        OUTPUT: Text = "output",
        /// The plugin.
        PLUGIN_ID: Exact<PluginId> = "plugin_id",
        /// When it was detected.
        CREATED_AT: Date = "vulns.created_at",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::super::{Condition, Day};
    use super::*;
    use crate::model::FilterList;

    /// Field, operators, and words where they are closed.
    type Table = BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)>;

    /// What the service lists.
    fn listed(fixture: &str) -> Table {
        let list: FilterList = serde_json::from_str(fixture).unwrap();
        let row = |field: crate::model::FilterField| {
            let words = field.control.map(|control| control.list).unwrap_or_default();
            (field.name.unwrap(), (field.operators.into_iter().collect(), words.into_iter().collect()))
        };
        list.filters.into_iter().map(row).collect()
    }

    /// What can be built.
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

        fn date(self, field: &Field<F, Date>) -> Self {
            let day = Day::new(2026, 10, 1).unwrap();
            self.with([field.before(day), field.until(day), field.after(day), field.since(day)])
        }

        fn words<W: fmt::Display>(mut self, field: &'static str, words: &[W]) -> Self {
            self.0.entry(field.to_owned()).or_default().1.extend(words.iter().map(W::to_string));
            self
        }
    }

    #[test]
    fn what_can_be_built_for_configurations_is_what_is_listed() {
        use ConfigField as Config;
        let built = Built::new()
            .with(LastScanWord::ALL.iter().map(|word| Config::SCANS_STATUS.is(*word)))
            .words("scans_status", LastScanWord::ALL)
            .with(TemplateWord::ALL.iter().map(|word| Config::TEMPLATE_NAME.is(*word)))
            .with([Config::TEMPLATE_NAME.is_not(TemplateWord::Pci)])
            .words("templates.name", TemplateWord::ALL)
            .with([Config::SCHEDULE.is(ScheduleWord::Enabled)])
            .words("configs.schedule", ScheduleWord::ALL)
            .text(&Config::NAME)
            .text(&Config::DESCRIPTION)
            .text(&Config::TARGET)
            .text(&Config::FOLDER_NAME)
            .text(&Config::USER_TEMPLATE_NAME)
            .date(&Config::SCANS_STARTED_AT)
            .date(&Config::SCANS_FINALIZED_AT)
            .date(&Config::CREATED_AT)
            .date(&Config::UPDATED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_configs.json")));
    }

    #[test]
    fn what_can_be_built_for_scans_is_what_is_listed() {
        let status = ScanField::STATUS;
        let built = Built::new()
            .with([status.is(ScanWord::Running), status.is_not(ScanWord::Running)])
            .with([status.matches("x"), status.matches_not("x")])
            .with([status.any_of([ScanWord::Running]), status.none_of([ScanWord::Running])])
            .words("status", ScanWord::ALL)
            .date(&ScanField::STARTED_AT)
            .date(&ScanField::FINALIZED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_scans.json")));
    }

    #[test]
    fn what_can_be_built_for_user_templates_is_what_is_listed() {
        let template = UserTemplateField::TEMPLATE_NAME;
        let built = Built::new()
            .with([template.is(TemplateWord::Api), template.is_not(TemplateWord::Api)])
            .words("template_name", TemplateWord::ALL)
            .date(&UserTemplateField::CREATED_AT)
            .date(&UserTemplateField::UPDATED_AT)
            .text(&UserTemplateField::NAME)
            .text(&UserTemplateField::DESCRIPTION);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_user_templates.json")));
    }

    #[test]
    fn what_can_be_built_for_detections_is_what_is_listed() {
        let plugin = PluginId(98_104);
        let asset: AssetId = "77778888-9999-4aaa-8bbb-ccccddddeeee".parse().unwrap();
        let built = Built::new()
            .with([VulnerabilityField::ASSET_ID.is(asset), VulnerabilityField::PLUGIN_ID.is(plugin)])
            .text(&VulnerabilityField::URI)
            .text(&VulnerabilityField::INPUT_TYPE)
            .text(&VulnerabilityField::INPUT_NAME)
            .text(&VulnerabilityField::OUTPUT)
            .date(&VulnerabilityField::CREATED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_vulnerabilities.json")));
        let built = Built::new()
            .with([ScanVulnerabilityField::PLUGIN_ID.is(plugin)])
            .text(&ScanVulnerabilityField::URI)
            .text(&ScanVulnerabilityField::INPUT_TYPE)
            .text(&ScanVulnerabilityField::INPUT_NAME)
            .text(&ScanVulnerabilityField::OUTPUT)
            .date(&ScanVulnerabilityField::CREATED_AT);
        assert_eq!(built.0, listed(include_str!("../../fixtures/filters_scan_vulnerabilities.json")));
    }

    #[test]
    fn a_number_is_sent_as_text() {
        let json = serde_json::to_value(VulnerabilityField::PLUGIN_ID.is(PluginId(98_104))).unwrap();
        assert_eq!(json["value"], Value::from("98104"));
    }
}
