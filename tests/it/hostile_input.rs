//! Malicious and malformed input: each is refused as an error of the client and never ends in a 500.

use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::test_app::{TestApp, build_multipart_request};

#[sqlx::test]
async fn a_nul_character_is_refused_wherever_it_stands(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"text").await;
    let request = |field: &str| json!({ "assetHandleArray": [asset], "fmt": "orig", (field): "a\0b" });
    for field in ["jobName", "description", "clientId"] {
        let problem = app.post("/export-jobs", request(field)).await.expect_status(422);
        assert_eq!(problem["errors"][0]["pointer"], format!("/{field}"));
    }
    let modifier = json!({ "assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=3&.a\0" });
    assert_eq!(app.post("/export-jobs", modifier).await.expect_status(422)["errors"][0]["pointer"], "/is_modifier");
    let filter = json!({ "assetFilter": { "name": "\0" }, "fmt": "orig" });
    assert_eq!(app.post("/export-jobs", filter).await.expect_status(422)["errors"][0]["pointer"], "/assetFilter/name");
    let preset = json!({ "urlModifier": "wid=3", "description": "\0" });
    assert_eq!(app.put("/image-presets/p", preset).await.expect_status(422)["errors"][0]["pointer"], "/description");
    for address in ["/export-jobs?name=%00", "/assets?name=a%00", "/assets?folder=%00", "/export-jobs/%00/files/%00"] {
        assert_eq!(app.get(address).await.expect_status(400)["code"], "invalid-parameter", "{address}");
    }
}

#[sqlx::test]
async fn a_forged_cursor_is_detected(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"text").await;
    for _ in 0..2 {
        app.post("/export-jobs", json!({ "assetHandleArray": [asset], "fmt": "orig" })).await.expect_status(202);
    }
    for sort in ["createdAt", "-finishedAt", "jobName"] {
        let list = format!("/export-jobs?limit=1&sort={sort}");
        let page = app.get(&list).await.expect_status(200);
        let cursor = page["nextCursor"].as_str().unwrap();
        let next = app.get(format!("{list}&cursor={cursor}")).await.expect_status(200);
        assert_ne!(next["items"][0]["jobHandle"], page["items"][0]["jobHandle"]);
        let ours: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(cursor).unwrap()).unwrap();
        for key in [json!(["\0", ours["key"][1]]), json!(["x", "x"]), json!([]), json!(["a", "b", "c"])] {
            let forged = URL_SAFE_NO_PAD.encode(json!({ "key": key, "filters": ours["filters"] }).to_string());
            let problem = app.get(format!("{list}&cursor={forged}")).await.expect_status(400);
            assert_eq!(problem["code"], "invalid-cursor", "{sort} {key}");
        }
        for time in ["yesterday", "99999999-01-01 00:00:00+00"].into_iter().filter(|_| sort != "jobName") {
            let body = json!({ "key": [time, ours["key"][1]], "filters": ours["filters"] });
            let forged = URL_SAFE_NO_PAD.encode(body.to_string());
            assert_eq!(
                app.get(format!("{list}&cursor={forged}")).await.expect_status(400)["code"],
                "invalid-cursor",
                "{time}"
            );
        }
    }
}

#[sqlx::test]
async fn an_answer_to_nonsense_is_not_larger_than_the_nonsense(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let numbers = json!({ "assetHandleArray": vec![1; 100_000], "fmt": "orig" });
    let fields: Value =
        (0..20_000).map(|number| (format!("field{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let word = json!({ "fmt": "x".repeat(500_000), "assetHandleArray": ["x"] });
    let name = json!({ "x".repeat(500_000): 1, "fmt": "orig", "assetHandleArray": ["x"] });
    for body in [numbers, fields, word, name] {
        let answer = app.post("/export-jobs", body).await;
        assert!(answer.body.len() < 50_000, "{} bytes", answer.body.len());
        let problem = answer.expect_status(422);
        assert!((1..=100).contains(&problem["errors"].as_array().unwrap().len()));
    }
}

#[sqlx::test]
async fn errors_beyond_the_first_hundred_are_counted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let fields: Value =
        (0..20_000).map(|number| (format!("field{number}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let handles = json!({ "assetHandleArray": (0..5000).map(|number| format!("nonsense{number}")).collect::<Vec<_>>(), "fmt": "orig" });
    let members: Vec<String> = (0..1000).map(|number| format!("00000000-0000-7000-8000-{number:012}")).collect();
    let set = json!({ "type": "ImageSet", "name": "s", "memberArray": members });
    let parts = (0..2000).map(|number| (format!("name=\"part{number}\""), &b"x"[..]));
    for (problem, least) in [
        (app.post("/export-jobs", fields).await.expect_status(422), 20_000),
        (app.post("/export-jobs", handles).await.expect_status(422), 5000),
        (app.post("/asset-sets", set).await.expect_status(422), 1000),
        (app.send(build_multipart_request(parts)).await.expect_status(422), 2000),
    ] {
        assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
        let detail = problem["detail"].as_str().unwrap();
        let total: usize = detail.split_once("has ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert!(total >= least && detail.contains("first 100"), "{detail}");
    }
}

#[sqlx::test]
async fn a_form_has_bounds(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let send = async |parts: Vec<(String, Vec<u8>)>| {
        let parts = parts.iter().map(|(head, bytes)| (head.clone(), bytes.as_slice()));
        app.send(build_multipart_request(parts)).await.expect_status(422)
    };
    let mention = |problem: &Value, text: &str| assert!(problem.to_string().contains(text), "{text}: {problem}");
    let folder = |text: &[u8]| ("name=\"folder\"".to_owned(), text.to_vec());
    mention(&send(vec![folder(b"a"); 5001]).await, "at most 5000 parts");
    mention(&send(vec![folder(&[b'a'; 4097])]).await, "longer than 4096 bytes");
    mention(&send(vec![(format!("name=\"{}\"", "n".repeat(5000)), vec![])]).await, "more than 4096 bytes");
    let file = format!("name=\"file\"; filename=\"{}\"", "n".repeat(5000));
    mention(&send(vec![(file, b"x".to_vec())]).await, "more than 4096 bytes");
    let headers = format!("name=\"file\"; filename=\"a\"\r\nx-long: {}", "x".repeat(17_000));
    mention(&send(vec![(headers, b"x".to_vec())]).await, "bytes of headers");
    // A file under a wrong name: the mistake is told, and its bytes are not read to the end.
    mention(&send(vec![("name=\"picture\"".to_owned(), vec![b'x'; 100_000])]).await, "Unknown part `picture`");
    assert_eq!(app.count_blobs().await, 0);
    assert_eq!(std::fs::read_dir(app.folder.path().join("tmp")).unwrap().count(), 0);
}

#[sqlx::test]
async fn long_and_nested_texts_are_refused_at_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"text").await;
    for text in ["(", "\"", "<", "a.", " ", "@", ",", "a ", "[", "\r\n ", "\"a\" ", "\u{e4}"] {
        let address = format!("{}a@example.org", text.repeat(900_000 / text.len() / 2));
        let request =
            json!({ "assetHandleArray": [asset], "fmt": "orig", "emailSetting": "All", "notifyEmails": [address] });
        let answer = app.post("/export-jobs/validate", request).await;
        assert!(answer.body.len() < 5000, "{} bytes", answer.body.len());
        assert_eq!(answer.expect_status(422)["errors"][0]["pointer"], "/notifyEmails/0", "{text:?}");
    }
    for nested in ["[".repeat(500_000), "{\"a\":".repeat(150_000)] {
        let request = TestRequest::post().uri("/export-jobs").insert_header(("content-type", "application/json"));
        assert_eq!(app.send(request.set_payload(nested)).await.expect_status(400)["code"], "malformed-json");
    }
}

#[sqlx::test]
async fn a_job_cannot_name_its_zip_dangerously(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"text").await;
    let name = "../\u{fc} \"x\";\r\nSet-Cookie: a=b\\";
    let request = json!({ "assetHandleArray": [asset], "fmt": "orig", "jobName": name });
    let job =
        app.post("/export-jobs", request).await.expect_status(202)["links"]["archive"].as_str().unwrap().to_owned();
    offprint::worker::drain_work(&app.state).await.unwrap();
    let disposition = app.head(job).await.header("content-disposition").to_owned();
    assert_eq!(
        disposition,
        "attachment; filename=\"..__ _x_;Set-Cookie_ a=b_.zip\"; filename*=UTF-8''.._%C3%BC%20_x_%3BSet-Cookie_%20a%3Db_.zip"
    );
}
