//! The parts of the platform outside web application scanning: server properties, session, scanners.

use serde_json::{Value, json};

use crate::testing::endpoint::Endpoint;
use crate::testing::response::Response;
use crate::testing::route::{Call, Route};
use crate::testing::state::{Licence, State};
use crate::testing::tenant::ids::{CONTAINER, USER};

pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Route::GetServerProperties, "GET", "/server/properties", 0, properties),
    Endpoint::new(Route::GetServerStatus, "GET", "/server/status", 0, status),
    Endpoint::new(Route::GetSession, "GET", "/session", 0, session),
    Endpoint::new(Route::ListScanners, "GET", "/scanners", 16, scanners),
];

// Clients compare with their own clock, so these dates are years away.
const EXPIRES: i64 = 4_102_444_800;

const EXPIRED: i64 = 1_577_836_800;

fn properties(state: &mut State, _: &Call) -> Response {
    let expiration_date = match state.settings.licence {
        Licence::Active => Some(EXPIRES),
        Licence::Expired => Some(EXPIRED),
        Licence::Absent => None,
    };
    let mut apps = json!({"consec": {"mode": "eval", "expiration_date": EXPIRED}});
    if let Some(date) = expiration_date {
        apps["was"] = json!({"mode": "standard", "expiration_date": date, "web_assets": 100});
    }
    Response::ok(&json!({
        "analytics": {"enabled": true, "site_id": "fake-1"},
        "capabilities": {"multi_scanner": true, "multi_user": "full", "report_email_config": false},
        "container_db_version": "1.133.0",
        "enterprise": true,
        "expiration": EXPIRES,
        "expiration_time": 26_795,
        "force_ui_reload": false,
        // Observed: a string where a number is documented, and null where a boolean is.
        "idle_timeout": "30",
        "login_banner": null,
        "license": {
            "agents": 512, "agents_used": -1, "apps": apps, "evaluation": false, "expiration_date": EXPIRES,
            "ips": 512, "scanners": 512, "users": -1,
        },
        "loaded_plugin_set": "202610150412",
        "msp": false,
        "nessus_type": "Tenable.io",
        "notifications": [],
        "plugin_set": "202610150412",
        "region": "eu-frankfurt-1",
        "server_uuid": "fa2a62c2-0000-4000-8000-5d6a4d2ba8e4",
        "server_version": "5.3.0",
        "update": {"href": null, "new_version": 0, "restart": 0},
    }))
}

fn status(_: &mut State, _: &Call) -> Response {
    Response::ok(&json!({"code": 200, "status": "ready"}))
}

fn session(state: &mut State, _: &Call) -> Response {
    Response::ok(&json!({
        "id": 2,
        "uuid": USER,
        "username": "appsec@example.com",
        "email": "appsec@example.com",
        "name": "AppSec",
        "type": "local",
        "permissions": state.settings.role,
        "container_uuid": CONTAINER,
        "container_name": "Example Corp",
        "features": {"was": state.settings.licence == Licence::Active},
        "apps": {"was": {"enabled": true}},
        "groups": [],
        "lockout": 0,
        "whatsnew": true,
    }))
}

fn scanners(_: &mut State, _: &Call) -> Response {
    let scanner = |id: u32, uuid: &str, name: &str, kind: &str, supports_webapp: bool| -> Value {
        json!({
            "id": id, "uuid": uuid, "name": name, "type": kind, "status": "on", "pool": true, "shared": true,
            "owner": "system", "supports_webapp": supports_webapp, "group": true, "key": "hidden",
            "license": {"type": "vm", "apps": {"was": {"type": "was", "mode": "standard", "expiration_date": EXPIRES}}},
        })
    };
    Response::ok(&json!({"scanners": [
        scanner(36_960_339, "00000000-0000-4000-8000-00000000e001", "EU Cloud Scanner", "webapp", true),
        scanner(36_973_541, "00000000-0000-4000-8000-00000000e002", "Data centre", "managed_webapp", true),
        scanner(36_000_001, "00000000-0000-4000-8000-00000000e003", "Office network", "local", false),
    ]}))
}
