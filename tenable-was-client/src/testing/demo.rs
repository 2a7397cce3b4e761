//! A realistic tenant: a few sites of one shop, scanned for months, with the irregularities of real data.

use std::sync::Arc;

use appsec_core::Severity;

use crate::testing::tenant::Tenant;
use crate::testing::tenant::config::FakeConfig;
use crate::testing::tenant::dates::{days_ago, hours_ago};
use crate::testing::tenant::finding::FakeFinding;
use crate::testing::tenant::ids::mix;
use crate::testing::tenant::plugin::FakePlugin;
use crate::testing::tenant::scan::{FakeNote, FakeScan};
use crate::testing::tenant::target::FakeTarget;
use crate::testing::tenant::template::FakeTemplate;

/// The seed of all pseudo-random choices.
const SEED: u64 = 20_261_015;

const PATHS: [&str; 24] = [
    "/",
    "/login",
    "/logout",
    "/search",
    "/account",
    "/account/orders",
    "/account/orders/1042",
    "/account/addresses",
    "/cart",
    "/cart/checkout",
    "/catalog",
    "/catalog/books",
    "/catalog/books/7",
    "/catalog/music",
    "/help",
    "/help/contact",
    "/newsletter",
    "/api/v1/orders",
    "/api/v1/orders/1042",
    "/api/v1/users/me",
    "/api/v2/quotes",
    "/static/app.js",
    "/admin",
    "/admin/reports",
];

const INPUTS: [(&str, &str); 5] = [
    ("link", "q"),
    ("form", "email"),
    ("cookie", "session"),
    ("header", "X-Forwarded-Host"),
    ("json", "filter"),
];

/// A tenant with six configurations and about 400 findings, the same in each run.
///
/// One configuration has three targets, one of them unreachable; one has never run; one reached its time
/// limit; one could not log in; one asset is not licensed. Findings are open, reopened, fixed, recast and
/// accepted, and a few have undocumented values.
pub fn demo_tenant() -> Tenant {
    let mut draw = Draw { state: SEED, plugins: plugins() };
    let mut tenant = Tenant::new();
    tenant.configs = vec![
        FakeConfig::new("storefront nightly")
            .with_description("The shop, every night")
            .with_nightly_schedule()
            .with_scanner_id(36_960_339)
            .with_updated_at(days_ago(14))
            .with_scans((1..=3).rev().map(|days| FakeScan::completed(days_ago(days))))
            .with_target(draw.target("https://shop.example.com/", 130)),
        FakeConfig::new("customer portal, all regions")
            .with_user_template("house rules")
            .with_updated_at(days_ago(20))
            .with_scans([FakeScan::completed(days_ago(8)), FakeScan::completed(days_ago(1))])
            .with_target(draw.target("https://eu.portal.example.com/", 45))
            .with_target(draw.target("https://us.portal.example.com:8443/", 40))
            .with_target(
                draw.target("https://ap.portal.example.com/", 25)
                    .with_outcome("aborted", [FakeNote::target_unreachable()]),
            ),
        FakeConfig::new("payments api")
            .with_template("api")
            .with_scanner_id("36973541")
            .with_updated_at(days_ago(3))
            .with_scans([FakeScan::completed(days_ago(2)).with_note(FakeNote::time_limit())])
            .with_target(draw.target("https://pay.example.com/api/", 80)),
        FakeConfig::new("partner login")
            .with_description("")
            .with_updated_at(days_ago(40))
            .with_scans([
                FakeScan::completed(days_ago(9)),
                FakeScan::new("aborted", days_ago(2))
                    .with_note(FakeNote::authentication_failed())
                    .with_limit(4)
                    .without_metadata(),
            ])
            .with_target(draw.target("https://partner.example.com/login", 45)),
        FakeConfig::new("storefront draft")
            .never_run()
            .with_user_permissions("view")
            .with_target(FakeTarget::new("https://next.shop.example.com/"))
            .with_target(FakeTarget::new("https://beta.shop.example.com/")),
        FakeConfig::new("intranet, quick look")
            .with_template("quick")
            .with_updated_at(days_ago(120))
            .with_scans([FakeScan::completed(days_ago(6))])
            .with_target(odd(draw.target("https://wiki.example.com/", 38).unlicensed())),
    ];
    tenant.templates = FakeTemplate::usual();
    tenant
}

/// The last two findings of a target get undocumented values. Their state stays as it is: a query for the
/// known states never returns another one.
fn odd(mut target: FakeTarget) -> FakeTarget {
    let severe = FakePlugin::new(115_999, "Exposed Model Endpoint", Severity::from("Severe")).shared();
    let mut last = target.findings.iter_mut().rev();
    if let (Some(last), Some(before)) = (last.next(), last.next()) {
        last.plugin = severe;
        "DEFERRED".clone_into(&mut before.modification);
    }
    target
}

struct Draw {
    state: u64,
    plugins: Vec<Arc<FakePlugin>>,
}

impl Draw {
    /// A number below the bound.
    fn below(&mut self, bound: u32) -> u32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        u32::try_from(mix(self.state) % u64::from(bound.max(1))).unwrap_or(0)
    }

    fn target(&mut self, url: &str, findings: usize) -> FakeTarget {
        let mut target = FakeTarget::new(url);
        let site = format!("https://{}", target.authority());
        let pairs = PATHS.len() * self.plugins.len();
        let start = self.below(1000) as usize;
        for number in 0..findings {
            // A step that has no common divisor with the number of pairs visits each pair once.
            let pair = (start + number * 77) % pairs;
            let plugin = self.plugins.get(pair % self.plugins.len()).map(Arc::clone);
            let path = PATHS.get(pair / self.plugins.len());
            if let (Some(plugin), Some(path)) = (plugin, path) {
                target.findings.push(self.finding(&plugin, &site, path));
            }
        }
        target
    }

    fn finding(&mut self, plugin: &Arc<FakePlugin>, site: &str, path: &str) -> FakeFinding {
        let has_query = self.below(3) == 0;
        let query = if has_query { format!("?q={}&page=2", self.below(90)) } else { String::new() };
        let first = days_ago(12 + self.below(300));
        let mut finding = FakeFinding::new(plugin, format!("{site}{path}{query}"))
            .with_found(first, hours_ago(20 + self.below(6)));
        let has_input = plugin.severity > Severity::Low;
        if has_input && let Some((kind, name)) = INPUTS.get(self.below(5) as usize) {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: session=6f1c{:08x}\r\n\r\n",
                site.trim_start_matches("https://"),
                self.below(u32::MAX)
            );
            finding = finding
                .with_input(*kind, *name)
                .with_proof("'\"><probe-17>", format!("value=\"'\"><probe-17>\" in {path}"))
                .with_exchange(request, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
        }
        if self.below(12) == 0 {
            finding = finding.with_attachment(format!("GET {path} HTTP/1.1\r\n"));
        }
        match self.below(20) {
            0 | 1 => finding.reopened(),
            2 | 3 => {
                let days = 3 + self.below(60);
                finding.with_found(first.min(days_ago(days + 2)), days_ago(days + 1)).fixed(days_ago(days))
            }
            4 => finding.recast(Severity::Low, "Behind a firewall that filters it"),
            5 => finding.accepted("Accepted until the new shop is live"),
            _ => finding,
        }
    }
}

fn plugins() -> Vec<Arc<FakePlugin>> {
    use Severity::{Critical, High, Info, Low, Medium};
    let injection = |plugin: FakePlugin, cwe: u32| {
        plugin
            .with_family("Injection")
            .with_cwe(cwe)
            .with_owasp("2017", "A1")
            .with_owasp("2021", "A3")
            .with_owasp("2019", "API8")
            .with_xref("pci_dss", &["3.2-6.5.1"])
            .with_xref("hipaa", &["164.306(a)(1)"])
    };
    let component = |plugin: FakePlugin, cve: &str| {
        plugin.with_family("Component Vulnerability").with_cve(cve).with_owasp("2021", "A6").with_cwe(1104)
    };
    let header = |plugin: FakePlugin| plugin.with_family("HTTP Security Header").with_owasp("2021", "A5");
    let mut all = vec![
        injection(FakePlugin::new(98_115, "SQL Injection", Critical), 89).with_wasc("SQL Injection"),
        injection(FakePlugin::new(98_104, "Cross-Site Scripting (XSS)", High), 79)
            .with_wasc("Cross-Site Scripting")
            .with_texts("Input comes back in the page without being escaped.", None),
        injection(FakePlugin::new(98_123, "Operating System Command Injection", High), 78),
        component(FakePlugin::new(113_075, "Outdated Template Engine", High), "CVE-2021-23337")
            .with_cvss4(8.7, "AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N"),
        component(
            FakePlugin::new(112_435, "jQuery Before 3.0.0 Cross-Site Scripting", Medium),
            "CVE-2015-9251",
        ),
        FakePlugin::new(98_112, "Cross-Site Request Forgery", Medium).with_cwe(352).with_owasp("2013", "A8"),
        FakePlugin::new(98_074, "Backup File", Medium).with_family("Data Exposure").with_cwe(530),
        FakePlugin::new(113_331, "Unprotected API Operation", Medium)
            .with_cwe(306)
            .with_owasp("2019", "API2")
            .with_owasp("2021", "A7"),
        FakePlugin::new(98_082, "Unvalidated Redirection", Medium).with_cwe(601).with_owasp("2021", "A1"),
        FakePlugin::new(112_540, "SSL/TLS Certificate Soon Expires", Medium).with_family("SSL/TLS"),
        FakePlugin::new(98_060, "Missing 'X-Frame-Options' Header", Low).with_cwe(1021),
        FakePlugin::new(98_063, "Cookie Without HttpOnly Flag", Low).with_cwe(1004),
        FakePlugin::new(98_064, "Cookie Without Secure Flag", Low).with_cwe(614),
        FakePlugin::new(98_077, "Private Address Disclosure", Low).with_family("Data Exposure").with_cwe(200),
        FakePlugin::new(112_551, "Missing Content Security Policy", Low),
        FakePlugin::new(98_527, "Missing Referrer Policy", Info),
        FakePlugin::new(98_000, "Scan Information", Info).with_family("General"),
        FakePlugin::new(98_009, "Web Application Sitemap", Info).with_family("General"),
        FakePlugin::new(98_059, "Technologies Detected", Info).with_family("General"),
        FakePlugin::new(98_033, "Login Form Detected", Info).with_family("Authentication & Session"),
    ];
    for plugin in &mut all {
        if plugin.id == 98_060 || plugin.id == 112_551 || plugin.id == 98_527 {
            *plugin = header(plugin.clone());
        }
        if plugin.id == 112_435 {
            plugin.bid.push("105658".to_owned());
            plugin.epss = Some(10.647);
        }
    }
    all.into_iter().map(Arc::new).collect()
}
