//! Folders of configurations.

use appsec_http::{Path, Request, Result};
use serde::Serialize;

use super::TenableWasClient;
use crate::model::{Folder, FolderId};

const FOLDERS: &str = "/was/v2/folders";

#[derive(Serialize)]
struct FolderName<'a> {
    name: &'a str,
}

pub(super) fn list() -> Request {
    Request::get("tenable: list folders", FOLDERS)
}

pub(super) fn create(name: &str) -> Result<Request> {
    Request::post("tenable: create folder", FOLDERS).with_json(&FolderName { name })
}

pub(super) fn rename(id: FolderId, name: &str) -> Result<Request> {
    Request::put("tenable: rename folder", Path::new(FOLDERS).join(&id.to_string())?)
        .with_json(&FolderName { name })
}

pub(super) fn delete(id: FolderId) -> Result<Request> {
    Ok(Request::delete("tenable: delete folder", Path::new(FOLDERS).join(&id.to_string())?))
}

impl TenableWasClient {
    /// Lists all folders of the user. Requires the role Basic.
    ///
    /// # Errors
    /// `PermissionDenied`; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn list_folders(&self) -> Result<Vec<Folder>> {
        self.http().json(&list()).await
    }

    /// Creates a folder. Requires the role Basic. A name consists of letters, digits, spaces, `_` and `-`.
    ///
    /// # Errors
    /// `InvalidRequest` for another name; `PermissionDenied`; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn create_folder(&self, name: &str) -> Result<Folder> {
        self.http().json(&create(name)?).await
    }

    /// Renames a folder. The name follows the rules of [`create_folder`](Self::create_folder). Requires the
    /// role Basic.
    ///
    /// # Errors
    /// `InvalidRequest` for an invalid name; `PermissionDenied` for a folder of the tenant or of another
    /// user, even for administrators; those of every call, as for [`search_configs`](Self::search_configs).
    /// The response for a folder that does not exist is not documented.
    pub async fn rename_folder(&self, id: FolderId, name: &str) -> Result<Folder> {
        self.http().json(&rename(id, name)?).await
    }

    /// Deletes a folder. Its configurations are moved to the trash. Requires the role Basic. The service
    /// only queues the deletion, so the folder may be visible for a while.
    ///
    /// # Errors
    /// `PermissionDenied` for a folder of the tenant or of another user, even for administrators; those of
    /// every call, as for [`search_configs`](Self::search_configs). The response for a folder that does not
    /// exist is not documented.
    pub async fn delete_folder(&self, id: FolderId) -> Result<()> {
        self.http().send(&delete(id)?).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_match_the_document() {
        let id: FolderId = "61616161-7171-4818-8919-a1a1a1a1a1a1".parse().unwrap();
        let one = format!("{FOLDERS}/{id}");
        for (request, method, path, body) in [
            (Ok(list()), "GET", FOLDERS, None),
            (create("Team shop"), "POST", FOLDERS, Some(r#"{"name":"Team shop"}"#)),
            (rename(id, "Shop"), "PUT", &one, Some(r#"{"name":"Shop"}"#)),
            (delete(id), "DELETE", &one, None),
        ] {
            let request = request.unwrap();
            assert_eq!((request.method().as_str(), request.path().as_str()), (method, path));
            assert_eq!(request.body().map(AsRef::as_ref), body.map(str::as_bytes), "{method}");
        }
    }
}
