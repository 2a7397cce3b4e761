//! Checks of queries for findings (scopes, filters, masking), and of writing a status back.

use super::check::{CheckResult, NotPassed, ensure, expect_error, failed, skipped, unknown_id};
use super::fixture_run::{FixtureRun, Fixtures};
use super::read::{CompleteRead, read, read_complete};
use crate::testing::Dataset;
use crate::{
    Absence, BindTargetId, ErrorKind, FindingQuery, FindingScope, FindingStatus, Fingerprint, Severity,
    StatusChange,
};

pub(super) async fn empty_targets(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(1, 1)).await?;
    if !fixture_run.capabilities().findings_by_target {
        return skipped("the scanner does not read by target");
    }
    let query = FindingQuery::new(FindingScope::Targets(Vec::new()));
    Ok(format!("refused, {}", refused(&fixture_run, query, ErrorKind::InvalidRequest).await?))
}

pub(super) async fn unsupported_scope(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(1, 1)).await?;
    let can = fixture_run.capabilities();
    let target = fixture_run.targets.values().next().cloned().unwrap_or_else(BindTargetId::all);
    let scopes = [
        ("all", can.findings_all, FindingQuery::all()),
        ("by target", can.findings_by_target, FindingQuery::target(target)),
        ("by scan", can.findings_by_scan, FindingQuery::scan(unknown_id([]))),
    ];
    let mut missing = Vec::new();
    for (name, _, query) in scopes.into_iter().filter(|(_, able, _)| !able) {
        let counted = refused(&fixture_run, query, ErrorKind::Unsupported).await;
        missing.push(format!("{name}: {}", counted.or_else(|stop| prefixed(name, stop))?));
    }
    if missing.is_empty() { skipped("the scanner has every scope") } else { Ok(missing.join(", ")) }
}

fn prefixed<T>(name: &str, stop: NotPassed) -> Result<T, NotPassed> {
    match stop {
        NotPassed::Failed(why) => failed(format!("{name}: {why}")),
        skipped @ NotPassed::Skipped(_) => Err(skipped),
    }
}

/// The stream must be one error of that kind, without a request.
async fn refused(
    fixture_run: &FixtureRun,
    query: FindingQuery,
    kind: ErrorKind,
) -> Result<&'static str, NotPassed> {
    let scanner = fixture_run.scanner();
    let (run, counted) = fixture_run.without_requests(async { read(&*scanner, &query).await }).await?;
    let run = run?;
    match run.error {
        Some(error) if error.kind() == kind => Ok(counted),
        Some(error) => failed(format!("another error: {error}")),
        None => failed(format!(
            "no error, and {} findings",
            run.batches.iter().map(|b| b.findings.len()).sum::<usize>()
        )),
    }
}

pub(super) async fn unknown_target(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(2, 3)).await?;
    if !fixture_run.capabilities().findings_by_target {
        return skipped("the scanner does not read by target");
    }
    let known = fixture_run.first_target()?.clone();
    let unknown = BindTargetId::new(unknown_id(fixture_run.targets.values().map(BindTargetId::as_str)));
    let mut seen = Vec::new();
    for (name, ids) in
        [("alone", vec![unknown.clone()]), ("beside a known one", vec![known, unknown.clone()])]
    {
        let run = read(&*fixture_run.scanner(), &FindingQuery::new(FindingScope::Targets(ids))).await?;
        seen.push(match (run.error, run.end) {
            (Some(error), _) => format!("{name}: {}", error.kind()),
            (None, Some(end)) if end.gap_count() > 0 => format!("{name}: a gap, {}", end.gaps()[0].kind),
            (None, _) => return failed(format!("{unknown}, {name}: no error and no gap")),
        });
    }
    Ok(seen.join("; "))
}

/// A world with every severity and several states, and one unknown word of each.
fn varied() -> Dataset {
    let mut dataset = Dataset::new(2, 40);
    let states =
        [FindingStatus::Open, FindingStatus::Fixed, FindingStatus::RiskAccepted, FindingStatus::Ignored];
    for target in &mut dataset.targets {
        for (finding, status) in target.findings.iter_mut().zip(states.iter().cycle()) {
            finding.status = status.clone();
        }
        target.findings[7].severity = Severity::Unknown("Blocker".into());
        target.findings[9].status = FindingStatus::Unknown("Snoozed".into());
    }
    dataset
}

/// The query with one filter each, and the filter's name. A filter on time needs a time that some finding
/// has.
fn filtered(all: &CompleteRead, query: &FindingQuery) -> Vec<(&'static str, FindingQuery)> {
    let mut queries = vec![
        ("severity", query.clone().with_severities([Severity::Critical, Severity::Medium])),
        ("status", query.clone().with_statuses([FindingStatus::Open])),
    ];
    if let Some(last) = all.findings().filter_map(|finding| finding.last_seen).max() {
        queries.push(("time", query.clone().with_seen_since(last)));
    }
    queries
}

pub(super) async fn filter(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&varied()).await?;
    let scanner = fixture_run.scanner();
    let (mut filters, mut unknown) = (0, 0);
    for scope in fixture_run.scopes()? {
        let all = read_complete(&*scanner, &scope.query).await?;
        for (name, query) in filtered(&all, &scope.query) {
            let mut expected: Vec<Fingerprint> = all
                .findings()
                .filter(|finding| query.matches(finding))
                .map(|finding| finding.fingerprint)
                .collect();
            let success = read_complete(&*scanner, &query).await?;
            if let Some(other) = success.findings().find(|finding| !query.matches(finding)) {
                let (severity, status) = (&other.severity, &other.status);
                return failed(format!("{} by {name}: {severity}, {status:?} came through", scope.name));
            }
            let mut came: Vec<_> = success.findings().map(|finding| finding.fingerprint).collect();
            expected.sort_unstable();
            came.sort_unstable();
            ensure(came == expected, || {
                format!(
                    "{} by {name}: {} came, {} pass the filter, not the same",
                    scope.name,
                    came.len(),
                    expected.len()
                )
            })?;
            filters += 1;
            unknown += success.findings().filter(|finding| finding.severity.is_unknown()).count();
        }
    }
    Ok(format!("{filters} filters, which let {unknown} findings of unknown severity through"))
}

pub(super) async fn filter_inconclusive(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&varied()).await?;
    let mut count = 0;
    for scope in fixture_run.scopes()? {
        let all = read_complete(&*fixture_run.scanner(), &scope.query).await?;
        for (name, query) in filtered(&all, &scope.query) {
            let coverage = read_complete(&*fixture_run.scanner(), &query).await?.coverage;
            let mut partitions = coverage.partitions().map(|(key, _)| key);
            if let Some(gone) = partitions.find(|key| coverage.absence_of(key) == Absence::Conclusive) {
                return failed(format!(
                    "{} by {name}: the coverage is conclusive for {gone}, and must not be",
                    scope.name
                ));
            }
            ensure(coverage.partial_reason().is_some(), || {
                format!("{} by {name}: the coverage does not state that the query was partial", scope.name)
            })?;
            count += 1;
        }
    }
    Ok(format!("{count} filtered queries close nothing"))
}

/// Stands in every secret of the seeded evidence.
const MARKER: &str = "c0nf0rmance7f3a";

pub(super) async fn masked(fixtures: &Fixtures<'_>) -> CheckResult {
    let mut dataset = Dataset::new(2, 3);
    for finding in dataset.targets.iter_mut().flat_map(|target| &mut target.findings) {
        finding.evidence = format!(
            "POST /login HTTP/1.1\r\nCookie: sid={MARKER}\r\nAuthorization: Bearer {MARKER}\r\n\r\nuser=u&password={MARKER}"
        );
    }
    let fixture_run = fixtures.prepare_seeded(&dataset).await?;
    let mut shown = 0;
    for scope in fixture_run.scopes()? {
        let open = read_complete(
            &*fixture_run.scanner(),
            &scope.query.clone().with_raw(true).with_unmasked_evidence(true),
        )
        .await?;
        let with_marker = open.findings().filter(|finding| format!("{finding:?}").contains(MARKER)).count();
        if with_marker == 0 && open.findings().any(|finding| !finding.evidence.is_empty()) {
            return failed(format!("{}: evidence is masked although the query asks otherwise", scope.name));
        }
        shown += with_marker;
        for query in [scope.query.clone(), scope.query.clone().with_raw(true)] {
            let success = read_complete(&*fixture_run.scanner(), &query).await?;
            let mut findings = success.findings();
            ensure(!findings.any(|finding| format!("{finding:?}").contains(MARKER)), || {
                format!("{}: a secret shows, raw: {}", scope.name, query.raw)
            })?;
        }
    }
    if shown == 0 {
        return skipped("no evidence is shown, masked or not");
    }
    Ok(format!("{shown} findings show secrets when asked to, none otherwise"))
}

pub(super) async fn status_unsupported(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = fixtures.prepare(&Dataset::new(1, 1)).await?;
    if fixture_run.capabilities().set_finding_status {
        return skipped("the scanner has the capability");
    }
    let change = StatusChange::new(unknown_id([]), FindingStatus::FalsePositive);
    let (result, counted) =
        fixture_run.without_requests(fixture_run.scanner().set_finding_status(&change)).await?;
    Ok(format!("{}, {counted}", expect_error(result, &[ErrorKind::Unsupported])?))
}

pub(super) async fn status_unsupported_status(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = writable(fixtures).await?;
    let scanner = fixture_run.scanner();
    let (_, alias) = some_finding(&fixture_run).await?;
    let change = StatusChange::new(alias, FindingStatus::Unknown("unknown to every scanner".into()));
    let (result, counted) = fixture_run.without_requests(scanner.set_finding_status(&change)).await?;
    Ok(format!("{}, {counted}", expect_error(result, &[ErrorKind::InvalidRequest])?))
}

pub(super) async fn status_read_back(fixtures: &Fixtures<'_>) -> CheckResult {
    let fixture_run = writable(fixtures).await?;
    let scanner = fixture_run.scanner();
    let (fingerprint, alias) = some_finding(&fixture_run).await?;
    for status in [
        FindingStatus::FalsePositive,
        FindingStatus::RiskAccepted,
        FindingStatus::Ignored,
        FindingStatus::InProgress,
        FindingStatus::Fixed,
    ] {
        match scanner.set_finding_status(&StatusChange::new(&alias, status.clone())).await {
            Err(error) if error.kind() == ErrorKind::InvalidRequest => continue,
            result => result?,
        }
        for scope in fixture_run.scopes()? {
            let success = read_complete(&*scanner, &scope.query).await?;
            let Some(read) = success.findings().find(|finding| finding.fingerprint == fingerprint) else {
                continue;
            };
            // A route that does not know the status of any finding cannot show it.
            if read.status.is_some() {
                let now = read.status.as_ref();
                ensure(now == Some(&status), || format!("{status} was written, and {now:?} is read"))?;
                return Ok(format!("{status} is read by {}", scope.name));
            }
        }
        return failed("no scope shows the status of the finding");
    }
    failed("the scanner accepts no status")
}

async fn writable(fixtures: &Fixtures<'_>) -> Result<FixtureRun, NotPassed> {
    let fixture_run = fixtures.prepare_seeded(&Dataset::new(1, 3)).await?;
    if fixture_run.capabilities().set_finding_status {
        Ok(fixture_run)
    } else {
        skipped("the scanner lacks the capability")
    }
}

/// A finding and the scanner's own id of it.
async fn some_finding(fixture_run: &FixtureRun) -> Result<(Fingerprint, String), NotPassed> {
    for scope in fixture_run.scopes()? {
        let success = read_complete(&*fixture_run.scanner(), &scope.query).await?;
        let mut named =
            success.findings().filter_map(|finding| Some((finding.fingerprint, finding.aliases.first()?)));
        if let Some((fingerprint, alias)) = named.next() {
            return Ok((fingerprint, alias.clone()));
        }
    }
    failed("no finding has an id to write to")
}
