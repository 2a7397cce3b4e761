//! The rules of one read, each made once and shared by its findings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use appsec_core::{Finding, Result, Rule, Severity};

use super::refusal::is_refusal;
use crate::TenableWasClient;
use crate::map::{
    FindingContext, finding_from_report, no_severity, rule_from_export, rule_from_id, rule_from_plugin,
    rule_from_report,
};
use crate::model::{ExportPlugin, PluginId, ReportFinding};

/// The rules met so far in the results of a scan.
#[derive(Debug, Default)]
pub(super) struct ScanRuleCache {
    rules: HashMap<String, Arc<Rule>>,
    plugins: HashMap<PluginId, (Arc<Rule>, Severity)>,
}

impl ScanRuleCache {
    /// Returns the finding of a report's record, whether the report was downloaded or read from a file.
    pub(super) fn report_finding(&mut self, context: FindingContext, record: &ReportFinding) -> Finding {
        let rule = self.share(rule_from_report(record));
        finding_from_report(context, record, rule)
    }

    /// Returns the cached rule if it equals the given one, and caches the given one otherwise.
    fn share(&mut self, rule: Rule) -> Arc<Rule> {
        if let Some(known) = self.rules.get(&rule.id)
            && **known == rule
        {
            return Arc::clone(known);
        }
        let rule = Arc::new(rule);
        self.rules.insert(rule.id.clone(), Arc::clone(&rule));
        rule
    }

    /// Returns the rule and the severity of a plugin, which is fetched once.
    pub(super) async fn fetch_plugin(
        &mut self,
        client: &TenableWasClient,
        id: PluginId,
    ) -> Result<(Arc<Rule>, Severity)> {
        if let Some(known) = self.plugins.get(&id) {
            return Ok(known.clone());
        }
        let known = match client.get_plugin(id).await {
            Ok(plugin) => {
                (Arc::new(rule_from_plugin(&plugin)), plugin.risk_factor.unwrap_or_else(no_severity))
            }
            // A plugin may be withdrawn while its detections stay.
            Err(error) if is_refusal(&error) => (Arc::new(rule_from_id(id)), no_severity()),
            Err(error) => return Err(error),
        };
        self.plugins.insert(id, known.clone());
        Ok(known)
    }
}

/// The rules of the plugins met so far in an export. It is bounded; beyond the bound a rule is made for
/// each finding.
#[derive(Debug, Default)]
pub(super) struct ExportRuleCache {
    rules: Mutex<RulesByAddress>,
}

/// Rules by the address of their plugin. An entry keeps its plugin alive, so that no other one gets that
/// address.
type RulesByAddress = HashMap<usize, (Arc<ExportPlugin>, Arc<Rule>)>;

/// The maximum number of cached rules. A tenant meets some hundreds.
const MAX_RULES: usize = 4096;

impl ExportRuleCache {
    /// Returns the plugin's rule, and whether it was made by this call.
    pub(super) fn get_or_create(&self, plugin: &Arc<ExportPlugin>) -> (Arc<Rule>, bool) {
        // Nothing can panic while the lock is held, so a poisoned lock still guards valid data.
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let address = Arc::as_ptr(plugin) as usize;
        if let Some((_, rule)) = rules.get(&address) {
            return (Arc::clone(rule), false);
        }
        let rule = Arc::new(rule_from_export(plugin));
        if rules.len() < MAX_RULES {
            rules.insert(address, (Arc::clone(plugin), Arc::clone(&rule)));
        }
        (rule, true)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_of_one_plugin_share_its_rule() {
        let plugin = || -> Arc<ExportPlugin> {
            Arc::new(
                serde_json::from_value(json!({"id": 98104, "name": "Cross-Site Scripting (XSS)"})).unwrap(),
            )
        };
        let cache = ExportRuleCache::default();
        let one = plugin();
        let (first, new) = cache.get_or_create(&one);
        let (second, again) = cache.get_or_create(&Arc::clone(&one));
        assert!(Arc::ptr_eq(&first, &second) && new && !again);
        assert!(!Arc::ptr_eq(&first, &cache.get_or_create(&plugin()).0));
    }
}
