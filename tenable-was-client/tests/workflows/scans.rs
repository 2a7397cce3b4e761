//! The lifecycle of a scan.

use appsec_core::{
    DastApiScanner, DastApiScannerExt, ErrorKind, ScanId, ScanProblem, ScanProblemKind, ScanStatus,
};
use futures_util::TryStreamExt;
use std::time::Duration;
use tenable_was_client::filter::Filter;
use tenable_was_client::testing::{FakeConfig, FakeNote, FakeTarget, FakeTenableWas, ScanScript};

use crate::{start, with_shop};

#[tokio::test]
async fn a_scan_is_paused_resumed_and_stopped() {
    let config = FakeConfig::new("long")
        .with_target(FakeTarget::new("https://long.example.com/"))
        .with_script(ScanScript::new().with_statuses(["running"; 40]));
    let id = config.id.parse().unwrap();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config)).await;
    let scan = client.launch_scan(id).await.unwrap();
    let status = || fake.scan_status(&scan.to_string()).unwrap();
    let out_of_turn = client.resume_scan(scan).await.unwrap_err();
    assert_eq!((out_of_turn.kind(), out_of_turn.code()), (ErrorKind::Conflict, Some("NOT_ALLOWED")));
    client.pause_scan(scan).await.unwrap();
    assert_eq!(client.get_scan(scan).await.unwrap().requested_action.unwrap().to_string(), "pause");
    assert_eq!(status(), "paused");
    client.resume_scan(scan).await.unwrap();
    assert_eq!(status(), "running");
    let scan_id = ScanId::from(scan);
    client.stop_scan(&scan_id).await.unwrap();
    let error = client.watch(&scan_id).every(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ScanFailed);
    assert_eq!(error.scan().unwrap().status, ScanStatus::Canceled);
}

#[tokio::test]
async fn a_scan_is_deleted_once_it_has_ended() {
    let (fake, client, id, past) = with_shop().await;
    let running = client.launch_scan(id).await.unwrap();
    let error = client.delete_scan(running).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Conflict, Some("NOT_ALLOWED")));
    client.delete_scan(past).await.unwrap();
    assert_eq!(client.get_scan(past).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(client.delete_scan(past).await.unwrap_err().kind(), ErrorKind::NotFound);
    fake.edit(|_| ());
    assert_eq!(fake.scans_of(&id.to_string()), [running.to_string()], "it does not come back");
}

#[tokio::test]
async fn a_scan_has_its_children_with_their_problems() {
    let config = FakeConfig::new("two").with_target(FakeTarget::new("https://a.example.com/")).with_target(
        FakeTarget::new("https://b.example.com/").with_outcome("aborted", [FakeNote::target_unreachable()]),
    );
    let id = config.id.clone();
    let (fake, client) = start(FakeTenableWas::builder().with_config(config)).await;
    let parent = fake.scans_of(&id).pop().unwrap();
    let scan = client.scan(&ScanId::new(parent.as_str())).await.unwrap();
    let states: Vec<_> =
        scan.children.iter().map(|child| (child.location.as_deref(), &child.status)).collect();
    assert!(states.contains(&(Some("https://a.example.com/"), &ScanStatus::Completed)), "{states:?}");
    assert!(states.contains(&(Some("https://b.example.com/"), &ScanStatus::Aborted)), "{states:?}");
    let unreachable = scan.all_problems().any(|problem| problem.kind == ScanProblemKind::TargetUnreachable);
    assert!(unreachable, "{scan:?}");
    // The same by the single operations: the children by their parent, the notes as problems.
    let scans =
        client.scans_of_config(id.parse().unwrap(), Filter::everything()).try_concat().await.unwrap().records;
    let child = scans
        .iter()
        .find(|scan| scan.parent_id.is_some() && scan.url() == Some("https://b.example.com/"))
        .unwrap();
    let notes = client.scan_notes(child.scan_id).try_concat().await.unwrap().records;
    let problems: Vec<ScanProblem> = notes.iter().map(ScanProblem::from).collect();
    assert_eq!(problems[0].kind, ScanProblemKind::TargetUnreachable);
}
