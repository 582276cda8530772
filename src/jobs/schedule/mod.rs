//! When recurring exports run: a cron expression in a time zone. Knows neither SQL nor HTTP. Begin reading at
//! [`Recurrence`]; `cron` works on local times, `time_zone` turns them into instants.

mod cron;
mod fields;
mod time_zone;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use crate::jobs::request::ExportRequest;
use crate::reason::ValidationError;

pub use cron::Cron;
use offprint_core::Code;
pub use time_zone::{DEFAULT_TIME_ZONE, parse_time_zone, resolve_local_time};
pub use words::{ScheduleWordsError, parse_schedule_words};

/// Number of future runs that are checked for two that are too close together.
const CHECKED_RUNS: usize = 200;

/// When a schedule runs.
#[derive(Clone, Debug)]
pub struct Recurrence {
    cron: Cron,
    zone: Tz,
}

impl Recurrence {
    /// Parses an expression and the name of a time zone.
    ///
    /// # Errors
    /// Everything that is wrong, with JSON pointers into the export request.
    pub fn parse(expression: &str, zone_name: &str) -> Result<Self, Vec<ValidationError>> {
        let to_error = |detail| ValidationError::new("/execSchedule", Code::InvalidSchedule, detail);
        match (Cron::parse(expression), time_zone::parse_time_zone(zone_name)) {
            (Ok(cron), Ok(zone)) => Ok(Self { cron, zone }),
            (cron, zone) => {
                let cron = cron.err().into_iter().flatten().map(to_error);
                Err(cron
                    .chain(zone.err().map(|detail| ValidationError::new("/timeZone", Code::InvalidValue, detail)))
                    .collect())
            }
        }
    }

    /// The recurrence of an export request; none when it runs only once.
    ///
    /// # Errors
    /// As [`Recurrence::parse`].
    pub fn from_request(request: &ExportRequest) -> Option<Result<Self, Vec<ValidationError>>> {
        let expression = request.exec_schedule.as_deref()?;
        Some(Self::parse(expression, request.time_zone.as_deref().unwrap_or(DEFAULT_TIME_ZONE)))
    }

    /// The recurrence of a stored export request. Reads only its own fields, so that a request written by another version
    /// works.
    pub fn from_stored(request: &Value) -> Option<Self> {
        let text = |field: &str| request.get(field)?.as_str();
        Self::parse(text("execSchedule")?, text("timeZone").unwrap_or(DEFAULT_TIME_ZONE)).ok()
    }

    /// The first run after this instant; none when there are no more.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.zone).naive_local();
        // Earlier local times cannot be instants after this one: see `time_zone::resolve_local_time`.
        self.cron
            .times_from(local)
            .filter_map(|time| time_zone::resolve_local_time(self.zone, time))
            .find(|instant| *instant > after)
    }

    /// A run and those that follow it, `max_runs` at most.
    pub fn runs_from(&self, first: Option<DateTime<Utc>>, max_runs: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(first, |last| self.next_after(*last)).take(max_runs).collect()
    }

    /// The shortest time between two future runs, in local time.
    fn shortest_gap(&self, now: DateTime<Utc>) -> Option<Duration> {
        let times: Vec<_> =
            self.cron.times_from(now.with_timezone(&self.zone).naive_local()).take(CHECKED_RUNS).collect();
        times.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).min()
    }
}

/// What is wrong with the schedule of an export request. Two runs must be at least `min_interval` apart.
pub fn check_schedule(request: &ExportRequest, min_interval: Duration) -> Vec<ValidationError> {
    let Some(recurrence) = Recurrence::from_request(request) else {
        let zone = request.time_zone.as_deref().and_then(|name| time_zone::parse_time_zone(name).err());
        let zone = zone.map(|detail| ValidationError::new("/timeZone", Code::InvalidValue, detail));
        let overlap = request.overlap.map(|_| {
            let detail = "`overlap` requires `execSchedule`, which is missing. Send both, or omit `overlap`.";
            ValidationError::new("/overlap", Code::ConflictingParameters, detail)
        });
        return zone.into_iter().chain(overlap).collect();
    };
    let mut mistakes =
        recurrence.map_or_else(|mistakes| mistakes, |recurrence| check_frequency(&recurrence, min_interval));
    if request.exec_time.is_some() {
        let detail =
            "`execTime` (runs once) and `execSchedule` (runs repeatedly) cannot be combined. Send one of them.";
        mistakes.push(ValidationError::new("/execTime", Code::ConflictingParameters, detail));
    }
    mistakes
}

fn check_frequency(recurrence: &Recurrence, min_interval: Duration) -> Vec<ValidationError> {
    let now = Utc::now();
    let detail = match recurrence.shortest_gap(now) {
        _ if recurrence.next_after(now).is_none() => {
            "The schedule never runs: no such day is left until 2099. Check the day, the month and the year.".to_owned()
        }
        Some(gap) if gap < min_interval => format!(
            "Runs would be {} apart, but must be at least {} apart (OFFPRINT_MIN_SCHEDULE_INTERVAL). Use a single number \
             for the seconds, and a longer step.",
            humantime::format_duration(gap),
            humantime::format_duration(min_interval)
        ),
        _ => return Vec::new(),
    };
    vec![ValidationError::new("/execSchedule", Code::InvalidSchedule, detail)]
}
