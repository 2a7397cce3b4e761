//! How a check ends, and the assertions that checks are written with.

use std::collections::BTreeSet;

use futures_util::StreamExt;

use crate::{BoxStream, Error, ErrorKind};

/// A remark on a check that passed, or why it did not.
pub(super) type CheckResult = Result<String, NotPassed>;

/// Why a check did not pass.
#[derive(Debug)]
pub(super) enum NotPassed {
    Failed(String),
    Skipped(String),
}

impl From<Error> for NotPassed {
    fn from(error: Error) -> Self {
        Self::Failed(format!("an error: {error}"))
    }
}

pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, NotPassed> {
    Err(NotPassed::Failed(why.into()))
}

pub(super) fn skipped<T>(why: impl Into<String>) -> Result<T, NotPassed> {
    Err(NotPassed::Skipped(why.into()))
}

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), NotPassed> {
    if holds { Ok(()) } else { failed(why()) }
}

/// The call must fail with one of these kinds.
pub(super) fn expect_error<T>(result: crate::Result<T>, kinds: &[ErrorKind]) -> CheckResult {
    match result {
        Err(error) if kinds.contains(&error.kind()) => Ok(error.kind().to_string()),
        Err(error) => failed(format!("another error: {error}")),
        Ok(_) => failed("it succeeded"),
    }
}

/// The listing must be one error of that kind.
pub(super) async fn expect_stream_error<T>(
    mut stream: BoxStream<'static, crate::Result<T>>,
    kinds: &[ErrorKind],
) -> CheckResult {
    match stream.next().await {
        Some(first) => expect_error(first, kinds),
        None => failed("the listing is empty"),
    }
}

/// An id of the same form as those given that is none of them: the last digit or letter is another.
pub(super) fn unknown_id<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: BTreeSet<_> = known.into_iter().collect();
    let mut id = known.first().map_or("00000000-0000-4000-8000-000000000000", |id| id).to_owned();
    while let Some(last) = id.pop() {
        let others: &str = match last {
            '0'..='9' => "0123456789",
            'a'..='f' | 'A'..='F' => "abcdef",
            _ => "xyz",
        };
        if let Some(other) = others.chars().find(|c| !known.contains(format!("{id}{c}").as_str())) {
            id.push(other);
            break;
        }
    }
    id
}
