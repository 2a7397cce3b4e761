//! The vendors whose scanners the command can use.
//!
//! Everything that is specific to one vendor is in its file below `vendors/`: its settings in
//! `appsec.toml`, its environment variables, how its client is built, and its fake for `appsec mock` and
//! `appsec demo`. To add a vendor, write such a file and add its [`Vendor`] to [`VENDORS`].

mod fake;
mod salt;
mod tenable;
mod vendor;

use std::sync::LazyLock;

use serde::de::{Deserialize as _, Deserializer, Error as _};

pub(crate) use fake::{DemoScans, Fake, FakeData};
pub(crate) use vendor::{OpenContext, Settings, Vendor};

/// Every vendor, in the order in which the command lists them.
pub(crate) static VENDORS: [&Vendor; 2] = [&salt::VENDOR, &tenable::VENDOR];

static KEYS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| VENDORS.iter().map(|vendor| vendor.key).collect());

/// The vendor with this scanner key, ignoring case.
pub(crate) fn by_key(key: &str) -> Option<&'static Vendor> {
    VENDORS.into_iter().find(|vendor| vendor.key.eq_ignore_ascii_case(key))
}

/// Deserializes the key of a vendor, as written in `appsec.toml`.
pub(crate) fn deserialize_key<'de, D: Deserializer<'de>>(key: D) -> Result<&'static Vendor, D::Error> {
    let key = String::deserialize(key)?;
    let vendor = VENDORS.into_iter().find(|vendor| vendor.key == key);
    vendor.ok_or_else(|| D::Error::unknown_variant(&key, &KEYS))
}
