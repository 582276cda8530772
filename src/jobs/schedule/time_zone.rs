//! Time zones: their names, and the instants of local times.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};

/// The time zone of schedules that name none.
pub const DEFAULT_TIME_ZONE: &str = "UTC";

/// The time zone of an IANA name.
///
/// # Errors
/// A sentence, with the name that was probably meant.
pub fn parse_time_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let suggestion = TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| {
            let city = known.rsplit('/').next().unwrap_or(known);
            known.eq_ignore_ascii_case(name) || city.eq_ignore_ascii_case(&name.replace(' ', "_"))
        });
        let hint = suggestion.map_or("Use an IANA name such as `Europe/Amsterdam` or `UTC`.".into(), |meant| {
            format!("Did you mean `{meant}`?")
        });
        format!("`{name}` is not a time zone. {hint}")
    })
}

/// The instant of a local time. A time that is skipped when clocks go forward becomes the first instant after the gap; one
/// that occurs twice when they go back becomes the first of the two. A later local time never becomes an earlier instant.
///
/// ```text
/// clocks go forward at 02:00:  01:59 | 03:00   02:30 runs at 03:00
/// clocks go back at 03:00:     02:30 ... 02:30  runs at the first 02:30 only
/// ```
pub fn resolve_local_time(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let instant = zone.from_local_datetime(&local).earliest();
    let after_gap = || GapInfo::new(&local, &zone)?.end;
    instant.or_else(after_gap).map(|instant| instant.to_utc())
}
