//! The dates that filters compare with.

use std::fmt;
use std::str::FromStr;

use appsec_core::{Error, ErrorKind, Result, Timestamp};

/// A date in UTC, which filters write as `YYYY/MM/DD` (vendor document).
///
/// ```
/// use tenable_was_client::filter::Date;
///
/// # fn main() -> tenable_was_client::Result<()> {
/// assert_eq!(Date::new(2026, 2, 3)?.to_string(), "2026/02/03");
/// assert_eq!("2026-02-03".parse::<Date>()?, "2026/02/03".parse()?);
/// assert!(Date::new(2026, 2, 29).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(Timestamp);

impl Date {
    /// Creates a date from year, month (1 to 12) and day of the month.
    ///
    /// # Errors
    /// `InvalidRequest` for a date that does not exist.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self> {
        let midnight = format!("{year:04}-{month:02}-{day:02}T00:00:00Z");
        midnight.parse().map(Self).map_err(|_| not_a_date(&format!("{year}/{month}/{day}")))
    }
}

/// The date of a timestamp, in UTC.
impl From<Timestamp> for Date {
    fn from(at: Timestamp) -> Self {
        let midnight = at.as_second().div_euclid(86_400) * 86_400;
        Self(Timestamp::from_second(midnight).unwrap_or(at))
    }
}

impl FromStr for Date {
    type Err = Error;

    /// Reads `YYYY/MM/DD` or `YYYY-MM-DD`.
    ///
    /// # Errors
    /// `InvalidRequest` for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let separator = if text.contains('/') { '/' } else { '-' };
        let parts: Vec<&str> = text.split(separator).collect();
        let ([year, month, day], 10, true) = (parts.as_slice(), text.len(), text.is_ascii()) else {
            return Err(not_a_date(text));
        };
        match (year.parse(), month.parse(), day.parse()) {
            (Ok(year), Ok(month), Ok(day)) => Self::new(year, month, day),
            _ => Err(not_a_date(text)),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y/%m/%d"))
    }
}

fn not_a_date(text: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{text:?} is not a date in the form YYYY/MM/DD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_becomes_its_date_in_utc() {
        for (at, date) in [
            ("2026-10-15T12:00:00Z", "2026/10/15"),
            ("2026-10-15T00:00:00Z", "2026/10/15"),
            ("2024-02-29T23:59:59.999Z", "2024/02/29"),
            ("1969-12-31T23:59:59Z", "1969/12/31"),
        ] {
            let timestamp: Timestamp = at.parse().unwrap();
            assert_eq!(Date::from(timestamp).to_string(), date);
            assert_eq!(Date::from(timestamp), date.parse().unwrap());
        }
    }

    #[test]
    fn an_invalid_date_is_refused() {
        for text in [
            "",
            "2026/13/01",
            "2026/02/30",
            "2026/2/3",
            "2026/02-03",
            "26/02/2003",
            "2026/02/03/4",
            "tomorrow!!",
        ] {
            assert_eq!(text.parse::<Date>().unwrap_err().kind(), ErrorKind::InvalidRequest, "{text}");
        }
        assert!(Date::new(2026, 0, 1).is_err() && Date::new(10_000, 1, 1).is_err());
    }
}
