//! The days that filters compare with.

use std::fmt;
use std::str::FromStr;

use appsec_core::{Error, ErrorKind, Result, Timestamp};

/// A day in UTC, which filters write as `YYYY/MM/DD` (vendor document).
///
/// ```
/// use tenable_was_client::filter::Day;
///
/// # fn main() -> tenable_was_client::Result<()> {
/// assert_eq!(Day::new(2026, 2, 3)?.to_string(), "2026/02/03");
/// assert_eq!("2026-02-03".parse::<Day>()?, "2026/02/03".parse()?);
/// assert!(Day::new(2026, 2, 29).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(Timestamp);

impl Day {
    /// The day of that year, month (1 to 12) and day of the month.
    ///
    /// # Errors
    /// `InvalidRequest` for a day that is in no calendar.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self> {
        let midnight = format!("{year:04}-{month:02}-{day:02}T00:00:00Z");
        midnight.parse().map(Self).map_err(|_| no_day(&format!("{year}/{month}/{day}")))
    }
}

/// The day on which a moment lies.
impl From<Timestamp> for Day {
    fn from(at: Timestamp) -> Self {
        let midnight = at.as_second().div_euclid(86_400) * 86_400;
        Self(Timestamp::from_second(midnight).unwrap_or(at))
    }
}

impl FromStr for Day {
    type Err = Error;

    /// Reads `YYYY/MM/DD` or `YYYY-MM-DD`.
    ///
    /// # Errors
    /// `InvalidRequest` for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let separator = if text.contains('/') { '/' } else { '-' };
        let parts: Vec<&str> = text.split(separator).collect();
        let ([year, month, day], 10, true) = (parts.as_slice(), text.len(), text.is_ascii()) else {
            return Err(no_day(text));
        };
        match (year.parse(), month.parse(), day.parse()) {
            (Ok(year), Ok(month), Ok(day)) => Self::new(year, month, day),
            _ => Err(no_day(text)),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y/%m/%d"))
    }
}

fn no_day(text: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{text:?} is not a day: YYYY/MM/DD is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_on_its_day_in_utc() {
        for (at, day) in [
            ("2026-10-15T12:00:00Z", "2026/10/15"),
            ("2026-10-15T00:00:00Z", "2026/10/15"),
            ("2024-02-29T23:59:59.999Z", "2024/02/29"),
            ("1969-12-31T23:59:59Z", "1969/12/31"),
        ] {
            let moment: Timestamp = at.parse().unwrap();
            assert_eq!(Day::from(moment).to_string(), day);
            assert_eq!(Day::from(moment), day.parse().unwrap());
        }
    }

    #[test]
    fn what_is_no_day_is_refused() {
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
            assert_eq!(text.parse::<Day>().unwrap_err().kind(), ErrorKind::InvalidRequest, "{text}");
        }
        assert!(Day::new(2026, 0, 1).is_err() && Day::new(10_000, 1, 1).is_err());
    }
}
