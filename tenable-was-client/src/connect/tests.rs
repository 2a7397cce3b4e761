//! Tests of the steps that follow from the responses, without a network.

use appsec_core::StepKind::{BasePath, BindTargets, Credentials, Http, Licence, Permission};
use appsec_core::StepOutcome;
use serde_json::{Value, json};

use super::*;

fn received<T: serde::de::DeserializeOwned>(value: Value) -> Timed<T> {
    Timed { result: Ok(serde_json::from_value(value).unwrap()), took: Duration::ZERO }
}

fn failed<T>(kind: ErrorKind) -> Timed<T> {
    Timed { result: Err(Error::new(kind, "no")), took: Duration::ZERO }
}

fn healthy() -> Responses {
    let config = json!({"config_id": "5b1f2a34-0c1d-4e5f-8a9b-101112131415", "name": "shop"});
    Responses {
        properties: received(
            json!({"license": {"apps": {"was": {"mode": "standard", "expiration_date": 4_000_000_000_u64}}}, "region": "EU"}),
        ),
        session: Some(received(json!({"username": "bot", "permissions": 32}))),
        configs: Some(received(json!({"pagination": {"total": 1}, "items": [config]}))),
        templates: Some(received(
            json!({"pagination": {"total": 1}, "items": [{"template_id": "b223f18e-5a94-4e02-b560-77a4a8246cd3"}]}),
        )),
    }
}

fn report(responses: &Responses) -> ConnectionReport {
    let mut report = ConnectionReport::new(TenableWasClient::KEY, "https://cloud.tenable.com/");
    for step in responses.steps("2026-11-22T00:00:00Z".parse().unwrap()) {
        report.push(step);
    }
    report
}

/// A step with a problem.
type Problem = (StepKind, Cause);

fn problems(responses: &Responses) -> (Option<Problem>, Vec<Problem>) {
    let report = report(responses);
    let cause = |step: &ConnectionStep| step.cause.map(|cause| (step.kind, cause));
    (report.failure().and_then(cause), report.warnings().filter_map(cause).collect())
}

#[test]
fn a_healthy_tenant_passes_all_steps() {
    let responses = healthy();
    assert_eq!(problems(&responses), (None, vec![]));
    let report = report(&responses);
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

/// A name, a change to the responses of a healthy tenant, the failure and the warnings of the report.
type Row = (&'static str, fn(&mut Responses), Option<Problem>, &'static [Problem]);

const ROWS: &[Row] = &[
    (
        "keys failed at once",
        |responses| {
            responses.properties = failed(ErrorKind::Auth);
            (responses.session, responses.configs, responses.templates) = (None, None, None);
        },
        Some((Credentials, Cause::InvalidCredentials)),
        &[],
    ),
    (
        "keys failed at the listing",
        |responses| (responses.configs, responses.templates) = (Some(failed(ErrorKind::Auth)), None),
        Some((Credentials, Cause::InvalidCredentials)),
        &[],
    ),
    ("no session", |responses| responses.session = Some(failed(ErrorKind::NotFound)), None, &[]),
    (
        "a session that is not visible",
        |responses| responses.session = Some(failed(ErrorKind::PermissionDenied)),
        None,
        &[],
    ),
    (
        "no permission",
        |responses| {
            (responses.configs, responses.templates) = (Some(failed(ErrorKind::PermissionDenied)), None);
        },
        Some((Permission, Cause::PermissionDenied)),
        &[],
    ),
    (
        "a role that cannot launch",
        |responses| responses.session = Some(received(json!({"permissions": 16}))),
        None,
        &[(Permission, Cause::PermissionDenied)],
    ),
    (
        "not licensed, still listing",
        |responses| responses.properties = received(json!({"license": {"apps": {"vm": {}}}})),
        Some((Licence, Cause::NotLicensed)),
        &[],
    ),
    (
        "licence ended, still listing",
        |responses| {
            responses.properties =
                received(json!({"license": {"apps": {"was": {"expiration_date": 1_700_000_000}}}}));
        },
        Some((Licence, Cause::NotLicensed)),
        &[],
    ),
    (
        "a licence of another form",
        |responses| responses.properties = received(json!({"license": {"apps": {"was": "yes"}}})),
        None,
        &[(Licence, Cause::NotLicensed)],
    ),
    (
        "no licence in the properties",
        |responses| responses.properties = received(json!({"region": "EU"})),
        None,
        &[(Licence, Cause::NotLicensed)],
    ),
    (
        "licence ended, nothing listed",
        |responses| {
            responses.properties =
                received(json!({"license": {"apps": {"was": {"expiration_date": 1_700_000_000}}}}));
            responses.configs = Some(received(json!({"pagination": {"total": 0}, "items": []})));
        },
        Some((Licence, Cause::NotLicensed)),
        &[],
    ),
    (
        "not licensed and failed",
        |responses| {
            responses.properties = received(json!({"license": {"apps": {}}}));
            (responses.configs, responses.templates) = (Some(failed(ErrorKind::PermissionDenied)), None);
        },
        Some((Licence, Cause::NotLicensed)),
        &[],
    ),
    (
        "licence not visible",
        |responses| responses.properties = failed(ErrorKind::PermissionDenied),
        None,
        &[(Licence, Cause::NotLicensed)],
    ),
    (
        "no API below the base URL",
        |responses| {
            responses.properties = failed(ErrorKind::NotFound);
            (responses.configs, responses.templates) = (Some(failed(ErrorKind::NotFound)), None);
        },
        Some((BasePath, Cause::WrongBaseUrl)),
        &[],
    ),
    (
        "templates that are not visible",
        |responses| responses.templates = Some(failed(ErrorKind::PermissionDenied)),
        None,
        &[],
    ),
    (
        "no templates",
        |responses| responses.templates = Some(received(json!({"pagination": {"total": 0}, "items": []}))),
        None,
        &[(BindTargets, Cause::NoScanTemplates)],
    ),
    (
        "no templates and no configurations",
        |responses| {
            responses.templates = Some(received(json!({"pagination": {"total": 0}, "items": []})));
            responses.configs = Some(received(json!({"pagination": {"total": 0}, "items": []})));
        },
        Some((BindTargets, Cause::NoScanTemplates)),
        &[],
    ),
    (
        "no configurations",
        |responses| responses.configs = Some(received(json!({"pagination": {"total": 0}, "items": []}))),
        Some((BindTargets, Cause::NoBindTargets)),
        &[],
    ),
    (
        "a login page",
        |responses| {
            let page = Error::new(ErrorKind::Decode, "an HTML page came instead of JSON")
                .with_status(200)
                .with_html(true);
            responses.properties = Timed { result: Err(page), took: Duration::ZERO };
        },
        Some((Http, Cause::NotTheApi)),
        &[],
    ),
    (
        "a portal that refuses with HTML",
        |responses| {
            let page = Error::new(ErrorKind::PermissionDenied, "403: an HTML page came instead of JSON")
                .with_html(true);
            responses.properties = Timed { result: Err(page), took: Duration::ZERO };
        },
        Some((Http, Cause::NotTheApi)),
        &[],
    ),
    (
        "a redirect",
        |responses| {
            let redirect = Error::new(ErrorKind::Decode, "302").with_status(302);
            responses.properties = Timed { result: Err(redirect), took: Duration::ZERO };
        },
        Some((Http, Cause::Redirected)),
        &[],
    ),
    (
        "a fault",
        |responses| responses.properties = failed(ErrorKind::Server),
        Some((Http, Cause::ServerFault)),
        &[],
    ),
    (
        "no response",
        |responses| responses.properties = failed(ErrorKind::Transport),
        Some((Http, Cause::NoResponse)),
        &[],
    ),
    (
        "rate limited",
        |responses| responses.properties = failed(ErrorKind::RateLimited),
        Some((Http, Cause::RateLimited)),
        &[],
    ),
];

#[test]
fn each_problem_has_its_step_and_cause() {
    for (name, change, failure, warnings) in ROWS {
        let mut responses = healthy();
        change(&mut responses);
        assert_eq!(problems(&responses), (*failure, warnings.to_vec()), "{name}");
        for step in report(&responses).steps() {
            let needs = matches!(step.outcome, StepOutcome::Failed | StepOutcome::Warning);
            assert_eq!(step.remedy.is_some(), needs, "{name}: {}", step.kind);
        }
    }
}

#[test]
fn the_current_and_the_required_role_are_named() {
    let mut responses = healthy();
    (responses.configs, responses.templates) = (Some(failed(ErrorKind::PermissionDenied)), None);
    responses.session = Some(received(json!({"permissions": 8})));
    let report = report(&responses);
    let step = report.failure().unwrap();
    assert!(step.detail.contains("8 (a role of the tenant's own)"), "{}", step.detail);
    assert!(step.remedy.as_ref().unwrap().contains("16 (Basic)"), "{step:?}");
}
