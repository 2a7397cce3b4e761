//! What every outbox must do, whatever keeps it. The tests of each store run it.

use std::time::Duration;

use appsec_core::{Error, ErrorKind, Timestamp};
use appsec_import::ScanConfiguration;
use appsec_import::outbox::{
    BindingRef, ConnectionFailed, Event, EventData, Message, MessageId, MessageState, Outbox,
};

const HOLD: Duration = Duration::from_mins(1);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// A message that is due at the given second.
pub(crate) fn message(endpoint: &str, second: i64) -> Message {
    let binding = BindingRef::new("shop", "memory", &ScanConfiguration::new("app:shop"));
    let failed = ConnectionFailed::from_error(binding, &Error::new(ErrorKind::Auth, "no"));
    Message::new(endpoint, &Event::new(at(second), EventData::ConnectionFailed(failed)))
}

async fn ids(outbox: &dyn Outbox, endpoint: &str, now: i64, limit: usize) -> Vec<String> {
    let claimed = outbox.claim(endpoint, at(now), HOLD, limit).await.unwrap();
    claimed.into_iter().map(|message| message.id.to_string()).collect()
}

async fn claim_one(outbox: &dyn Outbox, endpoint: &str, now: i64) -> Message {
    let mut claimed = outbox.claim(endpoint, at(now), HOLD, 10).await.unwrap();
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

/// Checks an outbox that is empty.
pub(crate) async fn check(outbox: &dyn Outbox) {
    claims(outbox).await;
    attempts(outbox).await;
    dead_letters(outbox).await;
    clearing(outbox).await;
}

async fn claims(outbox: &dyn Outbox) {
    let [first, second, third, other] = [("a", 1), ("a", 2), ("a", 50), ("b", 1)].map(|(e, s)| message(e, s));
    let all = [second.clone(), third.clone(), first.clone(), other.clone()];
    outbox.enqueue(&all).await.unwrap();
    outbox.enqueue(&all).await.unwrap();

    assert_eq!(outbox.message(&first.id).await.unwrap(), Some(first.clone()), "it is kept as it was written");
    assert_eq!(outbox.message(&MessageId::new("msg_none")).await.unwrap(), None);

    assert!(ids(outbox, "a", 0, 10).await.is_empty(), "nothing is due yet");
    assert_eq!(ids(outbox, "a", 10, 1).await, [first.id.as_str()], "the one due longest comes first");
    assert_eq!(ids(outbox, "a", 10, 10).await, [second.id.as_str()], "what is claimed is not claimed again");
    assert_eq!(ids(outbox, "b", 10, 10).await, [other.id.as_str()], "endpoints are apart");
    assert!(ids(outbox, "c", 10, 10).await.is_empty());

    let held = outbox.message(&first.id).await.unwrap().unwrap();
    assert_eq!((held.attempts, held.due_at, held.state), (1, at(70), MessageState::Pending));
    assert_eq!(ids(outbox, "a", 69, 10).await, [third.id.as_str()], "the claims still hold");
    let again = ids(outbox, "a", 70, 10).await;
    assert_eq!(again, [first.id.as_str(), second.id.as_str()], "a claim that ran out is due again");

    for message in [&first, &second, &third, &other] {
        let claimed = outbox.message(&message.id).await.unwrap().unwrap();
        outbox.delivered(&claimed).await.unwrap();
    }
    assert!(ids(outbox, "a", 10_000, 10).await.is_empty(), "what was delivered is not due");
    outbox.enqueue(&all).await.unwrap();
    assert!(ids(outbox, "a", 10_000, 10).await.is_empty(), "and does not become due by being written again");
}

async fn attempts(outbox: &dyn Outbox) {
    let written = message("attempts", 0);
    outbox.enqueue(std::slice::from_ref(&written)).await.unwrap();
    let first = claim_one(outbox, "attempts", 0).await;
    outbox.failed(&first, "503", Some(at(5))).await.unwrap();
    assert!(ids(outbox, "attempts", 4, 10).await.is_empty(), "not before its time");

    let second = claim_one(outbox, "attempts", 5).await;
    assert_eq!((second.attempts, second.last_error.as_deref()), (2, Some("503")));
    assert_eq!(second.payload, written.payload, "every attempt carries the same bytes");
    outbox.failed(&first, "late", None).await.unwrap();
    let kept = outbox.message(&written.id).await.unwrap().unwrap();
    assert_eq!(
        (kept.state, kept.last_error.as_deref()),
        (MessageState::Pending, Some("503")),
        "who comes late changes nothing"
    );

    outbox.delivered(&first).await.unwrap();
    let kept = outbox.message(&written.id).await.unwrap().unwrap();
    assert_eq!(kept.state, MessageState::Delivered, "a late success is one");
    outbox.failed(&second, "503", Some(at(9))).await.unwrap();
    assert!(ids(outbox, "attempts", 10_000, 10).await.is_empty(), "a failure does not undo it");
}

async fn dead_letters(outbox: &dyn Outbox) {
    let mut written: Vec<_> = (0..3).map(|second| message("dead", second)).collect();
    outbox.enqueue(&written).await.unwrap();
    for claimed in outbox.claim("dead", at(10), HOLD, 10).await.unwrap() {
        outbox.failed(&claimed, "410 Gone", None).await.unwrap();
    }
    assert!(ids(outbox, "dead", 10_000, 10).await.is_empty(), "the dead are not due");
    written.sort_by(|a, b| a.id.cmp(&b.id));
    let dead = outbox.dead_letters(None, 2).await.unwrap();
    assert_eq!(dead.iter().map(|m| &m.id).collect::<Vec<_>>(), [&written[0].id, &written[1].id]);
    assert_eq!(dead[0].last_error.as_deref(), Some("410 Gone"));
    let rest = outbox.dead_letters(Some(&dead[1].id), 2).await.unwrap();
    assert_eq!(rest.iter().map(|m| &m.id).collect::<Vec<_>>(), [&written[2].id]);

    outbox.redeliver(&written[0].id, at(100)).await.unwrap();
    let back = claim_one(outbox, "dead", 100).await;
    assert_eq!((&back.id, back.attempts), (&written[0].id, 1), "with all its attempts before it");
    outbox.delivered(&back).await.unwrap();
    outbox.redeliver(&back.id, at(200)).await.unwrap();
    assert_eq!(claim_one(outbox, "dead", 200).await.id, back.id, "what was delivered can be sent again");
    let unknown = outbox.redeliver(&MessageId::new("msg_none"), at(200)).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

async fn clearing(outbox: &dyn Outbox) {
    // What the parts above delivered goes first, in steps of the limit.
    while outbox.clear_delivered(at(100_000), 2).await.unwrap() > 0 {}
    let written: Vec<_> = (0..5).map(|second| message("clear", second)).collect();
    outbox.enqueue(&written).await.unwrap();
    // Claims that end at 60, 61, 62 and 63; the third message dies and the last one is never claimed.
    for (second, message) in (0..4).zip(&written) {
        let claimed = outbox.claim("clear", at(second), HOLD, 1).await.unwrap().remove(0);
        assert_eq!(claimed.id, message.id);
        if second == 2 {
            outbox.failed(&claimed, "410 Gone", None).await.unwrap();
        } else {
            outbox.delivered(&claimed).await.unwrap();
        }
    }
    let left = async || {
        let mut left = Vec::new();
        for (number, message) in written.iter().enumerate() {
            if outbox.message(&message.id).await.unwrap().is_some() {
                left.push(number);
            }
        }
        left
    };
    assert_eq!(outbox.clear_delivered(at(60), 10).await.unwrap(), 0, "not before its time");
    assert_eq!(outbox.clear_delivered(at(100), 0).await.unwrap(), 0);
    assert_eq!(outbox.clear_delivered(at(62), 10).await.unwrap(), 2);
    assert_eq!(left().await, [2, 3, 4]);
    assert_eq!(outbox.clear_delivered(at(100_000), 1).await.unwrap(), 1);
    assert_eq!(outbox.clear_delivered(at(100_000), 1).await.unwrap(), 0);
    assert_eq!(left().await, [2, 4], "the dead and the pending stay, however old");
}
