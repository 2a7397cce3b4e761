//! The pager for listings by offset: it reads a listing that does not move completely, and a listing that
//! moves completely or with a gap that says so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use appsec_core::{Error, ErrorKind, GapKind};
use appsec_http::{
    ListPosition, ListedPage, Narrowed, OffsetPage, OverlapCursor, PageRange, PageRead, RecordKey, Result,
    paginate_overlapping,
};
use futures_util::TryStreamExt as _;
use proptest::prelude::*;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the pager passes a reference")]
fn key(id: &u64) -> RecordKey {
    RecordKey::Id(id.to_string())
}

fn range(list: &[u64], offset: u64, limit: u32) -> Vec<u64> {
    let offset = usize::try_from(offset).unwrap();
    list.iter().copied().skip(offset).take(limit as usize).collect()
}

/// Reads a list by a service that answers each request by this function, which counts the requests. Returns
/// also the number of requests.
async fn read(
    limit: u32,
    answer: impl Fn(usize, PageRange) -> PageRead<u64> + Send + Sync + 'static,
) -> (Result<ListedPage<u64>>, usize) {
    let calls = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&calls);
    let pages = paginate_overlapping(PageRange::new(0, limit), key, move |range| {
        let call = {
            let mut calls = counter.lock().unwrap();
            *calls += 1;
            *calls - 1
        };
        let answer = answer(call, range);
        async move { Ok(answer) }
    });
    let listed = pages.try_concat().await;
    let calls = *calls.lock().unwrap();
    (listed, calls)
}

fn page(records: Vec<u64>) -> PageRead<u64> {
    PageRead::Page(OffsetPage::new(records))
}

#[tokio::test]
async fn a_total_saves_the_request_for_an_empty_page() {
    let list: Vec<u64> = (0..5).collect();
    let (listed, calls) = read(2, move |_, at| {
        PageRead::Page(OffsetPage::new(range(&list, at.offset, at.limit)).with_total(Some(5)))
    })
    .await;
    let listed = listed.unwrap();
    assert_eq!((listed.records, listed.gaps.len(), calls), ((0..5).collect(), 0, 4));
}

#[tokio::test]
async fn a_record_deleted_once_is_read_again_and_twice_is_a_gap() {
    for (deletions, gaps) in [(1, 0), (9, 1)] {
        let (listed, _) = read(3, move |call, at| {
            // From the second request on, one more of the first records is gone with each request.
            let list: Vec<u64> = (0..12).skip(call.min(deletions)).collect();
            page(range(&list, at.offset, at.limit))
        })
        .await;
        let listed = listed.unwrap();
        if gaps == 0 {
            assert_eq!(listed.records, (0..12).collect::<Vec<_>>());
        }
        let kinds: Vec<_> = listed.gaps.into_iter().map(|gap| gap.kind).collect();
        assert_eq!(kinds, vec![GapKind::Shifted; gaps]);
    }
}

#[tokio::test]
async fn pages_that_overlap_by_design_are_read_completely() {
    for overlap in 1..4 {
        let list: Vec<u64> = (0..30).collect();
        let (listed, _) =
            read(7, move |_, at| page(range(&list, at.offset.saturating_sub(overlap), at.limit))).await;
        let listed = listed.unwrap();
        assert_eq!((listed.records, listed.gaps), ((0..30).collect(), Vec::new()), "{overlap}");
    }
}

#[tokio::test]
async fn records_that_move_to_the_start_are_not_taken_for_an_overlap_by_design() {
    // Each of the first requests moves the last record to the start, so that each page begins one early.
    let (listed, _) = read(4, |call, at| {
        let mut list: Vec<u64> = (0..20).collect();
        list.rotate_right(call.min(7));
        page(range(&list, at.offset, at.limit))
    })
    .await;
    assert!(listed.unwrap().gaps.iter().any(|gap| gap.kind == GapKind::Shifted));
}

#[tokio::test]
async fn an_unreadable_record_costs_itself_and_few_requests() {
    for bad in [0, 41, 99] {
        let list: Vec<u64> = (0..100).collect();
        let (listed, calls) = read(50, move |_, at| {
            if (at.offset..at.offset + u64::from(at.limit)).contains(&bad) {
                return PageRead::Unreadable(Error::new(ErrorKind::Server, "500"));
            }
            page(range(&list, at.offset, at.limit))
        })
        .await;
        let listed = listed.unwrap();
        assert_eq!(listed.records, (0..100).filter(|id| *id != bad).collect::<Vec<_>>());
        assert_eq!(listed.gaps.len(), 1);
        assert!(listed.gaps[0].message.contains(&format!("offset {bad} ")), "{:?}", listed.gaps);
        assert!(calls < 30, "{calls} requests");
    }
}

#[tokio::test]
async fn a_service_that_never_answers_well_or_has_no_pages_is_an_error() {
    let (listed, calls) = read(100, |_, _| PageRead::Unreadable(Error::new(ErrorKind::Server, "500"))).await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Server);
    assert!(calls < 15, "{calls} requests");
    let (listed, calls) = read(3, |_, _| page(vec![1, 2, 3])).await;
    assert_eq!(listed.unwrap_err().kind(), ErrorKind::Unexpected);
    assert!(calls < 15, "{calls} requests");
}

#[test]
fn a_position_is_checked_after_it_was_stored() {
    let mut cursor = OverlapCursor::new(ListPosition::default(), 2);
    cursor.advance(vec![1, 2], Some(2), key);
    let stored = serde_json::to_string(cursor.position()).unwrap();
    let mut resumed = OverlapCursor::new(serde_json::from_str(&stored).unwrap(), 2).with_start(0);
    assert_eq!(resumed.range(), PageRange::new(1, 2));
    let step = resumed.advance(vec![2, 3], None, key);
    assert_eq!((step.records, step.index, step.offset, step.moved), (vec![3], 1, 2, false));
    let at_start = ListPosition { offset: 0, last: Some(key(&1)) };
    assert_eq!(OverlapCursor::new(at_start, 2).range().offset, 0, "there is no record before the start");
}

#[test]
fn an_end_offset_beyond_the_records_is_followed_and_remembered() {
    let mut cursor = OverlapCursor::new(ListPosition::default(), 2);
    cursor.advance(vec![1, 2], Some(7), key);
    assert!(cursor.has_jumped());
    assert_eq!(cursor.range().offset, 7, "the record before it was not read, so none is read again");
    assert!(!cursor.advance(vec![3], Some(8), key).moved);
}

#[test]
fn a_page_is_halved_down_to_one_new_record_and_grows_again() {
    let mut cursor = OverlapCursor::new(ListPosition::default(), 8);
    let limits: Vec<_> = (0..3).map(|_| (cursor.narrow(), cursor.range().limit)).collect();
    assert_eq!(limits, [4, 2, 1].map(|limit| (Narrowed::Smaller, limit)));
    assert!(cursor.range().retry, "the last request for one record is worth a retry");
    assert_eq!(cursor.narrow(), Narrowed::Lost(0));
    assert!(!cursor.range().retry);
    cursor.advance(vec![1], None, key);
    assert_eq!(cursor.range(), PageRange { offset: 1, limit: 2, retry: true });
}

proptest! {
    #[test]
    fn a_list_that_does_not_move_is_read_completely(count in 0_u64..60, sizes in prop::collection::vec(1_u32..9, 1..9)) {
        let list: Vec<u64> = (0..count).collect();
        let mut cursor = OverlapCursor::new(ListPosition::default(), 9);
        let mut read = Vec::new();
        for (calls, size) in sizes.iter().cycle().enumerate() {
            prop_assert!(calls < 300, "the list does not end");
            let step = cursor.advance(range(&list, cursor.range().offset, *size), None, key);
            prop_assert!(!step.moved);
            read.extend(step.records);
            if step.end {
                break;
            }
        }
        prop_assert_eq!(read, list);
    }

    #[test]
    fn a_record_that_one_insert_or_delete_hides_is_detected(
        count in 4_usize..40, size in 2_u32..7, at in 0_usize..40, when in 1_usize..6, insert in any::<bool>(),
    ) {
        let mut list: Vec<u64> = (0..count as u64).collect();
        let mut cursor = OverlapCursor::new(ListPosition::default(), size);
        let (mut read, mut moved) = (Vec::new(), false);
        for call in 0..300 {
            if call == when {
                let at = at % list.len();
                if insert { list.insert(at, 1000) } else { list.drain(at..=at); }
            }
            let step = cursor.advance(range(&list, cursor.range().offset, size), None, key);
            moved |= step.moved;
            read.extend(step.records);
            if step.end {
                break;
            }
        }
        let missed = list.iter().filter(|id| **id < count as u64 && !read.contains(id)).count();
        prop_assert!(missed == 0 || moved, "{} of the old records missed undetected", missed);
    }
}
