//! Bind targets: their ids, and what they stand for.

use appsec_core::{BindTargetId, Error, ErrorKind, Result};

use crate::model::ConfigId;

/// What a bind target stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BindTargetKind {
    /// The whole tenant. No listing contains it, but its findings can be read.
    All,
    /// A scan configuration.
    Config(ConfigId),
}

/// Parses the id of a bind target.
pub(crate) fn parse_bind_target(id: &BindTargetId) -> Result<BindTargetKind> {
    if *id == BindTargetId::all() {
        return Ok(BindTargetKind::All);
    }
    if id.kind() != "config" {
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("{id} is not a bind target of Tenable WAS; expected config:<uuid>"),
        ));
    }
    id.value().parse().map(BindTargetKind::Config)
}

/// Parses the id of a bind target that must be a configuration.
pub(crate) fn parse_config_target(id: &BindTargetId) -> Result<ConfigId> {
    match parse_bind_target(id)? {
        BindTargetKind::Config(config) => Ok(config),
        BindTargetKind::All => Err(Error::new(
            ErrorKind::InvalidRequest,
            "the whole tenant has no scans of its own: name a configuration",
        )),
    }
}

/// The bind target of the configuration.
impl From<ConfigId> for BindTargetId {
    fn from(id: ConfigId) -> Self {
        Self::from_parts("config", &id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_bind_target_ids_are_refused() {
        let uuid = "5b1f2a34-0c1d-4e5f-8a9b-101112131415";
        assert_eq!(
            parse_bind_target(&format!("config:{uuid}").as_str().into()).unwrap(),
            BindTargetKind::Config(uuid.parse().unwrap())
        );
        assert_eq!(parse_bind_target(&BindTargetId::all()).unwrap(), BindTargetKind::All);
        for id in ["config:", "config:x", "host:shop.example.com", uuid, "", "ALL", "config:../../x"] {
            assert_eq!(parse_bind_target(&id.into()).unwrap_err().kind(), ErrorKind::InvalidRequest, "{id}");
        }
        assert_eq!(parse_config_target(&BindTargetId::all()).unwrap_err().kind(), ErrorKind::InvalidRequest);
    }
}
