//! When a binding runs: a recurrence on the wall clock of a time zone, and the instants at which it is due.

use appsec_core::{Error, Result, Timestamp};
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::error::invalid_field;
use super::recurrence::Recurrence;

/// When a binding runs: a cron pattern or an iCalendar recurrence rule (RFC 5545), on the wall clock of a
/// time zone.
///
/// In TOML:
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use appsec_import::schedule::Schedule;
/// #[derive(serde::Deserialize)]
/// struct Example { schedule: Schedule }
///
/// // Five fields, or a nickname such as "@daily". The default time zone is UTC.
/// let nightly: Example =
///     toml::from_str(r#"schedule = { cron = "30 2 * * *", time_zone = "Europe/Berlin" }"#)?;
/// // The first Monday of each month. `starts` is DTSTART: the first time, and the time of day unless the
/// // rule has one.
/// let monthly: Example = toml::from_str(r#"
///     [schedule]
///     rrule = "FREQ=MONTHLY;BYDAY=1MO"
///     starts = "2026-01-05T06:00:00"
///     time_zone = "America/New_York"
/// "#)?;
/// let next = nightly.schedule.next_after("2026-06-01T00:00:00Z".parse()?);
/// assert_eq!(next, Some("2026-06-01T00:30:00Z".parse()?));
/// assert_eq!(
///     monthly.schedule.to_string(),
///     "FREQ=MONTHLY;BYDAY=1MO from 2026-01-05T06:00:00 (America/New_York)"
/// );
/// # Ok(())
/// # }
/// ```
///
/// **Daylight saving time.** A schedule that names its hours runs once for each time it names: a time that
/// is skipped runs at the first instant after the gap, and a time that occurs twice runs at its first
/// occurrence. A schedule for every hour (an hour field `*` in cron; `FREQ=HOURLY` with an interval of 1,
/// or `FREQ=MINUTELY`; without `BYHOUR`) continues evenly: nothing runs for the hour that is skipped, and
/// the hour that occurs twice has its runs twice. Two times that fall on the same instant are one run.
///
/// Seconds are not supported, since an import takes longer. Time zones come from the database of the
/// machine (`/usr/share/zoneinfo`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "SerializedSchedule", into = "SerializedSchedule")]
pub struct Schedule {
    text: SerializedSchedule,
    recurrence: Recurrence,
    zone: TimeZone,
}

/// The fields of a schedule as they are serialized.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SerializedSchedule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cron: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rrule: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts: Option<String>,
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn is_utc(zone: &str) -> bool {
    zone == "UTC"
}

impl Schedule {
    /// A cron pattern of five fields, or a nickname such as `@daily`, on the clock of a time zone
    /// (`Europe/Berlin`, `UTC`).
    ///
    /// The pattern also accepts `L`, `#` and `W` for days, as the crate croner does. If it restricts both
    /// the day of the month and the day of the week, a day that matches either is due.
    ///
    /// # Errors
    /// `Config` for an invalid pattern, an unknown time zone, and a pattern that is never due; `path` names
    /// the field.
    pub fn cron(pattern: impl Into<String>, time_zone: impl Into<String>) -> Result<Self> {
        SerializedSchedule {
            cron: Some(pattern.into()),
            rrule: None,
            starts: None,
            time_zone: time_zone.into(),
        }
        .parse()
    }

    /// A recurrence rule (`FREQ=WEEKLY;BYDAY=MO`) that starts at a wall clock time (`2026-01-05T02:30:00`)
    /// of a time zone.
    ///
    /// # Errors
    /// `Config` for an invalid rule or start, an unknown time zone, and a rule that is never due; `path`
    /// names the field.
    pub fn rrule(
        rule: impl Into<String>,
        starts: impl Into<String>,
        time_zone: impl Into<String>,
    ) -> Result<Self> {
        let (rule, starts) = (rule.into(), starts.into());
        SerializedSchedule {
            cron: None,
            rrule: Some(rule),
            starts: Some(starts),
            time_zone: time_zone.into(),
        }
        .parse()
    }

    /// The first due time after the given one; `None` where there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.recurrence.is_every_hour() { self.next_elapsed(after) } else { self.next_wall_clock(after) }
    }

    /// The next due time of a schedule that names its hours.
    ///
    /// Each wall clock time maps to one instant, and the mapping is monotonic, so the first instant is
    /// found by searching forward.
    fn next_wall_clock(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = after.to_zoned(self.zone.clone()).datetime();
        loop {
            from = self.recurrence.next_after(from)?;
            let instant = self.instant_of(from)?;
            if instant > after {
                return Some(instant);
            }
        }
    }

    /// The instant of a wall clock time: the earlier where there are two, and the end of the gap where
    /// there is none.
    fn instant_of(&self, time: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(time);
        if !matches!(ambiguous.offset(), jiff::tz::AmbiguousOffset::Gap { .. }) {
            return ambiguous.earlier().ok();
        }
        // The gap ends at the next transition after an instant before it. Reading the time with the offset
        // after the gap gives one.
        let before = ambiguous.earlier().ok()?;
        Some(self.zone.following(before).next()?.timestamp())
    }

    /// The next due time of a schedule for every hour.
    ///
    /// Between two transitions the offset is constant, so the search proceeds from transition to
    /// transition.
    fn next_elapsed(&self, after: Timestamp) -> Option<Timestamp> {
        let mut from = after;
        // The instant of a transition belongs to the period after it.
        let mut inclusive = false;
        loop {
            let offset = self.zone.to_offset(from);
            let transition = self.zone.following(from).next().map(|transition| transition.timestamp());
            let local = offset.to_datetime(from);
            let found = self.recurrence.next(local, inclusive)?;
            let instant = offset.to_timestamp(found).ok()?;
            match transition {
                Some(transition) if instant >= transition => (from, inclusive) = (transition, true),
                _ => return Some(instant),
            }
        }
    }

    /// The name of the time zone.
    pub fn time_zone(&self) -> &str {
        &self.text.time_zone
    }

    /// Formats an instant on the wall clock of the time zone, with the offset.
    pub fn local(&self, at: Timestamp) -> String {
        let at: Zoned = at.to_zoned(self.zone.clone());
        at.strftime("%Y-%m-%d %H:%M %:z").to_string()
    }
}

impl SerializedSchedule {
    fn parse(self) -> Result<Schedule> {
        let zone = TimeZone::get(&self.time_zone).map_err(|cause| {
            invalid_field("time_zone", "this machine does not know it").with_source(cause)
        })?;
        let recurrence = match (&self.cron, &self.rrule, &self.starts) {
            (Some(pattern), None, None) => Recurrence::cron(pattern)?,
            (None, Some(rule), Some(starts)) => Recurrence::rule(rule, starts, &zone)?,
            (None, Some(_), None) => return Err(invalid_field("starts", "rrule requires it")),
            (Some(_), None, Some(_)) => {
                return Err(invalid_field("starts", "it is valid with rrule only, not with cron"));
            }
            (Some(_), Some(_), _) | (None, None, _) => {
                return Err(invalid_field("cron", "give either cron or rrule"));
            }
        };
        Ok(Schedule { text: self, recurrence, zone })
    }
}

impl TryFrom<SerializedSchedule> for Schedule {
    type Error = Error;

    fn try_from(text: SerializedSchedule) -> Result<Self> {
        text.parse()
    }
}

impl From<Schedule> for SerializedSchedule {
    fn from(schedule: Schedule) -> Self {
        schedule.text
    }
}

/// Two schedules are equal if their serialized fields are.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.text.cron, &self.text.rrule, &self.text.starts) {
            (Some(cron), ..) => write!(f, "{cron}")?,
            (None, Some(rule), Some(starts)) => write!(f, "{rule} from {starts}")?,
            _ => {}
        }
        write!(f, " ({})", self.text.time_zone)
    }
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind;

    use super::*;

    fn times(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        let first: Timestamp = after.parse().unwrap();
        std::iter::successors(schedule.next_after(first), |at| schedule.next_after(*at))
            .take(count)
            .map(|at| schedule.local(at))
            .collect()
    }

    /// The same wall clock times, as a cron pattern and as a rule.
    fn both(cron: &str, rule: &str, starts: &str, zone: &str) -> [Schedule; 2] {
        [Schedule::cron(cron, zone).unwrap(), Schedule::rrule(rule, starts, zone).unwrap()]
    }

    #[test]
    fn a_skipped_time_runs_once_at_the_end_of_the_gap() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00.
        for schedule in both("30 2 * * *", "FREQ=DAILY", "2026-01-01T02:30:00", "Europe/Berlin") {
            assert_eq!(
                times(&schedule, "2026-03-27T12:00:00Z", 3),
                ["2026-03-28 02:30 +01:00", "2026-03-29 03:00 +02:00", "2026-03-30 02:30 +02:00"],
                "{schedule}"
            );
        }
    }

    #[test]
    fn several_times_in_one_gap_and_the_time_at_its_end_are_one_run() {
        let rule = "FREQ=DAILY;BYHOUR=2,3;BYMINUTE=0,15,45";
        for schedule in both("0,15,45 2,3 * * *", rule, "2026-01-01T00:00:00", "Europe/Berlin") {
            assert_eq!(
                times(&schedule, "2026-03-29T00:00:00Z", 4),
                [
                    "2026-03-29 03:00 +02:00",
                    "2026-03-29 03:15 +02:00",
                    "2026-03-29 03:45 +02:00",
                    "2026-03-30 02:00 +02:00"
                ],
                "{schedule}"
            );
        }
    }

    #[test]
    fn a_time_that_occurs_twice_runs_once_at_its_first_occurrence() {
        // Berlin, 2026-10-25: 03:00 becomes 02:00.
        for schedule in both("30 2 * * *", "FREQ=DAILY", "2026-01-01T02:30:00", "Europe/Berlin") {
            assert_eq!(
                times(&schedule, "2026-10-24T12:00:00Z", 2),
                ["2026-10-25 02:30 +02:00", "2026-10-26 02:30 +01:00"],
                "{schedule}"
            );
            // A machine that starts between the two occurrences does not run the second.
            assert_eq!(
                times(&schedule, "2026-10-25T01:00:00Z", 1),
                ["2026-10-26 02:30 +01:00"],
                "{schedule}"
            );
        }
    }

    #[test]
    fn a_schedule_for_every_hour_continues_evenly_over_both_transitions() {
        for schedule in both("15 * * * *", "FREQ=HOURLY", "2026-01-01T00:15:00", "Europe/Berlin") {
            assert_eq!(
                times(&schedule, "2026-03-28T23:30:00Z", 3),
                ["2026-03-29 01:15 +01:00", "2026-03-29 03:15 +02:00", "2026-03-29 04:15 +02:00"],
                "{schedule}"
            );
            assert_eq!(
                times(&schedule, "2026-10-24T23:30:00Z", 4),
                [
                    "2026-10-25 02:15 +02:00",
                    "2026-10-25 02:15 +01:00",
                    "2026-10-25 03:15 +01:00",
                    "2026-10-25 04:15 +01:00"
                ],
                "{schedule}"
            );
        }
    }

    #[test]
    fn a_transition_at_midnight_skips_no_day() {
        // Beirut, 2026-03-29: the day begins at 01:00.
        for schedule in both("0 0 * * *", "FREQ=DAILY", "2026-01-01T00:00:00", "Asia/Beirut") {
            assert_eq!(
                times(&schedule, "2026-03-27T23:00:00Z", 2),
                ["2026-03-29 01:00 +03:00", "2026-03-30 00:00 +03:00"],
                "{schedule}"
            );
        }
    }

    #[test]
    fn a_rule_counts_from_its_start_and_ends_by_count_or_by_date() {
        let rule = |text: &str| Schedule::rrule(text, "2026-01-05T06:00:00", "Europe/Berlin").unwrap();
        let all = |text: &str| times(&rule(text), "2020-01-01T00:00:00Z", 9);
        let mondays = ["2026-01-05 06:00 +01:00", "2026-01-19 06:00 +01:00"];
        assert_eq!(all("FREQ=WEEKLY;INTERVAL=2;COUNT=2"), mondays);
        // UNTIL on the wall clock, in UTC, and as a day; all are inclusive.
        assert_eq!(all("FREQ=WEEKLY;INTERVAL=2;UNTIL=20260119T060000"), mondays);
        assert_eq!(all("FREQ=WEEKLY;INTERVAL=2;UNTIL=20260119T050000Z"), mondays);
        assert_eq!(all("FREQ=WEEKLY;INTERVAL=2;UNTIL=20260119T045959Z"), mondays[..1]);
        assert_eq!(all("FREQ=WEEKLY;INTERVAL=2;UNTIL=20260119"), mondays);
    }

    #[test]
    fn skipping_intervals_from_an_old_start_changes_no_due_time() {
        let texts = [
            "FREQ=MINUTELY;INTERVAL=90",
            "FREQ=HOURLY;INTERVAL=7;BYMONTHDAY=1,15",
            "FREQ=DAILY;INTERVAL=3",
            "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=4,16",
            "FREQ=WEEKLY;INTERVAL=3;WKST=SU;BYDAY=TU,SU",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        ];
        for text in texts {
            let schedule = Schedule::rrule(text, "2021-02-07T01:10:00", "UTC").unwrap();
            // With a count nothing is skipped: the occurrences are enumerated from the start.
            let counted =
                Schedule::rrule(format!("{text};COUNT=60000"), "2021-02-07T01:10:00", "UTC").unwrap();
            assert_eq!(
                times(&schedule, "2025-12-30T00:00:00Z", 12),
                times(&counted, "2025-12-30T00:00:00Z", 12),
                "{text}"
            );
        }
    }

    #[test]
    fn schedules_that_are_invalid_or_never_due_are_refused_and_the_field_is_named() {
        let cron = |pattern: &str, zone: &str| Schedule::cron(pattern, zone).map(drop);
        let rule = |rule: &str, starts: &str| Schedule::rrule(rule, starts, "UTC").map(drop);
        let start = "2026-01-05T06:00:00";
        let cases = [
            (cron("61 * * * *", "UTC"), "cron"),
            (cron("0 0 0 * * *", "UTC"), "cron"),
            (cron("0 0 30 2 *", "UTC"), "cron"),
            (cron("", "UTC"), "cron"),
            (cron("0 0 * * *", "Europe/Atlantis"), "time_zone"),
            (rule("FREQ=SOMETIMES", start), "rrule"),
            (rule("FREQ=SECONDLY", start), "rrule"),
            (rule("FREQ=DAILY;UNTIL=tomorrow", start), "rrule"),
            (rule("FREQ=DAILY;UNTIL=20250101", start), "rrule"),
            (rule("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", start), "rrule"),
            (rule("FREQ=DAILY;BYHOUR=99", start), "rrule"),
            (rule("FREQ=DAILY;INTERVAL=0", start), "rrule"),
            (rule("", start), "rrule"),
            (rule("FREQ=DAILY", "yesterday"), "starts"),
            (rule("FREQ=DAILY", "2026-01-05T06:00:00Z"), "starts"),
        ];
        for (number, (result, field)) in cases.into_iter().enumerate() {
            let error = result.expect_err(&format!("case {number}"));
            assert_eq!(
                (error.kind(), error.path()),
                (ErrorKind::Config, Some(field)),
                "case {number}: {error}"
            );
        }
    }

    #[test]
    fn a_schedule_is_serialized_as_it_was_read() {
        for text in [
            r#"{"cron":"@daily"}"#,
            r#"{"rrule":"FREQ=DAILY","starts":"2026-01-05T06:00:00","time_zone":"Europe/Berlin"}"#,
        ] {
            let schedule: Schedule = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
        }
        for text in
            ["{}", r#"{"cron":"@daily","timezone":"UTC"}"#, r#"{"cron":"@daily","rrule":"FREQ=DAILY"}"#]
        {
            serde_json::from_str::<Schedule>(text).unwrap_err();
        }
    }
}
