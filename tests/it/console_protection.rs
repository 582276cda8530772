//! What protects the console: whoever is not signed in is led to where that is done, forms come from its own pages, no other
//! company's object is found, what a caller may not do is neither shown nor done, and a session ends with its key. Every page and
//! form of the operation table is asked, so that none is forgotten.

use actix_web::test::TestRequest;
use offprint::db::capability::Capability;
use offprint::http::operations::{BodyRule, OPERATIONS, OperationSpec};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::browser::{PAGE_ACCEPT, TestBrowser};
use crate::support::operations::{OperationFixtures, list_operations};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

use super::pages_sign_in::sign_in_by_key;

/// The operations of the console that need a right.
fn list_console(method: &str) -> Vec<&'static OperationSpec> {
    let rows = OPERATIONS.iter().filter(|row| row.path.starts_with("/console/") && row.method == method);
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 5, "{method}: {}", rows.len());
    rows
}

/// Whether it answers with something else than a page.
fn is_part_of_page(path: &str) -> bool {
    ["/events", "/thumbnail", "/preview"].iter().any(|end| path.ends_with(end))
}

#[sqlx::test]
async fn every_page_is_sound_in_both_modes_and_languages(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"bytes").await;
    let preset = json!({"urlModifier": "wid=10&fmt=png"});
    app.put("/image-presets/preset-of-ours", preset).await.expect_success();
    let created = app.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let job = created.expect_status(202)["jobHandle"].as_str().unwrap().to_owned();
    offprint::worker::drain_work(&app.state).await.unwrap();
    let objects = OperationFixtures { job, asset, preset: "preset-of-ours".into(), ..OperationFixtures::missing() };
    for language in ["en", "nl"] {
        let browser = TestBrowser { language, ..TestBrowser::new(&app) };
        for row in list_console("GET").into_iter().filter(|row| !is_part_of_page(row.path)) {
            let page = browser.open(&objects.fill_path(row.path)).await;
            assert_eq!(page.status(), 200, "{}: {}", row.path, page.html);
            page.assert_sound();
            assert_eq!(page.response.header("content-language"), language, "{}", row.path);
            assert!(page.html.contains(" aria-current=\""), "{}: where am I?", row.path);
            assert!(page.html.contains("class=\"skip\""), "{}", row.path);
        }
    }
}

#[sqlx::test]
async fn whoever_is_not_signed_in_is_led_there_and_back(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let objects = OperationFixtures::create(&ann).await;
    for row in list_console("GET").into_iter().filter(|row| !is_part_of_page(row.path)) {
        let path = format!("{}?x=1", objects.fill_path(row.path));
        let browser = TestBrowser::elsewhere(&app);
        let form = browser.open(&path).await;
        form.assert_sound();
        assert!(form.path.starts_with("/sign-in?next="), "{path} leads to {}", form.path);
        // Attempts to sign in are counted by key.
        let key = ann.create_key(&Capability::ALL).await;
        let page = browser.submit(&form, "/sign-in/key", &[("key", &key)]).await;
        assert_eq!((page.status(), page.path.as_str()), (200, path.as_str()), "{path}");
        page.assert_sound();
        // Programs are told so.
        let answer = app.send(TestRequest::get().uri(&path)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (401, "application/problem+json"),
            "{path}"
        );
    }
    let form = TestRequest::post().uri("/console/jobs/batch").set_form([("csrf", "0")]);
    let answer = app.send(form.insert_header(("accept", PAGE_ACCEPT))).await;
    assert_eq!(answer.status, 401, "what was sent cannot be sent again by signing in");
}

#[sqlx::test]
async fn forms_are_taken_from_our_pages_only(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let objects = OperationFixtures::create(&ann).await;
    let (browser, other) = (TestBrowser::elsewhere(&app), TestBrowser::elsewhere(&app));
    for browser in [&browser, &other] {
        sign_in_by_key(browser, &ann.key).await;
    }
    let find_token =
        async |browser: &TestBrowser<'_>| browser.open("/console/keys").await.find_form("/console/keys")[0].1.clone();
    let (csrf, foreign) = (find_token(&browser).await, find_token(&other).await);
    assert_ne!(csrf, foreign);
    // Forms with files have their token in the first part: `forms_of_the_console_come_from_its_pages_only`.
    for row in list_console("POST").into_iter().filter(|row| row.body != BodyRule::FileForm) {
        assert!(
            matches!(row.body, BodyRule::PageForm | BodyRule::ConsoleForm),
            "{}: a form proves where it comes from",
            row.path
        );
        let path = objects.fill_path(row.path);
        for wrong in ["", "0", &foreign] {
            let page = browser.post_form(&path, &[("csrf".to_owned(), wrong.to_owned())]).await;
            page.assert_sound();
            assert_eq!((page.status(), page.element("h1").as_str()), (403, "Please load the page again"), "{path}");
        }
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let request = TestRequest::post().uri(&path).set_form([("csrf", &csrf)]).insert_header((name, value));
            assert_eq!(browser.send(request).await.status, 403, "{path} {value}");
        }
        let json = TestRequest::post().uri(&path).set_json(json!({"csrf": csrf}));
        assert_eq!(browser.send(json.insert_header(("origin", "http://localhost"))).await.status, 415, "{path}");
        // What scripts send proves nothing about a form.
        let header =
            TestRequest::post().uri(&path).set_form([("x", "y")]).insert_header(("x-csrf-token", csrf.as_str()));
        assert_eq!(browser.send(header).await.status, 403, "{path}");
    }
    assert_eq!(ann.get(&format!("/export-jobs/{}", objects.job)).await.status, 200, "nothing was done");
    assert_eq!(ann.get(&format!("/api-keys/{}", objects.key)).await.expect_status(200)["revokedAt"], Value::Null);
}

#[sqlx::test]
async fn in_open_mode_forms_need_the_browser_that_loaded_them(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (browser, other) = (TestBrowser::new(&app), TestBrowser::new(&app));
    let page = browser.open("/console/keys").await;
    let fields = [("name", "by a form")];
    let refused = other.submit(&page, "/console/keys", &fields).await;
    assert_eq!(refused.status(), 403, "another browser");
    let mut all = page.find_form("/console/keys");
    all.push(("name".into(), "by a form".into()));
    let foreign =
        TestRequest::post().uri("/console/keys").set_form(&all).insert_header(("origin", "https://evil.example"));
    assert_eq!(browser.send(foreign).await.status, 403, "another site");
    assert_eq!(app.get("/api-keys").await.expect_status(200)["items"], json!([]));
    assert_eq!(browser.submit(&page, "/console/keys", &fields).await.status(), 201);
}

#[sqlx::test]
async fn what_belongs_to_another_company_is_not_found(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let objects = OperationFixtures::create(&ann).await;
    let browser = TestBrowser::elsewhere(&app);
    sign_in_by_key(&browser, &eve.key).await;
    let csrf = browser.open("/console/keys").await.find_form("/console/keys")[0].1.clone();
    let mut found = 0;
    // A form with files is another test's business.
    let is_of_one = |row: &&OperationSpec| row.path.starts_with("/console/") && row.path.contains('{');
    for row in OPERATIONS.iter().filter(is_of_one).filter(|row| row.body != BodyRule::FileForm) {
        let path = objects.fill_path(row.path);
        let page = match row.method {
            "GET" => browser.open(&path).await,
            _ => browser.post_form(&path, &[("csrf".to_owned(), csrf.clone())]).await,
        };
        assert_eq!(page.status(), 404, "{} {path}: {}", row.method, page.html);
        page.assert_sound();
        found += 1;
    }
    assert!(found >= 10, "{found}");
    for path in ["/console/jobs", "/console/schedules", "/console/keys", "/console/users", "/console/system"] {
        let page = browser.open(path).await;
        for ours in [&objects.job, &objects.schedule, &objects.key, &objects.asset, ">ann<"] {
            assert!(!page.html.contains(ours), "{path} shows {ours}: {}", page.html);
        }
    }
}

/// The navigation leads to each page that a caller may open and to no other one, whatever the capabilities.
#[sqlx::test]
async fn the_navigation_shows_what_may_be_opened(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let sections: Vec<String> = {
        let browser = TestBrowser::elsewhere(&app);
        sign_in_by_key(&browser, &ann.key).await;
        let page = browser.open("/console/usage").await;
        let links = page.attributes("href").into_iter().filter(|address| address.starts_with("/console/"));
        links.collect()
    };
    assert!(sections.len() >= 7, "{sections:?}");
    for capability in Capability::ALL {
        let browser = TestBrowser::elsewhere(&app);
        sign_in_by_key(&browser, &ann.create_key(&[capability]).await).await;
        let shown = browser.open("/console/usage").await;
        assert_eq!(shown.status(), 200, "{capability:?}");
        for section in &sections {
            let is_shown = shown.attributes("href").contains(section);
            let page = browser.open(section).await;
            let expected = if is_shown { 200 } else { 403 };
            assert_eq!(page.status(), expected, "{section} with {capability:?}");
            page.assert_sound();
        }
    }
}

#[sqlx::test]
async fn a_session_ends_with_its_key(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let (mine, doomed) = (TestBrowser::elsewhere(&app), TestBrowser::elsewhere(&app));
    sign_in_by_key(&mine, &ann.key).await;
    sign_in_by_key(&doomed, &ann.create_key(&Capability::ALL).await).await;
    let page = doomed.open("/console/jobs").await;
    assert_eq!(page.path, "/console/jobs");
    let keys = mine.open("/console/keys").await;
    let mut revoke = keys.attributes("action").into_iter().filter(|action| action.ends_with("/revoke"));
    let last = revoke.next_back().unwrap();
    assert_eq!(mine.submit(&keys, &last, &[]).await.status(), 200);
    let page = doomed.open("/console/jobs").await;
    assert!(page.path.starts_with("/sign-in?next="), "{}", page.path);
    assert_eq!(mine.open("/console/jobs").await.path, "/console/jobs", "others stay");
}

/// Buttons stand on pages of those only who may press them; this is the operation table's word, seen from the other side.
#[sqlx::test]
async fn a_form_that_is_not_shown_is_refused(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let objects = OperationFixtures::create(&ann).await;
    let console = list_operations().into_iter().filter(|operation| operation.path.starts_with("/console/"));
    for operation in console.filter(|operation| operation.is_form()) {
        let needed: Vec<Capability> = operation.needs.concat();
        let rest: Vec<Capability> = Capability::ALL.into_iter().filter(|one| !needed.contains(one)).collect();
        let browser = TestBrowser::elsewhere(&app);
        sign_in_by_key(&browser, &ann.create_key(&rest).await).await;
        let csrf = browser.cookies.borrow()["offprint_csrf"].clone();
        let page = browser.post_form(&objects.fill_path(&operation.path), &[("csrf".to_owned(), csrf)]).await;
        assert_eq!((page.status(), page.element("h1").as_str()), (403, "This is not allowed"), "{}", operation.name());
    }
}
