//! Findings, in one form for all routes.

use std::sync::Arc;

use appsec_core::{Severity, Timestamp};

use crate::testing::tenant::dates::{days_ago, hours_ago};
use crate::testing::tenant::ids::uuid_of;
use crate::testing::tenant::plugin::FakePlugin;

/// A finding of one plugin at one location.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FakeFinding {
    /// The plugin that found it.
    pub plugin: Arc<FakePlugin>,
    /// The URL as the report and the vulnerability search write it.
    pub uri: String,
    /// The URL as the export writes it: without the query.
    pub url: String,
    /// The type of the affected input.
    pub input_type: Option<String>,
    /// The name of the affected input.
    pub input_name: Option<String>,
    /// The plugin's output.
    pub output: String,
    /// The part of the response that proves the finding.
    pub proof: Option<String>,
    /// The payload that was sent.
    pub payload: Option<String>,
    /// The head of the request.
    pub request_headers: Option<String>,
    /// The head of the response.
    pub response_headers: Option<String>,
    /// The state in the export: `OPEN`, `REOPENED`, `FIXED`, or any other.
    pub state: String,
    /// The severity after a recast; the plugin's where `None`.
    pub severity: Option<Severity>,
    /// The modification in the export: `NONE`, `RECASTED`, `ACCEPTED`, or any other.
    pub modification: String,
    /// The comment on the recast rule.
    pub recast_reason: Option<String>,
    /// When it was first seen.
    pub first_found: Timestamp,
    /// When it was last seen.
    pub last_found: Timestamp,
    /// When it was found to be fixed.
    pub last_fixed: Option<Timestamp>,
    /// Whether scans see it; set to false with [`fixed`](Self::fixed).
    pub visible: bool,
    /// The text of an attached file.
    pub attachment: Option<String>,
}

impl FakeFinding {
    /// An open finding at a URL. The URL's query is in the report and not in the export.
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

    /// Sets the affected input: type and name.
    pub fn with_input(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        (self.input_type, self.input_name) = (Some(kind.into()), Some(name.into()));
        self
    }

    /// Sets the plugin's output.
    pub fn with_output(mut self, output: impl Into<String>) -> Self {
        self.output = output.into();
        self
    }

    /// Sets the payload that was sent, and the part of the response that proves the finding.
    pub fn with_proof(mut self, payload: impl Into<String>, proof: impl Into<String>) -> Self {
        (self.payload, self.proof) = (Some(payload.into()), Some(proof.into()));
        self
    }

    /// Sets the heads of request and answer.
    pub fn with_exchange(mut self, request: impl Into<String>, response: impl Into<String>) -> Self {
        (self.request_headers, self.response_headers) = (Some(request.into()), Some(response.into()));
        self
    }

    /// Attaches a text file.
    pub fn with_attachment(mut self, text: impl Into<String>) -> Self {
        self.attachment = Some(text.into());
        self
    }

    /// Sets its state in the export.
    pub fn with_state(mut self, word: impl Into<String>) -> Self {
        self.state = word.into();
        self
    }

    /// Marks it as fixed once and found again.
    pub fn reopened(self) -> Self {
        self.with_state("REOPENED")
    }

    /// Marks it as fixed at that time. Later scans do not find it.
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

    /// Applies a recast rule with that severity.
    pub fn recast(mut self, severity: Severity, reason: impl Into<String>) -> Self {
        self.severity = Some(severity);
        self.with_modification("RECASTED", reason)
    }

    /// Applies an accept rule.
    pub fn accepted(self, reason: impl Into<String>) -> Self {
        self.with_modification("ACCEPTED", reason)
    }

    /// Applies a recast rule: the modification in the export, and the rule's comment.
    pub fn with_modification(mut self, word: impl Into<String>, reason: impl Into<String>) -> Self {
        (self.modification, self.recast_reason) = (word.into(), Some(reason.into()));
        self
    }

    /// The current severity.
    pub fn current_severity(&self) -> &Severity {
        self.severity.as_ref().unwrap_or(&self.plugin.severity)
    }

    /// Its id in the export. It depends on plugin, asset, URL without query, and input.
    pub fn finding_id(&self, asset_id: &str) -> String {
        let input = |text: &Option<String>| text.clone().unwrap_or_default();
        let plugin = self.plugin.id.to_string();
        let (kind, name) = (input(&self.input_type), input(&self.input_name));
        uuid_of(&["finding", asset_id, &plugin, &self.url, &kind, &name])
    }
}
