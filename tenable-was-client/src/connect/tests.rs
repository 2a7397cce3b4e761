//! What each answer means for the report, without a network.

use appsec_core::StepKind::{BasePath, BindTargets, Credentials, Http, Licence, Permission};
use appsec_core::StepOutcome;
use serde_json::{Value, json};

use super::*;

fn asked<T: serde::de::DeserializeOwned>(value: Value) -> Asked<T> {
    Asked { answer: Ok(serde_json::from_value(value).unwrap()), took: Duration::ZERO }
}

fn refused<T>(kind: ErrorKind) -> Asked<T> {
    Asked { answer: Err(Error::new(kind, "no")), took: Duration::ZERO }
}

fn healthy() -> Seen {
    let config = json!({"config_id": "5b1f2a34-0c1d-4e5f-8a9b-101112131415", "name": "shop"});
    Seen {
        properties: asked(
            json!({"license": {"apps": {"was": {"mode": "standard", "expiration_date": 4_000_000_000_u64}}}, "region": "EU"}),
        ),
        session: Some(asked(json!({"username": "bot", "permissions": 32}))),
        configs: Some(asked(json!({"pagination": {"total": 1}, "items": [config]}))),
        templates: Some(asked(
            json!({"pagination": {"total": 1}, "items": [{"template_id": "b223f18e-5a94-4e02-b560-77a4a8246cd3"}]}),
        )),
    }
}

fn report(seen: &Seen) -> ConnectionReport {
    let mut report = ConnectionReport::new(TenableWasClient::KEY, "https://cloud.tenable.com/");
    for step in seen.steps("2026-11-22T00:00:00Z".parse().unwrap()) {
        report.push(step);
    }
    report
}

/// A step that is not as it should be.
type Trouble = (StepKind, Cause);

fn verdict(seen: &Seen) -> (Option<Trouble>, Vec<Trouble>) {
    let report = report(seen);
    let cause = |step: &ConnectionStep| step.cause.map(|cause| (step.kind, cause));
    (report.failure().and_then(cause), report.warnings().filter_map(cause).collect())
}

#[test]
fn all_is_well() {
    let seen = healthy();
    assert_eq!(verdict(&seen), (None, vec![]));
    let report = report(&seen);
    for kind in [
        StepKind::Http,
        StepKind::Credentials,
        StepKind::Permission,
        StepKind::Licence,
        StepKind::BindTargets,
    ] {
        assert_eq!(report.step(kind).map(|step| step.outcome), Some(StepOutcome::Passed), "{kind}");
    }
}

/// A change of what a healthy tenant answers, and what the report makes of it.
type Row = (&'static str, fn(&mut Seen), Option<Trouble>, &'static [Trouble]);

const ROWS: &[Row] = &[
    (
        "keys refused at once",
        |seen| {
            seen.properties = refused(ErrorKind::Auth);
            (seen.session, seen.configs, seen.templates) = (None, None, None);
        },
        Some((Credentials, Cause::InvalidCredentials)),
        &[],
    ),
    (
        "keys refused at the listing",
        |seen| (seen.configs, seen.templates) = (Some(refused(ErrorKind::Auth)), None),
        Some((Credentials, Cause::InvalidCredentials)),
        &[],
    ),
    ("no session", |seen| seen.session = Some(refused(ErrorKind::NotFound)), None, &[]),
    (
        "a session that may not be seen",
        |seen| seen.session = Some(refused(ErrorKind::PermissionDenied)),
        None,
        &[],
    ),
    (
        "no permission",
        |seen| (seen.configs, seen.templates) = (Some(refused(ErrorKind::PermissionDenied)), None),
        Some((Permission, Cause::PermissionDenied)),
        &[],
    ),
    (
        "a role that cannot launch",
        |seen| seen.session = Some(asked(json!({"permissions": 16}))),
        None,
        &[(Permission, Cause::PermissionDenied)],
    ),
    (
        "not licensed, still listing",
        |seen| seen.properties = asked(json!({"license": {"apps": {"vm": {}}}})),
        None,
        &[(Licence, Cause::NotLicensed)],
    ),
    (
        "licence ended, nothing listed",
        |seen| {
            seen.properties =
                asked(json!({"license": {"apps": {"was": {"expiration_date": 1_700_000_000}}}}));
            seen.configs = Some(asked(json!({"pagination": {"total": 0}, "items": []})));
        },
        Some((Licence, Cause::NotLicensed)),
        &[],
    ),
    (
        "not licensed and refused",
        |seen| {
            seen.properties = asked(json!({"license": {"apps": {}}}));
            (seen.configs, seen.templates) = (Some(refused(ErrorKind::PermissionDenied)), None);
        },
        Some((Licence, Cause::NotLicensed)),
        &[],
    ),
    ("licence not visible", |seen| seen.properties = refused(ErrorKind::PermissionDenied), None, &[]),
    (
        "no API below the base URL",
        |seen| {
            seen.properties = refused(ErrorKind::NotFound);
            (seen.configs, seen.templates) = (Some(refused(ErrorKind::NotFound)), None);
        },
        Some((BasePath, Cause::WrongBaseUrl)),
        &[],
    ),
    (
        "templates that may not be seen",
        |seen| seen.templates = Some(refused(ErrorKind::PermissionDenied)),
        None,
        &[],
    ),
    (
        "no templates",
        |seen| seen.templates = Some(asked(json!({"pagination": {"total": 0}, "items": []}))),
        None,
        &[(BindTargets, Cause::NoScanTemplates)],
    ),
    (
        "no templates and no configurations",
        |seen| {
            seen.templates = Some(asked(json!({"pagination": {"total": 0}, "items": []})));
            seen.configs = Some(asked(json!({"pagination": {"total": 0}, "items": []})));
        },
        Some((BindTargets, Cause::NoScanTemplates)),
        &[],
    ),
    (
        "no configurations",
        |seen| seen.configs = Some(asked(json!({"pagination": {"total": 0}, "items": []}))),
        Some((BindTargets, Cause::NoBindTargets)),
        &[],
    ),
    (
        "a login page",
        |seen| {
            let page = Error::new(ErrorKind::Decode, "an HTML page came instead of JSON").with_status(200);
            seen.properties = Asked { answer: Err(page), took: Duration::ZERO };
        },
        Some((Http, Cause::NotTheApi)),
        &[],
    ),
    (
        "a portal that refuses in HTML",
        |seen| {
            let page = Error::new(ErrorKind::PermissionDenied, "403: an HTML page came instead of JSON");
            seen.properties = Asked { answer: Err(page), took: Duration::ZERO };
        },
        Some((Http, Cause::NotTheApi)),
        &[],
    ),
    (
        "a redirect",
        |seen| {
            let redirect = Error::new(ErrorKind::Decode, "302").with_status(302);
            seen.properties = Asked { answer: Err(redirect), took: Duration::ZERO };
        },
        Some((Http, Cause::Redirected)),
        &[],
    ),
    ("a fault", |seen| seen.properties = refused(ErrorKind::Server), Some((Http, Cause::ServerFault)), &[]),
    ("silence", |seen| seen.properties = refused(ErrorKind::Transport), Some((Http, Cause::NoResponse)), &[]),
    (
        "too many",
        |seen| seen.properties = refused(ErrorKind::RateLimited),
        Some((Http, Cause::RateLimited)),
        &[],
    ),
];

#[test]
fn each_trouble_has_its_step_and_its_cause() {
    for (name, change, failure, warnings) in ROWS {
        let mut seen = healthy();
        change(&mut seen);
        assert_eq!(verdict(&seen), (*failure, warnings.to_vec()), "{name}");
        for step in report(&seen).steps() {
            let needs = matches!(step.outcome, StepOutcome::Failed | StepOutcome::Warning);
            assert_eq!(step.remedy.is_some(), needs, "{name}: {}", step.kind);
        }
    }
}

#[test]
fn the_role_seen_and_the_role_needed_are_named() {
    let mut seen = healthy();
    (seen.configs, seen.templates) = (Some(refused(ErrorKind::PermissionDenied)), None);
    seen.session = Some(asked(json!({"permissions": 8})));
    let report = report(&seen);
    let step = report.failure().unwrap();
    assert!(step.detail.contains("8 (a role of the tenant's own)"), "{}", step.detail);
    assert!(step.remedy.as_ref().unwrap().contains("16 (Basic)"), "{step:?}");
}
