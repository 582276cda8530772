//! The page of a link: what people without an account see in a browser, while a job runs and afterwards.

use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Service as _;
use actix_web::http::Method;
use actix_web::test::{TestRequest, init_service};
use futures_util::Stream;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::{PAGE_ACCEPT, TestBrowser};
use crate::support::event_stream_reader::{EventStreamReader, StreamChunk, TEST_TIMEOUT};
use crate::support::export_jobs::{create_job, drain_work, send_job_action};
use crate::support::images::{create_broken_jpeg, draw_jpeg};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

/// A job that converts these images to PNG, not yet worked on.
async fn order_pngs(app: &TestApp, images: &[(&str, Vec<u8>)], more: Value) -> String {
    let mut handles = Vec::new();
    for (name, bytes) in images {
        handles.push(app.upload_asset(name, bytes).await);
    }
    let mut request = json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20&fmt=png"});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    create_job(app, request).await
}

/// The path of a new link.
async fn create_link(app: &TestApp, job: &str, body: Value) -> String {
    let link = app.post(format!("/export-jobs/{job}/links"), body).await.expect_status(201);
    let url = link["url"].as_str().unwrap();
    url[url.find("/downloads/").unwrap()..].to_owned()
}

/// Opens the progress of a link as its page does.
async fn open_progress(
    app: &TestApp,
    link: &str,
    language: &str,
) -> (u16, EventStreamReader<impl Stream<Item = StreamChunk> + Unpin + use<>>) {
    let service = init_service(offprint::http::build_app(app.state.clone())).await;
    let request = TestRequest::get().uri(&format!("{link}/events")).insert_header(("host", "localhost"));
    let request = request.insert_header(("accept", "text/event-stream")).insert_header(("accept-language", language));
    let answer = service.call(request.to_request()).await.unwrap().map_into_boxed_body();
    let status = answer.status().as_u16();
    let mut body: Pin<Box<BoxBody>> = Box::pin(answer.into_body());
    let parts = futures_util::stream::poll_fn(move |context| {
        body.as_mut()
            .poll_next(context)
            .map(|part| part.map(|part| part.map(|part| part.to_vec()).map_err(|why| why.to_string())))
    });
    (status, EventStreamReader { body: parts, buffer: String::new() })
}

#[sqlx::test]
async fn browsers_get_a_page_and_programs_the_bytes(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1)), ("b.jpg", draw_jpeg(2))], json!({"jobName": "spring"})).await;
    drain_work(&app).await;
    let link = create_link(&app, &job, json!({})).await;
    let page = TestBrowser::new(&app).open(&link).await;
    assert_eq!(page.status(), 200);
    page.assert_sound();
    assert_eq!(page.response.header("referrer-policy"), "no-referrer", "the address is the credential");
    assert_eq!(page.response.header("x-robots-tag"), "noindex");
    assert_eq!(page.element("h1"), "spring");
    let zip = app.get(&link).await;
    assert_eq!(zip.header("content-type"), "application/zip", "no Accept");
    assert!(zip.headers.get_all("vary").any(|vary| vary == "Accept"));
    for (accept, query) in [("*/*", ""), ("application/zip", ""), (PAGE_ACCEPT, "?dl=1"), (PAGE_ACCEPT, "?dl=")] {
        let bytes = app.get_with_header(format!("{link}{query}"), "accept", accept).await;
        assert_eq!((bytes.status.as_u16(), &bytes.body), (200, &zip.body), "{accept} {query}");
        assert!(bytes.header("content-disposition").starts_with("attachment"));
    }
    // A browser that continues a download.
    let range = TestRequest::get().uri(&link).insert_header(("accept", PAGE_ACCEPT));
    let part = app.send(range.insert_header(("range", "bytes=10-19"))).await;
    assert_eq!((part.status.as_u16(), part.body.as_slice()), (206, &zip.body[10..20]));
    let head = TestRequest::default().method(Method::HEAD).uri(&link).insert_header(("accept", PAGE_ACCEPT));
    let head = TestBrowser::new(&app).send(head).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert!(head.header("content-type").starts_with("text/html"));
    assert_eq!(head.header("content-length"), page.html.len().to_string());
}

#[sqlx::test]
async fn a_finished_job_shows_its_zip_its_files_and_what_failed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut broken = draw_jpeg(3);
    broken.truncate(broken.len() / 2);
    let images = [("a.jpg", draw_jpeg(1)), ("ä b.jpg", draw_jpeg(2)), ("kapot.jpg", broken)];
    let job = order_pngs(&app, &images, json!({"jobName": "spring", "description": "For the\nagency"})).await;
    drain_work(&app).await;
    let link = create_link(&app, &job, json!({})).await;
    let page = TestBrowser::new(&app).open(&link).await;
    page.assert_sound();
    let text = page.text();
    assert!(text.contains("Partly ready") && text.contains("1 of 3 images failed."), "{text}");
    assert!(text.contains("For the agency") && text.contains("Available until"), "{text}");
    assert!(
        text.contains("kapot.jpg The JPEG ends before its image data does."),
        "the reason stands beside the name: {text}"
    );
    assert!(!page.html.contains("<progress") && !page.html.contains("link.js"), "nothing moves any more");
    // The button says the size of what it downloads.
    let address = page.attributes("href").into_iter().find(|address| address.ends_with("?dl=1")).unwrap();
    let zip = app.get_with_header(&address, "accept", PAGE_ACCEPT).await;
    let size = zip.body.len() as f64 / 1000.0;
    assert!(text.contains(&format!("Download all 2 files as zip ({size:.1} kB)")), "{size}: {text}");
    assert!(text.contains("curl --fail --continue-at -") && text.contains(&format!("8080{link}'")), "{text}");
    // Each file can be fetched by itself, and continued.
    let files: Vec<String> =
        page.attributes("href").into_iter().filter(|address| address.contains("/files/")).collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in &files {
        let whole = app.get_with_header(file, "accept", PAGE_ACCEPT).await;
        assert_eq!((whole.status.as_u16(), whole.header("content-type")), (200, "image/png"));
        assert!(whole.header("content-security-policy").starts_with("sandbox;"), "an uploaded file is never run");
        assert_eq!((whole.header("referrer-policy"), whole.header("x-robots-tag")), ("no-referrer", "noindex"));
        let rest = app.get_with_header(file, "range", "bytes=5-").await;
        assert_eq!((rest.status.as_u16(), rest.body.as_slice()), (206, &whole.body[5..]));
        assert_eq!(app.head(file).await.header("content-length"), whole.body.len().to_string());
    }
    assert!(text.contains("20 × 13, PNG"), "{text}");

    let dutch = TestBrowser { language: "nl-BE, en;q=0.3", ..TestBrowser::new(&app) }.open(&link).await;
    dutch.assert_sound();
    let text = dutch.text();
    assert!(text.contains("Gedeeltelijk klaar") && text.contains("1 van 3 afbeeldingen is mislukt."), "{text}");
    assert!(text.contains("kapot.jpg Het bestand houdt eerder op dan de afbeelding."), "{text}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn the_language_is_that_of_the_job_where_the_browser_says_none(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1))], json!({"locale": "nl-NL"})).await;
    drain_work(&app).await;
    let link = create_link(&app, &job, json!({})).await;
    for (accepted, language) in [("tlh", "nl"), ("en", "en"), ("*", "nl")] {
        let page = TestBrowser { language: accepted, ..TestBrowser::new(&app) }.open(&link).await;
        assert_eq!(page.response.header("content-language"), language, "{accepted}");
    }
}

#[sqlx::test]
async fn while_a_job_runs_its_page_follows_it_with_scripts_and_without(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let images = [("a.jpg", draw_jpeg(1)), ("b.jpg", draw_jpeg(2)), ("kapot.jpg", create_broken_jpeg())];
    let job = order_pngs(&app, &images, json!({})).await;
    let link = create_link(&app, &job, json!({})).await;
    let page = TestBrowser::new(&app).open(&link).await;
    page.assert_sound();
    assert!(page.text().contains("Waiting 0 of 3 images are done."), "{}", page.text());
    assert!(page.html.contains("<progress ") && page.html.contains("aria-valuetext=\"0 % –"), "{}", page.html);
    assert!(page.html.contains("<noscript><meta http-equiv=\"refresh\" content=\"15\">"), "{}", page.html);
    assert_eq!(page.html.matches("role=\"status\"").count(), 1, "one live region: {}", page.html);
    assert_eq!(page.attributes("data-progress"), [format!("{link}/events")]);
    assert!(!page.html.contains("?dl=1"), "nothing to download yet: {}", page.html);

    let (status, mut reader) = open_progress(&app, &link, "nl").await;
    assert_eq!(status, 200);
    let first = reader.next().await.unwrap();
    assert_eq!(
        (&first.data["percent"], &first.data["word"], &first.data["icon"]),
        (&json!(0), &json!("Wacht"), &json!("waiting"))
    );
    assert_eq!((&first.data["text"], &first.data["done"]), (&json!("0 van 3 afbeeldingen zijn klaar."), &json!(false)));
    let (rest, ()) = tokio::join!(reader.read_rest(), drain_work(&app));
    let percents: Vec<i64> = rest.iter().map(|message| message.data["percent"].as_i64().unwrap()).collect();
    assert!(percents.is_sorted() && percents.last() == Some(&100), "{percents:?}");
    for message in &rest {
        let names: Vec<&String> = message.data.as_object().unwrap().keys().collect();
        assert_eq!(names, ["percent", "word", "icon", "path", "text", "done"], "no names, no requester, no log");
        assert_eq!(message.kind, "progress");
    }
    assert_eq!(rest.last().unwrap().data["done"], true);
    let page = TestBrowser::new(&app).open(&link).await;
    assert!(page.text().contains("Partly ready") && page.html.contains("?dl=1"), "{}", page.text());
    let (_, mut again) = open_progress(&app, &link, "en").await;
    let messages = again.read_rest().await;
    assert_eq!((messages.len(), &messages[0].data["done"]), (1, &json!(true)), "{messages:?}");
}

#[sqlx::test]
async fn a_link_to_one_file_waits_for_this_file_only(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut broken = draw_jpeg(3);
    broken.truncate(broken.len() / 2);
    let images = [("a.jpg", draw_jpeg(1)), ("kapot.jpg", broken)];
    let job = order_pngs(&app, &images, json!({"jobName": "spring", "layout": "flat"})).await;
    let (good, bad) = (
        create_link(&app, &job, json!({"path": "a.png"})).await,
        create_link(&app, &job, json!({"path": "kapot.png"})).await,
    );
    let browser = TestBrowser::new(&app);
    let page = browser.open(&good).await;
    page.assert_sound();
    assert_eq!(page.element("h1"), "a.png");
    assert!(page.text().contains("Part of spring") && page.html.contains("<progress "), "{}", page.text());
    let (_, mut reader) = open_progress(&app, &good, "en").await;
    let (messages, ()) = tokio::join!(reader.read_rest(), drain_work(&app));
    assert_eq!(messages.last().unwrap().data["done"], true);
    let page = browser.open(&good).await;
    page.assert_sound();
    assert!(page.text().contains("Ready The file is ready to download. Download the file ("), "{}", page.text());
    let page = browser.open(&bad).await;
    page.assert_sound();
    assert!(page.text().contains("Not available The export has ended without this file."), "{}", page.text());
    assert!(page.text().contains("kapot.jpg The JPEG ends"), "{}", page.text());
    // It leads to no other file of the job.
    assert_eq!(app.get(format!("{good}/files/a.png")).await.status, 200);
    for other in ["kapot.png", "b.png", "A.png"] {
        assert_eq!(app.get(format!("{good}/files/{other}")).await.expect_status(404)["code"], "not-found", "{other}");
    }
}

#[sqlx::test]
async fn links_that_lead_nowhere_say_so_kindly(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1))], json!({})).await;
    drain_work(&app).await;
    let created = app.post(format!("/export-jobs/{job}/links"), json!({})).await.expect_status(201);
    let url = created["url"].as_str().unwrap();
    let revoked = url[url.find("/downloads/").unwrap()..].to_owned();
    let brief = create_link(&app, &job, json!({"expiresIn": 60})).await;
    let long = create_link(&app, &job, json!({})).await;
    app.delete(format!("/export-jobs/{job}/links/{}", created["linkHandle"].as_str().unwrap())).await;
    app.advance_time("2 minutes").await;
    let forged = format!("{}x", &long[..long.len() - 1]);
    let unknown = "/downloads/nothing".to_owned();
    let check = async |link: &str, status: u16, english: &str, dutch: &str| {
        for (language, title) in [("en", english), ("nl", dutch)] {
            for below in ["", "/files/a.png", "/events"] {
                let page = TestBrowser { language, ..TestBrowser::new(&app) }.open(&format!("{link}{below}")).await;
                page.assert_sound();
                assert_eq!((page.status(), page.element("h1").as_str()), (status, title), "{link}{below}");
                assert_eq!(page.response.header("referrer-policy"), "no-referrer");
                assert_eq!(page.response.header("x-robots-tag"), "noindex");
                assert!(page.text().contains(page.response.header("x-request-id")), "{}", page.text());
                let program = app.get(format!("{link}{below}")).await;
                assert_eq!(program.header("content-type"), "application/problem+json");
                assert_eq!(program.status.as_u16(), status);
            }
        }
    };
    check(&revoked, 410, "This link was withdrawn", "Deze link is ingetrokken").await;
    check(&brief, 410, "This link has expired", "Deze link is verlopen").await;
    for unknown in [&forged, &unknown] {
        check(unknown, 404, "This link is not known", "Deze link is niet bekend").await;
    }
    assert_eq!(TestBrowser::new(&app).open(&long).await.status(), 200);
    app.delete(format!("/export-jobs/{job}")).await.expect_success();
    check(&long, 410, "This link has expired", "Deze link is verlopen").await;
}

#[sqlx::test]
async fn a_stream_ends_with_its_link(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.stream_heartbeat = Duration::from_millis(20)).await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1))], json!({"execTime": "2099-01-01T00:00:00Z"})).await;
    let created = app.post(format!("/export-jobs/{job}/links"), json!({})).await.expect_status(201);
    let url = created["url"].as_str().unwrap();
    let link = &url[url.find("/downloads/").unwrap()..];
    let page = TestBrowser::new(&app).open(link).await;
    assert!(
        page.text().contains("Planned The export begins on 1 January 2099, 00:00 (UTC time zone)."),
        "{}",
        page.text()
    );
    let (_, mut reader) = open_progress(&app, link, "en").await;
    reader.next().await.unwrap();
    app.delete(format!("/export-jobs/{job}/links/{}", created["linkHandle"].as_str().unwrap())).await.expect_success();
    assert!(reader.read_rest().await.is_empty());
    assert_eq!(open_progress(&app, link, "en").await.0, 410);
}

#[sqlx::test]
async fn a_stream_ends_with_its_link_while_progress_arrives_without_a_pause(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.stream_heartbeat = Duration::from_secs(1)).await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1))], json!({"execTime": "2099-01-01T00:00:00Z"})).await;
    let created = app.post(format!("/export-jobs/{job}/links"), json!({})).await.expect_status(201);
    let url = created["url"].as_str().unwrap();
    let (_, mut reader) = open_progress(&app, &url[url.find("/downloads/").unwrap()..], "en").await;
    reader.next().await.unwrap();
    app.delete(format!("/export-jobs/{job}/links/{}", created["linkHandle"].as_str().unwrap())).await.expect_success();
    // The page learns of changes four times a second, more often than it sends heartbeats.
    let change = async {
        loop {
            for action in ["pause", "resume"] {
                send_job_action(&app, &job, action).await.expect_success();
            }
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(TEST_TIMEOUT, reader.read_rest()) => assert!(ended.is_ok(), "the stream goes on"),
        () = change => unreachable!(),
    }
}

#[sqlx::test]
async fn pages_count_among_the_live_streams(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_streams = 1).await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1))], json!({})).await;
    let link = create_link(&app, &job, json!({})).await;
    let (status, reader) = open_progress(&app, &link, "en").await;
    assert_eq!((status, open_progress(&app, &link, "en").await.0), (200, 429));
    drop(reader);
    assert_eq!(open_progress(&app, &link, "en").await.0, 200);
}

#[sqlx::test]
async fn names_cannot_become_markup(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann <b>\"&'").await;
    let asset = ann.upload_asset("<img src=x onerror=alert(1)>.txt", b"bytes").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "</title><script>alert(1)</script>",
        "description": "\"><svg onload=alert(1)>"});
    let job = ann.post("/export-jobs", request).await.expect_status(202);
    offprint::worker::drain_work(&app.state).await.unwrap();
    let links = format!("/export-jobs/{}/links", job["jobHandle"].as_str().unwrap());
    let url = ann.post(&links, json!({})).await.expect_status(201)["url"].as_str().unwrap().to_owned();
    let page = TestBrowser::new(&app).open(&url[url.find("/downloads/").unwrap()..]).await;
    page.assert_sound();
    assert_eq!(page.element("h1"), "</title><script>alert(1)</script>");
    assert!(page.text().contains("From ann <b>\"&'"), "{}", page.text());
    assert!(page.text().contains("\"><svg onload=alert(1)>"), "{}", page.text());
    assert!(!page.html.contains("<svg onload") && !page.html.contains("<b>") && !page.html.contains("<img"));
}

#[sqlx::test]
async fn many_files_come_a_page_at_a_time(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let files: Vec<(String, Vec<u8>)> =
        (0..125).map(|number| (format!("{number:03}.txt"), format!("bytes {number}").into_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    app.upload_to("", &files).await.expect_status(201);
    let job = create_job(&app, json!({"assetFilter": {}, "fmt": "orig"})).await;
    drain_work(&app).await;
    let link = create_link(&app, &job, json!({})).await;
    let browser = TestBrowser::new(&app);
    let (mut address, mut names) = (link.clone(), Vec::new());
    for count in [60, 60, 5] {
        let page = browser.open(&address).await;
        page.assert_sound();
        let own: Vec<String> =
            page.attributes("href").into_iter().filter(|address| address.contains("/files/")).collect();
        assert_eq!(own.len(), count, "{address}");
        names.extend(own);
        let next = page.attributes("href").into_iter().find(|address| address.contains("?after="));
        assert_eq!(next.is_some(), count == 60);
        address = next.unwrap_or_default().replace("#files", "");
    }
    names.dedup();
    assert_eq!(names.len(), 125, "each file once");
    for wrong in ["x", "1", "1.x", "", "1.2.3"] {
        assert_eq!(browser.open(&format!("{link}?after={wrong}")).await.status(), 400, "{wrong}");
    }
}

#[sqlx::test]
async fn addresses_on_pages_are_below_the_path_of_the_service(pool: PgPool) {
    let app =
        TestApp::with_settings(pool, |settings| settings.public_url = Some("https://images.example/offprint".into()))
            .await;
    let job = order_pngs(&app, &[("a.jpg", draw_jpeg(1))], json!({})).await;
    let link = create_link(&app, &job, json!({})).await;
    let browser = TestBrowser { headers: vec![("host", "images.example".into())], ..TestBrowser::new(&app) };
    for path in [link.as_str(), "/", "/nowhere", "/problems/not-found"] {
        if path == link {
            drain_work(&app).await;
        }
        let page = browser.open(path).await;
        page.assert_sound();
        for address in ["href", "src"].map(|name| page.attributes(name)).concat() {
            assert!(address.starts_with("/offprint/") || address.starts_with('#'), "{path}: {address}");
        }
    }
    let page = browser.open(&link).await;
    assert!(page.text().contains(&format!("'https://images.example/offprint{link}'")), "{}", page.text());
}

#[sqlx::test]
async fn files_have_thumbnails_that_are_made_once_and_go_with_them(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let big = crate::support::images::draw_image(image::ImageFormat::Png, 400, 200, 7);
    let handles = [app.upload_asset("big.png", &big).await, app.upload_asset("a.txt", b"no image").await];
    let request = json!({"assetHandleArray": handles, "fmt": "orig", "expiresIn": 3600});
    let job = create_job(&app, request).await;
    drain_work(&app).await;
    let link = create_link(&app, &job, json!({})).await;
    let page = TestBrowser::new(&app).open(&link).await;
    page.assert_sound();
    let shown: Vec<String> =
        page.attributes("src").into_iter().filter(|address| address.contains("/thumbnails/")).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    let before = app.get("/usage").await.expect_status(200);
    let first = app.get(&shown[0]).await;
    assert_eq!((first.status.as_u16(), first.header("content-type")), (200, "image/webp"));
    assert_eq!((first.header("referrer-policy"), first.header("x-content-type-options")), ("no-referrer", "nosniff"));
    let picture = image::load_from_memory(&first.body).unwrap();
    assert_eq!((picture.width(), picture.height()), (160, 80));
    let blobs = app.count_blobs().await;
    let again = app.get(format!("/export-jobs/{job}/thumbnails/big.png")).await;
    assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
    assert_eq!(app.count_blobs().await, blobs, "made once");
    assert_eq!(app.get_with_header(&shown[0], "if-none-match", first.header("etag")).await.status, 304);
    let after = app.get("/usage").await.expect_status(200);
    assert_eq!(after["files"], before["files"], "no file of the job");
    let (count, bytes) = (&after["renditions"]["count"], &after["renditions"]["bytes"]);
    assert_eq!((count, bytes), (&json!(1), &json!(first.body.len())), "it counts in the cache");
    for without in ["a.txt", "none.png"] {
        assert_eq!(app.get(format!("{link}/thumbnails/{without}")).await.expect_status(404)["code"], "not-found");
    }
    let only = create_link(&app, &job, json!({"path": "a.txt"})).await;
    assert_eq!(app.get(format!("{only}/thumbnails/big.png")).await.status, 404, "not behind this link");
    // It does not keep what it shows.
    for asset in handles {
        app.delete(format!("/assets/{asset}")).await.expect_success();
    }
    app.delete(format!("/export-jobs/{job}")).await.expect_success();
    offprint::worker::sweep_expired(&app.state).await.unwrap();
    app.advance_time("90 days").await;
    for _ in 0..3 {
        offprint::worker::enforce_retention(&app.state).await.unwrap();
    }
    assert_eq!(app.count_blobs().await, 0);
}
