//! Cron expressions as in Quartz and as the documentation of Dynamic Media Classic describes them (*Check job files*):
//! `seconds minutes hours day-of-month month day-of-week [year]`. Five fields are read as in Unix: `minutes hours day-of-month
//! month day-of-week`.

use std::collections::BTreeSet;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime};

use crate::jobs::schedule::fields;
use crate::jobs::schedule::fields::CronField;
use crate::jobs::schedule::fields::DAY_OF_MONTH;
use crate::jobs::schedule::fields::DAY_OF_WEEK;
use crate::jobs::schedule::fields::DayRule;
use crate::jobs::schedule::fields::HOURS;
use crate::jobs::schedule::fields::MINUTES;
use crate::jobs::schedule::fields::MONTH;
use crate::jobs::schedule::fields::SECONDS;
use crate::jobs::schedule::fields::UNIX_DAY_OF_MONTH;
use crate::jobs::schedule::fields::UNIX_DAY_OF_WEEK;
use crate::jobs::schedule::fields::YEAR;

/// A parsed expression. It knows local times, and no time zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    months: Vec<u32>,
    years: Vec<u32>,
    day: DayRule,
}

impl Cron {
    /// Parses an expression of 5 (Unix), 6 or 7 fields (Quartz). Names are case-insensitive.
    ///
    /// # Errors
    /// A sentence for everything that is wrong.
    pub fn parse(expression: &str) -> Result<Self, Vec<String>> {
        let text = expression.to_ascii_uppercase();
        let all: Vec<&str> = text.split_ascii_whitespace().collect();
        if let &[minutes, hours, day_of_month, month, day_of_week] = all.as_slice() {
            return Self::parse_unix([minutes, hours, day_of_month, month, day_of_week]);
        }
        let (&[seconds, minutes, hours, day_of_month, month, day_of_week], year) = match all.as_slice() {
            [six @ .., year] if six.len() == 6 => (six.first_chunk::<6>().unwrap_or(&[""; 6]), *year),
            six => match <&[&str; 6]>::try_from(six) {
                Ok(six) => (six, "*"),
                Err(_) => return Err(vec![describe_field_count(expression, all.len())]),
            },
        };
        let mut errors = Vec::new();
        let mut numbers = |field: CronField, text: &str| {
            field.parse_numbers(text).unwrap_or_else(|error| {
                errors.push(format!("{}: {error}", field.name));
                Vec::new()
            })
        };
        let (seconds, minutes, hours) = (numbers(SECONDS, seconds), numbers(MINUTES, minutes), numbers(HOURS, hours));
        let (months, years) = (numbers(MONTH, month), numbers(YEAR, year));
        let day_fields = [
            (DAY_OF_MONTH, fields::parse_day_of_month(day_of_month)),
            (DAY_OF_WEEK, fields::parse_day_of_week(day_of_week)),
        ];
        let mut days = Vec::new();
        let mut is_readable = true;
        for (field, day) in day_fields {
            match day {
                Ok(day) => days.extend(day),
                Err(error) => {
                    errors.push(format!("{}: {error}", field.name));
                    is_readable = false;
                }
            }
        }
        if is_readable && days.len() != 1 {
            errors.push(describe_day_conflict(day_of_month, day_of_week));
        }
        match days.pop() {
            Some(day) if errors.is_empty() => Ok(Self { seconds, minutes, hours, months, years, day }),
            _ => Err(errors),
        }
    }

    /// Parses the five fields of Unix. A `?` there is a sign of a Quartz expression that lacks a field.
    fn parse_unix([minutes, hours, day_of_month, month, day_of_week]: [&str; 5]) -> Result<Self, Vec<String>> {
        let mut errors = Vec::new();
        let mut numbers = |field: CronField, text: &str| {
            field.parse_numbers(text).unwrap_or_else(|error| {
                errors.push(format!("{}: {error}", field.name));
                Vec::new()
            })
        };
        let (minutes, hours, months) = (numbers(MINUTES, minutes), numbers(HOURS, hours), numbers(MONTH, month));
        let days_of_month = numbers(UNIX_DAY_OF_MONTH, day_of_month);
        let days_of_week: BTreeSet<u32> =
            numbers(UNIX_DAY_OF_WEEK, day_of_week).into_iter().map(|day| day % 7 + 1).collect();
        if !errors.is_empty() {
            errors.push(
                "It has five fields, so it was read as in Unix: minutes, hours, day of month, month, day of week (0 is Sunday). \
                 With seconds in front and `?` in one of the two days it is read as in Quartz: `0 15 10 ? * MON-FRI`."
                    .to_owned(),
            );
            return Err(errors);
        }
        let of_week = DayRule::OfWeek(days_of_week.into_iter().collect());
        // As in Unix: where both fields name days, either is enough; where one begins with `*`, both must match.
        let day = match day_of_month.starts_with('*') || day_of_week.starts_with('*') {
            true => DayRule::Both(days_of_month, Box::new(of_week)),
            false => DayRule::Either(days_of_month, Box::new(of_week)),
        };
        let years = YEAR.parse_numbers("*").map_err(|error| vec![error])?;
        Ok(Self { seconds: vec![0], minutes, hours, months, years, day })
    }

    /// The local times from this one on, in ascending order.
    pub fn times_from(&self, start: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let last = self.years.last().map_or(0, |year| *year as i32);
        let days =
            start.date().iter_days().take_while(move |date| date.year() <= last).filter(|date| self.is_on(*date));
        days.flat_map(|date| self.times_of_day().map(move |time| date.and_time(time)))
            .skip_while(move |time| *time < start)
    }

    fn times_of_day(&self) -> impl Iterator<Item = NaiveTime> {
        self.hours.iter().flat_map(move |hour| {
            self.minutes.iter().flat_map(move |minute| {
                self.seconds.iter().filter_map(move |second| NaiveTime::from_hms_opt(*hour, *minute, *second))
            })
        })
    }

    fn is_on(&self, date: NaiveDate) -> bool {
        let has = |numbers: &[u32], number: u32| numbers.binary_search(&number).is_ok();
        has(&self.months, date.month()) && has(&self.years, date.year().unsigned_abs()) && self.day.is_on(date)
    }
}

impl DayRule {
    fn is_on(&self, date: NaiveDate) -> bool {
        let last = count_days_of_month(date);
        let weekday = date.weekday().num_days_from_sunday() + 1;
        match self {
            Self::OfMonth(days) => days.contains(&date.day()),
            Self::LastOfMonth => date.day() == last,
            Self::LastWeekdayOfMonth => Some(date) == find_nearest_weekday(date, last),
            Self::NearestWeekday(day) => Some(date) == find_nearest_weekday(date, *day),
            Self::OfWeek(days) => days.contains(&weekday),
            Self::Both(days, other) => days.contains(&date.day()) && other.is_on(date),
            Self::Either(days, other) => days.contains(&date.day()) || other.is_on(date),
            Self::LastOfWeek(day) => *day == weekday && date.day() + 7 > last,
            Self::NthOfWeek(day, which) => *day == weekday && date.day().div_ceil(7) == *which,
        }
    }
}

fn count_days_of_month(date: NaiveDate) -> u32 {
    u32::from(date.num_days_in_month())
}

/// The weekday (Monday to Friday) nearest to this day, within the month of the date.
///
/// As in Quartz, whose calendar counts on when a month is too short: the 31st of April is the first of May. If that is a
/// Saturday, the Friday before it, the last of April, is the nearest weekday. Otherwise the month has no such day and is
/// skipped, as for a plain day.
fn find_nearest_weekday(date: NaiveDate, day: u32) -> Option<NaiveDate> {
    let last = count_days_of_month(date);
    let target = date.with_day(1)?.checked_add_days(Days::new(u64::from(day) - 1))?;
    let nearest = match target.weekday() {
        chrono::Weekday::Sat if day == 1 => 3,
        chrono::Weekday::Sat => day - 1,
        chrono::Weekday::Sun if day == last => day - 2,
        chrono::Weekday::Sun => day + 1,
        _ => day,
    };
    date.with_day(nearest)
}

fn describe_field_count(expression: &str, fields: usize) -> String {
    let s = if fields == 1 { "" } else { "s" };
    format!(
        "`{expression}` has {fields} field{s}, but needs 6 or 7: seconds, minutes, hours, day of month, month, day of week, \
         and optionally a year, such as `0 15 10 ? * MON-FRI`; or 5 as in Unix, such as `15 10 * * 1-5`."
    )
}

fn describe_day_conflict(day_of_month: &str, day_of_week: &str) -> String {
    let remedy = match (day_of_month, day_of_week) {
        ("?", _) => "Both are `?`: write `*` in one of them for every day.".into(),
        ("*", week) => format!("Write `?` for the day of month: `? … {week}`."),
        (month, _) => format!("Write `?` for the day of week: `{month} … ?`."),
    };
    format!("day of month and day of week: one of them must be `?`, and only one. {remedy}")
}
