//! The two closing rules, and each case in which absence must not close a finding.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use appsec_core::{
    Coverage, CoverageGap, Finding, FindingStatus, Fingerprint, GapKind, Location, PartitionKey, ProfileKey,
    Rule, Severity, Timestamp,
};
use appsec_import::decision::Decision;
use appsec_import::reconcile;
use appsec_import::reconcile::{Change, KnownFinding, Reconciliation, State};
use proptest::prelude::*;

const SHOP: &str = "host:shop.example.com";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn finding_in(partition: &str, path: &str, id: Option<&str>) -> Finding {
    let place = Location::from_host_and_path("shop.example.com", path).with_method("get");
    let fingerprint = Fingerprint::v1("memory", "r", &place, &[]);
    let rule = Rule::new("r", "SQL injection").into();
    let mut finding = Finding::new(
        "memory".into(),
        fingerprint,
        rule,
        Severity::High,
        place,
        PartitionKey::from(partition),
    );
    finding.aliases = id.map(str::to_owned).into_iter().collect();
    finding
}

fn finding(path: &str) -> Finding {
    finding_in(SHOP, path, None)
}

fn with_status(path: &str, status: FindingStatus) -> Finding {
    let mut finding = finding(path);
    finding.status = Some(status);
    finding
}

/// A coverage in which the partition is conclusive.
fn conclusive() -> Coverage {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from(SHOP));
    coverage
}

fn known(run: Reconciliation) -> Vec<KnownFinding> {
    run.transitions.into_iter().map(|transition| transition.finding).collect()
}

/// What is known after one run that observed these findings.
fn after(findings: &[Finding]) -> Vec<KnownFinding> {
    known(reconcile(Vec::new(), findings, &conclusive(), at(0)))
}

/// The only transition of a second run.
fn second(first: &[Finding], second: &[Finding], coverage: &Coverage) -> (Change, State, Option<String>) {
    let run = reconcile(after(first), second, coverage, at(60));
    assert_eq!(run.transitions.len(), 1, "{:?}", run.transitions);
    let transition = run.transitions.into_iter().next().unwrap();
    (transition.change, transition.finding.state, transition.reason)
}

#[test]
fn a_finding_observed_again_is_recurrent_and_keeps_its_first_seen_time() {
    let run = reconcile(after(&[finding("/a")]), &[finding("/a")], &conclusive(), at(60));
    assert_eq!(run.transitions[0].change, Change::Recurrent);
    assert_eq!(
        (run.transitions[0].finding.first_seen, run.transitions[0].finding.last_seen),
        (at(0), at(60))
    );
}

#[test]
fn absence_closes_only_where_it_is_conclusive() {
    let (change, state, reason) = second(&[finding("/a")], &[], &conclusive());
    assert_eq!((change, state), (Change::Closed, State::Closed));
    assert!(reason.unwrap().contains("did not report it"));

    let mut gap = conclusive();
    gap.add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit").with_partition(SHOP));
    let (change, state, reason) = second(&[finding("/a")], &[], &gap);
    assert_eq!((change, state), (Change::KeptOpen, State::Open));
    assert_eq!(reason.as_deref(), Some("the scan hit its time limit"));
}

#[test]
fn no_inconclusive_absence_closes_anything() {
    type Silence = (&'static str, fn(&mut Coverage));
    let silences: [Silence; 9] = [
        ("a recast finding under a severity filter", |coverage| {
            coverage.mark_all_inconclusive("the query was filtered by severity");
        }),
        ("a host that lost its label", |coverage| {
            coverage.mark_all_inconclusive(
                "a label was asked for, and a gap whose label was taken off is not gone",
            );
        }),
        ("a configuration that dropped a target: its partition is not looked at", |coverage| {
            *coverage = Coverage::new();
        }),
        ("another target of the same host", |coverage| {
            *coverage = Coverage::new();
            coverage.mark_conclusive(PartitionKey::from("config:c/target:https://shop.example.com/other"));
        }),
        ("an asset out of licence, a key that lost its view: the export", |coverage| {
            coverage.mark_inconclusive(PartitionKey::from(SHOP), "the export does not say what is gone");
        }),
        ("a missing perm-viewer: an empty inventory", |coverage| {
            coverage.add_gap(CoverageGap::new(GapKind::NotInInventory, "the inventory is empty"));
        }),
        ("a list that shifted", |coverage| {
            coverage.add_gap(CoverageGap::new(GapKind::Shifted, "the list moved"));
        }),
        ("a record that could not be read", |coverage| {
            coverage.add_gap(CoverageGap::new(GapKind::Record, "unreadable").with_path("response[3]"));
        }),
        ("a lost chunk", |coverage| coverage.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"))),
    ];
    for (name, silence) in silences {
        let mut coverage = conclusive();
        silence(&mut coverage);
        let (change, state, reason) = second(&[finding("/a")], &[], &coverage);
        assert_eq!((change, state), (Change::KeptOpen, State::Open), "{name}");
        assert!(reason.is_some_and(|reason| !reason.is_empty()), "{name}: it says why");
    }
}

#[test]
fn two_configurations_that_share_a_target_do_not_close_each_others_findings() {
    let (one, two) = ("config:1/target:https://a/", "config:2/target:https://a/");
    let known = after(&[finding_in(one, "/a", None), finding_in(two, "/b", None)]);
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from(one));
    let run = reconcile(known, &[finding_in(one, "/a", None)], &coverage, at(60));
    let changes: Vec<_> = run.transitions.iter().map(|transition| transition.change).collect();
    assert_eq!(changes, [Change::Recurrent, Change::KeptOpen]);
}

#[test]
fn the_partition_of_the_last_observation_counts() {
    let (one, two) = ("config:1/target:https://a/", "config:2/target:https://a/");
    let known_once = after(&[finding_in(one, "/a", None)]);
    let seen_by_two = known(reconcile(known_once, &[finding_in(two, "/a", None)], &Coverage::new(), at(60)));
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from(one));
    let run = reconcile(seen_by_two, &[], &coverage, at(120));
    assert_eq!(run.transitions[0].change, Change::KeptOpen, "the other configuration saw it last");
}

#[test]
fn a_partition_that_was_not_examined_is_named() {
    let (_, _, reason) = second(&[finding("/a")], &[], &Coverage::new());
    assert_eq!(reason.unwrap(), format!("not examined: {SHOP} was not part of this run"));
    let nobodys = finding_in(PartitionKey::UNATTRIBUTED, "/a", None);
    let (change, _, reason) = second(&[nobodys], &[], &conclusive());
    assert_eq!(change, Change::KeptOpen);
    assert_eq!(reason.unwrap(), "not examined: the scanner does not tell which target it belongs to");
}

/// A coverage in which the partition is conclusive for a profile that includes the others.
fn by_profile(profile: &str, includes: &[&str]) -> Coverage {
    let mut coverage = conclusive();
    let includes = includes.iter().map(|profile| ProfileKey::from(*profile));
    coverage.set_profile(&PartitionKey::from(SHOP), ProfileKey::from(profile), includes);
    coverage
}

#[test]
fn absence_closes_only_what_an_equal_or_narrower_profile_saw() {
    let (scan, quick) = (by_profile("template scan", &["template quick"]), by_profile("template quick", &[]));
    let outcome = |saw: &Coverage, examined: &Coverage| {
        let known = known(reconcile(Vec::new(), &[finding("/a")], saw, at(0)));
        let run = reconcile(known, &[], examined, at(60));
        (run.transitions[0].change, run.transitions[0].reason.clone().unwrap())
    };
    for (saw, examined, expected) in [
        (&scan, &scan, Change::Closed),
        (&quick, &scan, Change::Closed),
        (&quick, &quick, Change::Closed),
        (&conclusive(), &conclusive(), Change::Closed),
        (&scan, &quick, Change::KeptOpen),
        (&conclusive(), &scan, Change::KeptOpen),
        (&scan, &conclusive(), Change::KeptOpen),
    ] {
        assert_eq!(outcome(saw, examined).0, expected, "{saw:?} {examined:?}");
    }
    assert_eq!(
        outcome(&scan, &quick).1,
        "the examination (template quick) was narrower or other than the one that saw it (template scan)"
    );
}

#[test]
fn the_profile_of_the_last_sighting_counts_unless_it_is_no_newer() {
    let (scan, quick) = (by_profile("template scan", &["template quick"]), by_profile("template quick", &[]));
    let first = known(reconcile(Vec::new(), &[finding("/a")], &scan, at(60)));
    let seen_again = |second: i64| {
        let mut again = finding("/a");
        again.last_seen = Some(at(second));
        known(reconcile(first.clone(), &[again], &quick, at(120)))
    };
    let change = |known: Vec<KnownFinding>| reconcile(known, &[], &quick, at(180)).transitions[0].change;
    assert_eq!(change(seen_again(120)), Change::Closed, "the narrower one saw it too");
    assert_eq!(change(seen_again(60)), Change::KeptOpen, "it is the sighting of before");

    // A source that names the profile itself, such as an export.
    let mut named = finding("/a");
    (named.last_seen, named.profile) = (Some(at(120)), Some(ProfileKey::from("template scan")));
    let seen = known(reconcile(first, &[named], &quick, at(120)));
    assert_eq!(seen[0].profile, Some(ProfileKey::from("template scan")));
}

#[test]
fn a_finding_that_two_profiles_saw_in_one_run_does_not_close_by_absence() {
    const OTHER: &str = "host:other.example.com";
    let mut coverage = by_profile("template scan", &[]);
    coverage.mark_conclusive(PartitionKey::from(OTHER));
    let both = [(SHOP, "template scan"), (OTHER, "template quick")].map(|(place, profile)| {
        let mut finding = finding_in(place, "/a", None);
        finding.profile = Some(ProfileKey::from(profile));
        finding
    });
    let known = known(reconcile(Vec::new(), &both, &coverage, at(0)));
    let run = reconcile(known, &[], &coverage, at(60));
    assert_eq!(run.transitions[0].change, Change::KeptOpen);
}

#[test]
fn an_unattributed_observation_does_not_replace_the_partition_and_profile_of_a_sighting() {
    let scan = by_profile("template scan", &[]);
    let seen = known(reconcile(Vec::new(), &[finding("/a")], &scan, at(0)));
    let mut record = finding_in(PartitionKey::UNATTRIBUTED, "/a", Some("id-1"));
    record.last_seen = Some(at(60));
    let mut export = Coverage::new();
    export.mark_inconclusive(PartitionKey::unattributed(), "an export does not say");
    let after = known(reconcile(seen.clone(), std::slice::from_ref(&record), &export, at(60)));
    assert_eq!((&after[0].partition, &after[0].profile), (&seen[0].partition, &seen[0].profile));
    assert_eq!((after[0].aliases.as_slice(), after[0].last_seen), (&["id-1".to_owned()][..], at(60)));
    assert_eq!(reconcile(after, &[], &scan, at(120)).transitions[0].change, Change::Closed);

    // In one run the attributed occurrence decides, in whichever order they come.
    for both in [[finding("/a"), record.clone()], [record.clone(), finding("/a")]] {
        let once = known(reconcile(Vec::new(), &both, &scan, at(60)));
        assert_eq!((once[0].partition.as_str(), once[0].also_in.len()), (SHOP, 0));
    }
    let first = known(reconcile(Vec::new(), &[record], &export, at(0)));
    let scanned = known(reconcile(first, &[finding("/a")], &scan, at(60)));
    assert_eq!((scanned[0].partition.as_str(), scanned[0].also_in.len()), (SHOP, 0), "a scan attributes it");
}

#[test]
fn a_partition_that_is_not_examined_any_more_still_holds_its_findings() {
    const OTHER: &str = "host:other.example.com";
    let both = [finding_in(SHOP, "/a", None), finding_in(OTHER, "/a", None)];
    let known_in_both = known(reconcile(Vec::new(), &both, &conclusive(), at(0)));
    // The other one is not examined; the finding is observed in this one, and then is not any more.
    let observed = known(reconcile(known_in_both, &[finding("/a")], &conclusive(), at(60)));
    let run = reconcile(observed, &[], &conclusive(), at(120));
    assert_eq!(run.transitions[0].change, Change::KeptOpen);
    assert!(run.transitions[0].reason.as_ref().unwrap().starts_with("not examined: host:other"));
}

#[test]
fn the_status_fixed_closes_whatever_the_coverage() {
    let fixed = with_status("/a", FindingStatus::Fixed);
    let (change, state, _) = second(&[finding("/a")], &[fixed], &Coverage::new());
    assert_eq!((change, state), (Change::Closed, State::Closed));
    let run = reconcile(Vec::new(), &[with_status("/a", FindingStatus::Fixed)], &Coverage::new(), at(0));
    assert_eq!(
        run.transitions[0].change,
        Change::Unchanged,
        "what was fixed before the first import is not new"
    );
    assert_eq!(run.summary.new, 0);
}

#[test]
fn a_closed_finding_observed_again_is_reopened() {
    let closed = known(reconcile(after(&[finding("/a")]), &[], &conclusive(), at(60)));
    assert_eq!(closed[0].closed_at, Some(at(60)));
    let run = reconcile(closed.clone(), &[finding("/a")], &conclusive(), at(120));
    assert_eq!((run.transitions[0].change, run.transitions[0].finding.closed_at), (Change::Reopened, None));

    let mut old = finding("/a");
    old.last_seen = Some(at(30));
    let run = reconcile(closed.clone(), &[old.clone()], &conclusive(), at(120));
    assert_eq!(
        run.transitions[0].finding.state,
        State::Closed,
        "an older observation without a status reopens nothing"
    );
    old.status = Some(FindingStatus::Reopened);
    let run = reconcile(closed, &[old], &conclusive(), at(120));
    assert_eq!(run.transitions[0].change, Change::Reopened, "the scanner says so");
}

#[test]
fn accepted_ignored_and_false_positive_are_states_of_their_own() {
    for (status, state) in [
        (FindingStatus::RiskAccepted, State::RiskAccepted),
        (FindingStatus::Ignored, State::Ignored),
        (FindingStatus::FalsePositive, State::FalsePositive),
    ] {
        let first = [with_status("/a", status.clone())];
        assert_eq!(after(&first)[0].state, state);
        assert_eq!(second(&first, &[], &conclusive()).1, state, "absence closes only what is open");
        let (_, after_route_without_status, _) = second(&first, &[finding("/a")], &conclusive());
        assert_eq!(after_route_without_status, state, "a route that does not know does not overwrite");
        let (_, reopened, _) = second(&first, &[with_status("/a", FindingStatus::Open)], &conclusive());
        assert_eq!(reopened, State::Open);
    }
}

#[test]
fn a_decision_counts_until_the_scanner_reports_fixed() {
    let mut decided = after(&[finding("/a")]);
    decided[0].decision = Some(Decision::FalsePositive);
    decided[0].state = State::FalsePositive;
    let run = reconcile(decided.clone(), &[with_status("/a", FindingStatus::Open)], &conclusive(), at(60));
    assert_eq!(run.transitions[0].finding.state, State::FalsePositive);
    let run = reconcile(decided, &[with_status("/a", FindingStatus::Fixed)], &conclusive(), at(60));
    assert_eq!(run.transitions[0].finding.state, State::Closed);
}

#[test]
fn a_renamed_rule_is_the_same_finding_by_its_id() {
    let old = finding_in(SHOP, "/a", Some("gap-1"));
    let mut renamed = finding_in(SHOP, "/a", Some("gap-1"));
    renamed.fingerprint = Fingerprint::v1("memory", "renamed", &renamed.location, &[]);
    let run = reconcile(after(std::slice::from_ref(&old)), &[renamed.clone()], &conclusive(), at(60));
    assert_eq!(run.transitions.len(), 1);
    assert_eq!(run.transitions[0].change, Change::Recurrent);
    assert_eq!(run.transitions[0].finding.fingerprint, renamed.fingerprint, "the new name is its name now");
}

#[test]
fn a_finding_in_two_partitions_closes_when_both_are_conclusive() {
    const OTHER: &str = "host:other.example.com";
    let both = [finding_in(SHOP, "/a", Some("1")), finding_in(OTHER, "/a", Some("1"))];
    let looked_at = |places: &[&str]| {
        let mut coverage = Coverage::new();
        for place in places {
            coverage.mark_conclusive(PartitionKey::from(*place));
        }
        coverage
    };
    let limited = |mut coverage: Coverage, place: &str| {
        coverage.add_gap(CoverageGap::new(GapKind::ScanLimited, "time limit").with_partition(place));
        coverage
    };
    let change = |known: &[KnownFinding], seen: &[Finding], coverage: &Coverage| {
        let run = reconcile(known.to_vec(), seen, coverage, at(60));
        (run.transitions[0].change, vec![run.transitions[0].finding.clone()])
    };
    let known = after(&both);
    let all = looked_at(&[SHOP, OTHER]);
    assert_eq!(change(&known, &[], &all).0, Change::Closed);
    for place in [SHOP, OTHER] {
        assert_eq!(change(&known, &[], &limited(all.clone(), place)).0, Change::KeptOpen, "{place}");
        assert_eq!(change(&known, &[], &looked_at(&[place])).0, Change::KeptOpen, "{place}");
    }

    // Observed in one partition while the other was read in part: it may still be there, until the other is
    // read completely.
    let (_, partly) = change(&known, &both[1..], &limited(all.clone(), SHOP));
    assert_eq!(change(&partly, &[], &limited(all.clone(), SHOP)).0, Change::KeptOpen);
    assert_eq!(change(&partly, &[], &all).0, Change::Closed);
    let (_, settled) = change(&partly, &both[1..], &all);
    assert_eq!(
        change(&settled, &[], &looked_at(&[OTHER])).0,
        Change::Closed,
        "the other said that it is gone"
    );
    let mut silent = looked_at(&[OTHER]);
    silent.mark_inconclusive(PartitionKey::from(SHOP), "it does not say");
    for covered_in_part in [silent, limited(looked_at(&[OTHER]), SHOP)] {
        let (_, partly) = change(&known, &both[1..], &covered_in_part);
        assert_eq!(partly[0].also_in, [PartitionKey::from(SHOP)], "{covered_in_part:?}");
    }
    // A partition that no run examines any more keeps it open, until a person retires that partition.
    for elsewhere in [looked_at(&[OTHER]), limited(looked_at(&[OTHER]), "host:third.example.com")] {
        let (_, still_in_both) = change(&partly, &both[1..], &elsewhere);
        assert_eq!(change(&still_in_both, &[], &looked_at(&[OTHER])).0, Change::KeptOpen, "{elsewhere:?}");
    }
}

fn fixed(id: &str) -> Finding {
    let mut fixed = finding_in(SHOP, "/a", Some(id));
    fixed.status = Some(FindingStatus::Fixed);
    fixed
}

#[test]
fn a_fixed_occurrence_closes_nothing_while_another_may_be_missing() {
    let both = [finding_in(SHOP, "/a", Some("1")), finding_in(SHOP, "/a", Some("2"))];
    let mut chunk = conclusive();
    chunk.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 7 failed at the service"));
    let mut filtered = conclusive();
    filtered.mark_all_inconclusive("the query was filtered by severity");
    for (coverage, why) in
        [(&chunk, "chunk 7 failed at the service"), (&filtered, "the query was filtered by severity")]
    {
        let run = reconcile(after(&both), &[fixed("2")], coverage, at(60));
        let [transition] = run.transitions.as_slice() else { panic!("{:?}", run.transitions) };
        assert_eq!((transition.change, transition.finding.state), (Change::KeptOpen, State::Open));
        assert!(transition.reason.as_ref().unwrap().ends_with(why), "{:?}", transition.reason);
        assert_eq!(run.summary.kept_open_count(), 1);
        assert_eq!(
            transition.finding,
            after(&both)[0],
            "what is not fixed in all its occurrences is as it was"
        );

        let (change, state, _) = second(&both, &[fixed("1"), fixed("2")], coverage);
        assert_eq!((change, state), (Change::Closed, State::Closed), "both were observed");
        let (change, state, _) = second(&both[..1], &[fixed("1")], coverage);
        assert_eq!((change, state), (Change::Closed, State::Closed), "there was no other");
    }
    let (change, state, _) = second(&both, &[fixed("2")], &conclusive());
    assert_eq!((change, state), (Change::Closed, State::Closed), "nothing is missing");

    // A route without ids reports two occurrences as one.
    let nameless = [finding_in(SHOP, "/a", None), finding_in(SHOP, "/a", None)];
    for _ in 0..2 {
        let run = reconcile(after(&nameless), &[fixed("2")], &chunk, at(60));
        assert_eq!(run.transitions[0].finding, after(&nameless)[0], "nor is it the one that has an id");
    }
    let (change, state, _) = second(&nameless, &[fixed("2")], &conclusive());
    assert_eq!((change, state), (Change::Closed, State::Closed), "nothing is missing");

    let mut accepted = after(&both);
    accepted[0].set_decision(Some(Decision::RiskAccepted));
    let run = reconcile(accepted, &[fixed("2")], &chunk, at(60));
    assert_eq!(run.transitions[0].change, Change::Unchanged);
    assert_eq!(run.transitions[0].finding.state, State::RiskAccepted);
}

#[test]
fn an_occurrence_that_is_not_reported_as_fixed_stays_open() {
    for order in
        [[fixed("1"), finding_in(SHOP, "/a", Some("2"))], [finding_in(SHOP, "/a", Some("2")), fixed("1")]]
    {
        let (change, state, _) = second(&order, &order, &conclusive());
        assert_eq!((change, state), (Change::Recurrent, State::Open));
    }
}

#[test]
fn of_two_known_findings_with_one_id_the_one_with_the_fingerprint_matches() {
    let here = |id: &str| finding_in(SHOP, "/a", Some(id));
    let renamed = || {
        let mut renamed = here("1");
        renamed.fingerprint = Fingerprint::v1("memory", "renamed", &renamed.location, &[]);
        renamed
    };
    // The other occurrence comes first and matches the known finding; the renamed one becomes a finding of
    // its own, once.
    let parted = known(reconcile(after(&[here("1")]), &[here("2"), renamed()], &conclusive(), at(60)));
    assert_eq!(parted.len(), 2);
    for order in [[here("2"), renamed()], [renamed(), here("2")]] {
        let run = reconcile(parted.clone(), &order, &conclusive(), at(120));
        let changes: Vec<_> = run.transitions.iter().map(|transition| transition.change).collect();
        assert_eq!(changes, [Change::Recurrent, Change::Recurrent], "{order:?}");
    }
}

#[test]
fn occurrences_are_one_finding_of_the_highest_severity_and_the_most_open_status() {
    let mut low = with_status("/a", FindingStatus::Fixed);
    low.severity = Severity::Low;
    let high = with_status("/a", FindingStatus::Open);
    for order in [[low.clone(), high.clone()], [high, low]] {
        let run = reconcile(Vec::new(), &order, &conclusive(), at(0));
        assert_eq!(run.transitions.len(), 1);
        let finding = &run.transitions[0].finding;
        assert_eq!((&finding.severity, finding.state), (&Severity::High, State::Open));
    }
}

#[test]
fn the_summary_lists_what_stays_open_and_why() {
    let first: Vec<_> = (0..40).map(|number| finding(&format!("/{number}"))).collect();
    let mut limited = conclusive();
    limited
        .add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit").with_partition(SHOP));
    let run = reconcile(after(&first), &[finding("/new")], &limited, at(60));
    assert_eq!(
        run.summary.to_string(),
        "1 new, 0 recurrent, 0 reopened, 0 closed, 40 kept open (not observed)\n\
         40 findings of shop.example.com stay open: the scan hit its time limit; nothing heard since 2026-09-21"
    );
}

fn any_finding() -> impl Strategy<Value = Finding> {
    let status = proptest::option::of(prop_oneof![
        Just(FindingStatus::Open),
        Just(FindingStatus::Reopened),
        Just(FindingStatus::Fixed),
        Just(FindingStatus::RiskAccepted),
        Just(FindingStatus::Unknown("SNOOZED".to_owned())),
    ]);
    (0..6_u8, 0..2_u8, proptest::option::of(0..6_u8), status).prop_map(|(path, host, id, status)| {
        let id = id.map(|id| format!("id-{id}"));
        let mut finding = finding_in(&format!("p{host}"), &format!("/{path}"), id.as_deref());
        finding.status = status;
        finding
    })
}

proptest! {
    /// Without a conclusive coverage, only what the scanner reports as fixed is closed.
    #[test]
    fn nothing_closes_by_an_inconclusive_absence(
        first in proptest::collection::vec(any_finding(), 0..12),
        then in proptest::collection::vec(any_finding(), 0..12),
    ) {
        let before = after(&first);
        let run = reconcile(before.clone(), &then, &Coverage::new(), at(60));
        prop_assert!(run.transitions.len() >= before.len(), "no finding is ever lost");
        for (was, now) in before.iter().zip(&run.transitions) {
            if now.finding.state == State::Closed && was.state != State::Closed {
                prop_assert_eq!(now.finding.status.as_ref(), Some(&FindingStatus::Fixed));
            }
        }
    }

    /// Repeating a run changes nothing.
    #[test]
    fn a_run_is_idempotent(findings in proptest::collection::vec(any_finding(), 0..12)) {
        let once = after(&findings);
        let run = reconcile(once.clone(), &findings, &conclusive(), at(0));
        prop_assert_eq!(run.summary.new + run.summary.reopened + run.summary.closed, 0, "{:?}", run);
        prop_assert_eq!(known(run), once);
    }

    /// The order of the findings does not matter to their states.
    #[test]
    fn order_does_not_matter(findings in proptest::collection::vec(any_finding(), 0..8)) {
        let states = |findings: &[Finding]| {
            let mut states: Vec<_> = after(findings).into_iter().map(|known| (known.fingerprint, known.state)).collect();
            states.sort_by_key(|(fingerprint, state)| (fingerprint.to_string(), *state));
            states
        };
        let no_ids: Vec<_> = findings.into_iter().map(|mut finding| { finding.aliases.clear(); finding }).collect();
        let mut reversed = no_ids.clone();
        reversed.reverse();
        prop_assert_eq!(states(&no_ids), states(&reversed));
    }
}
