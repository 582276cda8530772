//! docs/EXPORTJOB.md, its second half: what comes out, the life of a job, mail and faults.

use std::io::{Cursor, Read};

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{file, finished, items, jpg, ordered, shown, work};
use crate::house::{Answer, House};

async fn archive(house: &House, job: &Value) -> zip::ZipArchive<Cursor<Vec<u8>>> {
    let answer = house.get(format!("/export-jobs/{}/archive", handle(job))).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    zip::ZipArchive::new(Cursor::new(answer.body)).unwrap()
}

fn handle(job: &Value) -> &str {
    job["jobHandle"].as_str().unwrap()
}

/// The names in a job's archive, in their order.
async fn names(house: &House, job: &Value) -> Vec<String> {
    let mut archive = archive(house, job).await;
    (0..archive.len()).map(|index| archive.by_index(index).unwrap().name().unwrap().into_owned()).collect()
}

/// Turns the clock on for jobs: what was to come in the next hundred days has come.
async fn later(house: &House) {
    sqlx::query("update export_job set exec_time = exec_time - interval '100 days', expires_at = expires_at - interval '100 days'")
        .execute(&house.state.system)
        .await
        .unwrap();
}

async fn tell(house: &House, job: &str, order: &str) -> Answer {
    house.post(format!("/export-jobs/{job}/{order}"), json!({})).await
}

/// A picture whose header is fine and whose data is not.
fn broken() -> Vec<u8> {
    let mut bytes = jpg(9);
    bytes.truncate(bytes.len() / 2);
    bytes
}

#[sqlx::test]
async fn files_archive_and_manifest_are_below_the_job(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    for place in ["files", "archive", "manifest"] {
        let link = job["links"][place].as_str().unwrap_or_else(|| panic!("no link to {place}: {job}"));
        let path = &link[link.find("/export-jobs/").unwrap()..];
        assert_eq!(house.get(path).await.status, 200, "{path}");
    }
}

#[sqlx::test]
async fn extensions_follow_the_output_format(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpeg", &jpg(1)).await;
    let formats = [
        ("jpeg", "jpg"),
        ("pjpeg", "jpg"),
        ("png", "png"),
        ("png-alpha", "png"),
        ("tif", "tiff"),
        ("gif", "gif"),
        ("webp", "webp"),
    ];
    for (token, extension) in formats {
        let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": format!("wid=9&fmt={token}")});
        let job = finished(&house, order).await;
        let bytes = file(&house, &job, &format!("a.{extension}")).await;
        assert_eq!(image::guess_format(&bytes).ok(), image::ImageFormat::from_extension(extension), "{token}");
    }
}

#[sqlx::test]
async fn an_original_keeps_its_file_name(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("Disney Park.JPEG", &jpg(1)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig"});
    file(&house, &finished(&house, order.clone()).await, "Disney%20Park.JPEG").await;
    house.patch(format!("/assets/{asset}"), json!({"fileName": "castle.jpg"})).await.is(200);
    file(&house, &finished(&house, order).await, "castle.jpg").await;
}

#[sqlx::test]
async fn download_gives_the_only_file_or_the_archive(pool: PgPool) {
    let house = House::open(pool).await;
    let (one, two) = (house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &jpg(2)).await);
    let only = finished(&house, json!({"assetHandleArray": [one], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}/download", handle(&only));
    assert_eq!(house.get(&place).await.body, jpg(1));
    assert_eq!(house.get_with(&place, "accept", "application/zip").await.header("content-type"), "application/zip");
    let both = finished(&house, json!({"assetHandleArray": [one, two], "fmt": "orig"})).await;
    let answer = house.get(format!("/export-jobs/{}/download", handle(&both))).await;
    assert_eq!(answer.header("content-type"), "application/zip");
}

#[sqlx::test]
async fn equal_names_are_told_apart_in_request_order(pool: PgPool) {
    let house = House::open(pool).await;
    let mut handles = Vec::new();
    for (folder, name, seed) in [("x", "a.jpg", 1), ("y", "A.JPG", 2), ("z", "a.jpg", 3)] {
        let uploaded = house.upload_to(folder, &[(name, &jpg(seed))]).await.is(201);
        handles.push(uploaded["assets"][0]["assetHandle"].clone());
    }
    handles.rotate_left(1);
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    assert_eq!(names(&house, &job).await[..3], ["A.JPG", "a (2).jpg", "a (3).jpg"]);
    assert_eq!(file(&house, &job, "a%20(3).jpg").await, jpg(1));
}

#[sqlx::test]
async fn folders_are_kept_on_request(pool: PgPool) {
    let house = House::open(pool).await;
    house.upload_to("x/y", &[("a.jpg", &jpg(1))]).await.is(201);
    house.upload_to("x", &[("a.jpg", &jpg(2))]).await.is(201);
    let order = json!({"assetFilter": {"folder": "x", "recursive": true}, "fmt": "orig", "layout": "folders"});
    let job = finished(&house, order).await;
    let mut found = names(&house, &job).await;
    found.truncate(2);
    found.sort();
    assert_eq!(found, ["x/a.jpg", "x/y/a.jpg"]);
    assert_eq!(file(&house, &job, "x/y/a.jpg").await, jpg(1));
}

#[sqlx::test]
async fn naughty_names_stay_inside_and_apart(pool: PgPool) {
    let house = House::open(pool).await;
    let naughty = [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/abs.jpg",
        "con.jpg",
        "a\u{202E}gpj.exe",
        "manifest.json",
        "Manifest.CSV",
        "x.",
    ];
    // What has no character of a name at all is refused at the door.
    house.upload_to("", &[("...", &jpg(99))]).await.is(422);
    for (seed, name) in naughty.into_iter().enumerate() {
        house.upload_to("", &[(name, &jpg(seed as u8))]).await.is(201);
    }
    let job = finished(&house, json!({"assetFilter": {}, "fmt": "orig", "layout": "folders"})).await;
    let found = names(&house, &job).await;
    assert_eq!(found.len(), naughty.len() + 2, "{found:?}");
    let mut folded: Vec<_> = found.iter().map(|name| name.to_lowercase()).collect();
    folded.sort();
    folded.dedup();
    assert_eq!(folded.len(), found.len(), "two names that differ in case only: {found:?}");
    for name in &found {
        assert!(!name.starts_with('/') && !name.contains('\\') && !name.contains('\u{202E}'), "{name:?}");
        assert!(name.split('/').all(|part| !part.is_empty() && !part.trim_matches('.').is_empty()), "{name:?}");
        assert!(!name.to_lowercase().starts_with("con."), "{name:?}");
    }
}

#[sqlx::test]
async fn the_archive_keeps_the_order_of_the_request(pool: PgPool) {
    let house = House::open(pool).await;
    let mut handles = Vec::new();
    for (seed, name) in ["c.jpg", "a.jpg", "b.jpg"].into_iter().enumerate() {
        handles.push(house.asset(name, &jpg(seed as u8)).await);
    }
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    assert_eq!(names(&house, &job).await, ["c.jpg", "a.jpg", "b.jpg", "manifest.json", "manifest.csv"]);
}

#[sqlx::test]
async fn the_archive_resumes_byte_for_byte(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &jpg(2)).await];
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}/archive", handle(&job));
    let whole = house.get(&place).await;
    let again = house.get(&place).await;
    assert_eq!((again.header("etag"), &again.body), (whole.header("etag"), &whole.body));
    for start in [0, 1, 17, whole.body.len() / 2, whole.body.len() - 1] {
        let rest = house.get_with(&place, "range", &format!("bytes={start}-")).await;
        assert_eq!((rest.status.as_u16(), rest.body.as_slice()), (206, &whole.body[start..]), "from {start}");
    }
    let tail = house.get_with(&place, "range", "bytes=-22").await;
    assert_eq!(tail.body, whole.body[whole.body.len() - 22..]);
    let beyond = house.get_with(&place, "range", &format!("bytes={}-", whole.body.len())).await;
    assert_eq!(
        (beyond.status.as_u16(), beyond.header("content-range")),
        (416, format!("bytes */{}", whole.body.len()).as_str())
    );
    let head = house.head(&place).await;
    assert_eq!((head.status.as_u16(), head.header("etag")), (200, whole.header("etag")));
}

#[sqlx::test]
async fn results_expire_when_they_say(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "expiresIn": 3600})).await;
    assert!(job["expiresAt"].is_string(), "{job}");
    later(&house).await;
    let gone = house.get(format!("/export-jobs/{}/archive", handle(&job))).await.is(410);
    assert_eq!(gone["code"], "results-expired");
    assert_eq!(shown(&house, handle(&job)).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn exec_time_runs_when_due(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let time = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time})).await;
    work(&house).await;
    assert_eq!(shown(&house, &job).await["state"], "scheduled");
    later(&house).await;
    work(&house).await;
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn exec_time_in_the_past_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    for time in ["2001-01-01T00:00:00Z", "2999-01-01T00:00:00", "tomorrow"] {
        let order = json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time});
        assert_eq!(house.post("/export-jobs", order).await.is(422)["errors"][0]["pointer"], "/execTime", "{time}");
    }
}

#[sqlx::test]
async fn a_job_is_one_resource_from_order_to_end(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let time = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time})).await;
    for state in ["scheduled", "finished"] {
        assert_eq!(shown(&house, &job).await["state"], state);
        let list = house.get("/export-jobs").await.is(200);
        assert_eq!((&list["items"][0]["jobHandle"], list["items"].as_array().unwrap().len()), (&json!(job), 1));
        later(&house).await;
        work(&house).await;
    }
}

#[sqlx::test]
async fn the_outcome_says_how_it_ended(pool: PgPool) {
    let house = House::open(pool).await;
    let (good, bad) = (house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &broken()).await);
    let convert = |handles: Value| json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"});
    for (handles, outcome) in
        [(json!([good]), "succeeded"), (json!([good, bad]), "partiallyFailed"), (json!([bad]), "failed")]
    {
        let job = ordered(&house, convert(handles)).await;
        assert_eq!(shown(&house, &job).await["outcome"], Value::Null);
        work(&house).await;
        assert_eq!(shown(&house, &job).await["outcome"], outcome);
    }
}

#[sqlx::test]
async fn a_partly_failed_job_has_its_archive_and_names_the_failures(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("good.jpg", &jpg(1)).await, house.asset("bad.jpg", &broken()).await];
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert_eq!(items(&house, &job).await[1]["failure"]["code"], "truncated");
    let mut archive = archive(&house, &job).await;
    let mut manifest = String::new();
    archive.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["items"][1]["failure"]["code"], "truncated");
    let mut csv = String::new();
    archive.by_name("manifest.csv").unwrap().read_to_string(&mut csv).unwrap();
    assert!(csv.lines().nth(2).unwrap().contains("truncated"), "{csv}");
    assert!(archive.by_name("good.png").is_ok() && archive.by_name("bad.png").is_err());
}

#[sqlx::test]
async fn counts_add_up_and_leave_the_archive_out(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &broken()).await];
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let counts = &job["counts"];
    let sum: u64 = ["waiting", "running", "succeeded", "failed", "skipped", "stopped"]
        .iter()
        .map(|name| counts[name].as_u64().unwrap())
        .sum();
    assert_eq!((counts["total"].as_u64(), sum), (Some(2), 2));
    assert_eq!(job["files"], 1);
    assert_eq!(job["progress"]["percent"], 100);
}

#[sqlx::test]
async fn a_paused_job_begins_nothing_and_goes_on(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert!(tell(&house, &job, "pause").await.status.is_success());
    work(&house).await;
    let paused = shown(&house, &job).await;
    assert_eq!((&paused["state"], &paused["counts"]["waiting"]), (&json!("paused"), &json!(1)));
    assert!(tell(&house, &job, "resume").await.status.is_success());
    work(&house).await;
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn run_begins_a_scheduled_job_at_once(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let time = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc3339();
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "execTime": time})).await;
    assert!(tell(&house, &job, "run").await.status.is_success());
    work(&house).await;
    assert_eq!(shown(&house, &job).await["outcome"], "succeeded");
}

#[sqlx::test]
async fn an_order_in_the_wrong_state_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    for order in ["pause", "resume", "stop", "run"] {
        let problem = tell(&house, handle(&job), order).await.is(409);
        assert_eq!(problem["code"], "wrong-state", "{order}");
        assert!(problem["detail"].as_str().unwrap().contains("finished"), "{problem}");
    }
}

#[sqlx::test]
async fn stop_keeps_what_is_done(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &broken()).await];
    let job = ordered(&house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert!(tell(&house, &job, "stop").await.status.is_success());
    work(&house).await;
    let stopped = shown(&house, &job).await;
    assert_eq!((&stopped["state"], &stopped["outcome"]), (&json!("finished"), &json!("stopped")));
    assert_eq!(stopped["counts"]["stopped"], 2);
    assert_eq!(names(&house, &stopped).await, ["manifest.json", "manifest.csv"]);
}

#[sqlx::test]
async fn delete_hides_the_job_and_frees_its_files(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let place = format!("/export-jobs/{}", handle(&job));
    assert!(house.delete(&place).await.status.is_success());
    house.get(&place).await.is(404);
    house.get(format!("{place}/archive")).await.is(404);
    work(&house).await;
    let left: i64 = sqlx::query_scalar("select count(*) from export_job").fetch_one(&house.state.system).await.unwrap();
    assert_eq!(left, 0);
}

#[sqlx::test]
async fn every_item_has_a_result(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &broken()).await];
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let items = items(&house, &job).await;
    assert_eq!((&items[0]["assetHandle"], &items[0]["state"]), (&json!(handles[0]), &json!("succeeded")));
    assert_eq!((&items[1]["assetHandle"], &items[1]["state"]), (&json!(handles[1]), &json!("failed")));
    assert!(items[1]["failure"]["detail"].as_str().unwrap().len() > 10, "{items:?}");
    let failed = house.get(format!("/export-jobs/{}/items?state=failed", handle(&job))).await.is(200);
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
}

#[sqlx::test]
async fn events_tell_the_story_in_order(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let list = house.get(format!("/export-jobs/{}/events", handle(&job))).await.is(200);
    let events = list["items"].as_array().unwrap();
    assert!(events.len() >= 3, "{events:?}");
    let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
}

#[sqlx::test]
async fn a_job_keeps_what_it_pinned(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    house.put("/image-presets/web", json!({"urlModifier": "wid=30&fmt=png"})).await;
    let orig = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let convert = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$web$"})).await;
    house.put("/image-presets/web", json!({"urlModifier": "wid=9&fmt=tif"})).await;
    assert!(house.delete(format!("/assets/{asset}")).await.status.is_success());
    work(&house).await;
    assert_eq!(file(&house, &shown(&house, &orig).await, "a.jpg").await, jpg(1));
    let png = image::load_from_memory(&file(&house, &shown(&house, &convert).await, "a.png").await).unwrap();
    assert_eq!(png.width(), 30);
}

#[sqlx::test]
async fn duplicate_handles_are_kept_once(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order = json!({"assetHandleArray": [asset, asset.to_uppercase(), asset], "fmt": "orig"});
    let job = finished(&house, order).await;
    assert_eq!(job["counts"]["total"], 1);
    assert_eq!(job["warnings"][0]["code"], "duplicate-handle");
}

/// Mails that were written so far.
fn mails(house: &House) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(house.folder.path().join("mail")) else { return Vec::new() };
    folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[sqlx::test]
async fn one_mail_at_most_by_setting_and_outcome(pool: PgPool) {
    let house = House::with(pool, |settings| settings.mail_to = Some("ann@example.org".into())).await;
    let (good, bad) = (house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &broken()).await);
    let note = house.asset("c.txt", b"text").await;
    let ends = [json!([good]), json!([good, note]), json!([good, bad]), json!([bad]), Value::Null];
    let table = [
        ("None", [0, 0, 0, 0, 0]),
        ("Error", [0, 0, 1, 1, 0]),
        ("ErrorAndWarning", [0, 1, 1, 1, 0]),
        ("JobCompletion", [1, 1, 1, 1, 0]),
        ("All", [1, 1, 1, 1, 1]),
    ];
    for (setting, wanted) in table {
        for (handles, wanted) in ends.iter().zip(wanted) {
            let before = mails(&house).len();
            let stop = handles.is_null();
            let handles = if stop { &ends[0] } else { handles };
            let order = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png", "emailSetting": setting});
            let job = ordered(&house, order).await;
            if stop {
                assert!(tell(&house, &job, "stop").await.status.is_success());
            }
            work(&house).await;
            work(&house).await;
            let outcome = shown(&house, &job).await["outcome"].clone();
            assert_eq!(mails(&house).len() - before, wanted, "{setting} on {outcome}");
        }
    }
}

#[sqlx::test]
async fn without_a_recipient_the_job_warns(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All"})).await;
    assert_eq!(job["warnings"][0]["code"], "no-recipient");
    assert_eq!(mails(&house).len(), 0);
    let order =
        json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": ["bob@example.org"]});
    assert_eq!(finished(&house, order).await["warnings"], json!([]));
    assert!(mails(&house)[0].contains("To: bob@example.org"), "{:?}", mails(&house));
}

#[sqlx::test]
async fn a_mail_server_that_is_down_changes_no_outcome(pool: PgPool) {
    // Nobody listens on port 1 of loopback.
    let house = House::with(pool, |settings| {
        settings.smtp_url = Some("smtp://127.0.0.1:1".into());
        settings.mail_to = Some("ann@example.org".into());
    })
    .await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All"})).await;
    assert_eq!(job["outcome"], "succeeded");
    assert_eq!(job["notification"]["state"], "waiting", "{job}");
}

#[sqlx::test]
async fn problems_name_the_fault_they_stand_for(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let problem = house.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "png"})).await.is(422);
    assert_eq!(problem["ips"]["fault"], "ipsApiFault", "{problem}");
    let house_with_key =
        House::with(house.state.system.clone(), |settings| settings.api_key = Some("secret".into())).await;
    let problem = house_with_key.get("/assets").await.is(401);
    assert_eq!((&problem["ips"]["fault"], &problem["ips"]["code"]), (&json!("authenticationFault"), &json!(10000)));
}

#[sqlx::test]
async fn all_mistakes_are_told_at_once(pool: PgPool) {
    let house = House::open(pool).await;
    let order = json!({
        "assetHandleArray": "one", "fmt": "png", "is_modifer": "fmt=png", "emailSetting": "Alles", "expiresIn": 1, "layout": 5
    });
    let problem = house.post("/export-jobs", order).await.is(422);
    let mut places: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    places.sort();
    assert_eq!(places, ["/assetHandleArray", "/emailSetting", "/expiresIn", "/fmt", "/is_modifer", "/layout"]);
}

#[sqlx::test]
async fn a_damaged_original_fails_its_item_and_no_other(pool: PgPool) {
    let house = House::open(pool).await;
    let (bad, good) = (house.asset("bad.jpg", &jpg(1)).await, house.asset("good.jpg", &jpg(2)).await);
    // The picture decodes; only its checksum knows.
    let mut spoiled = jpg(1);
    let last = spoiled.len() - 3;
    spoiled[last] ^= 1;
    std::fs::write(house.blob(&offprint::digest::Digest::of(&jpg(1))), &spoiled).unwrap();
    let order = json!({"assetHandleArray": [bad, good], "fmt": "convert", "is_modifier": "wid=20"});
    let job = finished(&house, order).await;
    let items = items(&house, &job).await;
    assert_eq!(
        (&job["outcome"], &items[0]["failure"]["code"]),
        (&"partiallyFailed".into(), &"corrupt-original".into())
    );
    assert_eq!(items[1]["state"], "succeeded");
    let preview = house.get(format!("/assets/{bad}/preview?is_modifier=wid%3D20")).await;
    assert_eq!(preview.is(500)["code"], "corrupt-original");

    // The file that was uploaded heals it.
    house.asset("again.jpg", &jpg(1)).await;
    tell(&house, handle(&job), "retry").await.is(200);
    work(&house).await;
    assert_eq!(shown(&house, handle(&job)).await["outcome"], "succeeded");
    house.check().await;
}
