//! Tables with many rows, and how many of them statements read.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;

use crate::support::test_app::TestApp;

/// Copies the row of a table that matches, once for each number up to `count`, with some columns changed.
pub async fn copy_rows(app: &TestApp, table: &str, row: &str, count: i64, changes: &[(&str, &str)]) {
    let columns: Vec<String> = sqlx::query_scalar(
        "select column_name::text from information_schema.columns
          where table_name = $1 and is_generated = 'NEVER' order by ordinal_position",
    )
    .bind(table)
    .fetch_all(&app.state.system)
    .await
    .unwrap();
    let find = |column: &String| changes.iter().find(|(name, _)| name == column).map(|(_, value)| *value);
    let values: Vec<&str> = columns.iter().map(|column| find(column).unwrap_or(column)).collect();
    let sql = format!(
        "insert into {table} ({}) select {} from {table}, generate_series(1, {count}) n where {row}",
        columns.join(", "),
        values.join(", ")
    );
    sqlx::query(AssertSqlSafe(sql)).execute(&app.state.system).await.unwrap();
}

/// How many rows of each table were read until now, by whatever connection.
pub async fn count_read_rows(app: &TestApp, tables: &[&str]) -> BTreeMap<String, i64> {
    let mut connections = Vec::new();
    for pool in [&app.state.db, &app.state.system, &app.state.queue] {
        // All that may be open: one that is just being given back is waited for.
        for _ in 0..pool.max_connections() {
            let mut connection = pool.acquire().await.unwrap();
            // Otherwise a connection tells what it did at most once in a second.
            sqlx::query("select pg_stat_force_next_flush()").execute(&mut *connection).await.unwrap();
            connections.push(connection);
        }
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select relname::text, (seq_tup_read + coalesce((select sum(idx_tup_read) from pg_stat_user_indexes index
                                                          where index.relid = stats.relid), 0))::bigint
           from pg_stat_user_tables stats where relname = any ($1)",
    )
    .bind(tables)
    .fetch_all(&mut **connections.last_mut().unwrap())
    .await
    .unwrap();
    rows.into_iter().collect()
}
