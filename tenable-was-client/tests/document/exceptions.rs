//! Where the document is contradicted: by its own examples, by what the client sends, by what the client makes of answers. Each by name.
//!
//! Every exception must be needed: one that is not any more is a fault too.

use std::cell::Cell;
use std::fmt;

/// A place where something else than the document's word is right.
pub(crate) struct Exception {
    /// An operation's id, or `*` for any.
    operation: &'static str,
    /// What is wrong there; see where the table is used.
    kind: &'static str,
    /// The way to it. `*` stands for any one name, `**` for any number of names.
    path: &'static str,
    why: &'static str,
    used: Cell<bool>,
}

/// Exceptions of one sort.
pub(crate) struct Exceptions {
    what: &'static str,
    list: Vec<Exception>,
}

impl Exceptions {
    fn new(what: &'static str, rows: &[(&'static str, &'static str, &'static str, &'static str)]) -> Self {
        let exception =
            |&(operation, kind, path, why)| Exception { operation, kind, path, why, used: Cell::new(false) };
        Self { what, list: rows.iter().map(exception).collect() }
    }

    /// True where the place is excepted.
    pub(crate) fn cover(&self, operation: &str, kind: &str, path: &str) -> bool {
        let found = self.list.iter().find(|exception| {
            ["*", operation].contains(&exception.operation)
                && exception.kind == kind
                && matches(&names(exception.path), &names(path))
        });
        if let Some(exception) = found {
            exception.used.set(true);
        }
        found.is_some()
    }

    /// Exceptions that were not needed, in sentences.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.list.iter().filter(|exception| !exception.used.get());
        unused.map(|unused| format!("needless: {} ({} {})", self.what, unused.kind, unused.path)).collect()
    }
}

impl fmt::Display for Exceptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.what, self.list.len())?;
        self.list.iter().try_for_each(|Exception { operation, kind, path, why, .. }| {
            writeln!(f, "  {operation:<36} {kind:<13} {path:<44} {why}")
        })
    }
}

fn names(path: &str) -> Vec<&str> {
    path.split('.').collect()
}

fn matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**", pattern @ ..], path) => (0..=path.len()).any(|skip| matches(pattern, &path[skip..])),
        (["*", pattern @ ..], [_, path @ ..]) => matches(pattern, path),
        ([wanted, pattern @ ..], [name, path @ ..]) => wanted == name && matches(pattern, path),
        _ => false,
    }
}

/// What the client sends and the document's schema does not allow.
pub(crate) fn sent() -> Exceptions {
    const AS_IT_CAME: &str = "a proposed configuration is posted back as it came";
    const AS_READ: &str = "a configuration that was read is written back whole";
    Exceptions::new(
        "Sent, and not allowed by the document",
        &[
            ("was-export-findings", "undocumented", "properties", "the vendor's Python library sends it"),
            ("was-v2-config-search", "anyOf", "", "`contains` takes a list (observed), text by the schema"),
            ("was-v2-config-create", "type", "scanner_id", AS_IT_CAME),
            ("was-v2-config-create", "null", "settings.scope.*", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "in_remediation", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.remediation", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.session", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.queue_timeout", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.audit.include_vector_patterns", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.audit.path_parameters", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.chrome", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.http.include_scan_id", AS_IT_CAME),
            ("was-v2-config-create", "undocumented", "settings.scope.deduplicate_pages", AS_IT_CAME),
            ("was-v2-config-upsert", "undocumented", "settings.chrome", AS_READ),
            ("was-v2-config-upsert", "undocumented", "settings.http.include_scan_id", AS_READ),
        ],
    )
}

/// What the document's schema of a request names and no sample sends.
pub(crate) fn unsent() -> Exceptions {
    const OLD: &str = "deprecated by the document: `targets` has replaced it";
    const DEPRECATED: &str = "deprecated by the document";
    Exceptions::new(
        "Named by the document, and never sent",
        &[
            ("was-v2-config-create", "", "target", OLD),
            ("was-v2-config-upsert", "", "target", OLD),
            ("*", "", "permissions[].permissions_id", DEPRECATED),
        ],
    )
}

/// Where an example is not what the document's own schema says of it. The numbers are those of the list of contradictions; where there is
/// none, the place is one of the many where the schema does not name what is sent.
pub(crate) fn contradicted() -> Exceptions {
    const SCANNER: &str = "1: a number by the schema; null and text too";
    const CHROME: &str = "2: `chrome` is what comes, `chrome_script` what is described";
    const SCAN: &str = "3: a scan is not what its schema says";
    const NULL: &str = "4: null where nothing is set";
    const FLAT: &str = "5: a user's template is flat, not wrapped in `data`";
    const REPORT: &str = "6: a report is flat, not wrapped in `data`";
    const TEMPLATE: &str = "7: a list, and more names";
    const SHAPES: &str = "8: refusals have three shapes";
    const EXPORT: &str = "9: the export's own types";
    const INPUT: &str = "10: null where there is no input";
    const LAUNCH: &str = "11: a code without a reason";
    const UNNAMED: &str = "-: sent, and not in the schema";
    const PROPOSED: &str = "-: a proposal has no id, no dates and no visibility yet";
    Exceptions::new(
        "Contradicted by its own examples",
        &[
            ("*", "null", "scanner_id", SCANNER),
            ("was-v3-config-remediation", "type", "scanner_id", SCANNER),
            ("*", "undocumented", "settings.chrome", CHROME),
            ("was-v2-scans-details", "missing", "asset_id", SCAN),
            ("was-v2-scans-details", "missing", "notes", SCAN),
            ("was-v2-scans-details", "undocumented", "metadata.scan_status", SCAN),
            ("was-v2-scans-search", "missing", "items[].notes", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].finalized_at", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].scanner", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].started_at", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].template_name", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].metadata.audited_urls", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].metadata.found_urls", SCAN),
            ("was-v2-scans-search", "undocumented", "items[].metadata.scan_status", SCAN),
            ("was-v2-scans-search", "null", "items[].metadata", NULL),
            ("was-v2-config-search", "null", "items[].last_scan", NULL),
            ("was-v2-config-search", "null", "items[].user_template", NULL),
            ("was-v2-config-search", "null", "items[].schedule", NULL),
            ("was-v2-config-search", "null", "items[].description", NULL),
            ("*", "null", "description", NULL),
            ("*", "null", "schedule", NULL),
            ("*", "null", "user_template_id", NULL),
            ("was-v2-config-create", "null", "pause_window", NULL),
            ("*", "null", "settings.credentials", NULL),
            ("*", "null", "settings.scope.*", NULL),
            ("*", "null", "settings.browser.analysis", NULL),
            ("*", "null", "settings.assessment.fingerprinting", NULL),
            ("was-v2-plugins-details", "null", "patch_published", NULL),
            ("*", "null", "filters[].control", NULL),
            ("*", "null", "filters[].control.regex", NULL),
            ("*", "null", "filters[].control.readable_regex", NULL),
            ("was-v2-user-templates-search", "missing", "items[].data", FLAT),
            ("was-v2-user-templates-search", "undocumented", "items[].*", FLAT),
            ("was-v2-scans-download-export", "undocumented", "*", REPORT),
            ("was-v2-templates-list", "type", "items[].scanner_types", TEMPLATE),
            ("was-v2-templates-list", "enum", "items[].scanner_types", TEMPLATE),
            ("was-v2-templates-list", "enum", "items[].name", TEMPLATE),
            ("was-v2-templates-details", "type", "scanner_types", TEMPLATE),
            ("was-v2-templates-details", "enum", "scanner_types", TEMPLATE),
            ("was-v2-templates-list", "missing", "items[].timeout", "-: it stands in `settings`"),
            ("was-v2-templates-details", "missing", "timeout", "-: it stands in `settings`"),
            ("*", "missing", "reasons", SHAPES),
            ("*", "undocumented", "statusCode", SHAPES),
            ("*", "undocumented", "error", SHAPES),
            ("*", "undocumented", "message", SHAPES),
            ("*", "missing", "code", SHAPES),
            ("*", "missing", "fields", SHAPES),
            ("*", "undocumented", "reasons", SHAPES),
            ("was-export-findings-download-chunk", "type", "[].indexed_at", EXPORT),
            ("was-export-findings-download-chunk", "type", "[].plugin.bid[]", EXPORT),
            ("was-export-findings-download-chunk", "type", "[].plugin.xrefs[]", EXPORT),
            ("was-export-findings-download-chunk", "type", "[].plugin.original_risk_factor_num", EXPORT),
            (
                "was-export-findings-download-chunk",
                "enum",
                "[].plugin.cvss4_vector.privileges_required",
                EXPORT,
            ),
            ("*", "null", "items[].details.*", INPUT),
            ("was-v2-scans-launch", "missing", "reasons[].reason", LAUNCH),
            ("*", "undocumented", "settings.http.include_scan_id", UNNAMED),
            ("*", "undocumented", "settings.scope.deduplicate_pages", UNNAMED),
            ("was-v3-config-remediation", "undocumented", "settings.audit.include_vector_patterns", UNNAMED),
            ("was-v3-config-remediation", "undocumented", "settings.audit.path_parameters", UNNAMED),
            ("was-v3-config-remediation", "undocumented", "settings.queue_timeout", UNNAMED),
            ("was-v3-config-remediation", "undocumented", "settings.remediation", UNNAMED),
            ("was-v3-config-remediation", "undocumented", "settings.session", UNNAMED),
            ("was-v3-config-remediation", "undocumented", "in_remediation", UNNAMED),
            ("was-v2-config-upsert", "undocumented", "additional_properties", UNNAMED),
            ("*", "undocumented", "filters[].control.list", UNNAMED),
            ("was-v2-plugins-list", "undocumented", "items[].policy", UNNAMED),
            ("was-v2-templates-list", "undocumented", "items[].plugins[].policy", UNNAMED),
            ("*", "undocumented", "items[].is_page", UNNAMED),
            ("*", "undocumented", "items[].details.request", UNNAMED),
            ("*", "undocumented", "items[].details.response", UNNAMED),
            ("*", "undocumented", "items[].attachments[].size", UNNAMED),
            ("was-v2-vulns-details", "undocumented", "is_page", UNNAMED),
            ("was-v2-vulns-details", "undocumented", "details.request", UNNAMED),
            ("was-v2-vulns-details", "undocumented", "details.response", UNNAMED),
            ("was-v2-vulns-details", "undocumented", "attachments[].size", UNNAMED),
            ("was-v3-config-remediation", "missing", "*", PROPOSED),
        ],
    )
}

/// What is written back in another form than it was read.
pub(crate) fn retold() -> Exceptions {
    const MEANING: &str = "a severity is read by its meaning, and written in lower case";
    Exceptions::new(
        "Written back in another form than read",
        &[
            ("was-v3-config-remediation", "", "scanner_id", "1: the text of a number becomes the number"),
            (
                "was-v2-scans-download-export",
                "",
                "findings[].cwe[]",
                "numbers here, text in the export: text for both",
            ),
            ("was-export-findings-download-chunk", "", "[].severity", MEANING),
            ("was-export-findings-download-chunk", "", "[].plugin.risk_factor", MEANING),
        ],
    )
}

/// What is kept as it came, without a type of its own.
pub(crate) fn untyped() -> Exceptions {
    const EMPTY: &str = "empty in every example";
    const FOREIGN: &str = "a file of another program";
    const WRAPPER: &str = "5, 6: of the wrapper in the schema, which does not come";
    Exceptions::new(
        "Kept as it came, without a type",
        &[
            ("*", "", "**.crawl_script", FOREIGN),
            ("was-v3-config-remediation", "", "settings.session", EMPTY),
            ("was-v3-config-remediation", "", "settings.audit.include_vector_patterns", EMPTY),
            ("was-v2-config-upsert", "", "additional_properties", EMPTY),
            ("was-v2-scans-download-export", "", "config.additional_properties", EMPTY),
            ("was-v2-config-details", "", "**.element_exclusions[].selector", "a text, or a pair of names"),
            ("was-v2-config-details", "", "**.element_exclusions[].selector.*", "a text, or a pair of names"),
            ("was-export-findings-download-chunk", "", "[].plugin.xrefs[].*", "in other forms kept whole"),
            ("was-v2-scans-download-export", "", "created_at", WRAPPER),
            ("was-v2-scans-download-export", "", "data", WRAPPER),
            ("was-v2-user-templates-search", "", "items[].data", WRAPPER),
            ("was-v2-user-templates-details", "", "data", WRAPPER),
            (
                "was-v2-user-templates-update",
                "",
                "**",
                "accepted, whatever the answer looks like: none is shown",
            ),
        ],
    )
}
