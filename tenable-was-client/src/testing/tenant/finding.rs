//! A finding, told once for all routes.

use std::sync::Arc;

use appsec_core::{Severity, Timestamp};

use crate::testing::tenant::dates::{days_ago, hours_ago};
use crate::testing::tenant::ids::uuid_of;
use crate::testing::tenant::plugin::FakePlugin;

/// One plugin that found something at one place.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeFinding {
    /// What found it.
    pub plugin: Arc<FakePlugin>,
    /// The place as the report and the vulnerability search write it.
    pub uri: String,
    /// The place as the export writes it: without the query.
    pub url: String,
    /// The input concerned: its kind.
    pub input_type: Option<String>,
    /// The input concerned: its name.
    pub input_name: Option<String>,
    /// What the plugin printed.
    pub output: String,
    /// The part of the answer that proves it.
    pub proof: Option<String>,
    /// What was sent to provoke it.
    pub payload: Option<String>,
    /// The head of the request.
    pub request_headers: Option<String>,
    /// The head of the answer.
    pub response_headers: Option<String>,
    /// The export's word: `OPEN`, `REOPENED`, `FIXED`, or any other.
    pub state: String,
    /// The severity after a recast; the plugin's where `None`.
    pub severity: Option<Severity>,
    /// The export's word: `NONE`, `RECASTED`, `ACCEPTED`, or any other.
    pub modification: String,
    /// The comment on the recast rule.
    pub recast_reason: Option<String>,
    /// When it was first seen.
    pub first_found: Timestamp,
    /// When it was last seen.
    pub last_found: Timestamp,
    /// When it was found to be gone.
    pub last_fixed: Option<Timestamp>,
    /// Whether scans see it; set to false with [`fixed`](Self::fixed).
    pub visible: bool,
    /// The text of a file that hangs off it.
    pub attachment: Option<String>,
}

impl FakeFinding {
    /// An open finding at a URL; its query, if any, is in the report and not in the export.
    pub fn new(plugin: &Arc<FakePlugin>, uri: impl Into<String>) -> Self {
        let uri = uri.into();
        let url = uri.split(['?', '#']).next().unwrap_or_default().to_owned();
        Self {
            plugin: Arc::clone(plugin),
            output: format!("Seen at {url}"),
            uri,
            url,
            input_type: None,
            input_name: None,
            proof: None,
            payload: None,
            request_headers: None,
            response_headers: None,
            state: "OPEN".to_owned(),
            severity: None,
            modification: "NONE".to_owned(),
            recast_reason: None,
            first_found: days_ago(90),
            last_found: hours_ago(23),
            last_fixed: None,
            visible: true,
            attachment: None,
        }
    }

    /// Names the input concerned: kind and name.
    pub fn with_input(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        (self.input_type, self.input_name) = (Some(kind.into()), Some(name.into()));
        self
    }

    /// Sets what the plugin printed.
    pub fn with_output(mut self, output: impl Into<String>) -> Self {
        self.output = output.into();
        self
    }

    /// Sets what was sent, and the part of the answer that proves it.
    pub fn with_proof(mut self, payload: impl Into<String>, proof: impl Into<String>) -> Self {
        (self.payload, self.proof) = (Some(payload.into()), Some(proof.into()));
        self
    }

    /// Sets the heads of request and answer.
    pub fn with_exchange(mut self, request: impl Into<String>, response: impl Into<String>) -> Self {
        (self.request_headers, self.response_headers) = (Some(request.into()), Some(response.into()));
        self
    }

    /// Hangs a text file off it.
    pub fn with_attachment(mut self, text: impl Into<String>) -> Self {
        self.attachment = Some(text.into());
        self
    }

    /// Sets the export's word for its state.
    pub fn with_state(mut self, word: impl Into<String>) -> Self {
        self.state = word.into();
        self
    }

    /// It was gone once and is back.
    pub fn reopened(self) -> Self {
        self.with_state("REOPENED")
    }

    /// It is gone, and no scan since then sees it.
    pub fn fixed(mut self, at: Timestamp) -> Self {
        self.last_fixed = Some(at);
        self.visible = false;
        self.with_state("FIXED")
    }

    /// Sets when it was first and last seen.
    pub fn with_found(mut self, first: Timestamp, last: Timestamp) -> Self {
        (self.first_found, self.last_found) = (first, last);
        self
    }

    /// A rule gives it another severity.
    pub fn recast(mut self, severity: Severity, reason: impl Into<String>) -> Self {
        self.severity = Some(severity);
        self.with_modification("RECASTED", reason)
    }

    /// A rule accepts its risk.
    pub fn accepted(self, reason: impl Into<String>) -> Self {
        self.with_modification("ACCEPTED", reason)
    }

    /// A rule does something to it: the export's word for what, and the comment on the rule.
    pub fn with_modification(mut self, word: impl Into<String>, reason: impl Into<String>) -> Self {
        (self.modification, self.recast_reason) = (word.into(), Some(reason.into()));
        self
    }

    /// The severity it has now.
    pub fn current_severity(&self) -> &Severity {
        self.severity.as_ref().unwrap_or(&self.plugin.severity)
    }

    /// Its id in the export: the same for the same plugin, asset, place and input, whatever the query was.
    pub fn finding_id(&self, asset_id: &str) -> String {
        let input = |text: &Option<String>| text.clone().unwrap_or_default();
        let plugin = self.plugin.id.to_string();
        let (kind, name) = (input(&self.input_type), input(&self.input_name));
        uuid_of(&["finding", asset_id, &plugin, &self.url, &kind, &name])
    }
}
