//! The connection test: what was seen at each step, and what to do where it is not as it should be.

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
    let seen = Seen::ask(client).await;
    for step in seen.steps(Timestamp::now()) {
        report.push(step);
    }
    report
}

/// An answer, and how long it took.
struct Asked<T> {
    answer: Result<T, Error>,
    took: Duration,
}

impl<T> Asked<T> {
    async fn of(call: impl Future<Output = Result<T, Error>>) -> Self {
        let start = Instant::now();
        let answer = call.await;
        Self { answer, took: start.elapsed() }
    }

    fn error(&self) -> Option<&Error> {
        self.answer.as_ref().err()
    }

    fn refused(&self) -> bool {
        self.error().is_some_and(|error| error.kind() == ErrorKind::Auth)
    }
}

/// What the service answers to the four questions of the test. The rest is reading.
struct Seen {
    properties: Asked<ServerProperties>,
    session: Option<Asked<Session>>,
    configs: Option<Asked<Page<ConfigSummary>>>,
    templates: Option<Asked<Page<Template>>>,
}

impl Seen {
    /// Asks as long as the answers make sense.
    async fn ask(client: &TenableWasClient) -> Self {
        let properties = Asked::of(client.get_server_properties()).await;
        let mut seen = Self { properties, session: None, configs: None, templates: None };
        if seen
            .properties
            .error()
            .is_some_and(|error| not_the_api(error).is_some() || seen.properties.refused())
        {
            return seen;
        }
        let session = Asked::of(client.get_session()).await;
        if session.refused() {
            seen.session = Some(session);
            return seen;
        }
        seen.session = Some(session);
        let configs = Asked::of(client.search_configs(&Filter::everything(), &PageQuery::new())).await;
        let go_on = configs.answer.is_ok();
        seen.configs = Some(configs);
        if go_on {
            let one = PageQuery::new().with_limit(1);
            seen.templates = Some(Asked::of(client.list_templates(&one)).await);
        }
        seen
    }

    /// The steps above the connection itself. A report takes none after the first that fails.
    fn steps(&self, now: Timestamp) -> Vec<ConnectionStep> {
        let mut steps = vec![self.http()];
        steps.extend(self.credentials());
        steps.extend(self.permission(now));
        steps.push(self.licence(now));
        steps.extend(self.base_path());
        steps.extend(self.bind_targets());
        steps
    }

    /// The error that shows that no API answers, where one came.
    fn unreadable(&self) -> Option<(&Error, Cause, Duration)> {
        let of = |error: Option<&'_ Error>| error.and_then(not_the_api).is_some();
        let asked = [
            Some((self.properties.error(), self.properties.took)),
            self.configs.as_ref().map(|c| (c.error(), c.took)),
        ];
        let (error, took) = asked.into_iter().flatten().find(|(error, _)| of(*error))?;
        let error = error?;
        Some((error, not_the_api(error)?, took))
    }

    fn http(&self) -> ConnectionStep {
        let kind = StepKind::Http;
        let Some((error, cause, took)) = self.unreadable() else {
            return ConnectionStep::passed(kind, self.properties.took, "the service answers in JSON");
        };
        let remedy = match cause {
            Cause::NotTheApi => "check the base URL, and whether a login portal or a proxy stands in between",
            Cause::Redirected => "check the base URL: the API does not redirect",
            Cause::RateLimited => "wait, and let one user with its own keys serve one integration",
            Cause::ServerFault => "wait, and look at the vendor's status page",
            Cause::NoResponse => "check proxies and firewalls, and whether the timeouts are long enough",
            _ => "check the base URL, and report the answer if it is right",
        };
        ConnectionStep::failed(kind, cause, took, sentence(error), remedy)
    }

    fn credentials(&self) -> Option<ConnectionStep> {
        let kind = StepKind::Credentials;
        let refusals = [
            Some((self.properties.refused(), self.properties.error(), self.properties.took)),
            self.session.as_ref().map(|asked| (asked.refused(), asked.error(), asked.took)),
            self.configs.as_ref().map(|asked| (asked.refused(), asked.error(), asked.took)),
        ];
        if let Some((_, Some(error), took)) = refusals.into_iter().flatten().find(|(refused, ..)| *refused) {
            return Some(ConnectionStep::failed(
                kind,
                Cause::InvalidCredentials,
                took,
                sentence(error),
                "generate new API keys for the user and set both; new keys end the old ones at once, and the user's allowed addresses count too",
            ));
        }
        let configs = self.configs.as_ref()?;
        // Whoever may not read is known all the same.
        let known = configs.answer.is_ok()
            || configs.error().is_some_and(|error| error.kind() == ErrorKind::PermissionDenied);
        let saw = match self.user() {
            Some(user) => format!("the keys are those of {user}"),
            None => "the keys are accepted".to_owned(),
        };
        known.then(|| ConnectionStep::passed(kind, configs.took, saw))
    }

    fn session(&self) -> Option<&Session> {
        self.session.as_ref()?.answer.as_ref().ok()
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
            // What is not licensed is refused too; the next step says so.
            Some(ErrorKind::PermissionDenied) if self.lacks_licence(now).is_some() => {
                Some(ConnectionStep::skipped(kind, "cannot be told from the missing licence"))
            }
            Some(ErrorKind::PermissionDenied) => Some(ConnectionStep::failed(
                kind,
                Cause::PermissionDenied,
                configs.took,
                format!("scan configurations may not be read; {role}"),
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
                    format!("{role}, which can read and cannot launch scans"),
                    format!("give the user the role {} where scans are to be launched", Role::SCAN_OPERATOR),
                ))
            }
            None => Some(ConnectionStep::passed(
                kind,
                configs.took,
                format!("scan configurations may be read; {role}"),
            )),
        }
    }

    /// What is wrong with the licence; `None` where nothing is, or where it cannot be seen.
    fn lacks_licence(&self, now: Timestamp) -> Option<String> {
        let licence = self.properties.answer.as_ref().ok()?.license.as_ref()?;
        let Some(was) = licence.was() else {
            return Some("the tenant's licence does not name Web App Scanning".to_owned());
        };
        let ends = was.expiration_date.as_ref().and_then(crate::model::ApiTimestamp::timestamp)?;
        (ends < now).then(|| format!("the licence of Web App Scanning ended at {ends}"))
    }

    fn lists_configs(&self) -> bool {
        let page = self.configs.as_ref().and_then(|asked| asked.answer.as_ref().ok());
        page.is_some_and(|page| !page.items.is_empty())
    }

    fn licence(&self, now: Timestamp) -> ConnectionStep {
        let (kind, took) = (StepKind::Licence, self.properties.took);
        let remedy = "ask the owner of the tenant for a Web App Scanning licence";
        match self.lacks_licence(now) {
            Some(lack) if self.lists_configs() => ConnectionStep::warning(
                kind,
                Cause::NotLicensed,
                took,
                format!("{lack}; configurations are still listed"),
                remedy,
            ),
            Some(lack) => ConnectionStep::failed(kind, Cause::NotLicensed, took, lack, remedy),
            None => match self.properties.answer.as_ref().ok().and_then(|p| p.license.as_ref()?.was()) {
                Some(was) => {
                    let mode = was.mode.as_deref().unwrap_or("of unknown kind");
                    ConnectionStep::passed(kind, took, format!("Web App Scanning is licensed ({mode})"))
                }
                None => ConnectionStep::skipped(kind, "the licence is not visible to this user"),
            },
        }
    }

    fn base_path(&self) -> Option<ConnectionStep> {
        let kind = StepKind::BasePath;
        let configs = self.configs.as_ref()?;
        let region = self.properties.answer.as_ref().ok().and_then(|properties| properties.region.as_deref());
        Some(match &configs.answer {
            Ok(_) => {
                let saw = region.map_or_else(
                    || "the API is where it should be".to_owned(),
                    |region| format!("region {region}"),
                );
                ConnectionStep::passed(kind, configs.took, saw)
            }
            Err(error) => ConnectionStep::failed(
                kind,
                Cause::WrongBaseUrl,
                configs.took,
                sentence(error),
                format!("the base URL is the scheme and host alone, as in {}", crate::DEFAULT_BASE_URL),
            ),
        })
    }

    fn bind_targets(&self) -> Option<ConnectionStep> {
        let kind = StepKind::BindTargets;
        let configs = self.configs.as_ref()?;
        let page = configs.answer.as_ref().ok()?;
        let templates = self.templates.as_ref();
        let no_templates = templates
            .and_then(|asked| asked.answer.as_ref().ok())
            .is_some_and(|page| page.items.is_empty() && page.total().unwrap_or_default() == 0);
        let took = configs.took + templates.map_or(Duration::ZERO, |asked| asked.took);
        let template_remedy =
            format!("give the user the role {} or one that may use the vendor's templates", Role::STANDARD);
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
                "make a scan configuration, or give the user Can View on one",
            ),
            (_, true) => ConnectionStep::warning(
                kind,
                Cause::NoScanTemplates,
                took,
                "scan configurations are visible and no scan template is",
                template_remedy,
            ),
            (visible, false) => {
                let count = page.total().unwrap_or(visible).max(visible);
                ConnectionStep::passed(kind, took, format!("{count} scan configurations are visible"))
            }
        })
    }
}

/// The cause of an answer that is not the API's, or of none; `None` where the API answers, if only to refuse.
fn not_the_api(error: &Error) -> Option<Cause> {
    match error.kind() {
        ErrorKind::Auth | ErrorKind::PermissionDenied | ErrorKind::NotFound => {
            // A portal refuses too, in HTML.
            error.message().contains("HTML page").then_some(Cause::NotTheApi)
        }
        ErrorKind::RateLimited => Some(Cause::RateLimited),
        ErrorKind::Server => Some(Cause::ServerFault),
        ErrorKind::Transport | ErrorKind::Deadline => Some(Cause::NoResponse),
        _ if error.status().is_some_and(|status| (300..400).contains(&status)) => Some(Cause::Redirected),
        ErrorKind::Decode if error.message().contains("HTML page") => Some(Cause::NotTheApi),
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
