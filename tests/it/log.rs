//! A job's log: what stands in it, in whose language, and how it is sifted.

use std::collections::BTreeSet;

use actix_web::test::TestRequest;
use offprint::db::company;
use offprint::db::event::KINDS;
use offprint::words;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{finished, jpg, ordered, work};
use crate::guest::{Guest, guarded};
use crate::house::House;

/// Every code of the enum below this line of comment.
fn codes_below(comment: &str) -> Vec<String> {
    let text = include_str!("../../crates/core/src/code.rs");
    let part = text.split(comment).nth(1).unwrap().split("\n}").next().unwrap();
    let names = part
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| line.chars().all(char::is_alphanumeric));
    let kebab = |name: &str| {
        let parts =
            name.char_indices().map(|(at, c)| if at > 0 && c.is_uppercase() { format!("-{c}") } else { c.to_string() });
        parts.collect::<String>().to_lowercase()
    };
    names.filter(|name| !name.is_empty()).map(kebab).collect()
}

#[test]
fn every_event_and_every_reason_has_a_sentence() {
    // These are told of orders, and stand in no log.
    let of_orders = ["duplicate-handle", "no-recipient", "client-id-not-an-address"];
    let reasons = codes_below("// Items that failed.");
    assert!(reasons.len() > 25 && reasons.contains(&"corrupt-original".to_owned()), "{reasons:?}");
    let reasons =
        reasons.iter().filter(|code| !of_orders.contains(&code.as_str())).map(|code| format!("reason-{code}"));
    let names: Vec<String> = KINDS.iter().map(|(code, _)| format!("event-{code}")).chain(reasons).collect();
    for language in words::languages() {
        let missing: Vec<_> = names.iter().filter(|name| !language.has(name)).collect();
        assert!(missing.is_empty(), "{}.ftl lacks {missing:?}", language.tag());
    }
}

async fn log(house: &House, job: &Value, query: &str) -> Vec<Value> {
    let job = job["jobHandle"].as_str().unwrap();
    let mut log = house.get(format!("/export-jobs/{job}/events?{query}")).await.is(200);
    log["items"].as_array_mut().unwrap().drain(..).collect()
}

fn column<'a>(log: &'a [Value], name: &str) -> Vec<&'a str> {
    log.iter().map(|event| event[name].as_str().unwrap_or("-")).collect()
}

fn broken() -> Vec<u8> {
    let mut bytes = jpg(2);
    bytes.truncate(bytes.len() / 2);
    bytes
}

/// A job with an end of every kind: converted, with a warning, as original, left out, failed.
async fn mixed(house: &House) -> Value {
    let clear = image::RgbaImage::from_pixel(40, 30, image::Rgba([200, 10, 10, 128]));
    let clear = crate::render::file_of(clear, image::ImageFormat::Png);
    let assets = [("a.jpg", jpg(1)), ("b.png", clear), ("c.txt", b"text".to_vec()), ("d.jpg", broken())];
    let mut handles = Vec::new();
    for (name, bytes) in &assets {
        handles.push(house.asset(name, bytes).await);
    }
    let set =
        house.post("/asset-sets", json!({"type": "ImageSet", "name": "e", "memberArray": [handles[0]]})).await.is(201);
    handles.push(set["assetHandle"].as_str().unwrap().to_owned());
    let order =
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "onUnsupported": "skip"});
    finished(house, order).await
}

#[sqlx::test]
async fn the_log_tells_every_end_in_words_and_as_ips_does(pool: PgPool) {
    let house = House::with(pool, |settings| settings.slots = 1).await;
    let job = mixed(&house).await;
    let log = log(&house, &job, "limit=1000").await;
    let told: Vec<(&str, &str, &str)> = log
        .iter()
        .map(|event| {
            let text = |name: &str| event[name].as_str().unwrap_or("-");
            // The archive's size depends on how long times are written.
            let message = if text("code") == "archiveCreated" { "…" } else { text("message") };
            (text("code"), text("ipsLogType"), message)
        })
        .collect();
    insta::assert_debug_snapshot!("the_log_of_a_mixed_job", told);
    let codes: BTreeSet<&str> = column(&log, "code").into_iter().collect();
    let known: BTreeSet<&str> = KINDS.iter().map(|(code, _)| *code).collect();
    assert!(codes.is_subset(&known), "{codes:?}");
    house.check().await;

    // The same once more: what is known is settled together, and told the same.
    let again = mixed(&house).await;
    let told_again = self::log(&house, &again, "limit=1000").await;
    let warned = |log: &[Value]| -> Vec<Value> {
        log.iter().filter(|event| event["code"] == "fileWarning").map(|event| event["parameters"].clone()).collect()
    };
    assert_eq!(warned(&told_again), warned(&log));
    house.check().await;
}

#[sqlx::test]
async fn a_log_is_sifted_by_code_and_by_the_log_types_of_ips(pool: PgPool) {
    let house = House::with(pool, |settings| settings.slots = 1).await;
    let job = mixed(&house).await;
    assert_eq!(column(&log(&house, &job, "code=fileFailed,exportEnded").await, "code"), ["fileFailed", "exportEnded"]);
    let successes = log(&house, &job, "ipsLogType=ExportJobRenderFileSuccess").await;
    let codes: BTreeSet<&str> = column(&successes, "code").into_iter().collect();
    assert_eq!((successes.len(), codes), (3, BTreeSet::from(["fileConverted", "fileExportedAsOriginal"])));
    let both =
        log(&house, &job, "ipsLogType=ExportJobRenderFileSuccess,EndExportJob&code=fileConverted,fileFailed").await;
    assert_eq!(column(&both, "code"), ["fileConverted", "fileConverted"]);
    // Pages of what was sifted.
    let own = format!("/export-jobs/{}/events?code=fileConverted&limit=1", job["jobHandle"].as_str().unwrap());
    let page = house.get(&own).await.is(200);
    let next = house.get(format!("{own}&cursor={}", page["nextCursor"].as_str().unwrap())).await.is(200);
    assert_eq!((next["items"][0]["code"].as_str(), &next["nextCursor"]), (Some("fileConverted"), &Value::Null));
    for (query, allowed) in [("code=fileEaten", "fileConverted"), ("ipsLogType=FleEnd", "ZipFileExportJobSuccess")] {
        let refused =
            house.get(format!("/export-jobs/{}/events?{query}", job["jobHandle"].as_str().unwrap())).await.is(400);
        assert_eq!(refused["errors"][0]["pointer"], query.split('=').next().unwrap());
        assert!(refused["detail"].as_str().unwrap().contains(allowed), "{refused}");
    }
}

#[sqlx::test]
async fn messages_are_in_the_language_of_the_reader(pool: PgPool) {
    let house = guarded(pool).await;
    let ann = Guest::of(&house, "ours", "ann").await;
    let asset = ann.asset("a.txt", b"a").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "locale": "en-US"});
    let job = ann.post("/export-jobs", order).await.is(202)["jobHandle"].as_str().unwrap().to_owned();
    offprint::worker::drain(&house.state).await.unwrap();
    let read = async |languages: Option<&str>| {
        let request = TestRequest::get().uri(&format!("/export-jobs/{job}/events"));
        let answer =
            ann.send(languages.into_iter().fold(request, |it, said| it.insert_header(("accept-language", said)))).await;
        let vary: Vec<_> = answer.headers.get_all("vary").map(|value| value.to_str().unwrap().to_owned()).collect();
        assert!(vary.join(", ").contains("Accept-Language"), "{vary:?}");
        let tag = answer.header("content-language").to_owned();
        (tag, answer.is(200)["items"][0]["message"].as_str().unwrap().to_owned())
    };
    let english = ("en".to_owned(), "The export was ordered: 1 asset.".to_owned());
    let dutch = ("nl".to_owned(), "De export is besteld: 1 bestand.".to_owned());
    for (said, wanted) in [
        (None, &english),
        (Some("nl"), &dutch),
        (Some("nl-BE"), &dutch),
        (Some("fr, en;q=0.1, nl;q=0.5"), &dutch),
        (Some("nl;q=0, *"), &english),
        (Some("tlh"), &english),
    ] {
        assert_eq!(&read(said).await, wanted, "{said:?}");
    }
    // Who does not say it reads in the language of the key's user.
    let mut connection = house.state.system.acquire().await.unwrap();
    company::user(&mut connection, ann.company, "ann", None, Some("nl-NL")).await.unwrap();
    drop(connection);
    assert_eq!((read(None).await, read(Some("en")).await), (dutch, english));
    let request =
        TestRequest::get().uri(&format!("/export-jobs/{job}/events")).insert_header(("accept", "text/event-stream"));
    let stream = ann.send(request.insert_header(("accept-language", "nl"))).await;
    assert_eq!(stream.header("content-language"), "nl");
    assert!(String::from_utf8(stream.body).unwrap().contains("De export is afgelopen: alles is geëxporteerd."));
}

#[sqlx::test]
async fn a_log_says_that_a_job_was_stopped_or_made_nothing(pool: PgPool) {
    let house = House::open(pool).await;
    let ends = async |job: &Value| log(&house, job, "limit=1000").await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    house.post(format!("/export-jobs/{job}/stop"), json!({})).await.worked();
    work(&house).await;
    let told = ends(&json!({"jobHandle": job})).await;
    assert_eq!(
        column(&told, "code"),
        ["exportOrdered", "stopRequested", "archiveCreated", "exportStopped", "exportEnded"]
    );
    let bad = house.asset("b.jpg", &broken()).await;
    let job = finished(&house, json!({"assetHandleArray": [bad], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let told = ends(&job).await;
    let last = &column(&told, "code")[told.len() - 3..];
    assert_eq!(last, ["archiveCreated", "fatalError", "exportEnded"]);
}

#[sqlx::test]
async fn a_log_says_once_that_the_archive_could_not_be_written(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    // Nothing can be written any more: there is a file where the folder was.
    let (folder, away) = (house.folder.path().join("tmp"), house.folder.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "").unwrap();
    work(&house).await;
    house.later("1 minute").await;
    work(&house).await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    house.later("1 minute").await;
    work(&house).await;
    let told = log(&house, &json!({"jobHandle": job}), "limit=1000").await;
    assert_eq!(
        column(&told, "code"),
        ["exportOrdered", "exportBegun", "fileExported", "archiveFailed", "archiveCreated", "exportEnded"]
    );
    assert_eq!(told[3]["ipsLogType"], "ZipFileExportJobError");
    let message = told[3]["message"].as_str().unwrap();
    assert!(message.starts_with("The archive could not be written yet") && !message.contains("/"), "{message}");
    house.check().await;
}
