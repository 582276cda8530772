//! What lists cost where there is much: how many rows of its tables each page reads. Postgres counts them, for the statements
//! as they are sent, with the plans that it chose.

use offprint::db::job::fetch_job;
use offprint::id::{CompanyId, JobId};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::browser::TestBrowser;
use crate::support::export_jobs::{create_job, drain_work};
use crate::support::many_rows::{copy_rows, count_read_rows};
use crate::support::test_app::TestApp;

const JOBS: i64 = 20_000;
const ASSETS: i64 = 20_000;
const ITEMS: i64 = 6_000;

/// Rows of one table that a page may read: a count ends at 1,001, and the rest is what is shown.
const MAX_ROWS: i64 = 3_000;

const TABLES: [&str; 7] =
    ["export_job", "export_item", "export_file", "export_event", "export_attempt", "delivery", "asset"];

/// Much of everything; the handle of a job with many items.
async fn fill(app: &TestApp) -> String {
    let asset = app.upload_asset("a.txt", b"a").await;
    let job = create_job(app, json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "first"})).await;
    let large = create_job(app, json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "large"})).await;
    drain_work(app).await;
    let number = "lpad(n::text, 6, '0')";
    let name = format!("'sku-' || {number}");
    let assets = [
        ("asset_id", "gen_random_uuid()"),
        ("name", name.as_str()),
        ("file_name", name.as_str()),
        ("folder", "'season-' || n % 10 || '/folder-' || n / 10 % 20"),
    ];
    copy_rows(app, "asset", &format!("asset_id = '{asset}'"), ASSETS, &assets).await;
    let is_scheduled = "n % 500 = 0";
    let jobs = [
        ("job_id", "gen_random_uuid()".to_owned()),
        ("created_at", "created_at - n * interval '1 minute'".to_owned()),
        ("state", format!("case when {is_scheduled} then 'scheduled' else state end")),
        ("outcome", format!("case when {is_scheduled} then null when n % 2000 = 1 then 'failed' else outcome end")),
        ("finished_at", format!("case when {is_scheduled} then null else finished_at - n * interval '1 minute' end")),
        ("succeeded", format!("case when {is_scheduled} then 0 else succeeded end")),
        ("exec_time", format!("case when {is_scheduled} then timestamptz '2099-01-01' end")),
        ("job_name", "case when n % 5000 = 2 then 'Catalogue' else 'Export' end || n".to_owned()),
    ];
    let jobs: Vec<(&str, &str)> = jobs.iter().map(|(column, value)| (*column, value.as_str())).collect();
    copy_rows(app, "export_job", &format!("job_id = '{job}'"), JOBS, &jobs).await;
    let of_large = format!("job_id = '{large}'");
    copy_rows(app, "export_item", &of_large, ITEMS, &[("position", "n")]).await;
    let files = [("position", "n"), ("path", "'f' || n"), ("path_key", "'f' || n")];
    copy_rows(app, "export_file", &of_large, ITEMS, &files).await;
    copy_rows(app, "export_event", &format!("{of_large} and seq = 1"), ITEMS, &[("seq", "n + 100")]).await;
    let attempts = format!("{of_large} and position = 0");
    copy_rows(app, "export_attempt", &attempts, ITEMS, &[("position", "n")]).await;
    let sql = format!(
        "insert into destination (company_id, job_id, destination, connection, prefix_template, prefix, on_existing, manifest,
                planned_files, state)
         select company_id, job_id, 0, 'shop', '', '', 'overwrite', false, 1, 'done' from export_job where {of_large};
         insert into delivery (company_id, job_id, position, rendition, destination, state, failure)
         select company_id, job_id, position, rendition, 0, 'failed', '{{\"code\": \"delivery-failed\", \"detail\": \"No.\"}}'
           from export_file where {of_large};
         update export_job set event_seq = {ITEMS} + 100 where {of_large};
         analyze;"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&app.state.system).await.unwrap();
    large
}

#[sqlx::test]
async fn no_list_reads_a_whole_table(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let large = fill(&app).await;
    let pages = [
        "/console/jobs",
        "/console/jobs?state=scheduled",
        "/console/jobs?state=queued",
        "/console/jobs?state=running",
        "/console/jobs?state=paused",
        "/console/jobs?state=finished",
        "/console/jobs?outcome=succeeded",
        "/console/jobs?outcome=failed",
        "/console/jobs?outcome=stopped",
        "/console/jobs?state=paused&outcome=failed",
        "/console/jobs?name=Catalogue",
        "/console/jobs?name=Export",
        "/console/jobs?name=Nothing",
        "/console/jobs?from=2000-01-01&to=2000-12-31",
        "/console/jobs?state=finished&outcome=failed&name=Catalogue&from=2000-01-01",
        "/export-jobs",
        "/export-jobs?outcome=failed&sort=jobName",
        "/export-jobs?sort=finishedAt",
        "/export-jobs?sort=-finishedAt&limit=1000",
        "/export-jobs?sort=-jobName",
        "/export-jobs?name=Nothing&sort=finishedAt",
        "/console/jobs/{large}",
        "/console/jobs/{large}/files",
        "/console/jobs/{large}/log",
        "/console/jobs/{large}/log?until=200",
        "/console/jobs/{large}/request",
        "/console/jobs/{large}/deliveries",
        "/export-jobs/{large}/items",
        "/export-jobs/{large}/files",
        "/export-jobs/{large}/events",
        "/console/assets",
        "/console/assets?folder=season-3",
        "/console/assets?folder=season-3%2Ffolder-3",
        "/console/assets?name=sku-0077",
        "/console/assets?name=sku",
        "/console/assets?name=nothing",
        "/console/assets?folder=season-3&name=nothing",
        "/assets",
        "/assets?folder=season-3&recursive=true",
        "/assets?name=sku-0077",
    ];
    let browser = TestBrowser::new(&app);
    let mut too_many = Vec::new();
    let mut before = count_read_rows(&app, &TABLES).await;
    for page in pages {
        let path = page.replace("{large}", &large);
        if path.starts_with("/console/") {
            let page = browser.open(&path).await;
            page.assert_sound();
            assert_eq!(page.status(), 200, "{path}");
        } else {
            app.get(&path).await.expect_status(200);
        }
        let now = count_read_rows(&app, &TABLES).await;
        for (table, rows) in &now {
            let read = rows - before[table];
            if read > MAX_ROWS {
                too_many.push(format!("{page} read {read} rows of {table}"));
            }
        }
        before = now;
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
    // What reads a whole table is seen.
    sqlx::query("select sum(total) from export_job where metadata @> '{}'").execute(&app.state.system).await.unwrap();
    assert!(count_read_rows(&app, &TABLES).await["export_job"] - before["export_job"] >= JOBS);
}

#[sqlx::test]
async fn the_last_page_of_a_list_costs_no_more_than_the_first(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let large = fill(&app).await;
    let lists = [
        "/export-jobs?limit=1000".to_owned(),
        "/export-jobs?limit=1000&sort=-finishedAt".to_owned(),
        "/export-jobs?limit=1000&sort=jobName".to_owned(),
        "/assets?limit=1000".to_owned(),
        format!("/export-jobs/{large}/items?limit=1000"),
        format!("/export-jobs/{large}/files?limit=1000"),
    ];
    for list in lists {
        let (mut path, mut pages) = (list.clone(), 0);
        loop {
            let before = count_read_rows(&app, &TABLES).await;
            let page = app.get(&path).await.expect_status(200);
            let now = count_read_rows(&app, &TABLES).await;
            for (table, rows) in &now {
                let read = rows - before[table];
                assert!(read <= MAX_ROWS, "page {pages} of {list} read {read} rows of {table}");
            }
            pages += 1;
            match page["nextCursor"].as_str() {
                Some(cursor) => path = format!("{list}&cursor={cursor}"),
                None => break,
            }
        }
        assert!(pages > 5, "{list}: {pages} pages");
    }
}

#[sqlx::test]
async fn a_count_ends_at_a_thousand(pool: PgPool) {
    let app = TestApp::open(pool).await;
    fill(&app).await;
    let browser = TestBrowser::new(&app);
    let page = browser.open("/console/jobs").await;
    page.assert_sound();
    assert!(page.text().contains("1,000+ jobs"), "{}", page.text());
    assert_eq!(page.html.matches("<tr id=\"job-").count(), 50);
    let next = page.attributes("href").into_iter().find(|address| address.contains("cursor=")).unwrap();
    let second = browser.open(&next).await;
    second.assert_sound();
    assert_eq!(second.html.matches("<tr id=\"job-").count(), 50);
    assert!(second.text().contains("1,000+ jobs"), "{}", second.text());
    for (query, count) in [("state=scheduled", "40 jobs"), ("outcome=failed", "10 jobs"), ("name=Catalogue", "4 jobs")]
    {
        let page = browser.open(&format!("/console/jobs?{query}")).await;
        assert!(page.html.contains(&format!("<p id=\"count\">{count}</p>")), "{query}: {}", page.text());
    }
}

/// Who looks at a job without mails and destinations reads its row and its running items.
#[sqlx::test]
async fn a_look_reads_only_what_a_job_has(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    create_job(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    drain_work(&app).await;
    let key = sqlx::query_as("select company_id, job_id from export_job").fetch_one(&app.state.system).await.unwrap();
    let (company, job): (CompanyId, JobId) = key;

    // So that no connection has anything left to tell.
    count_read_rows(&app, &TABLES).await;
    let mut transaction = app.state.system.begin().await.unwrap();
    let shown = fetch_job(&mut transaction, company, job).await.unwrap();
    assert!(shown.archive_size.is_some() && shown.mail_state.is_none() && shown.destinations.is_none(), "{shown:?}");
    let read =
        "select relname::text from pg_stat_xact_user_tables where coalesce(seq_scan, 0) + coalesce(idx_scan, 0) > 0";
    let mut tables: Vec<String> = sqlx::query_scalar(read).fetch_all(&mut *transaction).await.unwrap();
    tables.sort();
    assert_eq!(tables, ["export_item", "export_job"]);
}
