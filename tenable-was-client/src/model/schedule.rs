//! Schedules of configurations.

use std::collections::BTreeMap;

use appsec_core::{Result, Verbatim};

use super::validation::invalid_member;
use super::{Extra, record};

appsec_core::open_enum! {
    /// How often a schedule launches a scan, in addition to its rule.
    pub enum LaunchInterval {
        /// Every day.
        Daily = "DAILY",
        /// Every week.
        Weekly = "WEEKLY",
        /// Every month.
        Monthly = "MONTHLY",
        /// Once.
        OneTime = "ONETIME",
    }
}

appsec_core::open_enum! {
    /// A day of the week.
    pub enum Weekday {
        /// Monday.
        Monday = "monday",
        /// Tuesday.
        Tuesday = "tuesday",
        /// Wednesday.
        Wednesday = "wednesday",
        /// Thursday.
        Thursday = "thursday",
        /// Friday.
        Friday = "friday",
        /// Saturday.
        Saturday = "saturday",
        /// Sunday.
        Sunday = "sunday",
    }
}

appsec_core::open_enum! {
    /// The purpose of a window.
    pub enum WindowKind {
        /// Scans run during it.
        Scan = "scan",
        /// Scans pause during it.
        Pause = "pause",
    }
}

record! {
    /// When a configuration is scanned automatically.
    pub struct Schedule {
        /// The recurrence rule of RFC 5545, such as `FREQ=WEEKLY;INTERVAL=1;BYDAY=MO`.
        pub rrule: Option<String>,
        /// The first run, `YYYYMMDDTHHMMSS`, with a `Z` for UTC.
        pub starttime: Option<String>,
        /// The name of the time zone.
        pub timezone: Option<String>,
        /// Whether it is enabled.
        pub enabled: Option<bool>,
        /// How often it launches a scan; only written, never read.
        pub launch: Option<Verbatim<LaunchInterval>>,
    }

    /// When scheduled scans run and pause.
    pub struct ScheduleWindows {
        /// Whether they are enabled.
        pub enabled: Option<bool>,
        /// The name of the time zone.
        pub time_zone: Option<String>,
        /// The windows.
        pub windows: Option<Vec<ScheduleWindow>>,
    }

    /// A period of each week.
    pub struct ScheduleWindow {
        /// The purpose.
        pub kind: Option<Verbatim<WindowKind>> as "type",
        /// The start.
        pub start: Option<WindowTime>,
        /// The end.
        pub end: Option<WindowTime>,
    }

    /// A time of each week.
    pub struct WindowTime {
        /// The day.
        pub day_of_week: Option<Verbatim<Weekday>>,
        /// The time, `HH:MM`.
        pub time: Option<String>,
    }

    /// When scheduled scans pause, in the form that [`ScheduleWindows`] replaced.
    pub struct PauseWindow {
        /// Whether it is enabled.
        pub enabled: Option<bool>,
        /// The name of the time zone.
        pub timezone: Option<String>,
        /// The pause of each day, by the name of the day, `sunday` to `saturday`.
        pub pause_window_schedule: BTreeMap<String, Option<DayWindow>>,
    }

    /// A period of a day.
    pub struct DayWindow {
        /// The start, `HH:MM`.
        pub start: Option<String>,
        /// The end, `HH:MM`.
        pub end: Option<String>,
    }
}

impl Schedule {
    /// Creates a schedule from a rule of RFC 5545 and the first run: `YYYYMMDDTHHMMSS` in the named time
    /// zone, or with a `Z` in UTC.
    ///
    /// ```
    /// use tenable_was_client::model::Schedule;
    ///
    /// let schedule = Schedule::new("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH", "20260301T020000", "Europe/Paris");
    /// assert_eq!(schedule.enabled, Some(true));
    /// ```
    pub fn new(rrule: impl Into<String>, first: impl Into<String>, timezone: impl Into<String>) -> Self {
        Self {
            rrule: Some(rrule.into()),
            starttime: Some(first.into()),
            timezone: Some(timezone.into()),
            enabled: Some(true),
            launch: None,
            extra: Extra::default(),
        }
    }

    /// Creates a schedule that runs every day at the time of the first run, as for [`new`](Self::new).
    pub fn daily(first: impl Into<String>, timezone: impl Into<String>) -> Self {
        Self::new("FREQ=DAILY;INTERVAL=1", first, timezone).with_launch(LaunchInterval::Daily)
    }

    /// Creates a schedule that runs every week on these days at the time of the first run, as for
    /// [`new`](Self::new).
    pub fn weekly(
        days: impl IntoIterator<Item = Weekday>,
        first: impl Into<String>,
        timezone: impl Into<String>,
    ) -> Self {
        // Days are named by their first two letters in a rule.
        let short = |day: Weekday| day.as_str().chars().take(2).collect::<String>().to_uppercase();
        let days: Vec<String> = days.into_iter().map(short).collect();
        let rule = format!("FREQ=WEEKLY;INTERVAL=1;BYDAY={}", days.join(","));
        Self::new(rule, first, timezone).with_launch(LaunchInterval::Weekly)
    }

    /// Creates a schedule that runs every month on the day and at the time of the first run, as for
    /// [`new`](Self::new).
    pub fn monthly(first: impl Into<String>, timezone: impl Into<String>) -> Self {
        Self::new("FREQ=MONTHLY;INTERVAL=1", first, timezone).with_launch(LaunchInterval::Monthly)
    }

    /// Sets how often it launches a scan, in addition to the rule.
    pub fn with_launch(mut self, launch: LaunchInterval) -> Self {
        self.launch = Some(launch.into());
        self
    }

    /// Sets whether it is enabled.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.enabled = Some(enabled);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let text = |member: &Option<String>| member.clone().unwrap_or_default();
        let (rule, first) = (text(&self.rrule), text(&self.starttime));
        if let Err(problem) = check_rule(&rule) {
            return Err(invalid_member(
                "schedule.rrule",
                format!("{rule:?} is not a recurrence rule of RFC 5545: {problem}"),
            ));
        }
        if !is_start(&first) {
            let message = format!("{first:?} is not YYYYMMDDTHHMMSS, with or without a Z");
            return Err(invalid_member("schedule.starttime", message));
        }
        check_zone("schedule.timezone", self.timezone.as_deref())
    }
}

impl ScheduleWindows {
    /// Creates an empty set of windows in a time zone.
    pub fn new(time_zone: impl Into<String>) -> Self {
        let windows = Some(Vec::new());
        Self { enabled: Some(true), time_zone: Some(time_zone.into()), windows, extra: Extra::default() }
    }

    /// Adds a window, from one day and time to another. Times are `HH:MM`.
    pub fn with_window(mut self, kind: WindowKind, start: (Weekday, &str), end: (Weekday, &str)) -> Self {
        let time = |(day, time): (Weekday, &str)| {
            let (day_of_week, time) = (Some(day.into()), Some(time.to_owned()));
            Some(WindowTime { day_of_week, time, extra: Extra::default() })
        };
        let window = ScheduleWindow {
            kind: Some(kind.into()),
            start: time(start),
            end: time(end),
            extra: Extra::default(),
        };
        self.windows.get_or_insert_default().push(window);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_zone("schedule_windows.time_zone", self.time_zone.as_deref())?;
        let windows = self.windows.iter().flatten().enumerate();
        for (number, window) in windows {
            for (name, moment) in [("start", &window.start), ("end", &window.end)] {
                let moment = moment.as_ref();
                let time = moment.and_then(|moment| moment.time.as_deref()).unwrap_or_default();
                let day = moment.and_then(|moment| moment.day_of_week.as_ref());
                if !is_time(time) || day.is_none_or(|day| day.value().is_unknown()) {
                    let path = format!("schedule_windows.windows[{number}].{name}");
                    return Err(invalid_member(&path, "needs a day of the week and a time, HH:MM"));
                }
            }
        }
        Ok(())
    }
}

/// The parts of a recurrence rule (RFC 5545).
const PARTS: &[&str] = &[
    "FREQ",
    "UNTIL",
    "COUNT",
    "INTERVAL",
    "BYSECOND",
    "BYMINUTE",
    "BYHOUR",
    "BYDAY",
    "BYMONTHDAY",
    "BYYEARDAY",
    "BYWEEKNO",
    "BYMONTH",
    "BYSETPOS",
    "WKST",
];

/// `ONETIME` is not in the RFC; schedules of the vendor's other scanners use it.
const FREQUENCIES: &[&str] =
    &["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", "ONETIME"];

/// Checks the syntax of a rule. Whether its dates exist and it ever applies is left to the service.
fn check_rule(rule: &str) -> std::result::Result<(), String> {
    let mut parts = BTreeMap::new();
    for part in rule.split(';') {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not NAME=VALUE"))?;
        if !PARTS.contains(&name) {
            return Err(format!("there is no part {name:?}"));
        }
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ",+-".contains(c);
        if value.is_empty() || !value.chars().all(is_allowed) {
            return Err(format!("{name} has the value {value:?}"));
        }
        if parts.insert(name, value).is_some() {
            return Err(format!("{name} comes twice"));
        }
    }
    match parts.get("FREQ") {
        None => return Err("FREQ is missing".to_owned()),
        Some(value) if !FREQUENCIES.contains(value) => return Err(format!("FREQ has the value {value:?}")),
        Some(_) => {}
    }
    for name in ["INTERVAL", "COUNT"] {
        let number = parts.get(name).map(|value| value.parse::<u32>());
        if number.is_some_and(|number| !matches!(number, Ok(1..))) {
            return Err(format!("{name} is not a number from 1"));
        }
    }
    if parts.contains_key("COUNT") && parts.contains_key("UNTIL") {
        return Err("COUNT and UNTIL cannot be combined".to_owned());
    }
    Ok(())
}

fn is_start(text: &str) -> bool {
    let local = text.strip_suffix('Z').unwrap_or(text);
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    local.split_once('T').is_some_and(|(date, time)| digits(date, 8) && digits(time, 6))
}

fn is_time(text: &str) -> bool {
    let Some((hours, minutes)) = text.split_once(':') else { return false };
    let below = |part: &str, bound| part.len() == 2 && part.parse::<u8>().is_ok_and(|number| number < bound);
    below(hours, 24) && below(minutes, 60)
}

fn check_zone(path: &str, zone: Option<&str>) -> Result<()> {
    let zone = zone.unwrap_or_default();
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
    if zone.is_empty() || !zone.chars().all(is_allowed) {
        return Err(invalid_member(
            path,
            format!("{zone:?} is not the name of a time zone, such as Europe/Paris"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use appsec_core::ErrorKind;
    use serde_json::json;

    use super::*;

    #[test]
    fn schedules_are_serialized_as_documented() {
        let start = "20260301T020000";
        assert_eq!(
            serde_json::to_value(Schedule::daily(start, "Europe/Paris")).unwrap(),
            json!({"rrule": "FREQ=DAILY;INTERVAL=1", "starttime": start, "timezone": "Europe/Paris",
                "enabled": true, "launch": "DAILY"})
        );
        let weekly = Schedule::weekly([Weekday::Monday, Weekday::Thursday], start, "UTC").with_enabled(false);
        assert_eq!(weekly.rrule.as_deref(), Some("FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TH"));
        weekly.check().unwrap();
        Schedule::monthly("20260301T020000Z", "UTC").check().unwrap();
    }

    #[test]
    fn windows_are_serialized_as_documented() {
        let windows = ScheduleWindows::new("America/Chicago").with_window(
            WindowKind::Scan,
            (Weekday::Monday, "10:00"),
            (Weekday::Tuesday, "11:00"),
        );
        assert_eq!(
            serde_json::to_value(&windows).unwrap(),
            json!({"enabled": true, "time_zone": "America/Chicago", "windows": [{"type": "scan",
                "start": {"day_of_week": "monday", "time": "10:00"}, "end": {"day_of_week": "tuesday", "time": "11:00"}}]})
        );
        windows.check().unwrap();
    }

    #[test]
    fn invalid_schedules_are_refused_with_their_path() {
        let start = "20260301T020000";
        for rule in [
            "",
            "FREQ",
            "DAILY",
            "FREQ=DAYLY",
            "INTERVAL=1",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;COUNT=x",
            "FREQ=DAILY;FREQ=DAILY",
            "FREQ=DAILY;COUNT=1;UNTIL=20270101T000000Z",
            "FREQ=DAILY;BYDAY=",
            "FREQ=DAILY\nX=1",
            "FREQ=DAILY;EVERY=1",
        ] {
            let error = Schedule::new(rule, start, "UTC").check().unwrap_err();
            assert_eq!((error.kind(), error.path()), (ErrorKind::InvalidRequest, Some("schedule.rrule")));
        }
        for rule in ["FREQ=YEARLY;COUNT=1", "FREQ=MONTHLY;BYDAY=MO,TU,WE;BYSETPOS=-1", "FREQ=ONETIME"] {
            Schedule::new(rule, start, "UTC").check().unwrap();
        }
        for first in ["", "2026-03-01T02:00:00", "20260301", "20260301T0200", "20260301T020000+01"] {
            let error = Schedule::daily(first, "UTC").check().unwrap_err();
            assert_eq!(error.path(), Some("schedule.starttime"), "{first}");
        }
        let error = Schedule::daily(start, "Central European Time").check().unwrap_err();
        assert_eq!(error.path(), Some("schedule.timezone"));
        for (day, time) in [
            (Weekday::Monday, "24:00"),
            (Weekday::Monday, "9:00"),
            (Weekday::Unknown("someday".into()), "09:00"),
        ] {
            let windows = ScheduleWindows::new("UTC").with_window(
                WindowKind::Pause,
                (Weekday::Friday, "18:00"),
                (day, time),
            );
            assert_eq!(windows.check().unwrap_err().path(), Some("schedule_windows.windows[0].end"));
        }
    }
}
