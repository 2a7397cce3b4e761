//! Reports in the formats other than JSON.

use serde_json::Value;

/// The columns of the findings tables, in the order observed.
const COLUMNS: [&str; 14] = [
    "Plugin ID",
    "CVE",
    "CVSS",
    "CVSSv3",
    "Risk",
    "Host",
    "Protocol",
    "Port",
    "Name",
    "Synopsis",
    "Description",
    "Solution",
    "See Also",
    "Plugin Output",
];

/// A report in the format of the content type, made from the JSON report.
pub(crate) fn render(content_type: &str, report: &Value) -> Vec<u8> {
    match content_type {
        "text/csv" => csv(report).into(),
        "text/html" => html(report).into(),
        "text/xml" => xml(report).into(),
        "application/pdf" => pdf(report).into(),
        _ => report.to_string().into(),
    }
}

fn findings(report: &Value) -> impl Iterator<Item = &Value> {
    report["findings"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

fn csv(report: &Value) -> String {
    let cell = |value: String| {
        if value.contains(['"', ',', '\n']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
    };
    let mut table = COLUMNS.join(",");
    for finding in findings(report) {
        let url = url::Url::parse(&text(&finding["uri"])).ok();
        let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default().to_owned();
        let protocol = url.as_ref().map_or(String::new(), |url| url.scheme().to_owned());
        let of = |name: &str| text(&finding[name]);
        let cells = [
            of("plugin_id"),
            of("cves"),
            of("cvss"),
            of("cvssv3"),
            of("risk_factor"),
            host,
            protocol,
            String::new(),
            of("name"),
            of("synopsis"),
            of("description"),
            of("solution"),
            of("see_also"),
            of("output"),
        ];
        table.push('\n');
        table.push_str(&cells.map(cell).join(","));
    }
    table
}

fn escaped(value: &Value) -> String {
    text(value).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn html(report: &Value) -> String {
    let rows = findings(report).map(|finding| {
        let of = |name: &str| escaped(&finding[name]);
        format!("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", of("risk_factor"), of("name"), of("uri"))
    });
    let title = escaped(&report["config"]["name"]);
    format!(
        "<!doctype html><html><head><title>{title}</title></head><body><table>{}</table></body></html>",
        rows.collect::<String>()
    )
}

fn xml(report: &Value) -> String {
    let severity = |finding: &Value| {
        let words = ["info", "low", "medium", "high", "critical"];
        words.iter().position(|word| finding["risk_factor"] == *word).unwrap_or(0)
    };
    let items = findings(report).map(|finding| {
        let of = |name: &str| escaped(&finding[name]);
        format!(
            "<ReportItem pluginFamily=\"{}\" pluginName=\"{}\" pluginID=\"{}\" severity=\"{}\" protocol=\"tcp\" \
             svc_name=\"www\" port=\"443\"><plugin_output>{}</plugin_output></ReportItem>",
            of("family"),
            of("name"),
            of("plugin_id"),
            severity(finding),
            of("output"),
        )
    });
    format!(
        "<?xml version=\"1.0\" ?>\n<NessusClientData_v2><Report><ReportHost name=\"{}\">{}</ReportHost></Report></NessusClientData_v2>\n",
        escaped(&report["scan"]["target"]),
        items.collect::<String>()
    )
}

/// Bytes that begin and end like a PDF document. No reader can display them.
fn pdf(report: &Value) -> String {
    format!("%PDF-1.7\n% {} findings\n%%EOF\n", findings(report).count())
}
