//! The rules of one walk.

use std::collections::HashMap;
use std::sync::Arc;

use appsec_core::{Finding, Result, Rule, Severity};

use super::scan::is_refusal;
use crate::TenableWasClient;
use crate::map::{Common, bare_rule, no_severity, of_plugin, of_report, of_report_finding};
use crate::model::{PluginId, ReportFinding};

/// The rules met so far in a walk, so that findings of one plugin share it.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: HashMap<String, Arc<Rule>>,
    plugins: HashMap<PluginId, (Arc<Rule>, Severity)>,
}

impl Rules {
    /// The finding of a report's record, by whatever way the report came.
    pub(crate) fn finding(&mut self, common: Common, record: &ReportFinding) -> Finding {
        let rule = self.shared(of_report_finding(record));
        of_report(common, record, rule)
    }

    /// The rule, shared with the findings before where it is the same.
    fn shared(&mut self, rule: Rule) -> Arc<Rule> {
        if let Some(known) = self.rules.get(&rule.id)
            && **known == rule
        {
            return Arc::clone(known);
        }
        let rule = Arc::new(rule);
        self.rules.insert(rule.id.clone(), Arc::clone(&rule));
        rule
    }

    /// The rule and the severity of a plugin, which is fetched once.
    pub(crate) async fn of_plugin(
        &mut self,
        client: &TenableWasClient,
        id: PluginId,
    ) -> Result<(Arc<Rule>, Severity)> {
        if let Some(known) = self.plugins.get(&id) {
            return Ok(known.clone());
        }
        let known = match client.get_plugin(id).await {
            Ok(plugin) => (Arc::new(of_plugin(&plugin)), plugin.risk_factor.unwrap_or_else(no_severity)),
            // A plugin may be withdrawn while its detections stay.
            Err(error) if is_refusal(&error) => (Arc::new(bare_rule(id)), no_severity()),
            Err(error) => return Err(error),
        };
        self.plugins.insert(id, known.clone());
        Ok(known)
    }
}
