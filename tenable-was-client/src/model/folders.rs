//! Folders, which users file their configurations in.

use super::ids::FolderId;
use super::record;

record! {
    /// A folder. Each user has folders of their own, beside those that the tenant provides.
    pub struct Folder {
        /// Its id.
        pub folder_id: FolderId,
        /// Its name.
        pub name: Option<String>,
    }
}
