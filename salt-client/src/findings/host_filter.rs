//! The hosts and labels whose gaps a query asks for. The filter is applied by the client, since no filter
//! of the service by host is documented.

use std::collections::BTreeSet;

use appsec_core::{BindTargetId, Error, ErrorKind, FindingScope, Result};

use crate::map::host_key;

/// Selects gaps by host and label, or all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HostFilter {
    pub(super) everything: bool,
    pub(super) hosts: BTreeSet<String>,
    pub(super) labels: BTreeSet<String>,
}

impl HostFilter {
    /// Creates the filter for a scope.
    ///
    /// # Errors
    /// `Unsupported` for a scan, which Salt does not have; `InvalidRequest` for a target that is neither a
    /// host, nor a label, nor `all`.
    pub(super) fn from_scope(scope: &FindingScope) -> Result<Self> {
        let mut filter = Self::default();
        match scope {
            FindingScope::All => filter.everything = true,
            FindingScope::Targets(targets) => {
                for target in targets {
                    match (target.kind(), target.value()) {
                        ("all", "") => filter.everything = true,
                        ("host", host) if !host.trim().is_empty() => {
                            filter.hosts.insert(host_key(host));
                        }
                        ("label", label) if !label.trim().is_empty() => {
                            filter.labels.insert(label.trim().to_owned());
                        }
                        _ => return Err(unknown_target(target)),
                    }
                }
            }
            _ => return Err(Error::unsupported("findings by scan")),
        }
        Ok(filter)
    }

    /// Whether the filter selects the gaps of a host; `labels` are those of the endpoint and of the host.
    pub(super) fn matches(&self, host: &str, labels: &[String]) -> bool {
        self.everything || self.hosts.contains(host) || labels.iter().any(|label| self.labels.contains(label))
    }

    /// Returns the host if the filter selects exactly one host and nothing else.
    pub(super) fn single_host(&self) -> Option<&str> {
        match self.hosts.first() {
            Some(host) if self.hosts.len() == 1 && self.labels.is_empty() && !self.everything => Some(host),
            _ => None,
        }
    }
}

fn unknown_target(target: &BindTargetId) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("\"{target}\" is not a bind target of Salt; use host:<name>, label:<name> or all"),
    )
    .with_operation("salt: findings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(targets: &[&str]) -> Result<HostFilter> {
        let targets = targets.iter().map(|id| BindTargetId::from(*id)).collect();
        HostFilter::from_scope(&FindingScope::Targets(targets))
    }

    #[test]
    fn targets_are_hosts_labels_or_all() {
        let both = filter(&["host:Shop.example:8443", "label:pci: dss"]).unwrap();
        assert!(both.matches("shop.example:8443", &[]));
        assert!(both.matches("other", &["pci: dss".into()]));
        assert!(!both.matches("other", &["pci".into()]));
        assert_eq!(both.single_host(), None);
        assert_eq!(filter(&["host:A"]).unwrap().single_host(), Some("a"));
        assert_eq!(filter(&["host:a", "all"]).unwrap().single_host(), None);
        assert!(filter(&["all"]).unwrap().matches("any", &[]));
        assert!(HostFilter::from_scope(&FindingScope::All).unwrap().everything);
    }

    #[test]
    fn a_scope_that_salt_does_not_have_is_refused() {
        for target in ["config:1", "host:", "label: ", "all:x", "", "shop.example"] {
            assert_eq!(filter(&[target]).unwrap_err().kind(), ErrorKind::InvalidRequest, "{target}");
        }
        let scan = HostFilter::from_scope(&FindingScope::Scan("1".into())).unwrap_err();
        assert_eq!(scan.kind(), ErrorKind::Unsupported);
    }
}
