//! Marker secrets, and the search for them in all output.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};

use appsec_core::Error;
use tracing_subscriber::layer::SubscriberExt as _;

/// The text that each marker contains, and its base64 form at the start of a text.
pub const MARKERS: [&str; 2] = ["canary", "y2fuyxj5"];

/// The first marker in a text, with its surroundings.
pub fn find_leak(text: &str) -> Option<String> {
    // Only ASCII is changed, so that positions in the two texts agree.
    let lower = text.to_ascii_lowercase();
    let at = MARKERS.iter().filter_map(|marker| lower.find(marker)).min()?;
    let (mut from, mut to) = (at.saturating_sub(160), (at + 40).min(lower.len()));
    while !lower.is_char_boundary(from) {
        from -= 1;
    }
    while !lower.is_char_boundary(to) {
        to += 1;
    }
    Some(text.get(from..to).unwrap_or(text).to_owned())
}

/// The first marker in bytes, as of a file.
pub fn find_leak_in_bytes(bytes: &[u8]) -> Option<String> {
    find_leak(&String::from_utf8_lossy(bytes))
}

/// The error and its sources, in `Display` and `Debug` form.
pub fn format_error_chain(error: &Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn StdError> = Some(error);
    while let Some(error) = cause {
        let _ = writeln!(text, "{error}\n{error:?}\n{error:#?}");
        cause = error.source();
    }
    text
}

/// The crates whose events are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogScope {
    /// All crates.
    AllCrates,
    /// The crates of this workspace.
    Workspace,
}

/// A record of the log of this process: the number of lines, and the lines with a marker.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    count: u64,
    from_workspace: u64,
    leaks: Vec<String>,
}

impl Log {
    /// Records every event of the process down to `TRACE`. The first call decides which crates are
    /// recorded.
    pub fn record(scope: LogScope) -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
            let trace = tracing::level_filters::LevelFilter::TRACE;
            let filter = match scope {
                LogScope::AllCrates => tracing_subscriber::filter::Targets::new().with_default(trace),
                LogScope::Workspace => WORKSPACE_CRATES
                    .into_iter()
                    .fold(tracing_subscriber::filter::Targets::new(), |filter, name| {
                        filter.with_target(name, trace)
                    }),
            };
            let subscriber = tracing_subscriber::registry().with(layer).with(filter);
            tracing::subscriber::set_global_default(subscriber).unwrap();
            log
        })
    }

    /// The number of lines from this workspace's crates.
    pub fn workspace_lines(&self) -> u64 {
        self.0.lock().unwrap().from_workspace
    }

    /// The lines with a marker.
    pub fn leaks(&self) -> Vec<String> {
        self.0.lock().unwrap().leaks.clone()
    }
}

const WORKSPACE_CRATES: [&str; 5] =
    ["appsec_core", "appsec_http", "appsec_import", "salt_client", "tenable_was_client"];

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        let mut lines = self.0.lock().unwrap();
        lines.count += 1;
        lines.from_workspace += u64::from(WORKSPACE_CRATES.iter().any(|name| line.contains(name)));
        if let Some(leak) = find_leak(&line) {
            lines.leaks.push(leak);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_in_any_case_in_base64_and_in_bytes() {
        assert_eq!(find_leak("nothing here"), None);
        for text in ["a Canary b", "Basic Y2FuYXJ5OmNhbmFyeQ==", "éé x-canary"] {
            assert!(find_leak(text).is_some(), "{text}");
        }
        assert!(find_leak_in_bytes(b"\xff\x00canary").is_some());
    }

    #[test]
    fn the_sources_of_an_error_are_searched_too() {
        let error = Error::new(appsec_core::ErrorKind::Server, "x").with_source(io::Error::other("canary"));
        assert!(find_leak(&error.to_string()).is_none());
        assert!(find_leak(&format_error_chain(&error)).is_some());
    }
}
