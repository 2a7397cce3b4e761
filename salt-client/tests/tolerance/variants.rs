//! Variants of records.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Random numbers from splitmix64, reproducible by their seed.
pub(crate) struct SeededRng(u64);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Returns true with a probability of one in `times`.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn text(&mut self) -> String {
        const LETTERS: [char; 16] =
            ['a', 'Z', '0', '7', ' ', '.', '/', '-', '_', '{', '}', '"', '\\', '\n', 'é', '\u{1f9c2}'];
        (0..self.below(12)).map(|_| self.pick(&LETTERS)).collect()
    }

    /// Returns any JSON of at most this depth.
    pub(crate) fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.next().cast_signed()),
            3 => json!(self.below(1000) as f64 / 7.0),
            4 => json!(self.text()),
            5 => self.pick(&[
                json!(""),
                json!("N/A"),
                json!("unknown"),
                json!("Open"),
                json!(0),
                json!([]),
                json!({}),
            ]),
            6 => (0..self.below(4)).map(|_| self.json(depth - 1)).collect(),
            _ => Value::Object((0..self.below(4)).map(|_| (self.text(), self.json(depth - 1))).collect()),
        }
    }
}

/// The number of changes, by kind.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// Changes some fields of a record: none, several, all, or a new one.
pub(crate) fn change(
    record: &mut Map<String, Value>,
    kept: &[&str],
    rng: &mut SeededRng,
    counts: &mut Counts,
) {
    let keys: Vec<String> = record.keys().filter(|key| !kept.contains(&key.as_str())).cloned().collect();
    let how_many = if rng.one_in(12) { keys.len() } else { rng.below(4) };
    for _ in 0..how_many {
        let Some(key) = (!keys.is_empty()).then(|| rng.pick(&keys)) else { break };
        let (name, value) = changed(record.get(&key).unwrap_or(&Value::Null), rng);
        *counts.entry(name).or_default() += 1;
        match value {
            Some(value) => record.insert(key, value),
            None => record.remove(&key),
        };
    }
    if rng.one_in(3) {
        *counts.entry("extra field").or_default() += 1;
        record.insert(format!("extra{}", rng.below(9)), rng.json(3));
    }
}

fn changed(value: &Value, rng: &mut SeededRng) -> (&'static str, Option<Value>) {
    match rng.below(11) {
        0 => ("null", Some(Value::Null)),
        1 => ("missing", None),
        2 if value.is_string() => ("number for string", Some(json!(rng.next()))),
        2 => ("string for another", Some(json!(value.to_string()))),
        3 => ("object", Some(json!({"name": rng.text(), "value": value, "id": rng.json(1)}))),
        4 => ("list", Some(json!([value, null, rng.json(2)]))),
        5 => ("boolean", Some(json!(rng.one_in(2)))),
        6 => ("unknown word", Some(json!(rng.text()))),
        7 => ("filler", Some(rng.pick(&[json!("N/A"), json!(""), json!("unknown"), json!(" ")]))),
        8 => ("long text", Some(json!(rng.text().repeat(100)))),
        9 => ("deep", Some((0..60).fold(json!(1), |inner, _| json!([inner])))),
        _ => ("any JSON", Some(rng.json(3))),
    }
}
