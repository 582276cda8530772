//! The second wall between companies: what the database shows when a query forgets to ask for one company only.

use offprint::db::wall::{self, acting_for};
use offprint::db::{self, Error};
use offprint::id::{AssetId, CompanyId};
use serde_json::json;
use sqlx::PgPool;

use crate::guest::{Guest, guarded};
use crate::house::House;

/// Belong to no company: bytes without a word of whose they are, the processes, the steps of the tables.
const OF_NOBODY: [&str; 3] = ["_sqlx_migrations", "blob", "worker"];

#[sqlx::test]
async fn the_suite_runs_under_a_role_that_the_wall_binds(pool: PgPool) {
    let house = House::open(pool).await;
    let bound = wall::stands(&house.state.system).await.unwrap();
    assert!(bound, "DATABASE_URL names a superuser: let it name a role with `createdb` and nothing else");
    assert_eq!(house.get("/health/ready").await.is(200)["secondWall"], true);
}

#[sqlx::test]
async fn every_table_with_a_company_is_behind_the_wall(pool: PgPool) {
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
    for (name, walled, has_company, policies) in tables {
        let remedy = format!("`{name}` needs `select raise_wall('{name}')` in its migration, or a line in this test");
        assert_eq!(has_company, !OF_NOBODY.contains(&name.as_str()), "{remedy}");
        assert!(walled == has_company && (!walled || policies == ["company_wall"]), "{remedy}");
    }
}

async fn tables(pool: &PgPool) -> Vec<String> {
    let sql = "select attrelid::regclass::text from pg_attribute join pg_class on pg_class.oid = attrelid
                where attname = 'company_id' and relkind = 'r' and relnamespace = 'public'::regnamespace";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

async fn count(pool: &PgPool, table: &str, of: Option<CompanyId>) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table} where $1::uuid is null or company_id = $1"));
    sqlx::query_scalar(sql).bind(of).fetch_one(pool).await.unwrap()
}

#[sqlx::test]
async fn a_connection_sees_the_rows_of_its_company_and_of_no_other(pool: PgPool) {
    let house = guarded(pool).await;
    let (db, system) = (&house.state.db, &house.state.system);
    let (ann, eve) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "eve").await);
    for guest in [&ann, &eve] {
        guest
            .send(
                actix_web::test::TestRequest::put()
                    .uri("/image-presets/small")
                    .set_json(json!({"urlModifier": "wid=9"})),
            )
            .await
            .worked();
        let picture = guest.asset("p.png", &crate::exportjob::picture(image::ImageFormat::Png, 20, 20, 1)).await;
        let order = json!({"assetHandleArray": [picture], "fmt": "convert", "macro": "$small$", "emailSetting": "All",
                           "notifyEmails": ["ann@example.org"], "callbackUrl": "https://hooks.example.org/"});
        let request = actix_web::test::TestRequest::post().uri("/export-jobs").insert_header(("idempotency-key", "k"));
        guest.send(request.set_json(order)).await.is(202);
    }
    offprint::worker::drain(&house.state).await.unwrap();
    let mut filled = 0;
    for table in tables(system).await {
        let (mine, theirs) =
            (count(system, &table, Some(ann.company)).await, count(system, &table, Some(eve.company)).await);
        filled += usize::from(mine > 0 && theirs > 0);
        acting_for(ann.company, async {
            assert_eq!(count(db, &table, None).await, mine, "{table}");
            assert_eq!(count(db, &table, Some(eve.company)).await, 0, "{table}");
            let sql = format!("update {table} set company_id = company_id where company_id = $1");
            let changed = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(eve.company).execute(db).await.unwrap();
            assert_eq!(changed.rows_affected(), 0, "{table}");
        })
        .await;
        assert_eq!(count(db, &table, None).await, 0, "who works for nobody sees nothing of `{table}`");
    }
    assert!(filled >= 15, "only {filled} tables have rows of both companies");
    let smuggled = acting_for(ann.company, async {
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
    let house = House::open(pool).await;
    house.asset("a.txt", b"a").await;
    let mut connection = house.state.system.acquire().await.unwrap();
    let rows = async |connection: &mut db::Connection, name: &str| {
        sqlx::query("select set_config('application_name', $1, false)")
            .bind(name)
            .execute(&mut *connection)
            .await
            .unwrap();
        sqlx::query_scalar::<_, i64>("select count(*) from asset").fetch_one(connection).await.unwrap()
    };
    let company = house.state.company;
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

/// The query that finds assets by their handles asks for no company any more, and nobody notices.
#[cfg(debug_assertions)]
#[sqlx::test]
async fn when_a_query_forgets_its_company_the_second_wall_holds(pool: PgPool) {
    let house = guarded(pool).await;
    let (ann, eve) = (Guest::of(&house, "ours", "ann").await, Guest::of(&house, "theirs", "eve").await);
    let asset = ann.asset("a.txt", b"a").await;
    let handle: AssetId = asset.parse().unwrap();
    // It is forgotten indeed: who sees everything finds the asset in the wrong company.
    let fetch = async || {
        let mut connection = house.state.system.acquire().await.unwrap();
        db::asset::fetch(&mut connection, eve.company, handle).await
    };
    assert!(matches!(fetch().await, Err(Error::Missing(_))));
    assert!(wall::forgetting(fetch()).await.is_ok());
    // And behind the wall nothing is found, nor exported.
    wall::forgetting(async {
        let nowhere = uuid::Uuid::now_v7().to_string();
        for path in ["", "/content", "/preview?is_modifier=wid=10"] {
            let ask = async |asset: &str| eve.get(&format!("/assets/{asset}{path}")).await.is(404);
            assert_eq!(ask(&asset).await["detail"], ask(&nowhere).await["detail"], "{path}");
        }
        assert_eq!(eve.delete(&format!("/assets/{asset}")).await.status.as_u16(), 404);
        let order = |asset: &str| json!({"assetHandleArray": [asset], "fmt": "orig"});
        let told = eve.post("/export-jobs", order(&asset)).await.is(422)["errors"][0]["code"].clone();
        assert_eq!(told, eve.post("/export-jobs", order(&nowhere)).await.is(422)["errors"][0]["code"]);
        assert_eq!(ann.get(&format!("/assets/{asset}")).await.is(200)["assetHandle"], asset);
    })
    .await;
    house.check().await;
}

#[test]
fn requests_see_all_companies_in_few_places() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
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
    // What is written down of an answer, also after it; keys before it is known whose they are; health and numbers; the
    // processes.
    let few = ["audit.rs", "guard.rs", "system.rs", "workers.rs"];
    assert_eq!(places, few, "everything else asks `state.db`, behind the wall");
}
