//! Rows about answers that break off, are late, refuse, or are no answers: 4 to 11, 18, 19, 28, 31.

use std::io::Write as _;
use std::time::Duration;

use appsec_core::ErrorKind::{Deadline, Decode, RateLimited, Server, Transport};
use flate2::Compression;
use flate2::write::GzEncoder;
use proof::When::{Always, First, From, Nth};
use proof::{Reply, Seen, Short, Stage, Twist, Vendor};
use serde_json::Value;

use crate::row::{Expect, Row, row};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(4, "a connection is reset in the middle of a body", |s| s.spoil(Nth(1), Twist::Reset(50))),
        row(4, "every connection is reset in the middle of a body", |s| s.spoil(Always, Twist::Reset(50)))
            .fails(Transport),
        row(5, "a body ends before its announced length", |s| s.spoil(Nth(1), Twist::Cut(50))),
        row(5, "every body ends before its announced length", |s| s.spoil(Always, Twist::Cut(95)))
            .fails(Transport),
        row(5, "the chunk that ends a body is missing", |s| s.spoil(Nth(1), Twist::Unended)),
        row(5, "the chunk that ends a body is always missing", |s| s.spoil(Always, Twist::Unended))
            .fails(Transport),
        row(5, "JSON is cut, the length fits", |s| s.spoil(Nth(1), Twist::Short(50))),
        row(5, "JSON is always cut, the length fits", |s| s.spoil(From(1), Twist::Short(90)))
            .fails(Decode)
            .check(names_the_place),
        row(6, "an answer begins too late", |s| s.spoil(Nth(1), Twist::Late(LATE))),
        row(6, "every answer begins too late", |s| s.spoil(Always, Twist::Late(LATE))).fails(Transport),
        row(6, "a body stalls", |s| s.spoil(Nth(1), Twist::Stall(50))),
        row(6, "every body stalls", |s| s.spoil(Always, Twist::Stall(50))).fails(Transport),
        row(6, "bodies come byte by byte", |s| s.spoil(Always, Twist::Drip))
            .short(|short| Short { http: short.http.with_call_timeout(Duration::from_millis(1500)), ..short })
            // Pages have a total, streams a least speed.
            .salt(Expect::Fails(Deadline))
            .tenable(Expect::Fails(Transport)),
        row(7, "429, Retry-After in seconds", |s| s.spoil(Nth(1), Twist::Instead(Reply::throttled("1"))))
            .check(|_, seen| at_least(seen, Duration::from_millis(950))),
        row(7, "429, Retry-After as a date", |s| s.spoil(Nth(1), Twist::Instead(until("07:28:01"))))
            .check(|_, seen| at_least(seen, Duration::from_millis(950))),
        row(7, "429, Retry-After that nobody can read", |s| {
            s.spoil(First(2), Twist::Instead(Reply::throttled("soon")));
        }),
        row(7, "429, Retry-After of a day", |s| s.spoil(Nth(1), Twist::Instead(Reply::throttled("86400"))))
            .fails(RateLimited)
            .check(|_, seen| hint(seen, Duration::from_hours(24))),
        row(7, "429, Retry-After below zero", |s| s.spoil(First(2), Twist::Instead(Reply::throttled("-5")))),
        row(7, "429, Retry-After beyond any number", |s| {
            s.spoil(Nth(1), Twist::Instead(Reply::throttled("99999999999999999999999999")));
        })
        .fails(RateLimited),
        row(8, "500, 502 and 504 in a row, and a 503 later", |s| {
            for (nth, status) in [(0, 500), (1, 502), (2, 504), (5, 503)] {
                s.spoil(Nth(nth), Twist::Instead(Reply::html(status)));
            }
        }),
        row(9, "a total outage", |s| {
            s.gateway.spoil(s.vendor.any(), Always, Twist::Instead(Reply::html(503)));
        })
        .fails(Server),
        row(9, "an outage in the middle", |s| s.spoil(From(2), Twist::Instead(Reply::html(503))))
            .fails(Server),
        row(10, "200 with a page for people", |s| s.spoil(Nth(1), Twist::Instead(Reply::html(200)))),
        row(10, "200 with a page for people, always", |s| s.spoil(From(1), Twist::Instead(Reply::html(200))))
            .fails(Decode),
        row(10, "a login page for everything", |s| {
            s.gateway.spoil(s.vendor.any(), Always, Twist::Instead(Reply::html(200)));
        })
        .fails(Decode),
        row(10, "502 with a page for people", |s| s.spoil(Nth(1), Twist::Instead(Reply::html(502)))),
        row(10, "200 without a body, always", |s| s.spoil(From(1), Twist::Instead(Reply::status(200))))
            .fails(Decode),
        row(10, "204, always", |s| s.spoil(From(1), Twist::Instead(Reply::status(204)))).fails(Decode),
        row(10, "connections are closed without an answer, twice", |s| s.spoil(First(2), Twist::Unheard)),
        row(10, "something that is not HTTP answers", |s| s.spoil(Always, Twist::Noise)).fails(Transport),
        row(11, "malformed JSON between records", |s| s.spoil(Nth(1), Twist::change(two_commas))),
        // A page is read again. Of a stream, a record whose own bytes are wrong is a gap that says where.
        row(11, "malformed JSON within records", |s| s.spoil(Nth(1), Twist::replace(":", ";")))
            .tenable(Expect::Gap("record")),
        row(11, "malformed JSON, always", |s| s.spoil(From(1), Twist::change(two_commas)))
            .fails(Decode)
            .check(names_the_place),
        row(11, "bytes turn into garbage", |s| s.spoil(Nth(1), Twist::Garbage(50))),
        row(18, "a body without an end", |s| s.spoil(Nth(1), endless(s, br#"{"x":"0123456789"},"#)))
            .short(narrow)
            .fails(Decode),
        row(18, "white space without an end", |s| s.spoil(Nth(1), endless(s, &[b' '; 4096])))
            .short(narrow)
            .fails(Decode),
        row(18, "a record without an end", |s| s.spoil(Nth(1), endless(s, br#"{"x":"#)))
            .short(narrow)
            .fails(Decode),
        row(19, "gzip of 4 kB that holds 4 MiB", |s| s.spoil(Nth(1), Twist::Instead(bomb(s))))
            .short(narrow)
            .fails(Decode),
        row(28, "a service whose clock is eleven years behind", |s| {
            s.gateway.spoil(s.vendor.any(), Nth(1), Twist::Instead(until("07:28:00")));
        }),
        row(31, "every answer repeats the credentials", |s| {
            s.gateway.spoil(s.vendor.any(), Always, echo(s, 401));
        })
        .fails(appsec_core::ErrorKind::Auth),
        row(31, "a fault in the middle repeats the credentials", |s| s.spoil(From(1), echo(s, 500)))
            .fails(Server),
        row(31, "an answer of 200 repeats the credentials", |s| s.spoil(From(1), echo(s, 200))).fails(Decode),
    ]
}

/// Later than clients wait for an answer to begin.
const LATE: Duration = Duration::from_secs(1);

/// 429 with a date, by a clock that stands in 2015.
fn until(time: &str) -> Reply {
    Reply::throttled(&format!("Wed, 21 Oct 2015 {time} GMT"))
        .with_header("date", "Wed, 21 Oct 2015 07:28:00 GMT")
}

/// Limits that a small test reaches.
fn narrow(short: Short) -> Short {
    let http = short
        .http
        .with_max_body_bytes(512 << 10)
        .with_max_stream_bytes(512 << 10)
        .with_max_element_bytes(64 << 10);
    Short { http, ..short }
}

fn endless(stage: &Stage, again: &[u8]) -> Twist {
    let first: &[u8] = match stage.vendor {
        Vendor::Salt => br#"{"response":["#,
        Vendor::Tenable => b"[",
    };
    Twist::Endless(first.to_vec(), again.repeat(64))
}

fn bomb(stage: &Stage) -> Reply {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(if stage.vendor == Vendor::Salt { br#"{"response":["# } else { b"[" }).unwrap();
    packed.write_all(&vec![b' '; 4 << 20]).unwrap();
    Reply::status(200).with_header("content-encoding", "gzip").with_body(packed.finish().unwrap())
}

/// Puts two commas between the records, each of which stays as it is.
fn two_commas(reply: &mut Reply) {
    let mut answer: Value = serde_json::from_slice(&reply.body).unwrap();
    let list = if answer.is_array() { &mut answer } else { &mut answer["response"] };
    let records: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    *list = Value::Null;
    let list = format!("[{}]", records.join(",,"));
    reply.body = answer.to_string().replacen("null", &list, 1).into_bytes();
}

fn echo(stage: &Stage, status: u16) -> Twist {
    let secrets = stage.secrets();
    let said = serde_json::json!({
        "message": format!("these were refused: {}", secrets.join(" and ")),
        "error": secrets[0], "code": secrets[0], "token": secrets[0],
    });
    Twist::Instead(
        Reply::json(status, &said)
            .with_header("x-request-uuid", secrets[0].as_str())
            .with_header("www-authenticate", format!("Bearer error=\"{}\"", secrets[0])),
    )
}

fn at_least(seen: &Seen, wait: Duration) -> Result<(), String> {
    (seen.took >= wait)
        .then_some(())
        .ok_or_else(|| format!("it took {:?}, asked to wait {wait:?}", seen.took))
}

fn hint(seen: &Seen, wait: Duration) -> Result<(), String> {
    let told = seen.end.as_ref().and_then(|end| end.as_ref().err()).and_then(appsec_core::Error::retry_after);
    (told == Some(wait)).then_some(()).ok_or_else(|| format!("the error tells of a wait of {told:?}"))
}

/// The error says which chunk it was, or which operation.
fn names_the_place(stage: &Stage, seen: &Seen) -> Result<(), String> {
    let error =
        seen.end.as_ref().and_then(|end| end.as_ref().err()).map(ToString::to_string).unwrap_or_default();
    let place = if stage.vendor == Vendor::Salt { "list posture gaps" } else { "chunk " };
    error.contains(place).then_some(()).ok_or_else(|| format!("{error:?} does not name the place"))
}
