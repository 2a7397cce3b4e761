//! The rule that a gap breaks: its policy.

use std::collections::HashMap;
use std::sync::Arc;

use appsec_core::Rule;

use super::owasp;
use crate::model::{PostureGap, names, present};

/// The name of the rule where a gap names no policy.
pub(super) const UNNAMED: &str = "Unnamed policy";

/// Shares one rule between the findings of one policy.
#[derive(Debug, Default)]
pub(super) struct RuleCache {
    rules: HashMap<String, Arc<Rule>>,
}

impl RuleCache {
    /// Returns the rule that a gap breaks.
    pub(super) fn rule(&mut self, gap: &PostureGap) -> Arc<Rule> {
        let rule = to_rule(gap);
        match self.rules.get(&rule.id) {
            Some(known) if **known == rule => Arc::clone(known),
            // The text of a policy can describe one gap. Such a rule is not shared; the latest one is kept.
            _ => {
                let rule = Arc::new(rule);
                self.rules.insert(rule.id.clone(), Arc::clone(&rule));
                rule
            }
        }
    }
}

fn to_rule(gap: &PostureGap) -> Rule {
    let name = present(gap.posture_gap_name.as_deref()).unwrap_or(UNNAMED);
    let mut rule = Rule::new(normalized(name), name);
    rule.description = present(gap.description.as_deref()).map(str::to_owned);
    rule.remediation = present(gap.remediation_suggestion.as_deref()).map(str::to_owned);
    rule.cwe = gap.cwe_numbers();
    rule.tags = names(&gap.categories);
    rule.owasp = owasp::guess(&rule.id, &rule.cwe);
    rule.owasp_is_heuristic = !rule.owasp.is_empty();
    rule
}

/// The name of a policy as an id: lower case, single spaces.
fn normalized(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
