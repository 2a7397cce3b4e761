//! What a run keeps of a finding: its times, its ids, and which of several occurrences decides.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use appsec_core::{
    Coverage, Finding, FindingStatus, Fingerprint, Location, PartitionKey, Rule, Severity, Timestamp,
};
use appsec_import::decision::Decision;
use appsec_import::reconcile;
use appsec_import::reconcile::{Change, KnownFinding, State, Transition};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn finding(path: &str, ids: &[&str]) -> Finding {
    let place = Location::from_host_and_path("shop.example.com", path);
    let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
    let rule = Rule::new("r", "SQL injection").into();
    let partition = PartitionKey::from("p");
    let mut finding = Finding::new("memory".into(), fingerprint, rule, Severity::High, place, partition);
    finding.aliases = ids.iter().map(|id| (*id).to_owned()).collect();
    finding
}

fn seen_at(path: &str, second: i64) -> Finding {
    let mut finding = finding(path, &[]);
    finding.last_seen = Some(at(second));
    finding
}

fn fixed(path: &str, fixed_at: Option<i64>) -> Finding {
    let mut finding = finding(path, &[]);
    finding.status = Some(FindingStatus::Fixed);
    finding.fixed_at = fixed_at.map(at);
    finding
}

/// A coverage in which the partition is conclusive.
fn conclusive() -> Coverage {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from("p"));
    coverage
}

/// A run over what was known, at the given second.
fn run(known: &[KnownFinding], seen: &[Finding], second: i64) -> Vec<Transition> {
    reconcile(known.to_vec(), seen, &conclusive(), at(second)).transitions
}

/// The only finding after a run.
fn one(known: &[KnownFinding], seen: &[Finding], second: i64) -> KnownFinding {
    let mut outcomes = run(known, seen, second);
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.remove(0).finding
}

#[test]
fn a_closing_has_the_scanners_time_where_there_is_one_and_keeps_it() {
    let open = one(&[], &[finding("/a", &[])], 0);
    assert_eq!(open.closed_at, None);

    let gone = one(std::slice::from_ref(&open), &[], 60);
    assert_eq!((gone.state, gone.closed_at), (State::Closed, Some(at(60))), "by absence: now");
    let still = one(&[gone], &[], 120);
    assert_eq!((still.state, still.closed_at), (State::Closed, Some(at(60))), "closed once");

    let said = one(std::slice::from_ref(&open), &[fixed("/a", Some(30))], 60);
    assert_eq!(said.closed_at, Some(at(30)), "the scanner knows when");
    let again = one(&[said], &[fixed("/a", Some(40))], 120);
    assert_eq!(again.closed_at, Some(at(30)), "it is closed already");
    assert_eq!(one(&[open], &[fixed("/a", None)], 60).closed_at, Some(at(60)));

    let before = run(&[], &[fixed("/a", Some(10))], 60).remove(0);
    assert_eq!((before.change, before.finding.closed_at), (Change::Unchanged, Some(at(10))));
    assert_eq!(before.reason.as_deref(), Some("it was fixed before it was first imported"));
    assert_eq!(one(&[], &[fixed("/a", None)], 60).closed_at, Some(at(60)));
}

#[test]
fn an_observation_reopens_a_closed_finding_unless_it_is_older() {
    let closed = one(&[one(&[], &[finding("/a", &[])], 0)], &[], 60);
    let back = |observation: Finding| run(std::slice::from_ref(&closed), &[observation], 120).remove(0);

    let reopened = back(seen_at("/a", 90));
    assert_eq!((reopened.change, reopened.finding.state), (Change::Reopened, State::Open));
    assert_eq!(reopened.finding.closed_at, None);
    assert_eq!(back(seen_at("/a", 60)).change, Change::Reopened, "seen when it was closed is not older");
    assert_eq!(back(finding("/a", &[])).change, Change::Reopened, "a observation without a time is of now");

    let old = back(seen_at("/a", 59));
    assert_eq!((old.change, old.finding.state), (Change::Unchanged, State::Closed));
    assert_eq!(old.finding.closed_at, Some(at(60)));
    assert_eq!(old.reason.as_deref(), Some("the observation is older than the closing"));

    let mut open = seen_at("/a", 59);
    open.status = Some(FindingStatus::Open);
    assert_eq!(back(open).change, Change::Reopened, "a status is of now, whatever was seen when");
}

#[test]
fn each_decision_sets_its_state_until_the_scanner_reports_fixed() {
    for (decision, state) in [
        (Decision::RiskAccepted, State::RiskAccepted),
        (Decision::FalsePositive, State::FalsePositive),
        (Decision::Ignored, State::Ignored),
    ] {
        let mut known = one(&[], &[finding("/a", &[])], 0);
        known.decision = Some(decision);
        let mut open = finding("/a", &[]);
        open.status = Some(FindingStatus::Open);
        let stands = one(&[known], &[open], 60);
        assert_eq!((stands.state, stands.closed_at), (state, None));
        assert_eq!(one(std::slice::from_ref(&stands), &[], 120).state, state, "absence changes nothing");
        assert_eq!(one(&[stands], &[fixed("/a", None)], 120).state, State::Closed);
    }
}

#[test]
fn a_route_without_a_status_does_not_change_the_state() {
    for (status, state) in [
        (FindingStatus::RiskAccepted, State::RiskAccepted),
        (FindingStatus::FalsePositive, State::FalsePositive),
        (FindingStatus::Ignored, State::Ignored),
        (FindingStatus::InProgress, State::Open),
    ] {
        let mut set_aside = finding("/a", &[]);
        set_aside.status = Some(status.clone());
        let known = one(&[], &[set_aside], 0);
        assert_eq!(known.state, state);
        let wordless = one(&[known], &[finding("/a", &[])], 60);
        assert_eq!((wordless.state, wordless.status), (state, Some(status)));
    }
}

#[test]
fn first_and_last_seen_only_ever_move_apart() {
    let mut first = seen_at("/a", 20);
    first.first_seen = Some(at(10));
    let known = one(&[], &[first], 60);
    assert_eq!((known.first_seen, known.last_seen), (at(10), at(20)));

    let mut earlier = seen_at("/a", 15);
    earlier.first_seen = Some(at(5));
    let known = one(&[known], &[earlier], 120);
    assert_eq!((known.first_seen, known.last_seen), (at(5), at(20)));
    let known = one(&[known], &[finding("/a", &[])], 180);
    assert_eq!((known.first_seen, known.last_seen), (at(5), at(180)), "without a time it is seen now");

    let timeless = one(&[], &[finding("/b", &[])], 60);
    assert_eq!((timeless.first_seen, timeless.last_seen), (at(60), at(60)));
    let occurrences = [(Some(8), 30), (Some(4), 31), (None, 32)].map(|(first, last)| {
        let mut finding = seen_at("/c", last);
        finding.first_seen = first.map(at);
        finding
    });
    let known = one(&[], &occurrences, 60);
    assert_eq!((known.first_seen, known.last_seen), (at(4), at(32)));
}

#[test]
fn of_several_occurrences_the_one_seen_last_gives_the_place() {
    let occurrence = |partition: &str, second: Option<i64>| {
        let mut finding = finding("/a", &[]);
        finding.partition = PartitionKey::from(partition);
        finding.location.text = format!("https://{partition}/a");
        finding.last_seen = second.map(at);
        finding
    };
    for (occurrences, expected) in [
        ([occurrence("old", Some(1)), occurrence("new", Some(2))], "new"),
        ([occurrence("new", Some(2)), occurrence("old", Some(1))], "new"),
        ([occurrence("first", Some(1)), occurrence("second", Some(1))], "first"),
        ([occurrence("first", None), occurrence("second", None)], "first"),
        ([occurrence("timeless", None), occurrence("timed", Some(1))], "timed"),
    ] {
        let known = one(&[], &occurrences, 60);
        assert_eq!((known.partition.as_str(), known.place), (expected, format!("https://{expected}/a")));
    }
}

#[test]
fn of_equally_open_occurrences_the_first_one_decides() {
    let with = |word: &str| {
        let mut finding = finding("/a", &[]);
        finding.status = Some(FindingStatus::Unknown(word.to_owned()));
        finding
    };
    assert_eq!(one(&[], &[with("SNOOZED"), with("PARKED")], 0).status, with("SNOOZED").status);
    let (mut late, mut early) = (fixed("/a", Some(9)), fixed("/a", Some(5)));
    late.severity = Severity::Low;
    early.severity = Severity::Medium;
    for order in [[late.clone(), early.clone()], [early, late]] {
        let known = one(&[], &order, 60);
        assert_eq!(
            (known.closed_at, &known.severity),
            (Some(at(9)), &Severity::Medium),
            "fixed when all are"
        );
    }
}

#[test]
fn ids_are_collected_once_each_and_find_the_finding_again() {
    let known = one(&[], &[finding("/a", &["1", "2"]), finding("/a", &["2", "3"])], 0);
    assert_eq!(known.aliases, ["1", "2", "3"]);
    let known = one(&[known], &[finding("/a", &["3", "4"])], 60);
    assert_eq!(known.aliases, ["1", "2", "3", "4"]);
    // Only an id leads from the new place to the finding.
    let moved = finding("/moved", &["4"]);
    let known = one(&[known], std::slice::from_ref(&moved), 120);
    assert_eq!(known.fingerprint, moved.fingerprint);
}

#[test]
fn a_fingerprint_of_another_finding_is_not_taken_over() {
    let (a, b) = (finding("/a", &["1"]), finding("/b", &["2"]));
    let book: Vec<_> =
        run(&[], &[a.clone(), b.clone()], 0).into_iter().map(|outcome| outcome.finding).collect();
    let renamed = finding("/b", &["1"]);
    let outcomes = run(&book, &[renamed], 60);
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[0].finding.fingerprint, a.fingerprint);
    assert_eq!((outcomes[0].change, outcomes[1].change), (Change::Recurrent, Change::Closed));
    assert_eq!(outcomes[1].finding.fingerprint, b.fingerprint);
}
