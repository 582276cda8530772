//! When recurring exports run: a cron expression in a time zone. No SQL, no HTTP.

mod cron;
mod fields;
mod zone;

#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use crate::code::Code;
use crate::reason::Mistake;
use crate::export::order::Order;
pub use cron::Cron;
pub use zone::UTC;

/// How many runs to come are looked at to find two that are too close together.
const LOOKED_AT: usize = 200;

/// When a schedule runs.
#[derive(Clone, Debug)]
pub struct Timetable {
    cron: Cron,
    zone: Tz,
}

impl Timetable {
    /// Reads an expression and the name of a zone.
    ///
    /// # Errors
    /// Everything that is wrong, with places in the order.
    pub fn read(expression: &str, zone_name: &str) -> Result<Self, Vec<Mistake>> {
        let wrong = |detail| Mistake::new("/execSchedule", Code::InvalidSchedule, detail);
        match (Cron::read(expression), zone::zone(zone_name)) {
            (Ok(cron), Ok(zone)) => Ok(Self { cron, zone }),
            (cron, zone) => {
                let cron = cron.err().into_iter().flatten().map(wrong);
                Err(cron.chain(zone.err().map(|why| Mistake::new("/timeZone", Code::InvalidValue, why))).collect())
            }
        }
    }

    /// The timetable of an order; none when it is to run but once.
    ///
    /// # Errors
    /// As [`Timetable::read`].
    pub fn of(order: &Order) -> Option<Result<Self, Vec<Mistake>>> {
        let expression = order.exec_schedule.as_deref()?;
        Some(Self::read(expression, order.time_zone.as_deref().unwrap_or(UTC)))
    }

    /// The timetable of an order as it is kept, whatever else stands in it: also what another version wrote.
    pub fn kept(wish: &Value) -> Option<Self> {
        let text = |field: &str| wish.get(field)?.as_str();
        Self::read(text("execSchedule")?, text("timeZone").unwrap_or(UTC)).ok()
    }

    /// The first run after this instant; none when no more come.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = after.with_timezone(&self.zone).naive_local();
        // Local times before this one have instants that are not after it: see `zone::instant`.
        self.cron.from(local).filter_map(|time| zone::instant(self.zone, time)).find(|instant| *instant > after)
    }

    /// A run and those that follow it, `most` at most.
    pub fn from(&self, first: Option<DateTime<Utc>>, most: usize) -> Vec<DateTime<Utc>> {
        std::iter::successors(first, |last| self.next(*last)).take(most).collect()
    }

    /// The least time between runs as clocks show them, of those to come.
    fn closest(&self, now: DateTime<Utc>) -> Option<Duration> {
        let times: Vec<_> = self.cron.from(now.with_timezone(&self.zone).naive_local()).take(LOOKED_AT).collect();
        times.windows(2).filter_map(|pair| (pair[1] - pair[0]).to_std().ok()).min()
    }
}

/// What is wrong with when an order is to run, where that is more than once. Runs may not be closer than `shortest`.
pub fn check(order: &Order, shortest: Duration) -> Vec<Mistake> {
    let Some(read) = Timetable::of(order) else {
        let extra = [("timeZone", order.time_zone.is_some()), ("overlap", order.overlap.is_some())];
        let detail =
            |name| format!("`{name}` belongs to `execSchedule`, which is missing. Send both, or leave it out.");
        let extra = extra.into_iter().filter(|(_, said)| *said);
        return extra
            .map(|(name, _)| Mistake::new(format!("/{name}"), Code::ConflictingParameters, detail(name)))
            .collect();
    };
    let mut mistakes = read.map_or_else(|mistakes| mistakes, |timetable| too_often_or_never(&timetable, shortest));
    if order.exec_time.is_some() {
        let detail =
            "`execTime` runs once and `execSchedule` again and again: they exclude each other. Send one of them.";
        mistakes.push(Mistake::new("/execTime", Code::ConflictingParameters, detail));
    }
    mistakes
}

fn too_often_or_never(timetable: &Timetable, shortest: Duration) -> Vec<Mistake> {
    let now = Utc::now();
    let detail = match timetable.closest(now) {
        _ if timetable.next(now).is_none() => {
            "It has no run to come: no such day is left until 2099. Look at the day, the month and the year.".to_owned()
        }
        Some(closest) if closest < shortest => format!(
            "Runs would be {} apart, and must be {} at least (OFFPRINT_MIN_SCHEDULE_INTERVAL). Write a single number for \
             the seconds, and a longer step.",
            humantime::format_duration(closest),
            humantime::format_duration(shortest)
        ),
        _ => return Vec::new(),
    };
    vec![Mistake::new("/execSchedule", Code::InvalidSchedule, detail)]
}
