//! The filter language of every search: one condition, or groups of them under `AND` and `OR`.

use appsec_core::Timestamp;
use serde_json::{Map, Value, json};

use crate::testing::response::Response;

/// A field that can be searched, with its operators and values.
#[derive(Debug)]
pub(crate) struct Field {
    name: &'static str,
    operators: &'static [&'static str],
    /// An operator that works but is not listed.
    unlisted: Option<&'static str>,
    control: Control,
}

/// The form of a field's value, as the list of fields describes it.
#[derive(Debug, Clone, Copy)]
enum Control {
    Unsaid,
    Entry,
    Number,
    Date,
    Words(&'static [&'static str]),
}

impl Field {
    const fn new(name: &'static str, operators: &'static [&'static str], control: Control) -> Self {
        Self { name, operators, unlisted: None, control }
    }

    pub(crate) const fn id(name: &'static str) -> Self {
        Self::new(name, &["eq"], Control::Unsaid)
    }

    pub(crate) const fn text(name: &'static str) -> Self {
        Self::new(name, &["match", "eq"], Control::Entry)
    }

    pub(crate) const fn number(name: &'static str) -> Self {
        Self::new(name, &["eq"], Control::Number)
    }

    pub(crate) const fn date(name: &'static str) -> Self {
        Self::new(name, &["lt", "lte", "gt", "gte"], Control::Date)
    }

    pub(crate) const fn words(
        name: &'static str,
        operators: &'static [&'static str],
        words: &'static [&'static str],
    ) -> Self {
        Self::new(name, operators, Control::Words(words))
    }

    pub(crate) const fn with_unlisted(mut self, operator: &'static str) -> Self {
        self.unlisted = Some(operator);
        self
    }

    fn takes(&self, operator: &str) -> bool {
        self.operators.contains(&operator) || self.unlisted == Some(operator)
    }

    fn listed(&self) -> Value {
        let control = match self.control {
            Control::Unsaid => Value::Null,
            Control::Entry => json!({"type": "entry", "regex": null, "readable_regex": null}),
            Control::Number => json!({"type": "entry", "regex": "^[1-9]\\d*$", "readable_regex": "NUMBER"}),
            Control::Date => {
                json!({"type": "datefield", "regex": "^[0-9]{4}/[0-9]{2}/[0-9]{2}$", "readable_regex": "YYYY/MM/DD"})
            }
            Control::Words(words) => json!({"type": "dropdown", "list": words}),
        };
        json!({"name": self.name, "readable_name": self.name, "operators": self.operators, "control": control})
    }
}

/// The names of the vendor's templates that can be searched for.
pub(crate) const TEMPLATES: &[&str] = &["scan", "overview", "ssl_tls", "config_audit", "pci", "api"];

/// The response with the fields of a search.
pub(crate) fn list(fields: &[Field]) -> Response {
    Response::ok(&json!({"filters": fields.iter().map(Field::listed).collect::<Vec<_>>()}))
}

/// A parsed filter. Where both groups are given, both must hold (assumed).
#[derive(Debug, Default)]
pub(crate) struct Filter {
    all: Vec<Condition>,
    any: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    field: &'static str,
    operator: String,
    values: Vec<String>,
    date: Option<Timestamp>,
}

impl Filter {
    /// Parses a request body. An empty body, `null` and `{}` mean no filter.
    pub(crate) fn parse(body: &[u8], fields: &[Field]) -> Result<Self, Response> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            let text: String = String::from_utf8_lossy(body).chars().take(120).collect();
            return Err(undecodable(&text));
        };
        match body {
            Value::Null => Ok(Self::default()),
            Value::Object(map) if map.contains_key("field") => {
                Ok(Self { all: vec![Condition::parse(&Value::Object(map), fields)?], any: Vec::new() })
            }
            Value::Object(map) => Self::groups(&map, fields),
            other => Err(undecodable(&other.to_string())),
        }
    }

    fn groups(map: &Map<String, Value>, fields: &[Field]) -> Result<Self, Response> {
        let mut filter = Self::default();
        for (key, group) in map {
            let (Some(group), "AND" | "OR") = (group.as_array(), key.as_str()) else {
                return Err(undecodable(&Value::Object(map.clone()).to_string()));
            };
            let group = group.iter().map(|condition| Condition::parse(condition, fields));
            let group = group.collect::<Result<Vec<_>, _>>()?;
            if key == "AND" { filter.all = group } else { filter.any = group }
        }
        Ok(filter)
    }

    /// Whether an item passes. `read` returns the item's values of a field; none where the field is not
    /// set.
    pub(crate) fn admits(&self, read: impl Fn(&str) -> Vec<String>) -> bool {
        let holds = |condition: &Condition| condition.holds(&read(condition.field));
        self.all.iter().all(holds) && (self.any.is_empty() || self.any.iter().any(holds))
    }
}

impl Condition {
    fn parse(condition: &Value, fields: &[Field]) -> Result<Self, Response> {
        let text = |key: &str| condition[key].as_str().unwrap_or_default();
        let Some(field) = fields.iter().find(|field| field.name == text("field")) else {
            return Err(Response::invalid_body(&format!("Unknown filter field '{}'", text("field"))));
        };
        let operator = text("operator");
        if !field.takes(operator) {
            let reason = format!("Unsupported operator '{operator}' for field '{}'", field.name);
            return Err(Response::invalid_body(&reason));
        }
        // An array is valid with `contains` only; a number is not a text.
        let values = match &condition["value"] {
            Value::String(text) => vec![text.clone()],
            Value::Array(all) if operator.ends_with("contains") && all.iter().all(Value::is_string) => {
                all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => return Err(undecodable(&condition.to_string())),
        };
        let date = if matches!(field.control, Control::Date) { Some(date(&values)?) } else { None };
        Ok(Self { field: field.name, operator: operator.to_owned(), values, date })
    }

    fn holds(&self, actual: &[String]) -> bool {
        let equal = || actual.iter().any(|actual| self.values.iter().any(|value| value == actual));
        let matches = || {
            let contains =
                |actual: &String, value: &String| actual.to_lowercase().contains(&value.to_lowercase());
            actual.iter().any(|actual| self.values.iter().any(|value| contains(actual, value)))
        };
        if let Some(date) = self.date {
            let actual = actual.iter().filter_map(|actual| actual.parse::<Timestamp>().ok());
            return actual.into_iter().any(|actual| match self.operator.as_str() {
                "lt" => actual < date,
                "lte" => actual <= date,
                "gt" => actual > date,
                _ => actual >= date,
            });
        }
        match self.operator.as_str() {
            "neq" | "ncontains" => !equal(),
            "match" => matches(),
            "nmatch" => !matches(),
            _ => equal(),
        }
    }
}

/// `2026/10/01`, as recorded, or a full instant, as the service's own error text suggests.
fn date(values: &[String]) -> Result<Timestamp, Response> {
    let text = values.first().map(String::as_str).unwrap_or_default();
    let whole_day = (text.len() == 10 && text.bytes().filter(|byte| *byte == b'/').count() == 2)
        .then(|| format!("{}T00:00:00Z", text.replace('/', "-")));
    let parsed = match whole_day {
        Some(day) => day.parse().ok(),
        None => text.ends_with('Z').then(|| text.parse().ok()).flatten(),
    };
    parsed.ok_or_else(|| {
        let index = text.find(|c: char| !c.is_ascii_digit() && !"-:T.".contains(c)).unwrap_or(text.len());
        Response::invalid_body(&format!(
            "Query decoding Instant failed: Text '{text}' could not be parsed at index {index}"
        ))
    })
}

fn undecodable(body: &str) -> Response {
    Response::invalid_body(&format!("Invalid message body: Could not decode JSON: {body}"))
}
