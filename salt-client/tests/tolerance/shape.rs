//! The variants of a shape, the fake that sends them, and the checks for the token.

use std::io::Write;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use appsec_core::Error;
use salt_client::testing::{EndOffset, FakeBuilder, FakeSalt, Quirk};
use salt_client::{HttpOptions, RetryPolicy, SaltClient};
use serde_json::{Value, json};

use crate::variants::{Counts, SeededRng, change};

pub(crate) const TOKEN: &str = "canary-7f3a-canary";
/// A part of the token that no id made of hexadecimal digits has.
const CANARY: &str = "canary";

/// Far more requests than any read in these tests needs, far fewer than an endless one.
pub(crate) const MOST_REQUESTS: u64 = 300;
const LONGEST: Duration = Duration::from_secs(20);

static LOGGED: AtomicU64 = AtomicU64::new(0);
static LEAKED: AtomicBool = AtomicBool::new(false);

/// Searches every line of the log for the token, without keeping it.
struct LogScanner;

impl Write for LogScanner {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOGGED.fetch_add(1, Ordering::Relaxed);
        if bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()) {
            LEAKED.store(true, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The number of lines logged so far, by all tests.
pub(crate) fn log_lines() -> u64 {
    LOGGED.load(Ordering::Relaxed)
}

/// The variants of one shape.
pub(crate) struct Shape {
    name: &'static str,
    wanted: u64,
    made: u64,
    rounds: u64,
    pub(crate) rng: SeededRng,
    counts: Counts,
    pub(crate) fake: FakeSalt,
    pub(crate) client: SaltClient,
}

impl Shape {
    pub(crate) async fn new(name: &'static str) -> Self {
        static LOG: Once = Once::new();
        LOG.call_once(|| {
            let log =
                tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(|| LogScanner);
            tracing::subscriber::set_global_default(log.finish()).unwrap();
        });
        let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
        let seed = number("SALT_SEED", 0x5a17) ^ name.len() as u64;
        let fake = FakeSalt::builder().with_token(TOKEN).start().await.unwrap();
        let client = fake
            .client_builder()
            .with_http(HttpOptions::new().with_retry(RetryPolicy::none()))
            .with_page_size(5)
            .build()
            .unwrap();
        let wanted = number("SALT_VARIANTS", 2000);
        let (rng, counts) = (SeededRng::new(seed), Counts::new());
        Self { name, wanted, made: 0, rounds: 0, rng, counts, fake, client }
    }

    /// Whether more variants are to be made.
    pub(crate) fn has_next(&mut self) -> bool {
        self.rounds += 1;
        self.made < self.wanted
    }

    /// A service with any paging, except end offsets beyond the records.
    pub(crate) fn service(&mut self) -> FakeBuilder {
        let ends =
            [EndOffset::Exclusive, EndOffset::Text, EndOffset::Missing, EndOffset::Stuck, EndOffset::Smaller];
        let mut fake = FakeSalt::builder().with_token(TOKEN).with_end_offset(self.rng.pick(&ends));
        if self.rng.one_in(2) {
            fake = fake.with_short_pages(1 + self.rng.below(6) as u64);
        }
        for quirk in
            [Quirk::ListName("records"), Quirk::ListName("data"), Quirk::ExtraFields, Quirk::NumbersAsText]
        {
            if self.rng.one_in(5) {
                fake = fake.with_quirk(quirk);
            }
        }
        fake
    }

    /// Variants of records: changed, and numbered so that they differ. Some are no records at all.
    pub(crate) fn records(&mut self, composed: &[Value], count: usize) -> Vec<Value> {
        self.made += count as u64;
        (0..count)
            .map(|number| {
                if self.rng.one_in(25) {
                    *self.counts.entry("no record").or_default() += 1;
                    return self.rng.pick(&[
                        json!(number),
                        json!(format!("text {number}")),
                        json!([number, null]),
                    ]);
                }
                let mut record = composed[number % composed.len()].as_object().unwrap().clone();
                for id in ["postureGapId", "id"] {
                    if record.contains_key(id) {
                        record.insert(id.to_owned(), json!(format!("{id} {number}")));
                    }
                }
                record.insert("number".to_owned(), json!(number.to_string()));
                change(&mut record, &["number"], &mut self.rng, &mut self.counts);
                Value::Object(record)
            })
            .collect()
    }

    pub(crate) fn object(&mut self, composed: &Value) -> Value {
        self.made += 1;
        let mut object = composed.as_object().unwrap().clone();
        change(&mut object, &[], &mut self.rng, &mut self.counts);
        Value::Object(object)
    }

    pub(crate) fn json(&mut self, depth: usize) -> Value {
        self.made += 1;
        *self.counts.entry("any JSON for all of it").or_default() += 1;
        self.rng.json(depth)
    }

    pub(crate) fn close(self) {
        assert!(!LEAKED.load(Ordering::Relaxed), "{}: the token is in the log", self.name);
        let changes: Vec<_> = self.counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let (name, made, rounds) = (self.name, self.made, self.rounds - 1);
        println!("{name}: {made} variants in {rounds} rounds; {}", changes.join(", "));
    }
}

pub(crate) async fn bounded<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONGEST, work).await.expect("it ends")
}

pub(crate) fn assert_secret(shown: &str) {
    assert!(!shown.contains(CANARY), "the token is shown: {shown}");
}

pub(crate) fn assert_error_is_secret(error: &Error) {
    let first: &dyn std::error::Error = error;
    for error in std::iter::successors(Some(first), |error| error.source()) {
        assert_secret(&format!("{error:?} {error}"));
    }
}

/// A value as the client reads an id or a name: text or a number, but no filler.
pub(crate) fn usable(record: &Value, key: &str, filler: bool) -> Option<String> {
    let text = match record.get(key)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        _ => return None,
    };
    let text = text.trim().to_owned();
    let nothing = text.is_empty() || filler && ["n/a", "unknown"].contains(&text.to_lowercase().as_str());
    (!nothing).then_some(text)
}
