//! Plans that Postgres made while there was nearly nothing, and keeps, serve a large job as well.

use std::collections::BTreeMap;

use offprint::db::bulk_settle::settle_ready_items;
use offprint::db::import_entry::list_waiting_entries;
use offprint::db::item_view::list_item_views;
use offprint::db::statistics::analyze_grown_tables;
use offprint::id::{CompanyId, ImportId};
use offprint_imaging::ENGINE_VERSION;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::export_jobs::create_job;
use crate::support::images::draw_jpeg;
use crate::support::many_rows::{copy_rows, count_read_rows};
use crate::support::queue::{claim_item, settle_with_files};
use crate::support::test_app::TestApp;

const ITEMS: i64 = 20_000;

const TABLES: [&str; 5] = ["export_job", "export_item", "export_file", "rendition", "blob"];

/// Claims the next item and settles it, by the connections that keep their plans.
async fn process_next_item(app: &TestApp) {
    let claim = claim_item(app).await;
    assert!(settle_with_files(app, &claim).await);
}

/// How many rows of each table it costs to process an item.
async fn measure_read_rows(app: &TestApp) -> BTreeMap<String, i64> {
    const TURNS: i64 = 8;
    let before = count_read_rows(app, &TABLES).await;
    for _ in 0..TURNS {
        process_next_item(app).await;
    }
    let after = count_read_rows(app, &TABLES).await;
    after.into_iter().map(|(table, rows)| (table.clone(), (rows - before[&table]) / TURNS)).collect()
}

#[sqlx::test]
async fn plans_made_for_an_empty_queue_serve_a_large_job(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    // Only the service itself looks at the tables again.
    let alone = TABLES.map(|table| format!("alter table {table} set (autovacuum_enabled = false)")).join(";");
    sqlx::raw_sql(AssertSqlSafe(alone)).execute(&app.state.system).await.unwrap();
    sqlx::raw_sql("vacuum analyze").execute(&app.state.system).await.unwrap();
    // Both connections plan both statements.
    for width in 20..26 {
        let modifier = format!("wid={width}");
        create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier})).await;
        process_next_item(&app).await;
    }
    let large = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=30"})).await;
    let of_large = format!("job_id = '{large}'");
    copy_rows(&app, "export_item", &of_large, ITEMS, &[("position", "n")]).await;
    let files = [("position", "n"), ("path", "'f' || n"), ("path_key", "'f' || n")];
    copy_rows(&app, "export_file", &of_large, ITEMS, &files).await;
    let count = format!("update export_job set total = {ITEMS} + 1, run_total = {ITEMS} + 1 where {of_large}");
    sqlx::query(AssertSqlSafe(count)).execute(&app.state.system).await.unwrap();

    // What the maintenance of the service does each second. Counting makes the connections tell what they have written.
    count_read_rows(&app, &TABLES).await;
    let grown = analyze_grown_tables(&app.state.system).await.unwrap();
    assert!(grown.contains(&"export_item".to_owned()) && grown.contains(&"export_file".to_owned()), "{grown:?}");
    let read = measure_read_rows(&app).await;
    assert!(read.values().all(|rows| *rows < 100), "{read:?}");
    assert_eq!(analyze_grown_tables(&app.state.system).await.unwrap(), [""; 0], "nothing has grown since");
}

/// Each look at the cache of renditions is one row, also where all of them have the same recipe and Postgres knows nothing of the
/// table yet.
#[sqlx::test]
async fn renditions_of_one_recipe_are_found_one_by_one(pool: PgPool) {
    const CACHED: i64 = 500;
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let body = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=20"});
    create_job(&app, body.clone()).await;
    process_next_item(&app).await;
    let job = create_job(&app, body).await;
    let cache = "insert into rendition (company_id, source_sha256, recipe_id, engine_version, sha256, width, height, mime)
                 select company_id, sha256, recipe_id, $1, sha256, 20, 20, 'image/jpeg' from export_file where state = 'ready'";
    sqlx::query(cache).bind(ENGINE_VERSION).execute(&app.state.system).await.unwrap();
    let digest = "sha256(n::text::bytea)";
    copy_rows(&app, "blob", "true", CACHED, &[("sha256", digest)]).await;
    copy_rows(&app, "rendition", "true", CACHED, &[("source_sha256", digest)]).await;
    let of_job = format!("job_id = '{job}'");
    copy_rows(&app, "export_item", &of_job, CACHED, &[("position", "n"), ("sha256", digest)]).await;
    let files = [("position", "n"), ("path", "'f' || n"), ("path_key", "'f' || n")];
    copy_rows(&app, "export_file", &of_job, CACHED, &files).await;
    let count = format!("update export_job set total = {CACHED} + 1, run_total = {CACHED} + 1 where {of_job}");
    sqlx::query(AssertSqlSafe(count)).execute(&app.state.system).await.unwrap();

    // An older engine made the same bytes.
    copy_rows(&app, "rendition", "true", 1, &[("engine_version", "engine_version - 1")]).await;

    let claim = claim_item(&app).await;
    let before = count_read_rows(&app, &["rendition"]).await;
    let (company, job) = (claim.company_id, claim.job_id);
    let settled = settle_ready_items(&app.state.system, company, job, app.state.worker, ENGINE_VERSION).await.unwrap();
    assert_eq!(settled, CACHED as u64);
    let items = list_item_views(&app.state.system, company, job, None, 1, CACHED).await.unwrap();
    assert_eq!(items.len(), CACHED as usize);
    assert!(items.iter().all(|item| item.files.len() == 1), "a file is listed once");
    let read = count_read_rows(&app, &["rendition"]).await["rendition"] - before["rendition"];
    assert!((3 * CACHED..6 * CACHED).contains(&read), "{read} rows");
}

/// What a file was imported as is found one by one, also by a plan from a time at which nothing had been imported.
#[sqlx::test]
async fn plans_made_before_the_first_import_serve_the_next_one(pool: PgPool) {
    const IMPORTED: i64 = 600;
    const BATCH: i64 = 32;
    let app = TestApp::open(pool).await;
    let alone = "alter table asset set (autovacuum_enabled = false); alter table imported_object set (autovacuum_enabled = false)";
    sqlx::raw_sql(alone).execute(&app.state.system).await.unwrap();
    sqlx::raw_sql("vacuum analyze").execute(&app.state.system).await.unwrap();
    let (import, name) = (ImportId::new(), "select company_id from company where name = 'default'");
    let company: CompanyId = sqlx::query_scalar(name).fetch_one(&app.state.system).await.unwrap();
    // From the sixth time on Postgres keeps a plan.
    for _ in 0..8 {
        assert!(list_waiting_entries(&app.state.system, company, import, 0).await.unwrap().is_empty());
    }
    app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    copy_rows(&app, "asset", "true", IMPORTED, &[("asset_id", "gen_random_uuid()"), ("file_name", "n || '.jpg'")])
        .await;
    let next_import = format!(
        "insert into imported_object (company_id, object_key, etag, size, asset_id)
         select company_id, sha256(file_name::bytea), 'e', 1, asset_id from asset;
         insert into import (company_id, import_id, name, source, folder, layout, on_existing, metadata)
         values ('{company}', '{import}', 'next', '{{}}', '', 'flat', 'skip', '{{}}');
         insert into import_entry (company_id, import_id, path, folder, file_name, object_key, batch)
         select '{company}', '{import}', n, '', n, sha256((n || '.jpg')::bytea), 0 from generate_series(1, {BATCH}) n"
    );
    sqlx::raw_sql(AssertSqlSafe(next_import)).execute(&app.state.system).await.unwrap();

    // Tables of a few hundred rows are analyzed as soon as they have twice as many, but not for changes of a few.
    let look_again = async || {
        count_read_rows(&app, &["asset"]).await;
        analyze_grown_tables(&app.state.system).await.unwrap()
    };
    let grown = look_again().await;
    assert!(["asset", "imported_object"].iter().all(|table| grown.contains(&(*table).to_owned())), "{grown:?}");
    for _ in 0..150 {
        sqlx::query("update import set found = found + 1").execute(&app.state.system).await.unwrap();
    }
    assert_eq!(look_again().await, [""; 0]);

    let mut transaction = app.state.system.begin().await.unwrap();
    let entries = list_waiting_entries(&mut *transaction, company, import, 0).await.unwrap();
    assert!(entries.len() == BATCH as usize && entries.iter().all(|entry| entry.known_asset.is_some()), "{entries:?}");
    let read = "select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables";
    let read: i64 = sqlx::query_scalar(read).fetch_one(&mut *transaction).await.unwrap();
    assert!(read < 5 * BATCH, "{read} rows");
}
