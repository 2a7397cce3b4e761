//! Recurrences on a wall clock without time zone and transitions: cron patterns and iCalendar rules.

use appsec_core::{Result, Timestamp};
use chrono::{NaiveDateTime, TimeDelta};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use rrule::{Frequency, RRule, RRuleSet, Tz, Unvalidated};

use super::error::invalid_field;

/// A recurrence: a set of times on a wall clock.
#[derive(Debug, Clone)]
pub(super) enum Recurrence {
    Cron(Box<Cron>),
    Rule(Box<Rule>),
}

/// An iCalendar rule. Its wall clock times are given to the library as UTC, so that it sees no transitions.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    rrule: RRule<Unvalidated>,
    starts: chrono::DateTime<Tz>,
    /// The interval by multiples of which the start can be moved without changing the times after it.
    step: Option<TimeDelta>,
}

impl Recurrence {
    pub(super) fn cron(pattern: &str) -> Result<Self> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|cause| invalid_field("cron", cause.to_string()))?;
        let cron = Self::Cron(Box::new(cron));
        // Any start will do: a pattern has no year, so if it is ever due, it is due again.
        match cron.next(DateTime::constant(2000, 1, 1, 0, 0, 0, 0), true) {
            Some(_) => Ok(cron),
            None => Err(invalid_field("cron", "it is never due")),
        }
    }

    pub(super) fn rule(text: &str, starts: &str, zone: &TimeZone) -> Result<Self> {
        let first: DateTime = starts.parse().map_err(|cause: jiff::Error| {
            invalid_field("starts", "not a date and a time").with_source(cause)
        })?;
        let starts = to_chrono(first).ok_or_else(|| invalid_field("starts", "out of range"))?;
        let (rest, until) = split_until(text);
        let mut unvalidated: RRule<Unvalidated> =
            rest.parse().map_err(|cause: rrule::RRuleError| invalid_field("rrule", cause.to_string()))?;
        if unvalidated.get_freq() == Frequency::Secondly {
            return Err(invalid_field("rrule", "FREQ=SECONDLY is not supported"));
        }
        if unvalidated.get_interval() == 0 {
            return Err(invalid_field("rrule", "INTERVAL is 0"));
        }
        if let Some(until) = until {
            let until = parse_until(&until, zone).and_then(to_chrono);
            unvalidated =
                unvalidated.until(until.ok_or_else(|| invalid_field("rrule", "UNTIL is not a time"))?);
        }
        unvalidated.clone().validate(starts).map_err(|cause| invalid_field("rrule", cause.to_string()))?;
        let step = match unvalidated.get_freq() {
            Frequency::Weekly => Some(TimeDelta::weeks(1)),
            Frequency::Daily => Some(TimeDelta::days(1)),
            Frequency::Hourly => Some(TimeDelta::hours(1)),
            Frequency::Minutely => Some(TimeDelta::minutes(1)),
            _ => None,
        };
        let step = step.filter(|_| unvalidated.get_count().is_none());
        let step = step.map(|step| step * i32::from(unvalidated.get_interval()));
        let rule = Self::Rule(Box::new(Rule { rrule: unvalidated, starts, step }));
        match rule.next(first, true) {
            Some(_) => Ok(rule),
            None => Err(invalid_field("rrule", "it is never due")),
        }
    }

    /// Whether it has times in every hour, without naming hours.
    pub(super) fn is_every_hour(&self) -> bool {
        match self {
            Self::Cron(cron) => cron.pattern.hours.values().len() == 24,
            Self::Rule(rule) => {
                let parts = &rule.rrule;
                let each_hour = match parts.get_freq() {
                    Frequency::Minutely => true,
                    Frequency::Hourly => parts.get_interval() == 1,
                    _ => false,
                };
                each_hour && parts.get_by_hour().is_empty()
            }
        }
    }

    /// The first time after the given one.
    pub(super) fn next_after(&self, from: DateTime) -> Option<DateTime> {
        self.next(from, false)
    }

    /// The first time after the given one, or at it.
    pub(super) fn next(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        match self {
            Self::Cron(cron) => {
                // A time with a fraction is later than the whole second that croner compares.
                let inclusive = inclusive && from.subsec_nanosecond() == 0;
                cron.find_next_occurrence(&from, inclusive).ok()
            }
            Self::Rule(rule) => rule.next(from, inclusive),
        }
    }
}

impl Rule {
    fn next(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let from = to_chrono(from)?;
        let starts = self.start_near(from);
        let rule = self.rrule.clone().validate(starts).ok()?;
        let times = RRuleSet::new(starts).rrule(rule).limit().into_iter();
        let mut after = times.skip_while(|time| *time < from || (!inclusive && *time == from));
        after.next().and_then(to_jiff)
    }

    /// The start, moved by whole intervals to shortly before the given time, so that years of occurrences
    /// need not be enumerated.
    fn start_near(&self, from: chrono::DateTime<Tz>) -> chrono::DateTime<Tz> {
        let Some(step) = self.step else { return self.starts };
        let steps = from.signed_duration_since(self.starts).num_minutes() / step.num_minutes().max(1);
        // Two intervals are held back, since the first week may begin before the day of the start.
        let Ok(steps) = i32::try_from(steps - 2) else { return self.starts };
        let moved = step.checked_mul(steps.max(0)).and_then(|by| self.starts.checked_add_signed(by));
        // A rule that ends before the moved start is enumerated from its own start.
        moved.filter(|moved| self.rrule.get_until().is_none_or(|until| moved <= until)).unwrap_or(self.starts)
    }
}

/// Splits a rule into the rule without UNTIL, and the value of UNTIL.
fn split_until(rule: &str) -> (String, Option<String>) {
    let rule = rule.trim();
    let rule = rule.strip_prefix("RRULE:").unwrap_or(rule);
    let is_until = |part: &str| part.get(..6).is_some_and(|name| name.eq_ignore_ascii_case("UNTIL="));
    let until = rule.split(';').find(|part| is_until(part)).and_then(|part| part.get(6..));
    let rest: Vec<_> = rule.split(';').filter(|part| !is_until(part)).collect();
    (rest.join(";"), until.map(str::to_owned))
}

/// Parses UNTIL to a wall clock time: a local time, a UTC time with `Z`, or the end of a day.
fn parse_until(text: &str, zone: &TimeZone) -> Option<DateTime> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let date = Date::new(year, number(4, 6)?, number(6, 8)?).ok()?;
    match (digits.len(), text.len()) {
        (8, 8) => Some(date.to_datetime(Time::constant(23, 59, 59, 0))),
        (14, 15 | 16) => {
            let time = Time::new(number(8, 10)?, number(10, 12)?, number(12, 14)?, 0).ok()?;
            let until = date.to_datetime(time);
            match text.get(15..) {
                Some("") => Some(until),
                Some("Z") => {
                    let at: Timestamp = TimeZone::UTC.to_timestamp(until).ok()?;
                    Some(at.to_zoned(zone.clone()).datetime())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The same wall clock time as a chrono time in UTC.
fn to_chrono(time: DateTime) -> Option<chrono::DateTime<Tz>> {
    let at = TimeZone::UTC.to_timestamp(time).ok()?;
    Some(
        chrono::DateTime::from_timestamp(at.as_second(), u32::try_from(time.subsec_nanosecond()).ok()?)?
            .with_timezone(&Tz::UTC),
    )
}

fn to_jiff(time: chrono::DateTime<Tz>) -> Option<DateTime> {
    let naive: NaiveDateTime = time.naive_utc();
    let at = Timestamp::from_second(naive.and_utc().timestamp()).ok()?;
    Some(at.to_zoned(TimeZone::UTC).datetime())
}
