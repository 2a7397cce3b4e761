//! Folders of configurations.

use super::ids::FolderId;
use super::record;

record! {
    /// A folder. Each user has own folders, besides those of the tenant.
    pub struct Folder {
        /// The id.
        pub folder_id: FolderId,
        /// The name.
        pub name: Option<String>,
    }
}
