//! Changes to configurations. The service makes them in the background: it accepts a change, and the old
//! state shows for a while.

use serde_json::json;

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::config_form::read;
use crate::testing::endpoints::configs::details;
use crate::testing::json::capitalised;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::State;
use crate::testing::state::config_change::{Change, ConfigChange};

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::CreateConfig, "POST", "/was/v2/configs", 40, create),
    Endpoint::new(Route::UpsertConfig, "PUT", "/was/v2/configs/{id}", 40, upsert),
    Endpoint::new(Route::MoveConfig, "PATCH", "/was/v2/configs/{id}", 16, move_to),
    Endpoint::new(Route::DeleteConfig, "DELETE", "/was/v2/configs/{id}", 40, delete),
    Endpoint::new(Route::GetConfigStatus, "GET", "/was/v2/configs/{id}/status/{id}", 24, status),
];

/// The name of the trash folder (assumed: that of the web interface).
const TRASH: &str = "Trash";

impl State {
    /// Accepts a change, and returns the path of its tracking status.
    fn take(&mut self, config_id: &str, change: Change) -> String {
        let tracking_id = self.new_id("tracking");
        let location = format!("/configs/{config_id}/status/{tracking_id}");
        let looks = self.settings.write_looks;
        self.writes.push(ConfigChange {
            tracking_id,
            config_id: config_id.to_owned(),
            looks,
            change: Some(change),
        });
        location
    }

    /// Counts a read of a configuration, or of all. Pending changes take effect after a number of reads.
    pub(crate) fn looked_for(&mut self, config_id: Option<&str>) {
        let mut due = Vec::new();
        for write in &mut self.writes {
            if config_id.is_some_and(|id| id != write.config_id) {
                continue;
            }
            if write.looks > 0 {
                write.looks -= 1;
            } else if let Some(change) = write.change.take() {
                due.push((write.config_id.clone(), change));
            }
        }
        for (id, change) in due {
            self.apply(&id, change);
        }
    }

    fn apply(&mut self, id: &str, change: Change) {
        match (change, self.tenant.config_mut(id)) {
            (Change::Put(new), Some(old)) => *old = *new,
            (Change::Put(new), None) => self.tenant.configs.push(*new),
            (Change::Trash, config) => {
                if let Some(config) = config {
                    config.in_trash = true;
                }
            }
            (Change::Delete, _) => {
                self.tenant.configs.retain(|config| config.id != id);
                self.runs.retain(|run| run.config_id != id);
            }
        }
    }
}

fn create(state: &mut State, call: &Call) -> Response {
    let id = state.new_id("config");
    put(state, call, &id)
}

fn upsert(state: &mut State, call: &Call) -> Response {
    if let Some(old) = state.tenant.config(call.param(0))
        && old.user_permissions != "configure"
    {
        return Response::json(403, &json!({}));
    }
    put(state, call, call.param(0))
}

fn put(state: &mut State, call: &Call, id: &str) -> Response {
    let config = match read(state, &call.json(), id) {
        Ok(config) => config,
        Err(reply) => return reply,
    };
    let body = details(state, &config);
    let location = state.take(id, Change::Put(Box::new(config)));
    Response::json(202, &body).with_header("location", location)
}

fn move_to(state: &mut State, call: &Call) -> Response {
    let id = call.param(0);
    let body = call.json();
    let folder = body["folder_name"].as_str().unwrap_or_default();
    if state.tenant.config(id).is_none() {
        // Observed: a small `id`, where others write `ID`.
        return Response::reason(404, "NOT_FOUND", &format!("Resource with id '{id}' not found"));
    }
    if folder == TRASH {
        let location = state.take(id, Change::Trash);
        return Response::accepted().with_header("location", location);
    }
    // Assumed: the folder must exist.
    let exists = state.tenant.folders.iter().any(|known| known.name == folder);
    match state.tenant.config_mut(id).filter(|_| exists) {
        Some(config) => {
            config.folder = Some(folder.to_owned());
            config.in_trash = false;
            Response::ok(&json!({}))
        }
        None => Response::invalid_body(&format!("Invalid message body: Could not decode JSON: {body:#}")),
    }
}

fn delete(state: &mut State, call: &Call) -> Response {
    state.catch_up();
    let id = call.param(0);
    let Some(config) = state.tenant.config(id) else { return Response::not_found(id) };
    if config.user_permissions != "configure" {
        return Response::json(403, &json!({}));
    }
    if let Some(run) = state.active_run(id) {
        let (scan, status) = (&run.id, capitalised(&run.status));
        return Response::not_allowed(&format!(
            "Can't delete config due to scan '{scan}' with status '{status}'"
        ));
    }
    state.take(id, Change::Delete);
    Response::accepted()
}

fn status(state: &mut State, call: &Call) -> Response {
    let (config, tracking) = (call.param(0), call.param(1));
    state.looked_for(Some(config));
    let write = state.writes.iter().find(|write| write.config_id == config && write.tracking_id == tracking);
    match write {
        Some(write) => {
            let word = if write.change.is_some() { "processing" } else { "completed" };
            Response::ok(&json!({"tracking_status": word}))
        }
        // Not documented, and so assumed.
        None => Response::not_found(tracking),
    }
}
