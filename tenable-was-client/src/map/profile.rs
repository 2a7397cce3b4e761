//! Profiles: by which template and within which scope a scan examines its targets.

use appsec_core::ProfileKey;
use serde_json::{Map, Value};

use crate::model::{Scan, ScanReport, ScopeOption, UserTemplateRef};

/// The vendor's templates that the general template `scan` includes (assumed: by the vendor's descriptions
/// `scan` runs all tests of web applications, and these run some of them). `pci` follows rules of its own and
/// `api` tests another kind of target, so neither includes another one or is included.
const INCLUDED_IN_SCAN: [&str; 4] = ["config_audit", "overview", "quick", "ssl_tls"];

/// The scopes from the widest to the narrowest; each includes those after it (from the vendor's document).
const SCOPES: [ScopeOption; 4] =
    [ScopeOption::All, ScopeOption::Paths, ScopeOption::Children, ScopeOption::Urls];

/// How a scan examines its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    template: Template,
    /// Known only from a report.
    scope: Option<Scope>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Template {
    Vendor(String),
    User(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    option: Option<ScopeOption>,
    /// A digest of what limits the scope and selects plugins; `None` where nothing does.
    limits: Option<u32>,
}

impl Profile {
    /// Returns the profile of a scan; `None` if the scan does not name its template.
    pub(crate) fn of_scan(scan: &Scan) -> Option<Self> {
        let metadata = scan.config_metadata.as_ref();
        let user = metadata.and_then(|metadata| metadata.user_template.as_ref());
        let named = metadata.and_then(|metadata| metadata.template.as_ref()?.name.as_deref());
        Some(Self { template: template(user, scan.template_name.as_deref().or(named))?, scope: None })
    }

    /// Returns the profile of a report, which shows the settings at the time of the scan.
    pub(crate) fn of_report(report: &ScanReport) -> Option<Self> {
        let vendor = report.template.as_ref().and_then(|template| template.name.as_deref());
        let settings = report.config.as_ref().and_then(|config| config.settings.as_ref());
        Some(Self {
            template: template(report.user_template.as_ref(), vendor)?,
            scope: settings.map(Scope::new),
        })
    }

    /// Returns the key, which people read too.
    pub(crate) fn key(&self) -> ProfileKey {
        key(&self.template, self.scope.as_ref())
    }

    /// Returns the profiles that this one includes, without itself.
    pub(crate) fn included(&self) -> Vec<ProfileKey> {
        let included: &[&str] = match &self.template {
            Template::Vendor(name) if name == "scan" => &INCLUDED_IN_SCAN,
            Template::Vendor(_) | Template::User(_) => &[],
        };
        let templates = std::iter::once(self.template.clone())
            .chain(included.iter().map(|name| Template::Vendor((*name).to_owned())));
        let scopes = self.scope.as_ref().map_or_else(|| vec![None], Scope::included);
        let itself = self.key();
        templates
            .flat_map(|template| {
                scopes.iter().map(move |scope| key(&template, scope.as_ref())).collect::<Vec<_>>()
            })
            .filter(|key| *key != itself)
            .collect()
    }
}

/// Returns the user template if it has a name, else the vendor's.
fn template(user: Option<&UserTemplateRef>, vendor: Option<&str>) -> Option<Template> {
    let named = |name: &&str| !name.is_empty();
    let user = user.and_then(|user| user.name.as_deref()).filter(named);
    user.map(|name| Template::User(name.to_owned()))
        .or_else(|| vendor.filter(named).map(|name| Template::Vendor(name.to_owned())))
}

fn key(template: &Template, scope: Option<&Scope>) -> ProfileKey {
    let mut text = match template {
        Template::Vendor(name) => format!("template {name}"),
        Template::User(name) => format!("user template {name}"),
    };
    if let Some(option) = scope.and_then(|scope| scope.option.as_ref()) {
        text = format!("{text}, scope {option}");
    }
    if let Some(limits) = scope.and_then(|scope| scope.limits) {
        text = format!("{text}, limits {limits:08x}");
    }
    ProfileKey::new(text)
}

impl Scope {
    fn new(settings: &Value) -> Self {
        let scope = settings.get("scope");
        let option = scope.and_then(|scope| scope.get("option")).and_then(Value::as_str);
        let mut limits = Map::new();
        for (name, value) in scope.and_then(Value::as_object).into_iter().flatten() {
            if name != "option" && !is_empty(value) {
                limits.insert(name.clone(), value.clone());
            }
        }
        for name in ["ids", "names", "families"] {
            let plugin = settings.get("plugin");
            if let Some(list) = plugin.and_then(|plugin| plugin.get(name)).filter(|list| !is_empty(list)) {
                let mode = plugin.and_then(|plugin| plugin.get("mode")).cloned().unwrap_or_default();
                limits.insert(format!("plugin.{name}"), Value::from(vec![mode, list.clone()]));
            }
        }
        Self {
            option: option.map(ScopeOption::from),
            limits: (!limits.is_empty()).then(|| digest(&Value::Object(limits))),
        }
    }

    /// Returns this scope and the narrower ones with the same limits. The widest one without limits also
    /// includes a scope that is not known.
    fn included(&self) -> Vec<Option<Self>> {
        let position = SCOPES.iter().position(|scope| self.option.as_ref() == Some(scope));
        let narrower = position.and_then(|position| SCOPES.get(position..)).unwrap_or_default();
        let mut included: Vec<_> = narrower
            .iter()
            .map(|option| Some(Self { option: Some(option.clone()), limits: self.limits }))
            .collect();
        if included.is_empty() {
            included.push(Some(self.clone()));
        }
        if position == Some(0) && self.limits.is_none() {
            included.push(None);
        }
        included
    }
}

/// Whether a setting is absent in fact.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Returns a number that is equal for equal values, whatever the order of their members, and stable across
/// versions: FNV-1a over a canonical text.
fn digest(value: &Value) -> u32 {
    fn write(value: &Value, text: &mut String) {
        match value {
            Value::Object(members) => {
                let mut names: Vec<_> = members.iter().collect();
                names.sort_unstable_by_key(|(name, _)| *name);
                for (name, value) in names {
                    text.push_str(&Value::from(name.as_str()).to_string());
                    write(value, text);
                }
                text.push('}');
            }
            Value::Array(items) => {
                for item in items {
                    write(item, text);
                }
                text.push(']');
            }
            scalar => text.push_str(&scalar.to_string()),
        }
        text.push(';');
    }
    let mut text = String::new();
    write(value, &mut text);
    text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "for json! in the calls")]
    fn report(template: &str, user_template: Value, settings: Value) -> Profile {
        let report = json!({"template": {"name": template}, "user_template": user_template,
            "config": {"settings": settings}});
        Profile::of_report(&serde_json::from_value(report).unwrap()).unwrap()
    }

    fn scan(value: Value) -> Option<Profile> {
        let mut scan = value;
        scan["scan_id"] = json!("9d0c7b6a-5e4f-4d3c-9b2a-0f1e2d3c4b5a");
        Profile::of_scan(&serde_json::from_value(scan).unwrap())
    }

    fn scope(option: &str) -> Value {
        json!({"scope": {"option": option}})
    }

    fn covers(wide: &Profile, narrow: &Profile) -> bool {
        *wide == *narrow || wide.included().contains(&narrow.key())
    }

    #[test]
    fn the_general_template_includes_the_narrower_ones_and_not_the_reverse() {
        let [scan, quick, pci, api] =
            ["scan", "quick", "pci", "api"].map(|name| report(name, Value::Null, scope("all")));
        assert_eq!(scan.key().as_str(), "template scan, scope all");
        assert!(covers(&scan, &quick) && !covers(&quick, &scan));
        assert!(!covers(&scan, &pci) && !covers(&scan, &api) && !covers(&pci, &scan));
    }

    #[test]
    fn a_wider_scope_includes_a_narrower_one_with_the_same_limits() {
        let [all, children, urls] =
            ["all", "children", "urls"].map(|option| report("scan", Value::Null, scope(option)));
        assert!(covers(&all, &urls) && covers(&children, &urls) && !covers(&urls, &children));
        let limited = |pattern: &str| {
            let settings = json!({"scope": {"option": "all", "exclude_path_patterns": [pattern], "urls": [], "page_limit": null}});
            report("scan", Value::Null, settings)
        };
        assert!(!covers(&limited("admin"), &all), "what is excluded was not examined");
        assert!(!covers(&limited("admin"), &limited("logout")));
        assert!(covers(&limited("admin"), &limited("admin")));
        let without = |id: u32| {
            let settings = json!({"scope": {"option": "all"}, "plugin": {"mode": "disable", "ids": [id]}});
            report("scan", Value::Null, settings)
        };
        assert!(!covers(&without(98104), &all) && !covers(&without(98104), &without(98115)));
    }

    #[test]
    fn the_order_of_settings_and_empty_ones_do_not_matter() {
        let one = json!({"scope": {"page_limit": 10, "dom_depth_limit": 5, "option": "all"}, "timeout": "08:00:00"});
        let other = json!({"scope": {"option": "all", "dom_depth_limit": 5, "page_limit": 10, "urls": []},
            "plugin": {"mode": "disable", "ids": [], "rate_limiter": {"autothrottle": true}}});
        assert_eq!(report("scan", Value::Null, one).key(), report("scan", Value::Null, other).key());
    }

    #[test]
    fn a_user_template_takes_the_place_of_the_vendors_and_includes_nothing() {
        let user = json!({"name": "house rules", "user_template_id": null});
        let profile = report("scan", user.clone(), scope("all"));
        assert_eq!(profile.key().as_str(), "user template house rules, scope all");
        assert!(!covers(&profile, &report("quick", Value::Null, scope("all"))));
        let none = json!({"name": null, "owner_id": null, "description": null, "user_template_id": null});
        assert_eq!(report("scan", none, scope("all")).key().as_str(), "template scan, scope all");
        let record = json!({"template_name": "scan", "config_metadata": {"template": {"name": "scan"}, "user_template": user}});
        assert_eq!(scan(record).unwrap().key().as_str(), "user template house rules");
    }

    #[test]
    fn a_scan_record_names_its_template_only() {
        let known = scan(json!({"template_name": "scan"})).unwrap();
        let quick = scan(json!({"config_metadata": {"template": {"name": "quick"}}})).unwrap();
        assert_eq!((known.key().as_str(), quick.key().as_str()), ("template scan", "template quick"));
        assert!(covers(&known, &quick) && !covers(&quick, &known));
        assert_eq!(scan(json!({})), None);
        let all = report("scan", Value::Null, scope("all"));
        assert!(covers(&all, &known) && covers(&all, &quick), "nothing is wider than all");
        assert!(!covers(&known, &all), "its scope is not known");
        assert!(!covers(&report("scan", Value::Null, scope("urls")), &known));
    }
}
