//! Row-level security: what the database shows when a query forgets its company filter.

use offprint::db::row_level_security::{self, run_as_company};
use offprint::db::{self, DbError};
use offprint::id::{AssetId, CompanyId};
use serde_json::json;
use sqlx::{Connection as _, PgPool};

use crate::support::images::draw_image;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

/// Tables without a company: blobs (bytes without an owner), worker processes, applied migrations.
const TABLES_WITHOUT_COMPANY: [&str; 4] = ["_sqlx_migrations", "blob", "sign_in_attempt", "worker"];

#[sqlx::test]
async fn the_suite_runs_under_a_role_that_row_level_security_binds(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let bound = row_level_security::is_row_level_security_enforced(&app.state.system).await.unwrap();
    assert!(bound, "DATABASE_URL names a superuser: let it name a role with `createdb` and nothing else");
    assert_eq!(app.get("/health/ready").await.expect_status(200)["rowLevelSecurity"], true);
}

#[sqlx::test]
async fn every_table_with_a_company_has_row_level_security(pool: PgPool) {
    let tables: Vec<(String, bool, bool, Vec<String>)> = sqlx::query_as(
        "select relname::text, relrowsecurity and relforcerowsecurity,
                exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'company_id'),
                array(select polname::text from pg_policy where polrelid = pg_class.oid)
           from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(tables.len() >= 18, "{tables:?}");
    for (name, protected, has_company, policies) in tables {
        let remedy = format!(
            "`{name}` needs `select enable_row_level_security('{name}')` in its migration, or a line in this test"
        );
        assert_eq!(has_company, !TABLES_WITHOUT_COMPANY.contains(&name.as_str()), "{remedy}");
        assert!(protected == has_company && (!protected || policies == ["company_isolation"]), "{remedy}");
    }
}

async fn list_company_tables(pool: &db::PgPool) -> Vec<String> {
    let sql = "select attrelid::regclass::text from pg_attribute join pg_class on pg_class.oid = attrelid
                where attname = 'company_id' and relkind = 'r' and relnamespace = 'public'::regnamespace";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

async fn count_rows(pool: &db::PgPool, table: &str, of: Option<CompanyId>) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table} where $1::uuid is null or company_id = $1"));
    sqlx::query_scalar(sql).bind(of).fetch_one(pool).await.unwrap()
}

#[sqlx::test]
async fn a_connection_sees_the_rows_of_its_company_and_of_no_other(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (db, system) = (&app.state.db, &app.state.system);
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    for user in [&ann, &eve] {
        user.send(
            actix_web::test::TestRequest::put().uri("/image-presets/small").set_json(json!({"urlModifier": "wid=9"})),
        )
        .await
        .expect_success();
        let image = user.upload_asset("p.png", &draw_image(image::ImageFormat::Png, 20, 20, 1)).await;
        let export_request = json!({"assetHandleArray": [image], "fmt": "convert", "macro": "$small$", "emailSetting": "All",
                           "notifyEmails": ["ann@example.org"], "callbackUrl": "https://hooks.example.org/"});
        let request = actix_web::test::TestRequest::post().uri("/export-jobs").insert_header(("idempotency-key", "k"));
        user.send(request.set_json(export_request)).await.expect_status(202);
    }
    offprint::worker::drain_work(&app.state).await.unwrap();
    let mut filled = 0;
    for table in list_company_tables(system).await {
        let (mine, theirs) =
            (count_rows(system, &table, Some(ann.company)).await, count_rows(system, &table, Some(eve.company)).await);
        filled += usize::from(mine > 0 && theirs > 0);
        run_as_company(ann.company, async {
            assert_eq!(count_rows(db, &table, None).await, mine, "{table}");
            assert_eq!(count_rows(db, &table, Some(eve.company)).await, 0, "{table}");
            let sql = format!("update {table} set company_id = company_id where company_id = $1");
            let changed = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(eve.company).execute(db).await.unwrap();
            assert_eq!(changed.rows_affected(), 0, "{table}");
        })
        .await;
        assert_eq!(count_rows(db, &table, None).await, 0, "a connection without a company sees nothing of `{table}`");
    }
    assert!(filled >= 15, "only {filled} tables have rows of both companies");
    let smuggled = run_as_company(ann.company, async {
        let sql = "insert into image_preset (company_id, name, url_modifier) values ($1, 'smuggled', 'wid=1')";
        sqlx::query(sql).bind(eve.company).execute(db).await.unwrap_err()
    });
    let smuggled = smuggled.await;
    assert_eq!(smuggled.as_database_error().unwrap().code().as_deref(), Some("42501"), "{smuggled}");
    let name = "select current_setting('application_name')";
    assert_eq!(sqlx::query_scalar::<_, String>(name).fetch_one(db).await.unwrap(), "offprint/nobody");
}

#[sqlx::test]
async fn a_connection_under_another_name_sees_nothing(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("a.txt", b"a").await;
    let mut connection = db::DbConnection::connect_with(app.state.system.connect_options()).await.unwrap();
    let rows = async |connection: &mut db::DbConnection, name: &str| {
        sqlx::query("select set_config('application_name', $1, false)")
            .bind(name)
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::query_scalar::<_, i64>("select count(*) from asset").fetch_one(connection).await.unwrap()
    };
    let company = app.state.company;
    for (name, sees) in [
        (format!("offprint/{company}"), 1),
        ("offprint/all".into(), 1),
        ("offprint/nobody".into(), 0),
        ("psql".into(), 0),
        (String::new(), 0),
        (format!("offprint/{}", CompanyId::new()), 0),
        (format!("offprint/{company}0"), 0),
        (format!("offprint/{company} "), 0),
        ("offprint/everything".into(), 0),
    ] {
        assert_eq!(rows(&mut connection, &name).await, sees, "{name:?}");
    }
    connection.close().await.unwrap();
}

/// The query that finds assets by handle is run without its company filter.
#[cfg(debug_assertions)]
#[sqlx::test]
async fn when_a_query_forgets_its_company_row_level_security_holds(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let asset = ann.upload_asset("a.txt", b"a").await;
    let handle: AssetId = asset.parse().unwrap();
    // The filter is really off: a connection that sees all companies finds the asset of another one.
    let fetch = async || {
        let mut connection = db::DbConnection::connect_with(app.state.system.connect_options()).await.unwrap();
        db::asset::fetch_asset(&mut connection, eve.company, handle).await
    };
    assert!(matches!(fetch().await, Err(DbError::NotFound(_))));
    assert!(row_level_security::skip_company_filter(fetch()).await.is_ok());
    // With row-level security nothing is found, read, deleted or exported.
    row_level_security::skip_company_filter(async {
        let nowhere = uuid::Uuid::now_v7().to_string();
        for path in ["", "/content", "/preview?is_modifier=wid=10"] {
            let ask = async |asset: &str| eve.get(&format!("/assets/{asset}{path}")).await.expect_status(404);
            assert_eq!(ask(&asset).await["detail"], ask(&nowhere).await["detail"], "{path}");
        }
        assert_eq!(eve.delete(&format!("/assets/{asset}")).await.status.as_u16(), 404);
        let request = |asset: &str| json!({"assetHandleArray": [asset], "fmt": "orig"});
        let code = eve.post("/export-jobs", request(&asset)).await.expect_status(422)["errors"][0]["code"].clone();
        assert_eq!(code, eve.post("/export-jobs", request(&nowhere)).await.expect_status(422)["errors"][0]["code"]);
        assert_eq!(ann.get(&format!("/assets/{asset}")).await.expect_status(200)["assetHandle"], asset);
    })
    .await;
    app.assert_consistent().await;
}

#[test]
fn requests_see_all_companies_in_few_places() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http");
    let mut places = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).unwrap().contains("state.system") {
                places.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    places.sort();
    // The audit log, which is also written after the response; keys and sessions, whose company is not known before they
    // are found; the accounts of a mail address, in whichever company; attempts to sign in, which belong to none yet, and the
    // company that a claim names; health and metrics; the list of workers.
    let expected = ["audit_trail.rs", "auth.rs", "by_mail.rs", "by_oidc.rs", "session.rs", "system.rs", "workers.rs"];
    assert_eq!(places, expected, "everything else must use `state.db`, which row-level security binds");
}
