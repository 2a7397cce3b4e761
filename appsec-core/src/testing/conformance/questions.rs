//! Checks of what is asked of findings (wrong scopes, filters, masking), and of writing a status back.

use futures_util::StreamExt;

use super::bench::{Bench, Seen, Stage, Stop, Success, ensure, failed, read, read_well, skipped, stranger};
use crate::testing::Dataset;
use crate::{
    Absence, BindTargetId, ErrorKind, FindingQuery, FindingScope, FindingStatus, Fingerprint, Severity,
    StatusChange,
};

pub(super) async fn empty_targets(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(1, 1)).await?;
    if !stage.capabilities().findings_by_target {
        return skipped("the scanner does not read by target");
    }
    let query = FindingQuery::new(FindingScope::Targets(Vec::new()));
    Ok(format!("refused, {}", refused(&stage, query, ErrorKind::InvalidRequest).await?))
}

pub(super) async fn unsupported_scope(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(1, 1)).await?;
    let can = stage.capabilities();
    let target = stage.targets.values().next().cloned().unwrap_or_else(BindTargetId::all);
    let scopes = [
        ("all", can.findings_all, FindingQuery::all()),
        ("by target", can.findings_by_target, FindingQuery::target(target)),
        ("by scan", can.findings_by_scan, FindingQuery::scan(stranger([]))),
    ];
    let mut lacking = Vec::new();
    for (name, _, query) in scopes.into_iter().filter(|(_, able, _)| !able) {
        let counted = refused(&stage, query, ErrorKind::Unsupported).await;
        lacking.push(format!("{name}: {}", counted.or_else(|stop| prefixed(name, stop))?));
    }
    if lacking.is_empty() { skipped("the scanner has every scope") } else { Ok(lacking.join(", ")) }
}

fn prefixed<T>(name: &str, stop: Stop) -> Result<T, Stop> {
    match stop {
        Stop::Failed(why) => failed(format!("{name}: {why}")),
        skipped @ Stop::Skipped(_) => Err(skipped),
    }
}

/// The stream must be one error of that kind, without a request.
async fn refused(stage: &Stage, query: FindingQuery, kind: ErrorKind) -> Result<&'static str, Stop> {
    let scanner = stage.scanner();
    let (run, counted) = stage.unsent(async { read(&*scanner, &query).await }).await?;
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

pub(super) async fn unknown_target(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(2, 3)).await?;
    if !stage.capabilities().findings_by_target {
        return skipped("the scanner does not read by target");
    }
    let known = stage.first_target()?.clone();
    let unknown = BindTargetId::new(stranger(stage.targets.values().map(BindTargetId::as_str)));
    let mut seen = Vec::new();
    for (name, ids) in
        [("alone", vec![unknown.clone()]), ("beside a known one", vec![known, unknown.clone()])]
    {
        let run = read(&*stage.scanner(), &FindingQuery::new(FindingScope::Targets(ids))).await?;
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
    let mut world = Dataset::new(2, 40);
    let states =
        [FindingStatus::Open, FindingStatus::Fixed, FindingStatus::RiskAccepted, FindingStatus::Ignored];
    for target in &mut world.targets {
        for (finding, status) in target.findings.iter_mut().zip(states.iter().cycle()) {
            finding.status = status.clone();
        }
        target.findings[7].severity = Severity::Unknown("Blocker".into());
        target.findings[9].status = FindingStatus::Unknown("Snoozed".into());
    }
    world
}

/// The query with one filter each, and the filter's name. A filter on time needs a time that some finding has.
fn filtered(all: &Success, query: &FindingQuery) -> Vec<(&'static str, FindingQuery)> {
    let mut queries = vec![
        ("severity", query.clone().with_severities([Severity::Critical, Severity::Medium])),
        ("status", query.clone().with_statuses([FindingStatus::Open])),
    ];
    if let Some(last) = all.findings().filter_map(|finding| finding.last_seen).max() {
        queries.push(("time", query.clone().with_seen_since(last)));
    }
    queries
}

pub(super) async fn filter(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&varied()).await?;
    let scanner = stage.scanner();
    let (mut filters, mut unknown) = (0, 0);
    for scope in stage.scopes()? {
        let all = read_well(&*scanner, &scope.query).await?;
        for (name, query) in filtered(&all, &scope.query) {
            let mut expected: Vec<Fingerprint> = all
                .findings()
                .filter(|finding| query.matches(finding))
                .map(|finding| finding.fingerprint)
                .collect();
            let success = read_well(&*scanner, &query).await?;
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

pub(super) async fn filter_silences(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&varied()).await?;
    let mut count = 0;
    for scope in stage.scopes()? {
        let all = read_well(&*stage.scanner(), &scope.query).await?;
        for (name, query) in filtered(&all, &scope.query) {
            let coverage = read_well(&*stage.scanner(), &query).await?.coverage;
            let mut partitions = coverage.partitions().map(|(key, _)| key);
            if let Some(gone) = partitions.find(|key| coverage.absence_of(key) == Absence::Conclusive) {
                return failed(format!("{} by {name}: absence means gone in {gone}", scope.name));
            }
            ensure(coverage.partial_reason().is_some(), || {
                format!("{} by {name}: the coverage does not say that only a part was asked for", scope.name)
            })?;
            count += 1;
        }
    }
    Ok(format!("{count} filtered queries close nothing"))
}

/// Stands in every secret of the seeded evidence.
const MARKER: &str = "c0nf0rmance7f3a";

pub(super) async fn masked(bench: &Bench<'_>) -> Seen {
    let mut world = Dataset::new(2, 3);
    for finding in world.targets.iter_mut().flat_map(|target| &mut target.findings) {
        finding.evidence = format!(
            "POST /login HTTP/1.1\r\nCookie: sid={MARKER}\r\nAuthorization: Bearer {MARKER}\r\n\r\nuser=u&password={MARKER}"
        );
    }
    let stage = bench.seeded(&world).await?;
    let mut shown = 0;
    for scope in stage.scopes()? {
        let open =
            read_well(&*stage.scanner(), &scope.query.clone().with_raw(true).with_unmasked_evidence(true))
                .await?;
        let with_marker = open.findings().filter(|finding| format!("{finding:?}").contains(MARKER)).count();
        if with_marker == 0 && open.findings().any(|finding| !finding.evidence.is_empty()) {
            return failed(format!("{}: evidence is masked although the query asks otherwise", scope.name));
        }
        shown += with_marker;
        for query in [scope.query.clone(), scope.query.clone().with_raw(true)] {
            let success = read_well(&*stage.scanner(), &query).await?;
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

pub(super) async fn status_unsupported(bench: &Bench<'_>) -> Seen {
    let stage = bench.stage(&Dataset::new(1, 1)).await?;
    if stage.capabilities().set_finding_status {
        return skipped("the scanner has the ability");
    }
    let change = StatusChange::new(stranger([]), FindingStatus::FalsePositive);
    let (result, counted) = stage.unsent(stage.scanner().set_finding_status(&change)).await?;
    Ok(format!("{}, {counted}", refusal(result, &[ErrorKind::Unsupported])?))
}

/// The call must fail with one of these kinds.
pub(super) fn refusal<T>(result: crate::Result<T>, kinds: &[ErrorKind]) -> Seen {
    match result {
        Err(error) if kinds.contains(&error.kind()) => Ok(error.kind().to_string()),
        Err(error) => failed(format!("another error: {error}")),
        Ok(_) => failed("it succeeded"),
    }
}

pub(super) async fn status_no_word(bench: &Bench<'_>) -> Seen {
    let stage = writable(bench).await?;
    let scanner = stage.scanner();
    let (_, alias) = some_finding(&stage).await?;
    let change = StatusChange::new(alias, FindingStatus::Unknown("no scanner has this word".into()));
    let (result, counted) = stage.unsent(scanner.set_finding_status(&change)).await?;
    Ok(format!("{}, {counted}", refusal(result, &[ErrorKind::InvalidRequest])?))
}

pub(super) async fn status_read_back(bench: &Bench<'_>) -> Seen {
    let stage = writable(bench).await?;
    let scanner = stage.scanner();
    let (fingerprint, alias) = some_finding(&stage).await?;
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
        for scope in stage.scopes()? {
            let success = read_well(&*scanner, &scope.query).await?;
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
    failed("the scanner has a word for no status")
}

async fn writable(bench: &Bench<'_>) -> Result<Stage, Stop> {
    let stage = bench.seeded(&Dataset::new(1, 3)).await?;
    if stage.capabilities().set_finding_status { Ok(stage) } else { skipped("the scanner lacks the ability") }
}

/// A finding and the scanner's own id of it.
async fn some_finding(stage: &Stage) -> Result<(Fingerprint, String), Stop> {
    for scope in stage.scopes()? {
        let success = read_well(&*stage.scanner(), &scope.query).await?;
        let mut named =
            success.findings().filter_map(|finding| Some((finding.fingerprint, finding.aliases.first()?)));
        if let Some((fingerprint, alias)) = named.next() {
            return Ok((fingerprint, alias.clone()));
        }
    }
    failed("no finding has an id to write to")
}

/// The listing must be one error of that kind.
pub(super) async fn first_refusal<T>(
    mut stream: futures_core::stream::BoxStream<'static, crate::Result<T>>,
    kinds: &[ErrorKind],
) -> Seen {
    match stream.next().await {
        Some(first) => refusal(first, kinds),
        None => failed("the listing is empty"),
    }
}
