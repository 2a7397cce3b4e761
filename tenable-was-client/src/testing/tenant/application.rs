//! Applications that are listed without being scanned.

use crate::testing::tenant::target::FakeTarget;

/// An application that is listed without being scanned.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FakeApplication {
    /// The name it is listed by.
    pub name: String,
    /// Its URL.
    pub url: String,
}

impl FakeApplication {
    /// An application of that name at that URL.
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: name.into(), url: url.into() }
    }

    /// The asset's id. It depends on host and port, as that of a scanned target does.
    pub(crate) fn asset_id(&self) -> String {
        FakeTarget::new(self.url.as_str()).asset_id
    }
}
