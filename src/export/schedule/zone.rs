//! Time zones: their names, and the instants of local times.

use chrono::{DateTime, NaiveDateTime, TimeZone, Utc};
use chrono_tz::{GapInfo, TZ_VARIANTS, Tz};

/// The zone where none is said.
pub const UTC: &str = "UTC";

/// The zone of an IANA name.
///
/// # Errors
/// A sentence with the name that was probably meant.
pub fn zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        let meant = TZ_VARIANTS.iter().map(|zone| zone.name()).find(|known| {
            let city = known.rsplit('/').next().unwrap_or(known);
            known.eq_ignore_ascii_case(name) || city.eq_ignore_ascii_case(&name.replace(' ', "_"))
        });
        let hint = meant.map_or("Names are those of IANA, such as `Europe/Amsterdam` or `UTC`.".into(), |meant| {
            format!("Did you mean `{meant}`?")
        });
        format!("`{name}` is not a time zone. {hint}")
    })
}

/// The instant of a local time. One that clocks skip is the first instant after the gap; one that they show twice is the
/// first of the two. Later local times never have earlier instants.
pub fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let shown = zone.from_local_datetime(&local).earliest();
    let after_gap = || GapInfo::new(&local, &zone)?.end;
    shown.or_else(after_gap).map(|instant| instant.to_utc())
}
