//! Scan templates of the vendor.

use serde_json::{Value, json};

use crate::testing::tenant::ids::uuid_of;

/// A scan template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeTemplate {
    /// Its id, a UUID derived from the name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A short description.
    pub description: String,
    /// `open`, or `locked` when its settings cannot be changed.
    pub plugin_state: String,
}

impl FakeTemplate {
    /// A template whose settings can be changed.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        let name = name.into();
        let id = uuid_of(&["template", &name]);
        Self { id, name, description: description.into(), plugin_state: "open".to_owned() }
    }

    /// The five documented templates, and the two that only samples show.
    pub(crate) fn usual() -> Vec<Self> {
        let mut all: Vec<_> = [
            ("scan", "Looks for weaknesses of a web application."),
            ("overview", "Maps an application without testing it."),
            ("pci", "A scan for PCI compliance."),
            ("ssl_tls", "Looks at certificates and ciphers."),
            ("config_audit", "Looks at headers and settings."),
            ("api", "Looks for weaknesses of an API."),
            ("quick", "A short look."),
        ]
        .map(|(name, description)| Self::new(name, description))
        .to_vec();
        for template in all.iter_mut().filter(|template| template.name == "pci") {
            "locked".clone_into(&mut template.plugin_state);
        }
        all
    }

    pub(crate) fn json(&self) -> Value {
        let leaves = json!({"option": null, "urls": null, "page_limit": 10_000, "exclude_path_patterns": []});
        json!({
            "template_id": self.id,
            "name": self.name,
            "description": self.description,
            "plugin_state": self.plugin_state,
            "scanner_types": ["scanner", "container_group", "cloud_group"],
            "settings": {"timeout": null, "debug_mode": false, "scope": leaves, "http": {"user_agent": null}},
            "defaults": {"timeout": "08:00:00", "debug_mode": false, "scope": leaves},
            "plugins": [{"plugin_id": 98000, "name": "Scan Information", "family": "General", "policy": []}],
        })
    }
}
