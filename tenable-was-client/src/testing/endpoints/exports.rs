//! The export of findings: jobs and their chunks.

use serde_json::{Value, json};

use crate::testing::endpoint::Endpoint;
use crate::testing::endpoints::export_chunks::cut;
use crate::testing::endpoints::export_filter::ExportFilter;
use crate::testing::json::object;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::export_job::{CHUNK_LIFE, JOB_LIFE, Job};
use crate::testing::state::{Licence, State};

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::RequestExport, "POST", "/was/v1/export/vulns", 16, request),
    Endpoint::new(Route::ListExports, "GET", "/was/v1/export/vulns/status", 16, list),
    Endpoint::new(Route::GetExport, "GET", "/was/v1/export/vulns/{id}/status", 16, status),
    Endpoint::new(Route::GetChunk, "GET", "/was/v1/export/vulns/{id}/chunks/{}", 16, chunk),
    Endpoint::new(Route::CancelExport, "POST", "/was/v1/export/vulns/{id}/cancel", 16, cancel),
];

const MAX_RUNNING: usize = 10;

/// An error response. Its form is not documented; this is the form of the asset export (assumed).
fn refused(message: &str) -> Response {
    Response::json(400, &json!({"status": 400, "message": message}))
}

fn request(state: &mut State, call: &Call) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else { return refused("The body is no JSON") };
    if state.settings.licence != Licence::Active {
        return Response::operation_forbidden("The license does not allow this operation");
    }
    let now = state.now();
    let filter = match ExportFilter::parse(&body, now) {
        Ok(filter) => filter,
        Err(reason) => return refused(&reason),
    };
    if let Some(running) = state.jobs.iter().find(|job| job.is_running() && job.body == body) {
        let conflict =
            json!({"active_job_id": running.id, "failure_reason": "conflict with a running export"});
        return Response::json(409, &conflict);
    }
    if state.jobs.iter().filter(|job| job.is_running()).count() >= MAX_RUNNING {
        return Response::too_many_requests("30");
    }
    let asked = body["num_assets"].as_i64().unwrap_or(50).clamp(50, 5000);
    let clamped = usize::try_from(asked).unwrap_or(50);
    let num_assets = state.settings.assets_per_chunk.unwrap_or(clamped);
    let script = if state.next_exports.is_empty() {
        state.settings.export_script.clone()
    } else {
        state.next_exports.remove(0)
    };
    let chunks = cut(state, &filter, num_assets, script.empty);
    // Out of order, as the service's workers finish: every other one first.
    let ready = chunks.keys().copied().filter(|id| !script.failed.contains(id));
    let (first, second): (Vec<_>, Vec<_>) = ready.enumerate().partition(|(index, _)| index % 2 == 1);
    let order = first.into_iter().chain(second).map(|(_, id)| id).collect();
    let id = state.new_id("export");
    state.jobs.push(Job {
        id: id.clone(),
        echo: filter.echo(),
        body,
        num_assets,
        created: now,
        ended: None,
        script,
        polls: 0,
        chunks,
        order,
        available: 0,
        status: "QUEUED".to_owned(),
        reason: None,
        cancelled: Vec::new(),
    });
    Response::ok(&json!({"export_uuid": id}))
}

fn list(state: &mut State, _: &Call) -> Response {
    let now = state.now();
    let recent = state.jobs.iter().rev().filter(|job| job.is_running() || !job.is_older(JOB_LIFE, now));
    let jobs = recent.take(1000).map(|job| {
        let mut job = object(job.json());
        job.retain(|key, _| {
            !["chunks_available", "chunks_failed", "chunks_cancelled"].contains(&key.as_str())
        });
        Value::Object(job)
    });
    Response::ok(&json!({"exports": jobs.collect::<Vec<_>>()}))
}

fn status(state: &mut State, call: &Call) -> Response {
    let now = state.now();
    let Some(job) = state.jobs.iter_mut().find(|job| job.id == call.param(0)) else {
        return Response::expired();
    };
    if job.is_older(JOB_LIFE, now) {
        return Response::expired();
    }
    job.poll(now);
    Response::ok(&job.json())
}

fn chunk(state: &mut State, call: &Call) -> Response {
    let now = state.now();
    let Some(job) = state.jobs.iter().find(|job| job.id == call.param(0)) else { return Response::expired() };
    let Ok(number) = call.param(1).parse::<u32>() else { return refused("The chunk's id must be a number") };
    // Chunks that were complete when a job was cancelled stay available.
    let life = if job.status == "CANCELLED" { JOB_LIFE } else { CHUNK_LIFE };
    if job.is_older(life, now) || job.script.expired.contains(&number) {
        return Response::expired();
    }
    let Some(bytes) = job.chunks.get(&number) else {
        return Response::json(404, &json!({"error": "Chunk does not exist"}));
    };
    if !job.available().contains(&number) {
        return refused("The chunk is not ready");
    }
    Response::raw(200, "application/octet-stream", bytes.clone())
}

fn cancel(state: &mut State, call: &Call) -> Response {
    let now = state.now();
    let Some(job) = state.jobs.iter_mut().find(|job| job.id == call.param(0)) else {
        return Response::expired();
    };
    if !job.is_running() {
        return refused("The export has ended and cannot be cancelled");
    }
    job.end("CANCELLED", now);
    Response::ok(&json!({"status": "CANCELLED"}))
}
