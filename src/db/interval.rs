//! Durations as Postgres takes them.

use std::time::Duration;

use sqlx::postgres::types::PgInterval;

/// Converts a duration to a Postgres `interval`.
pub(crate) fn to_pg_interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}

/// Makes a pause up to a fifth longer or shorter, so that items that failed together do not come back together.
pub(crate) fn add_jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.8 + 0.4 * f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0)
}
