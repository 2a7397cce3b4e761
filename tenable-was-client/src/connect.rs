//! The connection test: each step with what was observed, and the remedy for a problem.

use std::time::{Duration, Instant};

use appsec_core::{Cause, ConnectionReport, ConnectionStep, Error, ErrorKind, StepKind, Timestamp};

use crate::filter::Filter;
use crate::model::{ConfigSummary, Page, Role, ServerProperties, Session, Template};
use crate::{PageQuery, TenableWasClient};

/// Tests the connection, step by step, until one fails.
pub(crate) async fn test(client: &TenableWasClient) -> ConnectionReport {
    let mut report = ConnectionReport::new(TenableWasClient::KEY, client.base_url());
    for step in client.http().probe().await {
        report.push(step);
    }
    if report.has_failed() {
        return report;
    }
    let responses = Responses::request(client).await;
    for step in responses.steps(Timestamp::now()) {
        report.push(step);
    }
    report
}

/// The result of a call, and how long it took.
struct Timed<T> {
    result: Result<T, Error>,
    took: Duration,
}

impl<T> Timed<T> {
    async fn run(call: impl Future<Output = Result<T, Error>>) -> Self {
        let start = Instant::now();
        let result = call.await;
        Self { result, took: start.elapsed() }
    }

    fn error(&self) -> Option<&Error> {
        self.result.as_ref().err()
    }

    fn is_auth_error(&self) -> bool {
        self.error().is_some_and(|error| error.kind() == ErrorKind::Auth)
    }
}

/// The responses to the four requests of the test. The steps are derived from them without IO.
struct Responses {
    properties: Timed<ServerProperties>,
    session: Option<Timed<Session>>,
    configs: Option<Timed<Page<ConfigSummary>>>,
    templates: Option<Timed<Page<Template>>>,
}

impl Responses {
    /// Sends the requests, up to the first that makes the rest pointless.
    async fn request(client: &TenableWasClient) -> Self {
        let properties = Timed::run(client.get_server_properties()).await;
        let mut responses = Self { properties, session: None, configs: None, templates: None };
        if responses
            .properties
            .error()
            .is_some_and(|error| cause_of_no_api(error).is_some() || responses.properties.is_auth_error())
        {
            return responses;
        }
        let session = Timed::run(client.get_session()).await;
        if session.is_auth_error() {
            responses.session = Some(session);
            return responses;
        }
        responses.session = Some(session);
        let configs = Timed::run(client.search_configs(&Filter::everything(), &PageQuery::new())).await;
        let configs_read = configs.result.is_ok();
        responses.configs = Some(configs);
        if configs_read {
            let one = PageQuery::new().with_limit(1);
            responses.templates = Some(Timed::run(client.list_templates(&one)).await);
        }
        responses
    }

    /// The steps above the network connection. A report ignores steps after the first failed one.
    fn steps(&self, now: Timestamp) -> Vec<ConnectionStep> {
        let mut steps = vec![self.http()];
        steps.extend(self.credentials());
        steps.extend(self.permission(now));
        steps.push(self.licence(now));
        steps.extend(self.base_path());
        steps.extend(self.bind_targets());
        steps
    }

    /// The first error that shows that no API responds, with its cause.
    fn not_the_api(&self) -> Option<(&Error, Cause, Duration)> {
        let is_not_the_api = |error: Option<&'_ Error>| error.and_then(cause_of_no_api).is_some();
        let calls = [
            Some((self.properties.error(), self.properties.took)),
            self.configs.as_ref().map(|c| (c.error(), c.took)),
        ];
        let (error, took) = calls.into_iter().flatten().find(|(error, _)| is_not_the_api(*error))?;
        let error = error?;
        Some((error, cause_of_no_api(error)?, took))
    }

    fn http(&self) -> ConnectionStep {
        let kind = StepKind::Http;
        let Some((error, cause, took)) = self.not_the_api() else {
            return ConnectionStep::passed(kind, self.properties.took, "the service responds in JSON");
        };
        let remedy = match cause {
            Cause::NotTheApi => {
                "check the base URL, and whether a login portal or proxy intercepts the request"
            }
            Cause::Redirected => "check the base URL: the API does not redirect",
            Cause::RateLimited => "wait, and use a separate user with its own keys for each integration",
            Cause::ServerFault => "wait, and check the vendor's status page",
            Cause::NoResponse => "check proxies and firewalls, and whether the timeouts are long enough",
            _ => "check the base URL; if it is right, report the response",
        };
        ConnectionStep::failed(kind, cause, took, sentence(error), remedy)
    }

    fn credentials(&self) -> Option<ConnectionStep> {
        let kind = StepKind::Credentials;
        let refusals = [
            Some((self.properties.is_auth_error(), self.properties.error(), self.properties.took)),
            self.session.as_ref().map(|timed| (timed.is_auth_error(), timed.error(), timed.took)),
            self.configs.as_ref().map(|timed| (timed.is_auth_error(), timed.error(), timed.took)),
        ];
        if let Some((_, Some(error), took)) = refusals.into_iter().flatten().find(|(refused, ..)| *refused) {
            return Some(ConnectionStep::failed(
                kind,
                Cause::InvalidCredentials,
                took,
                sentence(error),
                "generate new API keys for the user and set both; new keys invalidate the old ones immediately, and the user may be restricted to certain IP addresses",
            ));
        }
        let configs = self.configs.as_ref()?;
        // A user without permission is authenticated all the same.
        let authenticated = configs.result.is_ok()
            || configs.error().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied);
        let saw = match self.user() {
            Some(user) => format!("the keys belong to {user}"),
            None => "the keys are accepted".to_owned(),
        };
        authenticated.then(|| ConnectionStep::passed(kind, configs.took, saw))
    }

    fn session(&self) -> Option<&Session> {
        self.session.as_ref()?.result.as_ref().ok()
    }

    fn user(&self) -> Option<&str> {
        let session = self.session()?;
        session.username.as_deref().or(session.name.as_deref())
    }

    fn role(&self) -> Option<Role> {
        self.session()?.permissions.map(Role)
    }

    fn permission(&self, now: Timestamp) -> Option<ConnectionStep> {
        let kind = StepKind::Permission;
        let configs = self.configs.as_ref()?;
        let role = match self.role() {
            Some(role) => format!("the user's role is {role}"),
            None => "the user's role is not visible".to_owned(),
        };
        match configs.error().map(Error::kind) {
            // A missing licence is refused too, and is reported by the next step.
            Some(ErrorKind::PermissionDenied) if self.licence_problem(now).is_some() => {
                Some(ConnectionStep::skipped(kind, "cannot be distinguished from the missing licence"))
            }
            Some(ErrorKind::PermissionDenied) => Some(ConnectionStep::failed(
                kind,
                Cause::PermissionDenied,
                configs.took,
                format!("scan configurations cannot be read; {role}"),
                format!(
                    "give the user the role {} or one with WAS.SCAN_WAS.READ, and Can View on the configurations",
                    Role::BASIC
                ),
            )),
            Some(_) => None,
            None if self.role().is_some_and(|role| role < Role::SCAN_OPERATOR) => {
                Some(ConnectionStep::warning(
                    kind,
                    Cause::PermissionDenied,
                    configs.took,
                    format!("{role}, which can read but not launch scans"),
                    format!("give the user the role {} if scans are to be launched", Role::SCAN_OPERATOR),
                ))
            }
            None => Some(ConnectionStep::passed(
                kind,
                configs.took,
                format!("scan configurations can be read; {role}"),
            )),
        }
    }

    /// The problem with the licence; `None` if there is none, or if the licence is not visible.
    fn licence_problem(&self, now: Timestamp) -> Option<String> {
        let licence = self.properties.result.as_ref().ok()?.license.as_ref()?;
        if !licence.apps.contains_key("was") {
            return Some("the tenant's licence does not include Web App Scanning".to_owned());
        }
        let was = licence.was()?;
        let expires = was.expiration_date.as_ref().and_then(crate::model::ApiTimestamp::timestamp)?;
        (expires < now).then(|| format!("the licence of Web App Scanning expired at {expires}"))
    }

    /// Whether the properties could not be read for another reason than a missing permission.
    fn properties_failed_otherwise(&self) -> bool {
        self.properties.error().is_some_and(|error| error.kind() != ErrorKind::PermissionDenied)
    }

    fn licence(&self, now: Timestamp) -> ConnectionStep {
        let (kind, took) = (StepKind::Licence, self.properties.took);
        let remedy = "ask the owner of the tenant for a Web App Scanning licence";
        match self.licence_problem(now) {
            // Configurations are still listed without a licence, but scans and exports are refused.
            Some(problem) => {
                let saw = format!("{problem}: scans and exports are refused");
                ConnectionStep::failed(kind, Cause::NotLicensed, took, saw, remedy)
            }
            None => match self.properties.result.as_ref().ok().and_then(|p| p.license.as_ref()?.was()) {
                Some(was) => {
                    let mode = was.mode.as_deref().unwrap_or("unknown mode");
                    ConnectionStep::passed(kind, took, format!("Web App Scanning is licensed ({mode})"))
                }
                None if self.properties_failed_otherwise() => {
                    ConnectionStep::skipped(kind, "the licence is not visible")
                }
                None => ConnectionStep::warning(
                    kind,
                    Cause::NotLicensed,
                    took,
                    "the licence is not visible to this user",
                    "make sure that the tenant has a licence for Web App Scanning: without one, scans and exports are refused",
                ),
            },
        }
    }

    fn base_path(&self) -> Option<ConnectionStep> {
        let kind = StepKind::BasePath;
        let configs = self.configs.as_ref()?;
        let region = self.properties.result.as_ref().ok().and_then(|properties| properties.region.as_deref());
        Some(match &configs.result {
            Ok(_) => {
                let saw = region.map_or_else(
                    || "the API is at this base URL".to_owned(),
                    |region| format!("region {region}"),
                );
                ConnectionStep::passed(kind, configs.took, saw)
            }
            Err(error) => ConnectionStep::failed(
                kind,
                Cause::WrongBaseUrl,
                configs.took,
                sentence(error),
                format!("set the base URL to scheme and host only, such as {}", crate::DEFAULT_BASE_URL),
            ),
        })
    }

    fn bind_targets(&self) -> Option<ConnectionStep> {
        let kind = StepKind::BindTargets;
        let configs = self.configs.as_ref()?;
        let page = configs.result.as_ref().ok()?;
        let templates = self.templates.as_ref();
        let no_templates = templates
            .and_then(|timed| timed.result.as_ref().ok())
            .is_some_and(|page| page.items.is_empty() && page.total().unwrap_or_default() == 0);
        let took = configs.took + templates.map_or(Duration::ZERO, |timed| timed.took);
        let template_remedy =
            format!("give the user the role {} or one that can use the vendor's templates", Role::STANDARD);
        let visible = page.items.iter().filter(|config| config.in_trash != Some(true)).count() as u64;
        Some(match (visible, no_templates) {
            (0, true) => ConnectionStep::failed(
                kind,
                Cause::NoScanTemplates,
                took,
                "no scan template and no scan configuration is visible",
                template_remedy,
            ),
            (0, false) => ConnectionStep::failed(
                kind,
                Cause::NoBindTargets,
                took,
                "no scan configuration is visible",
                "create a scan configuration, or give the user Can View on one",
            ),
            (_, true) => ConnectionStep::warning(
                kind,
                Cause::NoScanTemplates,
                took,
                "scan configurations are visible, but no scan template",
                template_remedy,
            ),
            (visible, false) => {
                let count = page.total().unwrap_or(visible).max(visible);
                ConnectionStep::passed(kind, took, format!("{count} scan configurations are visible"))
            }
        })
    }
}

/// Why an error is not one of the API; `None` if the API responded, even with a refusal.
fn cause_of_no_api(error: &Error) -> Option<Cause> {
    match error.kind() {
        ErrorKind::Auth | ErrorKind::PermissionDenied | ErrorKind::NotFound => {
            // A login portal may refuse too, with an HTML page.
            error.is_html().then_some(Cause::NotTheApi)
        }
        ErrorKind::RateLimited => Some(Cause::RateLimited),
        ErrorKind::Server => Some(Cause::ServerFault),
        ErrorKind::Transport | ErrorKind::Deadline => Some(Cause::NoResponse),
        _ if error.status().is_some_and(|status| (300..400).contains(&status)) => Some(Cause::Redirected),
        ErrorKind::Decode if error.is_html() => Some(Cause::NotTheApi),
        _ => Some(Cause::UnexpectedResponse),
    }
}

fn sentence(error: &Error) -> String {
    let what = error.message();
    match error.request_id() {
        Some(id) => format!("{what} (request {id})"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests;
