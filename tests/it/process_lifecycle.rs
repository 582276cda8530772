//! The life of the `offprint serve` process: starts, kills, stops, restarts.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::images::draw_image;
use crate::support::service_process::{ServiceProcess, build_database_url};

#[sqlx::test]
async fn a_service_killed_again_and_again_loses_nothing(pool: PgPool) {
    const IMAGE_COUNT: usize = 60;
    const KILL_COUNT: usize = 5;
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let mut service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    for seed in 0..IMAGE_COUNT {
        let bytes = draw_image(image::ImageFormat::Jpeg, 700, 500 + seed as u32, seed as u8);
        service.upload_asset(format!("{seed}.jpg"), bytes).await;
    }
    let job = service
        .create_job(json!({"assetFilter": {}, "fmt": "convert", "renditions": [
            {"name": "300", "is_modifier": "wid=300&op_usm=1,2,0,0&fmt=png"}, {"name": "30", "is_modifier": "wid=30"}
        ]}))
        .await;
    for _ in 0..KILL_COUNT {
        service.wait_for_progress(&job, 3).await;
        service.kill();
        service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    }
    let done = service.wait_for_progress(&job, IMAGE_COUNT as i64 + 1).await;
    assert_eq!((&done["state"], &done["outcome"]), (&json!("finished"), &json!("succeeded")), "{done}");
    assert_eq!(done["counts"]["succeeded"], IMAGE_COUNT);

    let bytes = service
        .client
        .get(format!("{}/export-jobs/{job}/archive", service.url))
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut names: Vec<String> =
        (0..zip.len()).map(|index| zip.by_index(index).unwrap().name().unwrap().into_owned()).collect();
    names.sort();
    let mut wanted: Vec<String> =
        (0..IMAGE_COUNT).flat_map(|seed| [format!("{seed}-300.png"), format!("{seed}-30.jpg")]).collect();
    wanted.extend(["manifest.csv".into(), "manifest.json".into()]);
    wanted.sort();
    assert_eq!(names, wanted, "each file once");
    for index in 0..zip.len() {
        // Reading to the end checks the CRC.
        std::io::copy(&mut zip.by_index(index).unwrap(), &mut std::io::sink()).unwrap();
    }
    let events = service.get(&format!("/export-jobs/{job}/events?code=fileConverted&limit=1000")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), IMAGE_COUNT, "each item is reported once");
    assert_eq!(service.stop(), Some(0));
}

#[sqlx::test]
async fn a_service_that_is_asked_to_stop_gives_back_and_exits_with_0(pool: PgPool) {
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    for seed in 0..20 {
        service.upload_asset(format!("{seed}.jpg"), draw_image(image::ImageFormat::Jpeg, 900, 700, seed)).await;
    }
    let job = service.create_job(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=300&fmt=png"})).await;
    service.wait_for_progress(&job, 1).await;
    assert_eq!(service.stop(), Some(0));
    let left: i64 =
        sqlx::query_scalar("select count(*) from export_item where state = 'running'").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0, "a stopped service leaves no running item");
    let service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    assert_eq!(service.wait_for_progress(&job, 21).await["outcome"], "succeeded");
    assert_eq!(service.stop(), Some(0));
}

#[sqlx::test]
async fn beyond_loopback_a_key_is_needed(pool: PgPool) {
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let refused = ServiceProcess::start(&database, &folder, &[("OFFPRINT_BIND", "0.0.0.0:0")]).err().unwrap();
    assert!(refused.contains("OFFPRINT_API_KEY"), "{refused}");
    let key = "a-key-of-thirty-two-characters-!";
    let service =
        ServiceProcess::start(&database, &folder, &[("OFFPRINT_BIND", "0.0.0.0:0"), ("OFFPRINT_API_KEY", key)])
            .unwrap();
    let address = service.url.replace("0.0.0.0", "127.0.0.1");
    let ask = |path: &str| service.client.get(format!("{address}{path}"));
    assert_eq!(ask("/assets").send().await.unwrap().status(), 401);
    assert_eq!(ask("/info").bearer_auth("a-key-of-thirty-two-characters-?").send().await.unwrap().status(), 401);
    assert_eq!(ask("/assets").bearer_auth(key).send().await.unwrap().status(), 200);
    for open in ["/health/live", "/health/ready", "/openapi.json", "/swagger-ui/"] {
        assert_eq!(ask(open).send().await.unwrap().status(), 200, "{open}");
    }
    service.kill();
}

async fn insert_newer_migration(pool: &PgPool, description: &str) {
    sqlx::query("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, $1, true, '', 0)
                 on conflict (version) do update set description = $1")
        .bind(description)
        .execute(pool)
        .await
        .unwrap();
}

/// An old binary on a newer database: during a rolling update, or after a downgrade.
#[sqlx::test]
async fn a_newer_database_is_worked_with_until_a_step_says_otherwise(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    for migrate in ["run", "check"] {
        let setting = [("OFFPRINT_MIGRATE", migrate)];
        for welcome in ["later", "drop what was needs 0001"] {
            insert_newer_migration(&pool, welcome).await;
            assert_eq!(
                ServiceProcess::start(&build_database_url(&pool), &folder, &setting).unwrap().stop(),
                Some(0),
                "{welcome}"
            );
        }
        insert_newer_migration(&pool, "drop what is needs 9998").await;
        let refused = ServiceProcess::start(&build_database_url(&pool), &folder, &setting).err().unwrap();
        assert!(refused.contains("9999") && refused.contains("newer"), "{refused}");
    }
}

#[sqlx::test]
async fn a_service_that_may_only_check_wants_its_tables(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let check = [("OFFPRINT_MIGRATE", "check")];
    assert_eq!(ServiceProcess::start(&build_database_url(&pool), &folder, &check).unwrap().stop(), Some(0));
    sqlx::query("delete from _sqlx_migrations where version = 1").execute(&pool).await.unwrap();
    let refused = ServiceProcess::start(&build_database_url(&pool), &folder, &check).err().unwrap();
    assert!(refused.contains("migration 1 ") && refused.contains("offprint migrate"), "{refused}");
    insert_newer_migration(&pool, "later").await;
    let refused = ServiceProcess::start(&build_database_url(&pool), &folder, &check).err().unwrap();
    assert!(refused.contains("9999") && refused.contains("newer"), "{refused}");
    sqlx::query("drop table _sqlx_migrations").execute(&pool).await.unwrap();
    let refused = ServiceProcess::start(&build_database_url(&pool), &folder, &check).err().unwrap();
    assert!(refused.contains("lacks migration 1 "), "{refused}");
}

#[sqlx::test]
async fn a_database_from_before_the_first_release_is_refused(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    sqlx::query("update _sqlx_migrations set checksum = 'of before' where version = 1").execute(&pool).await.unwrap();
    for migrate in ["run", "check"] {
        let setting = [("OFFPRINT_MIGRATE", migrate)];
        let refused = ServiceProcess::start(&build_database_url(&pool), &folder, &setting).err().unwrap();
        assert!(refused.contains("before 0.1.0") && refused.contains("empty database"), "{refused}");
    }
}

/// The service is killed before its response arrives; the same request with the same key gives the same job.
#[sqlx::test]
async fn a_request_whose_response_was_lost_is_executed_once(pool: PgPool) {
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let mut service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    service.upload_asset("a.jpg".into(), draw_image(image::ImageFormat::Jpeg, 90, 60, 1)).await;
    let request = json!({"assetFilter": {}, "fmt": "orig"});
    let jobs =
        || async { sqlx::query_scalar::<_, i64>("select count(*) from export_job").fetch_one(&pool).await.unwrap() };
    for number in 1..=5 {
        let send = |service: &ServiceProcess| {
            let address = format!("{}/export-jobs", service.url);
            service.client.post(address).header("idempotency-key", format!("order-{number}")).json(&request).send()
        };
        let lost = tokio::spawn(send(&service));
        while jobs().await < number {
            tokio::task::yield_now().await;
        }
        service.kill();
        // The response is ignored.
        let _ = lost.await;
        service = ServiceProcess::start(&database, &folder, &[]).unwrap();
        let answer = send(&service).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["idempotent-replayed"]),
            (202, &"true".parse().unwrap())
        );
        let job: Value = answer.json().await.unwrap();
        assert_eq!(service.wait_for_progress(job["jobHandle"].as_str().unwrap(), 2).await["outcome"], "succeeded");
        assert_eq!(jobs().await, number);
    }
    service.kill();
}

#[sqlx::test]
async fn a_download_in_flight_ends_before_the_service_does(pool: PgPool) {
    use futures_util::StreamExt;
    const BODY_BYTES: usize = 24 << 20;
    let (database, folder) = (build_database_url(&pool), TempDir::new().unwrap());
    let service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    // More than the socket buffers hold, so that the service is still sending.
    service.upload_asset("a.bin".into(), vec![7; BODY_BYTES]).await;
    let job = service.create_job(json!({"assetFilter": {}, "fmt": "orig"})).await;
    service.wait_for_progress(&job, 2).await;
    let answer = service.client.get(format!("{}/export-jobs/{job}/archive", service.url)).send().await.unwrap();
    let length = answer.content_length().unwrap();
    let mut body = answer.bytes_stream();
    let mut got = body.next().await.unwrap().unwrap().len();
    let address = service.url.clone();
    let stopped = tokio::task::spawn_blocking(move || service.stop());
    // From here on the service accepts no new connections.
    while reqwest::get(format!("{address}/health/ready")).await.is_ok_and(|answer| answer.status() == 200) {}
    while let Some(part) = body.next().await {
        got += part.unwrap().len();
    }
    assert_eq!(got as u64, length);
    assert_eq!(stopped.await.unwrap(), Some(0));
}

/// The README's tour, block by block, as a reader would paste it.
#[sqlx::test]
async fn the_tour_of_the_readme_works_as_pasted(pool: PgPool) {
    if Command::new("curl").arg("--version").output().is_err() {
        return eprintln!("skipped: the tour needs curl");
    }
    let (database, folder, work_dir) = (build_database_url(&pool), TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = ServiceProcess::start(&database, &folder, &[]).unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_offprint")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let address = service.url.clone();
    let walked = tokio::task::spawn_blocking(move || {
        for block in crate::documents::read_tour() {
            let mut shell = Command::new("sh");
            shell.arg("-euc").arg(&block).current_dir(work_dir.path()).env("PATH", &path).env("OFFPRINT", &address);
            let done = shell.stdin(Stdio::null()).output().unwrap();
            let stderr = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{block}\n{}\n{stderr}", String::from_utf8_lossy(&done.stdout));
        }
    });
    walked.await.unwrap();
    assert_eq!(service.stop(), Some(0));
}
