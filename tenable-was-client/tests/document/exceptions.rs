//! Known contradictions of the document: by its own examples, by the client's requests, and by the client's
//! types.
//!
//! An exception that is no longer needed is a problem too.

use std::cell::Cell;
use std::fmt;

/// A place where the document is wrong.
pub(crate) struct Exception {
    /// An operation's id, or `*` for any.
    operation: &'static str,
    /// The kind of violation; its meaning depends on the table.
    kind: &'static str,
    /// The path. `*` matches one name, `**` any number of names.
    path: &'static str,
    why: &'static str,
    used: Cell<bool>,
}

/// A table of exceptions.
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

    /// Whether there is an exception for this place.
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

    /// The exceptions that were not needed.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = self.list.iter().filter(|exception| !exception.used.get());
        unused
            .map(|unused| format!("unused exception: {} ({} {})", self.what, unused.kind, unused.path))
            .collect()
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

/// Members that the client sends and the document's schema does not allow.
pub(crate) fn sent() -> Exceptions {
    const UNCHANGED: &str = "a proposed configuration is sent back unchanged";
    const AS_READ: &str = "a configuration that was read is written back completely";
    Exceptions::new(
        "Sent, and not allowed by the document",
        &[
            ("was-export-findings", "undocumented", "properties", "the vendor's Python library sends it"),
            ("was-v2-config-search", "anyOf", "", "`contains` takes a list (observed), text by the schema"),
            ("was-v2-config-create", "type", "scanner_id", UNCHANGED),
            ("was-v2-config-create", "null", "settings.scope.*", UNCHANGED),
            ("was-v2-config-create", "undocumented", "in_remediation", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.remediation", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.session", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.queue_timeout", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.audit.include_vector_patterns", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.audit.path_parameters", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.chrome", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.http.include_scan_id", UNCHANGED),
            ("was-v2-config-create", "undocumented", "settings.scope.deduplicate_pages", UNCHANGED),
            ("was-v2-config-upsert", "undocumented", "settings.chrome", AS_READ),
            ("was-v2-config-upsert", "undocumented", "settings.http.include_scan_id", AS_READ),
        ],
    )
}

/// Members that the document's schema of a request defines and no sample sends.
pub(crate) fn unsent() -> Exceptions {
    const OLD: &str = "deprecated by the document: replaced by `targets`";
    const DEPRECATED: &str = "deprecated by the document";
    Exceptions::new(
        "Defined by the document, and never sent",
        &[
            ("was-v2-config-create", "", "target", OLD),
            ("was-v2-config-upsert", "", "target", OLD),
            ("*", "", "permissions[].permissions_id", DEPRECATED),
        ],
    )
}

/// Examples that contradict the document's own schema. The numbers are those of the list of contradictions.
/// Without a number, it is one of the many members that the schema does not define.
pub(crate) fn contradicted() -> Exceptions {
    const SCANNER: &str = "1: a number by the schema; also null and text";
    const CHROME: &str = "2: `chrome` is sent, `chrome_script` is documented";
    const SCAN: &str = "3: a scan differs from its schema";
    const NULL: &str = "4: null if not set";
    const FLAT: &str = "5: a user template is flat, not wrapped in `data`";
    const REPORT: &str = "6: a report is flat, not wrapped in `data`";
    const TEMPLATE: &str = "7: a list, and more names";
    const SHAPES: &str = "8: errors have three forms";
    const EXPORT: &str = "9: the export's own types";
    const INPUT: &str = "10: null if there is no input";
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
            ("was-v2-templates-list", "missing", "items[].timeout", "-: it is inside `settings`"),
            ("was-v2-templates-details", "missing", "timeout", "-: it is inside `settings`"),
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

/// Members that are written back in another form than they were read.
pub(crate) fn reformatted() -> Exceptions {
    const MEANING: &str = "a severity is decoded, and written in lower case";
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

/// Members that are kept without a type.
pub(crate) fn untyped() -> Exceptions {
    const EMPTY: &str = "empty in every example";
    const FOREIGN: &str = "a file of another program";
    const WRAPPER: &str = "5, 6: of the wrapper in the schema, which does not come";
    Exceptions::new(
        "Kept without a type",
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
                "accepted with any response: the document has no example",
            ),
        ],
    )
}
