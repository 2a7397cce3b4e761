//! The connection test: the way to the service, then one small request for a gap and one for a host.

use std::time::{Duration, Instant};

use appsec_core::{
    Cause, ConnectionReport, ConnectionStep, DastApiScanner, Error, ErrorKind, Result, StepKind,
};
use appsec_http::{Request, RetrySafety};

use crate::client::{GapsQuery, ListQuery, Region, SaltClient, hosts_request};
use crate::model::RawPage;

pub(crate) async fn test(client: &SaltClient) -> ConnectionReport {
    let mut report = ConnectionReport::new(client.info().key, client.base_url());
    for step in client.http().probe().await {
        report.push(step);
    }
    if report.has_failed() {
        return report;
    }
    let started = Instant::now();
    let gaps = read_once(client, &GapsQuery::new().with_limit(1).to_request()).await;
    let took = started.elapsed();
    match gaps {
        Ok(_) => {
            report.push(ConnectionStep::passed(StepKind::Http, took, "the API responds"));
            report.push(passed(StepKind::Credentials, "the token is accepted"));
            report.push(passed(StepKind::Permission, "posture gaps can be read"));
            let base = format!("{} is the base URL of the API ({})", client.base_url(), client.region());
            report.push(passed(StepKind::BasePath, base));
        }
        Err(error) => {
            push_failure(&mut report, client, &error, took);
            return report;
        }
    }
    let started = Instant::now();
    let hosts = read_once(client, &hosts_request(&ListQuery::new().with_limit(1))).await;
    report.push(bind_targets(hosts, started.elapsed()));
    report
}

/// Reads one page without repeating the request: a test reports what it meets instead of waiting until it
/// passes.
async fn read_once(client: &SaltClient, request: &Request) -> Result<RawPage> {
    Ok(client.page(&request.clone().with_retry_safety(RetrySafety::IfUnsent), 1).await?)
}

fn passed(kind: StepKind, detail: impl Into<String>) -> ConnectionStep {
    // One request answers several steps; the first one has its time.
    ConnectionStep::passed(kind, Duration::ZERO, detail)
}

/// Adds the step that failed, and the steps that passed before it.
fn push_failure(report: &mut ConnectionReport, client: &SaltClient, error: &Error, took: Duration) {
    let detail = error.message();
    let responded = || ConnectionStep::passed(StepKind::Http, took, "the API responds");
    let failed =
        |kind, cause, remedy: &str| ConnectionStep::failed(kind, cause, Duration::ZERO, detail, remedy);
    match error.kind() {
        ErrorKind::Auth => {
            report.push(responded());
            let (cause, remedy) = refused(error, client.region());
            report.push(failed(StepKind::Credentials, cause, &remedy));
        }
        ErrorKind::PermissionDenied => {
            report.push(responded());
            report.push(passed(StepKind::Credentials, "the token is known"));
            let (cause, remedy) = fault(error);
            report.push(failed(StepKind::Permission, cause, remedy));
        }
        ErrorKind::NotFound => {
            report.push(responded());
            for kind in [StepKind::Credentials, StepKind::Permission] {
                report.push(ConnectionStep::skipped(kind, "the response does not show it"));
            }
            let bases = [Region::Us, Region::Eu];
            let [us, eu] = bases.each_ref().map(Region::url);
            let remedy = format!("use {us} or {eu} as the base URL, without a path");
            report.push(failed(StepKind::BasePath, Cause::WrongBaseUrl, &remedy));
        }
        _ => {
            let (cause, remedy) = fault(error);
            report.push(ConnectionStep::failed(StepKind::Http, cause, took, detail, remedy));
        }
    }
}

/// Returns the cause and the remedy for a refused token.
fn refused(error: &Error, region: &Region) -> (Cause, String) {
    const RENEW: &str = "create a new token in the dashboard under Settings, Access, API Tokens";
    if error.is_expired() {
        return (Cause::ExpiredCredentials, RENEW.to_owned());
    }
    let other = match region {
        Region::Us => format!("if the token belongs to the EU, use {}", Region::Eu.url()),
        Region::Eu => format!("if the token belongs to the US, use {}", Region::Us.url()),
        Region::Custom(_) => "use the base URL of the region that the token belongs to".to_owned(),
    };
    (Cause::InvalidCredentials, format!("{RENEW}; or, {other}"))
}

/// Returns the cause and the remedy for an error that concerns the service or the way to it.
fn fault(error: &Error) -> (Cause, &'static str) {
    match (error.kind(), error.status()) {
        (_, Some(300..=399)) => (
            Cause::Redirected,
            "use the base URL at which the API itself responds; the token is never sent to another one",
        ),
        (ErrorKind::Decode, _) if error.is_html() => (
            Cause::NotTheApi,
            "use the base URL of the API instead of a web site, and check for a login portal or gateway in front of it",
        ),
        (ErrorKind::PermissionDenied, _) => (Cause::PermissionDenied, "give the token the scope perm-viewer"),
        (ErrorKind::RateLimited, _) => (Cause::RateLimited, "wait, or lower the request rate"),
        (ErrorKind::Server, _) => (
            Cause::ServerFault,
            "try again later; if the error persists, check the service and the gateways in front of it",
        ),
        (ErrorKind::Transport | ErrorKind::Deadline, _) => (
            Cause::NoResponse,
            "check whether a firewall or proxy accepts connections and holds back requests",
        ),
        _ => (
            Cause::UnexpectedResponse,
            "check that the base URL is that of the API; if it is, report the response",
        ),
    }
}

/// Returns the step for the list of hosts. It fails if no host is listed: then there is nothing to bind to,
/// and a missing scope is the likely reason.
fn bind_targets(hosts: Result<RawPage>, took: Duration) -> ConnectionStep {
    const KIND: StepKind = StepKind::BindTargets;
    match hosts {
        Ok(page) if page.is_empty() => ConnectionStep::failed(
            KIND,
            Cause::NoBindTargets,
            took,
            "the inventory lists no host",
            "give the token the scope perm-viewer, and check that its environment has traffic",
        ),
        Ok(_) => ConnectionStep::passed(KIND, took, "the inventory lists hosts"),
        Err(error) => {
            let (cause, remedy) = fault(&error);
            ConnectionStep::failed(KIND, cause, took, error.message(), remedy)
        }
    }
}
