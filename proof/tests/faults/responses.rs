//! Faults of responses: cut, late, rejected or malformed. Cases 4 to 11, 18, 19, 28, 31.

use std::io::Write as _;
use std::time::Duration;

use appsec_core::ErrorKind::{Decode, RateLimited, Server, Transport};
use flate2::Compression;
use flate2::write::GzEncoder;
use proof::When::{Always, First, From, Nth};
use proof::{Reading, Response, ResponseFault, TestBed, Timeouts, Vendor};
use serde_json::Value;

use crate::case::{Case, Expect, case};

#[allow(clippy::too_many_lines, reason = "a list of cases")]
pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(4, "a connection is reset in the middle of a body", |bed| {
            bed.inject(Nth(1), ResponseFault::Reset(50));
        }),
        case(4, "every connection is reset in the middle of a body", |bed| {
            bed.inject(Always, ResponseFault::Reset(50));
        })
        .salt(Expect::Fails(Transport))
        .tenable(Expect::Gap("chunk")),
        case(5, "a body ends before its announced length", |bed| {
            bed.inject(Nth(1), ResponseFault::CloseEarly(50));
        }),
        case(5, "every body ends before its announced length", |bed| {
            bed.inject(Always, ResponseFault::CloseEarly(95));
        })
        .salt(Expect::Fails(Transport))
        .tenable(Expect::Gap("chunk")),
        case(5, "the chunk that ends a body is missing", |bed| {
            bed.inject(Nth(1), ResponseFault::MissingLastChunk);
        }),
        case(5, "the chunk that ends a body is always missing", |bed| {
            bed.inject(Always, ResponseFault::MissingLastChunk);
        })
        .salt(Expect::Fails(Transport))
        .tenable(Expect::Gap("chunk")),
        case(5, "JSON is truncated, and the length matches", |bed| {
            bed.inject(Nth(1), ResponseFault::Truncate(50));
        }),
        case(5, "JSON is always truncated, and the length matches", |bed| {
            bed.inject(From(1), ResponseFault::Truncate(90));
        })
        .salt(Expect::Fails(Decode))
        .tenable(Expect::Gap("chunk"))
        .check(ending_names_the_position),
        case(6, "a response begins too late", |bed| bed.inject(Nth(1), ResponseFault::Delay(LATE))),
        case(6, "every response begins too late", |bed| bed.inject(Always, ResponseFault::Delay(LATE)))
            .fails(Transport),
        case(6, "a body stalls", |bed| bed.inject(Nth(1), ResponseFault::Stall(50))),
        case(6, "every body stalls", |bed| bed.inject(Always, ResponseFault::Stall(50)))
            .salt(Expect::Fails(Transport))
            .tenable(Expect::Gap("chunk")),
        case(6, "bodies arrive byte by byte", |bed| bed.inject(Always, ResponseFault::ByteByByte))
            .timeouts(|timeouts| Timeouts {
                http: timeouts.http.with_call_timeout(Duration::from_millis(1500)),
                ..timeouts
            })
            // Both are streams, which have a minimum throughput.
            .fails(Transport),
        case(7, "429, Retry-After in seconds", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(Response::throttled("1")));
        })
        .check(|_, reading| waited_at_least(reading, Duration::from_millis(950))),
        case(7, "429, Retry-After as a date", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(throttled_until("07:28:01")));
        })
        .check(|_, reading| waited_at_least(reading, Duration::from_millis(950))),
        case(7, "429, unreadable Retry-After", |bed| {
            bed.inject(First(2), ResponseFault::Replace(Response::throttled("soon")));
        }),
        case(7, "429, Retry-After of a day", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(Response::throttled("86400")));
        })
        .salt(Expect::Fails(RateLimited))
        .tenable(Expect::Gap("chunk"))
        .check(|bed, reading| has_retry_after(bed, reading, Duration::from_hours(24))),
        case(7, "429, negative Retry-After", |bed| {
            bed.inject(First(2), ResponseFault::Replace(Response::throttled("-5")));
        }),
        case(7, "429, Retry-After that overflows", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(Response::throttled("99999999999999999999999999")));
        })
        .salt(Expect::Fails(RateLimited))
        .tenable(Expect::Gap("chunk")),
        case(8, "500, 502 and 504 in a row, and a 503 later", |bed| {
            for (nth, status) in [(0, 500), (1, 502), (2, 504), (5, 503)] {
                bed.inject(Nth(nth), ResponseFault::Replace(Response::html(status)));
            }
        }),
        case(9, "a total outage", |bed| {
            bed.gateway.inject(
                bed.vendor.all_requests(),
                Always,
                ResponseFault::Replace(Response::html(503)),
            );
        })
        .fails(Server),
        case(9, "an outage that begins in the middle", |bed| {
            bed.inject(From(2), ResponseFault::Replace(Response::html(503)));
        })
        .salt(Expect::Fails(Server))
        .tenable(Expect::Gap("chunk")),
        case(10, "200 with an HTML page", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(Response::html(200)));
        }),
        case(10, "always 200 with an HTML page", |bed| {
            bed.inject(From(1), ResponseFault::Replace(Response::html(200)));
        })
        .salt(Expect::Fails(Decode))
        .tenable(Expect::Gap("chunk")),
        case(10, "a login page for every request", |bed| {
            bed.gateway.inject(
                bed.vendor.all_requests(),
                Always,
                ResponseFault::Replace(Response::html(200)),
            );
        })
        .fails(Decode),
        case(10, "502 with an HTML page", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(Response::html(502)));
        }),
        case(10, "always 200 without a body", |bed| {
            bed.inject(From(1), ResponseFault::Replace(Response::status(200)));
        })
        .salt(Expect::Fails(Decode))
        .tenable(Expect::Gap("chunk")),
        case(10, "always 204", |bed| bed.inject(From(1), ResponseFault::Replace(Response::status(204))))
            .salt(Expect::Fails(Decode))
            .tenable(Expect::Gap("chunk")),
        case(10, "connections are closed without a response, twice", |bed| {
            bed.inject(First(2), ResponseFault::CloseBeforeRequest);
        }),
        case(10, "a response that is not HTTP", |bed| bed.inject(Always, ResponseFault::NotHttp))
            .fails(Transport),
        case(11, "malformed JSON between records", |bed| {
            bed.inject(Nth(1), ResponseFault::change(double_commas));
        }),
        // A page is read again. In a stream, an undecodable record is a gap with its path.
        case(11, "malformed JSON within records", |bed| {
            bed.inject(Nth(1), ResponseFault::replace_text(":", ";"));
        })
        .tenable(Expect::Gap("record")),
        case(11, "always malformed JSON", |bed| bed.inject(From(1), ResponseFault::change(double_commas)))
            .salt(Expect::Gap("record"))
            .tenable(Expect::Gap("chunk"))
            .check(ending_names_the_position),
        case(11, "a body ends in garbage bytes", |bed| bed.inject(Nth(1), ResponseFault::Garbage(50))),
        case(18, "an endless body", |bed| bed.inject(Nth(1), endless_body(bed, br#"{"x":"0123456789"},"#)))
            .timeouts(with_low_limits)
            .tenable(Expect::Gap("record")),
        case(18, "endless white space", |bed| bed.inject(Nth(1), endless_body(bed, &[b' '; 4096])))
            .timeouts(with_low_limits)
            .tenable(Expect::Gap("chunk")),
        case(18, "an endless record", |bed| bed.inject(Nth(1), endless_body(bed, br#"{"x":"#)))
            .timeouts(with_low_limits)
            .tenable(Expect::Gap("chunk")),
        case(19, "4 kB of gzip that decompress to 4 MiB", |bed| {
            bed.inject(Nth(1), ResponseFault::Replace(gzip_bomb(bed)));
        })
        .timeouts(with_low_limits)
        .tenable(Expect::Gap("chunk")),
        case(28, "a service whose clock is eleven years behind", |bed| {
            bed.gateway.inject(
                bed.vendor.all_requests(),
                Nth(1),
                ResponseFault::Replace(throttled_until("07:28:00")),
            );
        }),
        case(31, "every response echoes the credentials", |bed| {
            bed.gateway.inject(bed.vendor.all_requests(), Always, echo_credentials(bed, 401));
        })
        .fails(appsec_core::ErrorKind::Auth),
        case(31, "a server error in the middle echoes the credentials", |bed| {
            bed.inject(From(1), echo_credentials(bed, 500));
        })
        .salt(Expect::Fails(Server))
        .tenable(Expect::Gap("chunk")),
        case(31, "a 200 echoes the credentials", |bed| bed.inject(From(1), echo_credentials(bed, 200)))
            .salt(Expect::Fails(Decode))
            .tenable(Expect::Gap("chunk")),
    ]
}

/// Later than the clients' timeout for a response head.
const LATE: Duration = Duration::from_secs(1);

/// A 429 with a date, by a clock in 2015.
fn throttled_until(time: &str) -> Response {
    Response::throttled(&format!("Wed, 21 Oct 2015 {time} GMT"))
        .with_header("date", "Wed, 21 Oct 2015 07:28:00 GMT")
}

/// Limits that a small test can reach.
fn with_low_limits(timeouts: Timeouts) -> Timeouts {
    let http = timeouts
        .http
        .with_max_body_bytes(512 << 10)
        .with_max_stream_bytes(512 << 10)
        .with_max_element_bytes(64 << 10);
    Timeouts { http, ..timeouts }
}

fn endless_body(bed: &TestBed, repeated: &[u8]) -> ResponseFault {
    let first: &[u8] = match bed.vendor {
        Vendor::Salt => br#"{"response":["#,
        Vendor::Tenable => b"[",
    };
    ResponseFault::EndlessBody { first: first.to_vec(), then: repeated.repeat(64) }
}

fn gzip_bomb(bed: &TestBed) -> Response {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(if bed.vendor == Vendor::Salt { br#"{"response":["# } else { b"[" }).unwrap();
    packed.write_all(&vec![b' '; 4 << 20]).unwrap();
    Response::status(200).with_header("content-encoding", "gzip").with_body(packed.finish().unwrap())
}

/// Puts two commas between the records, which stay unchanged.
fn double_commas(response: &mut Response) {
    let mut answer: Value = serde_json::from_slice(&response.body).unwrap();
    let list = if answer.is_array() { &mut answer } else { &mut answer["response"] };
    let records: Vec<String> = list.as_array().unwrap().iter().map(Value::to_string).collect();
    *list = Value::Null;
    let list = format!("[{}]", records.join(",,"));
    response.body = answer.to_string().replacen("null", &list, 1).into_bytes();
}

fn echo_credentials(bed: &TestBed, status: u16) -> ResponseFault {
    let secrets = bed.secrets();
    let body = serde_json::json!({
        "message": format!("rejected credentials: {}", secrets.join(" and ")),
        "error": secrets[0], "code": secrets[0], "token": secrets[0],
    });
    ResponseFault::Replace(
        Response::json(status, &body)
            .with_header("x-request-uuid", secrets[0].as_str())
            .with_header("www-authenticate", format!("Bearer error=\"{}\"", secrets[0])),
    )
}

fn waited_at_least(reading: &Reading, wait: Duration) -> Result<(), String> {
    (reading.elapsed >= wait)
        .then_some(())
        .ok_or_else(|| format!("it took {:?}, less than the requested wait of {wait:?}", reading.elapsed))
}

fn has_retry_after(bed: &TestBed, reading: &Reading, wait: Duration) -> Result<(), String> {
    let retry_after = reading.error().and_then(appsec_core::Error::retry_after);
    // The read of an export goes on without the chunk.
    (bed.vendor == Vendor::Tenable || retry_after == Some(wait))
        .then_some(())
        .ok_or_else(|| format!("the error has retry_after {retry_after:?}"))
}

/// The error names the chunk or the operation; each gap names the chunk or the place of the record.
fn ending_names_the_position(bed: &TestBed, reading: &Reading) -> Result<(), String> {
    let named = match &reading.end {
        Some(Ok(coverage)) => coverage
            .gaps()
            .iter()
            .map(|gap| (gap.to_string(), if bed.vendor == Vendor::Salt { "offset" } else { "chunk " }))
            .collect(),
        Some(Err(error)) if bed.vendor == Vendor::Salt => vec![(error.to_string(), "list posture gaps")],
        Some(Err(error)) => vec![(error.to_string(), "chunk ")],
        None => Vec::new(),
    };
    match named.iter().find(|(text, position)| !text.contains(position)) {
        Some((text, _)) => Err(format!("{text:?} does not name the place")),
        None if named.is_empty() => Err("nothing is said".to_owned()),
        None => Ok(()),
    }
}
