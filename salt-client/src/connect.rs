//! The connection test: the way to the service, then one cheap request for a gap and one for a host.

use std::time::{Duration, Instant};

use appsec_core::{Cause, ConnectionReport, ConnectionStep, Error, ErrorKind, StepKind};
use appsec_http::{Request, Response, RetrySafety};
use serde_json::Value;

use crate::client::SaltClient;
use crate::error::says_expired;
use crate::model::Page;
use crate::region::Region;
use crate::request::{GapsQuery, ListQuery};
use crate::scanner::KEY;

const HTML: &str = "an HTML page came where JSON belongs";
const HTML_REMEDY: &str = "use the base URL of the API, not of a web site, and see that no login portal or gateway stands before it";

pub(crate) async fn test(client: &SaltClient) -> ConnectionReport {
    let mut report = ConnectionReport::new(KEY, client.base_url());
    for step in client.http().probe().await {
        report.push(step);
    }
    if report.has_failed() {
        return report;
    }
    let started = Instant::now();
    let gaps = read(client, &GapsQuery::new().with_limit(1).to_request()).await;
    let took = started.elapsed();
    match gaps {
        Ok(_) => {
            report.push(ConnectionStep::passed(StepKind::Http, took, "the API answers"));
            report.push(passed(StepKind::Credentials, "the token is accepted"));
            report.push(passed(StepKind::Permission, "posture gaps can be read"));
            let base = format!("{} leads to the API ({})", client.base_url(), client.region());
            report.push(passed(StepKind::BasePath, base));
        }
        Err(problem) => {
            push_problem(&mut report, client, &problem, took);
            return report;
        }
    }
    let started = Instant::now();
    let hosts = read(client, &ListQuery::new().with_limit(1).to_hosts()).await;
    report.push(bind_targets(hosts, started.elapsed()));
    report
}

/// Why no page came.
enum Problem {
    Html,
    Error(Error),
}

/// One page, asked for once: a test says what it meets, it does not wait until it passes.
async fn read(client: &SaltClient, request: &Request) -> Result<Page<Value>, Problem> {
    let answer = client.http().send(&request.clone().with_repeat(RetrySafety::IfUnsent)).await;
    page(&answer.map_err(Problem::Error)?, request.operation())
}

fn page(answer: &Response, operation: &'static str) -> Result<Page<Value>, Problem> {
    if answer.is_html() {
        return Err(Problem::Html);
    }
    answer.json(operation).and_then(|body| Page::from_answer(body, operation)).map_err(Problem::Error)
}

fn passed(kind: StepKind, saw: impl Into<String>) -> ConnectionStep {
    // One request answers several questions; its time is in the first.
    ConnectionStep::passed(kind, Duration::ZERO, saw)
}

/// Where the problem lies, and what was passed on the way to it.
fn push_problem(report: &mut ConnectionReport, client: &SaltClient, problem: &Problem, took: Duration) {
    let error = match problem {
        Problem::Html => {
            let step = ConnectionStep::failed(StepKind::Http, Cause::NotTheApi, took, HTML, HTML_REMEDY);
            report.push(step);
            return;
        }
        Problem::Error(error) => error,
    };
    let saw = error.message();
    let answered = || ConnectionStep::passed(StepKind::Http, took, "the API answers");
    let failed = |kind, cause, remedy: &str| ConnectionStep::failed(kind, cause, Duration::ZERO, saw, remedy);
    match error.kind() {
        ErrorKind::Auth => {
            report.push(answered());
            let (cause, remedy) = refused(error, client.region());
            report.push(failed(StepKind::Credentials, cause, &remedy));
        }
        ErrorKind::PermissionDenied => {
            report.push(answered());
            report.push(passed(StepKind::Credentials, "the token is known"));
            let (cause, remedy) = fault(error);
            report.push(failed(StepKind::Permission, cause, remedy));
        }
        ErrorKind::NotFound => {
            report.push(answered());
            for kind in [StepKind::Credentials, StepKind::Permission] {
                report.push(ConnectionStep::skipped(kind, "the answer does not tell"));
            }
            let bases = [Region::Us, Region::Eu];
            let [us, eu] = bases.each_ref().map(Region::url);
            let remedy = format!("use {us} or {eu} as the base URL, without a path");
            report.push(failed(StepKind::BasePath, Cause::WrongBaseUrl, &remedy));
        }
        _ => {
            let (cause, remedy) = fault(error);
            report.push(ConnectionStep::failed(StepKind::Http, cause, took, saw, remedy));
        }
    }
}

/// A refused token: why, and what to do.
fn refused(error: &Error, region: &Region) -> (Cause, String) {
    const RENEW: &str = "make a new token in the dashboard under Settings, Access, API Tokens";
    if says_expired(error) {
        return (Cause::ExpiredCredentials, RENEW.to_owned());
    }
    let other = match region {
        Region::Us => format!("if it was made in the EU, use {}", Region::Eu.url()),
        Region::Eu => format!("if it was made in the US, use {}", Region::Us.url()),
        Region::Custom(_) => "use the base URL of the region that it was made in".to_owned(),
    };
    (Cause::InvalidCredentials, format!("{RENEW}; or, {other}"))
}

/// What an error says about the service rather than about the settings.
fn fault(error: &Error) -> (Cause, &'static str) {
    match (error.kind(), error.status()) {
        (_, Some(300..=399)) => (
            Cause::Redirected,
            "use the base URL that the API itself answers at; the token is never carried to another one",
        ),
        (ErrorKind::PermissionDenied, _) => (Cause::PermissionDenied, "give the token the scope perm-viewer"),
        (ErrorKind::RateLimited, _) => (Cause::RateLimited, "wait a little, or lower the rate of requests"),
        (ErrorKind::Server, _) => (
            Cause::ServerFault,
            "try again later; if it stays, look at the service and at gateways before it",
        ),
        (ErrorKind::Transport | ErrorKind::Deadline, _) => (
            Cause::NoAnswer,
            "see whether a firewall or proxy lets connections through and holds back requests",
        ),
        _ => (
            Cause::UnexpectedAnswer,
            "see whether the base URL is that of the API, and report the answer if it is",
        ),
    }
}

/// A failure where no host is listed: without one there is nothing to bind to, and the likely reason is a missing scope.
fn bind_targets(hosts: Result<Page<Value>, Problem>, took: Duration) -> ConnectionStep {
    const KIND: StepKind = StepKind::BindTargets;
    match hosts {
        Ok(page) if page.is_empty() => ConnectionStep::failed(
            KIND,
            Cause::NoBindTargets,
            took,
            "the inventory lists no host",
            "give the token the scope perm-viewer, and see that its environment has traffic",
        ),
        Ok(_) => ConnectionStep::passed(KIND, took, "the inventory lists hosts"),
        Err(Problem::Html) => ConnectionStep::failed(KIND, Cause::NotTheApi, took, HTML, HTML_REMEDY),
        Err(Problem::Error(error)) => {
            let (cause, remedy) = fault(&error);
            ConnectionStep::failed(KIND, cause, took, error.message(), remedy)
        }
    }
}
