//! The two closing rules, and each way in which silence would lie.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use appsec_core::{
    Coverage, CoverageGap, Finding, FindingStatus, Fingerprint, GapKind, Location, PartitionKey, Rule,
    Severity, Timestamp,
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

/// A coverage that vouches for the partition.
fn vouched() -> Coverage {
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from(SHOP));
    coverage
}

fn known(run: Reconciliation) -> Vec<KnownFinding> {
    run.transitions.into_iter().map(|outcome| outcome.finding).collect()
}

/// What is known after one run that saw these.
fn after(findings: &[Finding]) -> Vec<KnownFinding> {
    known(reconcile(Vec::new(), findings, &vouched(), at(0)))
}

/// The one outcome of a second run.
fn second(first: &[Finding], second: &[Finding], coverage: &Coverage) -> (Change, State, Option<String>) {
    let run = reconcile(after(first), second, coverage, at(60));
    assert_eq!(run.transitions.len(), 1, "{:?}", run.transitions);
    let outcome = run.transitions.into_iter().next().unwrap();
    (outcome.change, outcome.finding.state, outcome.reason)
}

#[test]
fn what_is_seen_again_recurs_and_keeps_its_first_sighting() {
    let run = reconcile(after(&[finding("/a")]), &[finding("/a")], &vouched(), at(60));
    assert_eq!(run.transitions[0].change, Change::Recurrent);
    assert_eq!(
        (run.transitions[0].finding.first_seen, run.transitions[0].finding.last_seen),
        (at(0), at(60))
    );
}

#[test]
fn absence_closes_only_where_it_means_gone() {
    let (change, state, reason) = second(&[finding("/a")], &[], &vouched());
    assert_eq!((change, state), (Change::Closed, State::Closed));
    assert!(reason.unwrap().contains("did not report it"));

    let mut gap = vouched();
    gap.add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit").with_partition(SHOP));
    let (change, state, reason) = second(&[finding("/a")], &[], &gap);
    assert_eq!((change, state), (Change::KeptOpen, State::Open));
    assert_eq!(reason.as_deref(), Some("the scan hit its time limit"));
}

#[test]
fn each_silence_that_would_lie_closes_nothing() {
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
        ("a narrower template: another partition", |coverage| {
            *coverage = Coverage::new();
            coverage.mark_conclusive(PartitionKey::from("config:c/asset:a/template:quick"));
        }),
        ("an asset out of licence, a key that lost its view: the export", |coverage| {
            coverage.mark_inconclusive(PartitionKey::from(SHOP), "the export does not say what is gone");
        }),
        ("a missing perm-viewer: an empty inventory", |coverage| {
            coverage.add_gap(CoverageGap::new(GapKind::NotInInventory, "the inventory is empty"));
        }),
        ("a shifted walk", |coverage| coverage.add_gap(CoverageGap::new(GapKind::Shifted, "the list moved"))),
        ("a record that could not be read", |coverage| {
            coverage.add_gap(CoverageGap::new(GapKind::Record, "unreadable").with_path("response[3]"));
        }),
        ("a lost chunk", |coverage| coverage.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 2 failed"))),
    ];
    for (name, silence) in silences {
        let mut coverage = vouched();
        silence(&mut coverage);
        let (change, state, reason) = second(&[finding("/a")], &[], &coverage);
        assert_eq!((change, state), (Change::KeptOpen, State::Open), "{name}");
        assert!(reason.is_some_and(|reason| !reason.is_empty()), "{name}: it says why");
    }
}

#[test]
fn two_configurations_that_share_an_asset_do_not_close_each_others_findings() {
    let (one, two) = ("config:1/asset:a/template:scan", "config:2/asset:a/template:scan");
    let known = after(&[finding_in(one, "/a", None), finding_in(two, "/b", None)]);
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from(one));
    let run = reconcile(known, &[finding_in(one, "/a", None)], &coverage, at(60));
    let changes: Vec<_> = run.transitions.iter().map(|outcome| outcome.change).collect();
    assert_eq!(changes, [Change::Recurrent, Change::KeptOpen]);
}

#[test]
fn the_partition_that_counts_is_that_of_the_last_sighting() {
    let (one, two) = ("config:1/asset:a", "config:2/asset:a");
    let known_once = after(&[finding_in(one, "/a", None)]);
    let seen_by_two = known(reconcile(known_once, &[finding_in(two, "/a", None)], &Coverage::new(), at(60)));
    let mut coverage = Coverage::new();
    coverage.mark_conclusive(PartitionKey::from(one));
    let run = reconcile(seen_by_two, &[], &coverage, at(120));
    assert_eq!(run.transitions[0].change, Change::KeptOpen, "the other configuration saw it last");
}

#[test]
fn the_scanners_fixed_closes_whatever_the_coverage() {
    let fixed = with_status("/a", FindingStatus::Fixed);
    let (change, state, _) = second(&[finding("/a")], &[fixed], &Coverage::new());
    assert_eq!((change, state), (Change::Closed, State::Closed));
    let run = reconcile(Vec::new(), &[with_status("/a", FindingStatus::Fixed)], &Coverage::new(), at(0));
    assert_eq!(run.transitions[0].change, Change::Unchanged, "what was fixed before we came is not new");
    assert_eq!(run.summary.new, 0);
}

#[test]
fn what_was_closed_and_is_seen_again_is_reopened() {
    let closed = known(reconcile(after(&[finding("/a")]), &[], &vouched(), at(60)));
    assert_eq!(closed[0].closed_at, Some(at(60)));
    let run = reconcile(closed.clone(), &[finding("/a")], &vouched(), at(120));
    assert_eq!((run.transitions[0].change, run.transitions[0].finding.closed_at), (Change::Reopened, None));

    let mut old = finding("/a");
    old.last_seen = Some(at(30));
    let run = reconcile(closed.clone(), &[old.clone()], &vouched(), at(120));
    assert_eq!(run.transitions[0].finding.state, State::Closed, "old news without a status reopen nothing");
    old.status = Some(FindingStatus::Reopened);
    let run = reconcile(closed, &[old], &vouched(), at(120));
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
        assert_eq!(second(&first, &[], &vouched()).1, state, "absence closes only what is open");
        let (_, after_route_without_status, _) = second(&first, &[finding("/a")], &vouched());
        assert_eq!(after_route_without_status, state, "a route that does not know does not overwrite");
        let (_, reopened, _) = second(&first, &[with_status("/a", FindingStatus::Open)], &vouched());
        assert_eq!(reopened, State::Open);
    }
}

#[test]
fn a_decision_downstream_stands_until_the_scanner_says_fixed() {
    let mut decided = after(&[finding("/a")]);
    decided[0].decision = Some(Decision::FalsePositive);
    decided[0].state = State::FalsePositive;
    let run = reconcile(decided.clone(), &[with_status("/a", FindingStatus::Open)], &vouched(), at(60));
    assert_eq!(run.transitions[0].finding.state, State::FalsePositive);
    let run = reconcile(decided, &[with_status("/a", FindingStatus::Fixed)], &vouched(), at(60));
    assert_eq!(run.transitions[0].finding.state, State::Closed);
}

#[test]
fn a_renamed_rule_is_the_same_finding_by_its_id() {
    let old = finding_in(SHOP, "/a", Some("gap-1"));
    let mut renamed = finding_in(SHOP, "/a", Some("gap-1"));
    renamed.fingerprint = Fingerprint::v1("memory", "renamed", &renamed.location, &[]);
    let run = reconcile(after(std::slice::from_ref(&old)), &[renamed.clone()], &vouched(), at(60));
    assert_eq!(run.transitions.len(), 1);
    assert_eq!(run.transitions[0].change, Change::Recurrent);
    assert_eq!(run.transitions[0].finding.fingerprint, renamed.fingerprint, "the new name is its name now");
}

#[test]
fn what_is_in_two_places_is_gone_when_both_say_so() {
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

    // Seen in one place while the other was read in part: it may be there still, until that is read to its end.
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
    for told_in_part in [silent, limited(looked_at(&[OTHER]), SHOP)] {
        let (_, partly) = change(&known, &both[1..], &told_in_part);
        assert_eq!(partly[0].also_in, [PartitionKey::from(SHOP)], "{told_in_part:?}");
    }
    // A place that is looked at no more does not keep it open for ever.
    for elsewhere in [looked_at(&[OTHER]), limited(looked_at(&[OTHER]), "host:third.example.com")] {
        let (_, moved) = change(&partly, &both[1..], &elsewhere);
        assert_eq!(change(&moved, &[], &looked_at(&[OTHER])).0, Change::Closed, "{elsewhere:?}");
    }
}

fn fixed(id: &str) -> Finding {
    let mut fixed = finding_in(SHOP, "/a", Some(id));
    fixed.status = Some(FindingStatus::Fixed);
    fixed
}

#[test]
fn a_fix_of_one_occurrence_closes_nothing_while_another_may_be_among_what_is_missing() {
    let both = [finding_in(SHOP, "/a", Some("1")), finding_in(SHOP, "/a", Some("2"))];
    let mut chunk = vouched();
    chunk.add_gap(CoverageGap::new(GapKind::Chunk, "chunk 7 failed at the service"));
    let mut filtered = vouched();
    filtered.mark_all_inconclusive("the query was filtered by severity");
    for (coverage, why) in
        [(&chunk, "chunk 7 failed at the service"), (&filtered, "the query was filtered by severity")]
    {
        let run = reconcile(after(&both), &[fixed("2")], coverage, at(60));
        let [outcome] = run.transitions.as_slice() else { panic!("{:?}", run.transitions) };
        assert_eq!((outcome.change, outcome.finding.state), (Change::KeptOpen, State::Open));
        assert!(outcome.reason.as_ref().unwrap().ends_with(why), "{:?}", outcome.reason);
        assert_eq!(run.summary.kept_open_count(), 1);
        assert_eq!(outcome.finding, after(&both)[0], "what is not fixed in all its occurrences is as it was");

        let (change, state, _) = second(&both, &[fixed("1"), fixed("2")], coverage);
        assert_eq!((change, state), (Change::Closed, State::Closed), "it told of both");
        let (change, state, _) = second(&both[..1], &[fixed("1")], coverage);
        assert_eq!((change, state), (Change::Closed, State::Closed), "there was no other");
    }
    let (change, state, _) = second(&both, &[fixed("2")], &vouched());
    assert_eq!((change, state), (Change::Closed, State::Closed), "nothing is missing");

    // A route without ids tells of two as of one.
    let nameless = [finding_in(SHOP, "/a", None), finding_in(SHOP, "/a", None)];
    for _ in 0..2 {
        let run = reconcile(after(&nameless), &[fixed("2")], &chunk, at(60));
        assert_eq!(run.transitions[0].finding, after(&nameless)[0], "nor is it the one that has an id");
    }
    let (change, state, _) = second(&nameless, &[fixed("2")], &vouched());
    assert_eq!((change, state), (Change::Closed, State::Closed), "nothing is missing");

    let mut accepted = after(&both);
    accepted[0].set_decision(Some(Decision::RiskAccepted));
    let run = reconcile(accepted, &[fixed("2")], &chunk, at(60));
    assert_eq!(run.transitions[0].change, Change::Unchanged);
    assert_eq!(run.transitions[0].finding.state, State::RiskAccepted);
}

#[test]
fn an_occurrence_of_which_nobody_says_that_it_is_fixed_is_not() {
    for order in
        [[fixed("1"), finding_in(SHOP, "/a", Some("2"))], [finding_in(SHOP, "/a", Some("2")), fixed("1")]]
    {
        let (change, state, _) = second(&order, &order, &vouched());
        assert_eq!((change, state), (Change::Recurrent, State::Open));
    }
}

#[test]
fn of_two_known_findings_with_one_id_the_one_with_the_fingerprint_is_meant() {
    let here = |id: &str| finding_in(SHOP, "/a", Some(id));
    let renamed = || {
        let mut renamed = here("1");
        renamed.fingerprint = Fingerprint::v1("memory", "renamed", &renamed.location, &[]);
        renamed
    };
    // The other occurrence comes first and takes what was known; the renamed one is a finding of its own, once.
    let parted = known(reconcile(after(&[here("1")]), &[here("2"), renamed()], &vouched(), at(60)));
    assert_eq!(parted.len(), 2);
    for order in [[here("2"), renamed()], [renamed(), here("2")]] {
        let run = reconcile(parted.clone(), &order, &vouched(), at(120));
        let changes: Vec<_> = run.transitions.iter().map(|outcome| outcome.change).collect();
        assert_eq!(changes, [Change::Recurrent, Change::Recurrent], "{order:?}");
    }
}

#[test]
fn occurrences_are_one_finding_of_the_highest_severity_and_the_most_open_status() {
    let mut low = with_status("/a", FindingStatus::Fixed);
    low.severity = Severity::Low;
    let high = with_status("/a", FindingStatus::Open);
    for order in [[low.clone(), high.clone()], [high, low]] {
        let run = reconcile(Vec::new(), &order, &vouched(), at(0));
        assert_eq!(run.transitions.len(), 1);
        let finding = &run.transitions[0].finding;
        assert_eq!((&finding.severity, finding.state), (&Severity::High, State::Open));
    }
}

#[test]
fn the_summary_says_what_stays_open_and_why() {
    let first: Vec<_> = (0..40).map(|number| finding(&format!("/{number}"))).collect();
    let mut limited = vouched();
    limited
        .add_gap(CoverageGap::new(GapKind::ScanLimited, "the scan hit its time limit").with_partition(SHOP));
    let run = reconcile(after(&first), &[finding("/new")], &limited, at(60));
    assert_eq!(
        run.summary.to_string(),
        "1 new, 0 recurrent, 0 reopened, 0 closed, 40 kept open unseen\n\
         40 findings of shop.example.com stay open: the scan hit its time limit"
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
    /// Whatever came before: without a coverage that vouches, nothing that the scanner does not call fixed is closed.
    #[test]
    fn nothing_closes_by_a_silence_that_proves_nothing(
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

    /// The same run twice changes nothing the second time.
    #[test]
    fn a_run_is_idempotent(findings in proptest::collection::vec(any_finding(), 0..12)) {
        let once = after(&findings);
        let run = reconcile(once.clone(), &findings, &vouched(), at(0));
        prop_assert_eq!(run.summary.new + run.summary.reopened + run.summary.closed, 0, "{:?}", run);
        prop_assert_eq!(known(run), once);
    }

    /// The order in which findings come does not matter to where they stand.
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
