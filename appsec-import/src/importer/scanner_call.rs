//! Guards the calls of a scanner: its code may panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use appsec_core::{Error, ErrorKind, Result, mask};
use futures_util::FutureExt as _;

/// The maximum length of the text of a panic, in characters.
const MAX_TEXT: usize = 500;

/// Calls a function of the scanner. A panic in it becomes an error of the kind `Unexpected`.
pub(super) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| panicked(&*payload))
}

/// Awaits a future of the scanner. A panic in it becomes an error of the kind `Unexpected`.
pub(crate) async fn catch_panic_of<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|payload| Err(panicked(&*payload)))
}

/// Returns the error for a panic. Its text may quote what the scanner received, so it is masked and cut.
fn panicked(payload: &(dyn Any + Send)) -> Error {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    let masked = mask(text);
    let mut text: String = masked.chars().take(MAX_TEXT).collect();
    if text.len() < masked.len() {
        text.push('…');
    }
    let message = format!("the code of the scanner panicked; report it to its author: {text}");
    Error::new(ErrorKind::Unexpected, message).with_operation("import")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_panic_is_masked_and_cut() {
        let payloads: [(Box<dyn Any + Send>, &str); 3] = [
            (Box::new("index 3"), "index 3"),
            (Box::new("token=s3cr3t-canary at 7".to_owned()), "token=[masked:token] at 7"),
            (Box::new(7), "without a message"),
        ];
        for (payload, expected) in payloads {
            let error = panicked(&*payload);
            assert_eq!(error.kind(), ErrorKind::Unexpected);
            assert!(error.message().ends_with(expected), "{error}");
        }
        let error = panicked(&"ü".repeat(10_000));
        assert!(error.message().ends_with("ü…") && error.message().chars().count() < 600, "{error}");
    }
}
