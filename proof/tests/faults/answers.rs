//! Faults of responses: cut, late, refused or malformed. Rows 4 to 11, 18, 19, 28, 31.

use std::io::Write as _;
use std::time::Duration;

use appsec_core::ErrorKind::{Deadline, Decode, RateLimited, Server, Transport};
use flate2::Compression;
use flate2::write::GzEncoder;
use proof::When::{Always, First, From, Nth};
use proof::{Response, ResponseFault, Seen, ShortTimeouts, TestBed, Vendor};
use serde_json::Value;

use crate::row::{Expect, Row, row};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row(4, "a connection is reset in the middle of a body", |s| {
            s.inject(Nth(1), ResponseFault::Reset(50))
        }),
        row(4, "every connection is reset in the middle of a body", |s| {
            s.inject(Always, ResponseFault::Reset(50))
        })
        .fails(Transport),
        row(5, "a body ends before its announced length", |s| s.inject(Nth(1), ResponseFault::Cut(50))),
        row(5, "every body ends before its announced length", |s| s.inject(Always, ResponseFault::Cut(95)))
            .fails(Transport),
        row(5, "the chunk that ends a body is missing", |s| s.inject(Nth(1), ResponseFault::Unended)),
        row(5, "the chunk that ends a body is always missing", |s| s.inject(Always, ResponseFault::Unended))
            .fails(Transport),
        row(5, "JSON is cut, the length fits", |s| s.inject(Nth(1), ResponseFault::ShortTimeouts(50))),
        row(5, "JSON is always cut, the length fits", |s| {
            s.inject(From(1), ResponseFault::ShortTimeouts(90))
        })
        .fails(Decode)
        .check(names_the_place),
        row(6, "an answer begins too late", |s| s.inject(Nth(1), ResponseFault::Late(LATE))),
        row(6, "every answer begins too late", |s| s.inject(Always, ResponseFault::Late(LATE)))
            .fails(Transport),
        row(6, "a body stalls", |s| s.inject(Nth(1), ResponseFault::Stall(50))),
        row(6, "every body stalls", |s| s.inject(Always, ResponseFault::Stall(50))).fails(Transport),
        row(6, "bodies come byte by byte", |s| s.inject(Always, ResponseFault::Drip))
            .timeouts(|timeouts| ShortTimeouts {
                http: timeouts.http.with_call_timeout(Duration::from_millis(1500)),
                ..timeouts
            })
            // Pages have a total timeout, streams a minimum throughput.
            .salt(Expect::Fails(Deadline))
            .tenable(Expect::Fails(Transport)),
        row(7, "429, Retry-After in seconds", |s| {
            s.inject(Nth(1), ResponseFault::Instead(Response::throttled("1")))
        })
        .check(|_, seen| at_least(seen, Duration::from_millis(950))),
        row(7, "429, Retry-After as a date", |s| s.inject(Nth(1), ResponseFault::Instead(until("07:28:01"))))
            .check(|_, seen| at_least(seen, Duration::from_millis(950))),
        row(7, "429, Retry-After that nobody can read", |s| {
            s.inject(First(2), ResponseFault::Instead(Response::throttled("soon")));
        }),
        row(7, "429, Retry-After of a day", |s| {
            s.inject(Nth(1), ResponseFault::Instead(Response::throttled("86400")))
        })
        .fails(RateLimited)
        .check(|_, seen| hint(seen, Duration::from_hours(24))),
        row(7, "429, Retry-After below zero", |s| {
            s.inject(First(2), ResponseFault::Instead(Response::throttled("-5")))
        }),
        row(7, "429, Retry-After beyond any number", |s| {
            s.inject(Nth(1), ResponseFault::Instead(Response::throttled("99999999999999999999999999")));
        })
        .fails(RateLimited),
        row(8, "500, 502 and 504 in a row, and a 503 later", |s| {
            for (nth, status) in [(0, 500), (1, 502), (2, 504), (5, 503)] {
                s.inject(Nth(nth), ResponseFault::Instead(Response::html(status)));
            }
        }),
        row(9, "a total outage", |s| {
            s.gateway.inject(s.vendor.any(), Always, ResponseFault::Instead(Response::html(503)));
        })
        .fails(Server),
        row(9, "an outage in the middle", |s| s.inject(From(2), ResponseFault::Instead(Response::html(503))))
            .fails(Server),
        row(10, "200 with a page for people", |s| {
            s.inject(Nth(1), ResponseFault::Instead(Response::html(200)))
        }),
        row(10, "200 with a page for people, always", |s| {
            s.inject(From(1), ResponseFault::Instead(Response::html(200)))
        })
        .fails(Decode),
        row(10, "a login page for everything", |s| {
            s.gateway.inject(s.vendor.any(), Always, ResponseFault::Instead(Response::html(200)));
        })
        .fails(Decode),
        row(10, "502 with a page for people", |s| {
            s.inject(Nth(1), ResponseFault::Instead(Response::html(502)))
        }),
        row(10, "200 without a body, always", |s| {
            s.inject(From(1), ResponseFault::Instead(Response::status(200)))
        })
        .fails(Decode),
        row(10, "204, always", |s| s.inject(From(1), ResponseFault::Instead(Response::status(204))))
            .fails(Decode),
        row(10, "connections are closed without an answer, twice", |s| {
            s.inject(First(2), ResponseFault::Unheard)
        }),
        row(10, "something that is not HTTP answers", |s| s.inject(Always, ResponseFault::Noise))
            .fails(Transport),
        row(11, "malformed JSON between records", |s| s.inject(Nth(1), ResponseFault::change(two_commas))),
        // A page is read again. In a stream, an undecodable record is a gap with its path.
        row(11, "malformed JSON within records", |s| s.inject(Nth(1), ResponseFault::replace(":", ";")))
            .tenable(Expect::Gap("record")),
        row(11, "malformed JSON, always", |s| s.inject(From(1), ResponseFault::change(two_commas)))
            .fails(Decode)
            .check(names_the_place),
        row(11, "bytes turn into garbage", |s| s.inject(Nth(1), ResponseFault::Garbage(50))),
        row(18, "a body without an end", |s| s.inject(Nth(1), endless(s, br#"{"x":"0123456789"},"#)))
            .timeouts(narrow)
            .fails(Decode),
        row(18, "white space without an end", |s| s.inject(Nth(1), endless(s, &[b' '; 4096])))
            .timeouts(narrow)
            .fails(Decode),
        row(18, "a record without an end", |s| s.inject(Nth(1), endless(s, br#"{"x":"#)))
            .timeouts(narrow)
            .fails(Decode),
        row(19, "gzip of 4 kB that holds 4 MiB", |s| s.inject(Nth(1), ResponseFault::Instead(bomb(s))))
            .timeouts(narrow)
            .fails(Decode),
        row(28, "a service whose clock is eleven years behind", |s| {
            s.gateway.inject(s.vendor.any(), Nth(1), ResponseFault::Instead(until("07:28:00")));
        }),
        row(31, "every answer repeats the credentials", |s| {
            s.gateway.inject(s.vendor.any(), Always, echo(s, 401));
        })
        .fails(appsec_core::ErrorKind::Auth),
        row(31, "a fault in the middle repeats the credentials", |s| s.inject(From(1), echo(s, 500)))
            .fails(Server),
        row(31, "an answer of 200 repeats the credentials", |s| s.inject(From(1), echo(s, 200)))
            .fails(Decode),
    ]
}

/// Later than the clients' timeout for a response head.
const LATE: Duration = Duration::from_secs(1);

/// A 429 with a date, by a clock in 2015.
fn until(time: &str) -> Response {
    Response::throttled(&format!("Wed, 21 Oct 2015 {time} GMT"))
        .with_header("date", "Wed, 21 Oct 2015 07:28:00 GMT")
}

/// Limits that a small test can reach.
fn narrow(timeouts: ShortTimeouts) -> ShortTimeouts {
    let http = timeouts
        .http
        .with_max_body_bytes(512 << 10)
        .with_max_stream_bytes(512 << 10)
        .with_max_element_bytes(64 << 10);
    ShortTimeouts { http, ..timeouts }
}

fn endless(bed: &TestBed, again: &[u8]) -> ResponseFault {
    let first: &[u8] = match bed.vendor {
        Vendor::Salt => br#"{"response":["#,
        Vendor::Tenable => b"[",
    };
    ResponseFault::Endless(first.to_vec(), again.repeat(64))
}

fn bomb(bed: &TestBed) -> Response {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(if bed.vendor == Vendor::Salt { br#"{"response":["# } else { b"[" }).unwrap();
    packed.write_all(&vec![b' '; 4 << 20]).unwrap();
    Response::status(200).with_header("content-encoding", "gzip").with_body(packed.finish().unwrap())
}

/// Puts two commas between the records, which stay unchanged.
fn two_commas(response: &mut Response) {
    let mut answer: Value = serde_json::from_slice(&response.body).unwrap();
    let list = if answer.is_array() { &mut answer } else { &mut answer["response"] };
    let records: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    *list = Value::Null;
    let list = format!("[{}]", records.join(",,"));
    response.body = answer.to_string().replacen("null", &list, 1).into_bytes();
}

fn echo(bed: &TestBed, status: u16) -> ResponseFault {
    let secrets = bed.secrets();
    let said = serde_json::json!({
        "message": format!("these were refused: {}", secrets.join(" and ")),
        "error": secrets[0], "code": secrets[0], "token": secrets[0],
    });
    ResponseFault::Instead(
        Response::json(status, &said)
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

/// The error names the chunk or the operation.
fn names_the_place(bed: &TestBed, seen: &Seen) -> Result<(), String> {
    let error =
        seen.end.as_ref().and_then(|end| end.as_ref().err()).map(ToString::to_string).unwrap_or_default();
    let place = if bed.vendor == Vendor::Salt { "list posture gaps" } else { "chunk " };
    error.contains(place).then_some(()).ok_or_else(|| format!("{error:?} does not name the place"))
}
