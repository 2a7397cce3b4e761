//! Folders of the caller, and folders that the tenant provides.

use crate::testing::endpoint::Endpoint;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::tenant::folder::FakeFolder;

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::ListFolders, "GET", "/was/v2/folders", 16, list),
    Endpoint::new(Route::CreateFolder, "POST", "/was/v2/folders", 16, create),
    Endpoint::new(Route::RenameFolder, "PUT", "/was/v2/folders/{id}", 16, rename),
    Endpoint::new(Route::DeleteFolder, "DELETE", "/was/v2/folders/{id}", 16, delete),
];

fn list(state: &mut State, _: &Call) -> Response {
    // The list is not paged.
    Response::ok(&state.tenant.folders.iter().map(FakeFolder::json).collect())
}

/// The name in the request body. Letters of any script are accepted (assumed).
fn name(call: &Call) -> Result<String, Response> {
    let body = call.json();
    let name = body["name"].as_str().unwrap_or_default();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(Response::invalid_body(&format!(
            "Invalid message body: Could not decode JSON: {body:#}"
        )));
    }
    Ok(name.to_owned())
}

fn create(state: &mut State, call: &Call) -> Response {
    let name = match name(call) {
        Ok(name) => name,
        Err(reply) => return reply,
    };
    if state.tenant.folders.iter().any(|folder| folder.name == name) {
        // The code is documented; its use here is assumed.
        return Response::reason(400, "DUPLICATE_ENTITY", &format!("Folder '{name}' exists"));
    }
    let folder = FakeFolder { id: state.new_id("folder"), name, provided: false };
    state.tenant.folders.push(folder.clone());
    Response::ok(&folder.json())
}

fn rename(state: &mut State, call: &Call) -> Response {
    let new = match name(call) {
        Ok(name) => name,
        Err(reply) => return reply,
    };
    let Some(folder) = own(state, call) else { return foreign() };
    let old = std::mem::replace(&mut folder.name, new);
    let folder = folder.clone();
    for config in state.tenant.configs.iter_mut().filter(|config| config.folder.as_ref() == Some(&old)) {
        config.folder = Some(folder.name.clone());
    }
    Response::ok(&folder.json())
}

fn delete(state: &mut State, call: &Call) -> Response {
    let Some(folder) = own(state, call) else { return foreign() };
    let FakeFolder { id, name, .. } = folder.clone();
    state.tenant.folders.retain(|folder| folder.id != id);
    for config in state.tenant.configs.iter_mut().filter(|config| config.folder.as_ref() == Some(&name)) {
        config.folder = None;
        config.in_trash = true;
    }
    Response::accepted()
}

/// The folder of the request's path if the caller may change it.
fn own<'a>(state: &'a mut State, call: &Call) -> Option<&'a mut FakeFolder> {
    state.tenant.folders.iter_mut().find(|folder| folder.id == call.param(0) && !folder.provided)
}

/// The error for a folder that is not the caller's own. No 404 is documented, so a missing folder gets the
/// same (assumed).
fn foreign() -> Response {
    Response::operation_forbidden("The user may not change this folder")
}
