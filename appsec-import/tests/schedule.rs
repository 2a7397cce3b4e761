//! The schedule in a store, without a worker.
#![cfg(all(feature = "schedule", any(feature = "sqlite", feature = "postgres")))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use appsec_core::{ErrorKind, Timestamp};
use appsec_import::schedule::{RunKind, Schedule, ScheduleState, ScheduledBinding};
use appsec_import::{Binding, ScanConfiguration};

use support::{at, stores};

fn binding(name: &str, cron: &str) -> ScheduledBinding {
    let binding = Binding::new(name, "memory", ScanConfiguration::new("app:shop"));
    ScheduledBinding::new(name, binding, Schedule::cron(cron, "UTC").unwrap())
}

#[tokio::test]
async fn applying_a_schedule_replaces_it_and_returns_the_changes() {
    for test in stores().await {
        let store = &test.store;
        let (daily, hourly, gone) =
            (binding("daily", "@daily"), binding("hourly", "@hourly"), binding("gone", "@daily"));
        let bindings = [hourly.clone(), daily.clone(), gone];
        let changes = store.apply_schedule(&bindings, at(0)).await.unwrap();
        assert_eq!(changes.added, ["hourly", "daily", "gone"]);

        let moved = binding("daily", "30 4 * * *");
        let told = hourly.clone().with_webhooks(["tickets"]).with_enabled(false);
        let bindings = [moved.clone(), told.clone()];
        let preview = store.preview_schedule(&bindings, at(7200)).await.unwrap();
        assert_eq!(store.schedule(at(0)).await.unwrap().len(), 3, "a preview changes nothing");
        let changes = store.apply_schedule(&bindings, at(7200)).await.unwrap();
        assert_eq!(changes, preview);
        assert_eq!((changes.changed.len(), changes.removed.as_slice()), (2, ["gone".to_owned()].as_slice()));

        let schedule = store.schedule(at(7200)).await.unwrap();
        let [first, second] = schedule.as_slice() else { panic!("{schedule:?}") };
        assert_eq!((&first.binding, &second.binding), (&moved, &told));
        assert_eq!(first.due_at, moved.schedule.next_after(at(7200)), "another schedule counts from now");
        assert_eq!(second.due_at, hourly.schedule.next_after(at(0)), "other fields leave the due time");
        assert_eq!((&first.state, &second.state), (&ScheduleState::Waiting, &ScheduleState::Disabled));
        assert!(store.apply_schedule(&bindings, at(9000)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn two_bindings_with_one_name_are_refused_and_nothing_changes() {
    for test in stores().await {
        let bindings = [binding("a", "@daily"), binding("b", "@daily"), binding("a", "@hourly")];
        let error = test.store.apply_schedule(&bindings, at(0)).await.unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Config, Some("name")));
        assert!(test.store.schedule(at(0)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_binding_can_be_made_due_unless_it_is_unknown_or_disabled() {
    for test in stores().await {
        let store = &test.store;
        let over = Schedule::rrule("FREQ=DAILY;COUNT=1", "2020-01-01T00:00:00", "UTC").unwrap();
        let once = ScheduledBinding::new("once", binding("once", "@daily").binding, over);
        let off = binding("off", "@daily").with_enabled(false);
        store
            .apply_schedule(&[binding("on", "@yearly").with_run(RunKind::Scan), off, once], at(0))
            .await
            .unwrap();
        store.run_now("on", at(5)).await.unwrap();
        assert_eq!(store.run_now("off", at(5)).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(store.run_now("none", at(5)).await.unwrap_err().kind(), ErrorKind::NotFound);
        let states = |now: Timestamp| async move {
            let schedule = store.schedule(now).await.unwrap();
            schedule
                .into_iter()
                .map(|entry| (entry.binding.name, entry.state, entry.due_at))
                .collect::<Vec<_>>()
        };
        let schedule = states(at(6)).await;
        assert_eq!(schedule[1], ("on".to_owned(), ScheduleState::Due, Some(at(5))));
        assert_eq!(schedule[2], ("once".to_owned(), ScheduleState::Finished, None));
        // A binding whose schedule has no further time can still be made due.
        store.run_now("once", at(7)).await.unwrap();
        assert_eq!(states(at(8)).await[2], ("once".to_owned(), ScheduleState::Due, Some(at(7))));
    }
}
