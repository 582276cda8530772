//! The planner's statistics of tables that grow fast.

use sqlx::AssertSqlSafe;

use crate::db::{DbError, PgPool};

/// Changed rows from which on the statistics of a table are worth renewing, also when it has not grown.
const MIN_CHANGED_ROWS: i32 = 1000;

/// Rows up to which any plan is a good one, also one that reads all of two such tables for each row of a third.
const MAX_SMALL_ROWS: i32 = 50;

/// Analyzes the tables that have twice as many rows as when they were analyzed last, and those of which more rows were changed
/// since than there were then. Returns their names. Changes of a small table do not count: jobs are few, and change with every
/// item.
///
/// Postgres does so by itself, but looks once in a minute. Until then plans that were made while a table was nearly empty,
/// and are kept, serve a job of a hundred thousand items: each claim read all of its files. Analyzing a table also discards
/// its kept plans, in all connections. Tables that belong to another role are left to Postgres, as are those that another
/// process is analyzing.
pub async fn analyze_grown_tables(pool: &PgPool) -> Result<Vec<String>, DbError> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select oid::regclass::text from pg_class
          where relkind = 'r' and pg_get_userbyid(relowner) = current_user
            and (pg_stat_get_mod_since_analyze(oid) > greatest($1, reltuples)
                 or pg_stat_get_live_tuples(oid) > 2 * greatest($2, reltuples))",
    )
    .bind(MIN_CHANGED_ROWS)
    .bind(MAX_SMALL_ROWS)
    .fetch_all(pool)
    .await?;
    for table in &tables {
        // `regclass` quotes the name where it must be.
        sqlx::query(AssertSqlSafe(format!("analyze (skip_locked) {table}"))).execute(pool).await?;
    }
    Ok(tables)
}
