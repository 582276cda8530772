//! Cron expressions as Quartz has them and the documentation of Dynamic Media Classic describes them
//! (*Check job files*): `seconds minutes hours day-of-month month day-of-week [year]`.

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime};

use crate::export::schedule::fields::{
    self, DAY_OF_MONTH, DAY_OF_WEEK, Day, Field, HOURS, MINUTES, MONTH, SECONDS, YEAR,
};

/// An expression that was understood. It knows local times and no zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    months: Vec<u32>,
    years: Vec<u32>,
    day: Day,
}

impl Cron {
    /// Reads an expression of 6 or 7 fields. Names may be in any case.
    ///
    /// # Errors
    /// A sentence for everything that is wrong.
    pub fn read(said: &str) -> Result<Self, Vec<String>> {
        let text = said.to_ascii_uppercase();
        let all: Vec<&str> = text.split_ascii_whitespace().collect();
        let (&[seconds, minutes, hours, day_of_month, month, day_of_week], year) = match all.as_slice() {
            [six @ .., year] if six.len() == 6 => (six.first_chunk::<6>().unwrap_or(&[""; 6]), *year),
            six => match <&[&str; 6]>::try_from(six) {
                Ok(six) => (six, "*"),
                Err(_) => return Err(vec![count(said, all.len())]),
            },
        };
        let mut wrong = Vec::new();
        let mut numbers = |field: Field, text: &str| {
            field.numbers(text).unwrap_or_else(|why| {
                wrong.push(format!("{}: {why}", field.name));
                Vec::new()
            })
        };
        let (seconds, minutes, hours) = (numbers(SECONDS, seconds), numbers(MINUTES, minutes), numbers(HOURS, hours));
        let (months, years) = (numbers(MONTH, month), numbers(YEAR, year));
        let read =
            [(DAY_OF_MONTH, fields::day_of_month(day_of_month)), (DAY_OF_WEEK, fields::day_of_week(day_of_week))];
        let mut days = Vec::new();
        let mut readable = true;
        for (field, day) in read {
            match day {
                Ok(day) => days.extend(day),
                Err(why) => {
                    wrong.push(format!("{}: {why}", field.name));
                    readable = false;
                }
            }
        }
        if readable && days.len() != 1 {
            wrong.push(one_day(day_of_month, day_of_week));
        }
        match days.pop() {
            Some(day) if wrong.is_empty() => Ok(Self { seconds, minutes, hours, months, years, day }),
            _ => Err(wrong),
        }
    }

    /// The local times from this one on, in their order.
    pub fn from(&self, start: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> {
        let last = self.years.last().map_or(0, |year| *year as i32);
        let days =
            start.date().iter_days().take_while(move |date| date.year() <= last).filter(|date| self.is_on(*date));
        days.flat_map(|date| self.times().map(move |time| date.and_time(time))).skip_while(move |time| *time < start)
    }

    fn times(&self) -> impl Iterator<Item = NaiveTime> {
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

impl Day {
    fn is_on(&self, date: NaiveDate) -> bool {
        let last = days_of_month(date);
        let weekday = date.weekday().num_days_from_sunday() + 1;
        match self {
            Self::OfMonth(days) => days.contains(&date.day()),
            Self::LastOfMonth => date.day() == last,
            Self::LastWeekdayOfMonth => Some(date) == nearest_weekday(date, last),
            // A month without that day is passed over, as for the day alone.
            Self::NearestWeekday(day) => Some(date) == nearest_weekday(date, *day),
            Self::OfWeek(days) => days.contains(&weekday),
            Self::LastOfWeek(day) => *day == weekday && date.day() + 7 > last,
            Self::NthOfWeek(day, which) => *day == weekday && date.day().div_ceil(7) == *which,
        }
    }
}

fn days_of_month(date: NaiveDate) -> u32 {
    u32::from(date.num_days_in_month())
}

/// The day nearest to this one of the date's month that is neither Saturday nor Sunday, within the month.
fn nearest_weekday(date: NaiveDate, day: u32) -> Option<NaiveDate> {
    let (wanted, last) = (date.with_day(day)?, days_of_month(date));
    let nearest = match wanted.weekday() {
        chrono::Weekday::Sat if day == 1 => 3,
        chrono::Weekday::Sat => day - 1,
        chrono::Weekday::Sun if day == last => day - 2,
        chrono::Weekday::Sun => day + 1,
        _ => day,
    };
    date.with_day(nearest)
}

fn count(said: &str, fields: usize) -> String {
    let unix = if fields == 5 {
        " If it begins with the minutes, as cron of Unix does, put `0` before it, and `?` in one of the two fields for days."
    } else {
        ""
    };
    let s = if fields == 1 { "" } else { "s" };
    format!(
        "`{said}` has {fields} field{s}, and there must be 6 or 7: seconds, minutes, hours, day of month, month, day of week, \
         and a year if you like, such as `0 15 10 ? * MON-FRI`.{unix}"
    )
}

fn one_day(day_of_month: &str, day_of_week: &str) -> String {
    let remedy = match (day_of_month, day_of_week) {
        ("?", _) => "Both are `?`: write `*` in one of them for every day.".into(),
        ("*", week) => format!("Write `?` for the day of month: `? … {week}`."),
        (month, _) => format!("Write `?` for the day of week: `{month} … ?`."),
    };
    format!("day of month and day of week: one of them must be `?`, and only one. {remedy}")
}
