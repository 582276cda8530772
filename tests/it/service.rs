//! The binary as people run it: started, killed, stopped, started again.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::Client;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use tempfile::TempDir;

use crate::exportjob::picture;

/// A running `offprint serve`.
pub struct Service {
    pub child: Child,
    pub url: String,
    pub client: Client,
}

impl Service {
    /// Starts the service on a database and a folder, and waits until it answers. `None` with its last words when it
    /// ends instead.
    pub fn start(database: &str, folder: &TempDir, settings: &[(&str, &str)]) -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut child = Command::new(env!("CARGO_BIN_EXE_offprint"))
            .arg("serve")
            .env("DATABASE_URL", database)
            .env("OFFPRINT_DATA_DIR", folder.path())
            .env("OFFPRINT_BIND", "127.0.0.1:0")
            .env("OFFPRINT_LEASE", "1s")
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = String::new();
        let found = log.find_map(|line| {
            said.clone_from(&line);
            line.split_once(" answers at ").map(|(_, url)| url.trim().to_owned())
        });
        // The pipe must be read on, or the service would wait for it.
        std::thread::spawn(move || log.for_each(drop));
        match found {
            Some(url) => Ok(Self { child, url, client: Client::new() }),
            None => {
                child.wait().unwrap();
                Err(said)
            }
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn upload(&self, name: String, bytes: Vec<u8>) {
        let form = Form::new().part("file", Part::bytes(bytes).file_name(name));
        let answer = self.client.post(format!("{}/assets", self.url)).multipart(form).send().await.unwrap();
        assert_eq!(answer.status(), 201);
    }

    pub async fn order(&self, order: Value) -> String {
        let answer = self.client.post(format!("{}/export-jobs", self.url)).json(&order).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        answer.json::<Value>().await.unwrap()["jobHandle"].as_str().unwrap().to_owned()
    }

    /// Waits for the next news of a job.
    pub async fn news(&self, job: &str, known: &str) -> (Value, String) {
        let request = self.client.get(format!("{}/export-jobs/{job}?wait=60", self.url)).header("if-none-match", known);
        let answer = request.send().await.unwrap();
        let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
        (answer.json().await.unwrap_or(Value::Null), etag)
    }

    /// Waits until this many more items have ended, or the job has.
    pub async fn progress(&self, job: &str, items: i64) -> Value {
        let (mut now, mut etag) = self.news(job, "\"nothing\"").await;
        let goal = ended(&now) + items;
        while now["state"] != "finished" && ended(&now) < goal {
            let (next, tag) = self.news(job, &etag).await;
            (now, etag) = (if next.is_null() { now } else { next }, tag);
        }
        now
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

/// A test that fails leaves nothing running.
impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(job: &Value) -> i64 {
    job["counts"]["succeeded"].as_i64().unwrap() + job["counts"]["failed"].as_i64().unwrap()
}

pub fn url(pool: &PgPool) -> String {
    pool.connect_options().to_url_lossy().to_string()
}

#[sqlx::test]
async fn a_service_killed_again_and_again_loses_nothing(pool: PgPool) {
    const PICTURES: usize = 60;
    const KILLS: usize = 5;
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let mut service = Service::start(&database, &folder, &[]).unwrap();
    for seed in 0..PICTURES {
        let bytes = picture(image::ImageFormat::Jpeg, 700, 500 + seed as u32, seed as u8);
        service.upload(format!("{seed}.jpg"), bytes).await;
    }
    let job = service
        .order(json!({"assetFilter": {}, "fmt": "convert", "renditions": [
            {"name": "300", "is_modifier": "wid=300&op_usm=1,2,0,0&fmt=png"}, {"name": "30", "is_modifier": "wid=30"}
        ]}))
        .await;
    for _ in 0..KILLS {
        service.progress(&job, 3).await;
        service.kill();
        service = Service::start(&database, &folder, &[]).unwrap();
    }
    let done = service.progress(&job, PICTURES as i64 + 1).await;
    assert_eq!((&done["state"], &done["outcome"]), (&json!("finished"), &json!("succeeded")), "{done}");
    assert_eq!(done["counts"]["succeeded"], PICTURES);

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
        (0..PICTURES).flat_map(|seed| [format!("{seed}-300.png"), format!("{seed}-30.jpg")]).collect();
    wanted.extend(["manifest.csv".into(), "manifest.json".into()]);
    wanted.sort();
    assert_eq!(names, wanted, "each file once");
    for index in 0..zip.len() {
        // Reading to the end checks the CRC.
        std::io::copy(&mut zip.by_index(index).unwrap(), &mut std::io::sink()).unwrap();
    }
    let events = service.get(&format!("/export-jobs/{job}/events?code=fileConverted&limit=1000")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), PICTURES, "each item is told of once");
    assert_eq!(service.stop(), Some(0));
}

#[sqlx::test]
async fn a_service_that_is_asked_to_stop_gives_back_and_exits_with_0(pool: PgPool) {
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let service = Service::start(&database, &folder, &[]).unwrap();
    for seed in 0..20 {
        service.upload(format!("{seed}.jpg"), picture(image::ImageFormat::Jpeg, 900, 700, seed)).await;
    }
    let job = service.order(json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=300&fmt=png"})).await;
    service.progress(&job, 1).await;
    assert_eq!(service.stop(), Some(0));
    let left: i64 =
        sqlx::query_scalar("select count(*) from export_item where state = 'running'").fetch_one(&pool).await.unwrap();
    assert_eq!(left, 0, "nothing is left in a closed service's hands");
    let service = Service::start(&database, &folder, &[]).unwrap();
    assert_eq!(service.progress(&job, 21).await["outcome"], "succeeded");
    assert_eq!(service.stop(), Some(0));
}

#[sqlx::test]
async fn beyond_loopback_a_key_is_needed(pool: PgPool) {
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let refused = Service::start(&database, &folder, &[("OFFPRINT_BIND", "0.0.0.0:0")]).err().unwrap();
    assert!(refused.contains("OFFPRINT_API_KEY"), "{refused}");
    let key = "a-key-of-thirty-two-characters-!";
    let service =
        Service::start(&database, &folder, &[("OFFPRINT_BIND", "0.0.0.0:0"), ("OFFPRINT_API_KEY", key)]).unwrap();
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

async fn made_later(pool: &PgPool, description: &str) {
    sqlx::query("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, $1, true, '', 0)
                 on conflict (version) do update set description = $1")
        .bind(description)
        .execute(pool)
        .await
        .unwrap();
}

/// Also a process that is started again while its successor is already there, or that somebody goes back to.
#[sqlx::test]
async fn a_newer_database_is_worked_with_until_a_step_says_otherwise(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    for migrate in ["run", "check"] {
        let setting = [("OFFPRINT_MIGRATE", migrate)];
        for welcome in ["later", "drop what was needs 0001"] {
            made_later(&pool, welcome).await;
            assert_eq!(Service::start(&url(&pool), &folder, &setting).unwrap().stop(), Some(0), "{welcome}");
        }
        made_later(&pool, "drop what is needs 9998").await;
        let refused = Service::start(&url(&pool), &folder, &setting).err().unwrap();
        assert!(refused.contains("9999") && refused.contains("newer"), "{refused}");
    }
}

#[sqlx::test]
async fn a_service_that_may_only_check_wants_its_tables(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    let check = [("OFFPRINT_MIGRATE", "check")];
    assert_eq!(Service::start(&url(&pool), &folder, &check).unwrap().stop(), Some(0));
    sqlx::query("delete from _sqlx_migrations where version = 5").execute(&pool).await.unwrap();
    let refused = Service::start(&url(&pool), &folder, &check).err().unwrap();
    assert!(refused.contains("steps 5 ") && refused.contains("offprint migrate"), "{refused}");
    sqlx::query("update _sqlx_migrations set version = 9999 where version = 4").execute(&pool).await.unwrap();
    let refused = Service::start(&url(&pool), &folder, &check).err().unwrap();
    assert!(refused.contains("9999") && refused.contains("newer"), "{refused}");
    sqlx::query("drop table _sqlx_migrations").execute(&pool).await.unwrap();
    let refused = Service::start(&url(&pool), &folder, &check).err().unwrap();
    assert!(refused.contains("lacks the steps 1, 2"), "{refused}");
}

/// The answer was lost with the service; the same order again is the same job.
#[sqlx::test]
async fn an_order_whose_answer_was_lost_is_done_once(pool: PgPool) {
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let mut service = Service::start(&database, &folder, &[]).unwrap();
    service.upload("a.jpg".into(), picture(image::ImageFormat::Jpeg, 90, 60, 1)).await;
    let order = json!({"assetFilter": {}, "fmt": "orig"});
    let jobs =
        || async { sqlx::query_scalar::<_, i64>("select count(*) from export_job").fetch_one(&pool).await.unwrap() };
    for number in 1..=5 {
        let send = |service: &Service| {
            let address = format!("{}/export-jobs", service.url);
            service.client.post(address).header("idempotency-key", format!("order-{number}")).json(&order).send()
        };
        let lost = tokio::spawn(send(&service));
        while jobs().await < number {
            tokio::task::yield_now().await;
        }
        service.kill();
        // Whatever came back is not looked at.
        let _ = lost.await;
        service = Service::start(&database, &folder, &[]).unwrap();
        let answer = send(&service).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["idempotent-replayed"]),
            (202, &"true".parse().unwrap())
        );
        let job: Value = answer.json().await.unwrap();
        assert_eq!(service.progress(job["jobHandle"].as_str().unwrap(), 2).await["outcome"], "succeeded");
        assert_eq!(jobs().await, number);
    }
    service.kill();
}

#[sqlx::test]
async fn a_download_in_flight_ends_before_the_service_does(pool: PgPool) {
    use futures_util::StreamExt;
    const SIZE: usize = 24 << 20;
    let (database, folder) = (url(&pool), TempDir::new().unwrap());
    let service = Service::start(&database, &folder, &[]).unwrap();
    // More than the sockets hold, so that the service is still sending.
    service.upload("a.bin".into(), vec![7; SIZE]).await;
    let job = service.order(json!({"assetFilter": {}, "fmt": "orig"})).await;
    service.progress(&job, 2).await;
    let answer = service.client.get(format!("{}/export-jobs/{job}/archive", service.url)).send().await.unwrap();
    let length = answer.content_length().unwrap();
    let mut body = answer.bytes_stream();
    let mut got = body.next().await.unwrap().unwrap().len();
    let address = service.url.clone();
    let stopped = tokio::task::spawn_blocking(move || service.stop());
    // It takes nothing new from here on.
    while reqwest::get(format!("{address}/health/ready")).await.is_ok_and(|answer| answer.status() == 200) {}
    while let Some(part) = body.next().await {
        got += part.unwrap().len();
    }
    assert_eq!(got as u64, length);
    assert_eq!(stopped.await.unwrap(), Some(0));
}

/// The README's tour, block by block, as a stranger would paste it.
#[sqlx::test]
async fn the_tour_of_the_readme_works_as_pasted(pool: PgPool) {
    if Command::new("curl").arg("--version").output().is_err() {
        return eprintln!("skipped: the tour needs curl");
    }
    let (database, folder, desk) = (url(&pool), TempDir::new().unwrap(), TempDir::new().unwrap());
    let service = Service::start(&database, &folder, &[]).unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_offprint")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let address = service.url.clone();
    let walked = tokio::task::spawn_blocking(move || {
        for block in crate::documents::tour() {
            let mut shell = Command::new("sh");
            shell.arg("-euc").arg(&block).current_dir(desk.path()).env("PATH", &path).env("OFFPRINT", &address);
            let done = shell.stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{block}\n{}\n{said}", String::from_utf8_lossy(&done.stdout));
        }
    });
    walked.await.unwrap();
    assert_eq!(service.stop(), Some(0));
}
