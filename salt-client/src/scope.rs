//! Which gaps a query is about.

use std::collections::BTreeSet;

use appsec_core::{BindTargetId, Error, ErrorKind, FindingScope, Result};

use crate::map::host_key;

/// The hosts and labels whose gaps are wanted, or all.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) everything: bool,
    pub(crate) hosts: BTreeSet<String>,
    pub(crate) labels: BTreeSet<String>,
}

impl Scope {
    /// The scope that a query names.
    ///
    /// # Errors
    /// `Unsupported` for a scan, which Salt does not have; `InvalidRequest` for a target that is neither a host, nor a label, nor `all`.
    pub(crate) fn new(scope: &FindingScope) -> Result<Self> {
        let mut hosts = BTreeSet::new();
        let mut labels = BTreeSet::new();
        let mut everything = false;
        match scope {
            FindingScope::All => everything = true,
            FindingScope::Targets(targets) => {
                for target in targets {
                    match (target.kind(), target.value()) {
                        ("all", "") => everything = true,
                        ("host", host) if !host.trim().is_empty() => {
                            hosts.insert(host_key(host));
                        }
                        ("label", label) if !label.trim().is_empty() => {
                            labels.insert(label.trim().to_owned());
                        }
                        _ => return Err(unknown_target(target)),
                    }
                }
            }
            _ => return Err(Error::unsupported("findings by scan")),
        }
        Ok(Self { everything, hosts, labels })
    }

    /// True when gaps of that host, with those labels of endpoint and host, are wanted.
    pub(crate) fn contains(&self, host: &str, labels: &[String]) -> bool {
        self.everything || self.hosts.contains(host) || labels.iter().any(|label| self.labels.contains(label))
    }

    /// The host, where the query is about one and nothing else.
    pub(crate) fn single_host(&self) -> Option<&str> {
        match self.hosts.first() {
            Some(host) if self.hosts.len() == 1 && self.labels.is_empty() && !self.everything => Some(host),
            _ => None,
        }
    }
}

fn unknown_target(target: &BindTargetId) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("\"{target}\" is no target of Salt's; there are host:<name>, label:<name> and all"),
    )
    .with_operation("salt: findings")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(targets: &[&str]) -> Result<Scope> {
        Scope::new(&FindingScope::Targets(targets.iter().map(|id| BindTargetId::from(*id)).collect()))
    }

    #[test]
    fn targets_are_hosts_labels_or_all() {
        let both = scope(&["host:Shop.example:8443", "label:pci: dss"]).unwrap();
        assert!(both.contains("shop.example:8443", &[]));
        assert!(both.contains("other", &["pci: dss".into()]));
        assert!(!both.contains("other", &["pci".into()]));
        assert_eq!(both.single_host(), None);
        assert_eq!(scope(&["host:A"]).unwrap().single_host(), Some("a"));
        assert_eq!(scope(&["host:a", "all"]).unwrap().single_host(), None);
        assert!(scope(&["all"]).unwrap().contains("any", &[]));
        assert!(Scope::new(&FindingScope::All).unwrap().everything);
    }

    #[test]
    fn what_salt_does_not_have_is_refused() {
        for target in ["config:1", "host:", "label: ", "all:x", "", "shop.example"] {
            assert_eq!(scope(&[target]).unwrap_err().kind(), ErrorKind::InvalidRequest, "{target}");
        }
        let scan = Scope::new(&FindingScope::Scan("1".into())).unwrap_err();
        assert_eq!(scan.kind(), ErrorKind::Unsupported);
    }
}
