//! The pages about the service: keys, users, schedules, usage, connections, system.

use offprint::db::capability::Capability;
use serde_json::json;
use sqlx::PgPool;

use crate::support::browser::TestBrowser;
use crate::support::export_jobs::{create_job, drain_work};
use crate::support::images::create_broken_jpeg;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app, send_with_authorization};

use super::pages_sign_in::sign_in_by_key;
use actix_web::test::TestRequest;

#[sqlx::test]
async fn a_key_is_created_shown_once_and_revoked(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "one", "ann").await;
    let browser = TestBrowser::elsewhere(&app);
    sign_in_by_key(&browser, &ann.key).await;
    let page = browser.open("/console/keys").await;
    page.assert_sound();
    let fields = [
        ("name", "web shop"),
        ("user", "bob"),
        ("email", "bob@example.org"),
        ("capability", "assets:read"),
        ("capability", "exports:create"),
    ];
    let created = browser.submit(&page, "/console/keys", &fields).await;
    created.assert_sound();
    assert_eq!(created.status(), 201);
    let key = created.html.split("<code id=\"key\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    app.leak_check.remember_keys(&key);
    let ask = async |path: &str| {
        let request = TestRequest::get().uri(path);
        send_with_authorization(&app, request, Some(&format!("Bearer {key}"))).await.status.as_u16()
    };
    assert_eq!((ask("/assets").await, ask("/api-keys").await), (200, 403));
    let list = browser.open("/console/keys").await;
    list.assert_sound();
    assert!(!list.html.contains(&key) && list.text().contains("web shop bob"), "shown once: {}", list.text());
    let keys = ann.get("/api-keys").await.expect_status(200);
    let handle =
        keys["items"].as_array().unwrap().iter().find(|key| key["name"] == "web shop").unwrap()["keyHandle"].clone();
    let revoke = format!("/console/keys/{}/revoke", handle.as_str().unwrap());
    let revoked = browser.submit(&list, &revoke, &[]).await;
    revoked.assert_sound();
    assert!(revoked.text().contains("The key was revoked."), "{}", revoked.text());
    assert!(!revoked.html.contains(&revoke), "once is enough");
    assert_eq!(ask("/assets").await, 401);
    let users = browser.open("/console/users").await;
    users.assert_sound();
    assert!(users.text().contains("bob bob@example.org – – 0"), "{}", users.text());
}

#[sqlx::test]
async fn a_key_form_with_mistakes_says_which(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let browser = TestBrowser::new(&app);
    let page = browser.open("/console/keys").await;
    for (fields, field, text) in [
        (vec![("name", " ")], "name", "Say what the key is for."),
        (vec![("name", "x"), ("until", "soon")], "until", "This is not a day"),
        (vec![("name", "x"), ("until", "2020-01-01")], "until", "is in the past"),
        (vec![("name", "x"), ("email", "no address")], "email", "address"),
        (vec![("name", "x"), ("role", "King")], "role", "Unknown role"),
        (vec![("name", "x"), ("role", "IpsUser"), ("capability", "admin")], "role", "exclude each other"),
    ] {
        let refused = browser.submit(&page, "/console/keys", &fields).await;
        refused.assert_sound();
        assert_eq!(refused.status(), 422, "{fields:?}");
        let described = format!("aria-invalid=\"true\" aria-describedby=\"{field}-mistake\"");
        assert!(refused.html.contains(&described), "{fields:?}: {}", refused.html);
        assert!(refused.html.contains(&format!("<a href=\"#{field}\">")), "{fields:?}: {}", refused.html);
        assert!(refused.text().contains(text), "{fields:?}: {}", refused.text());
    }
    assert_eq!(app.get("/api-keys").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn schedules_are_in_words_and_have_buttons(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.txt", b"a").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "jobName": "Nightly", "overlap": "allow",
        "execSchedule": "0 30 2 ? * MON-FRI", "timeZone": "Europe/Amsterdam"});
    let schedule = app.post("/export-schedules", request).await.expect_status(201);
    let own = format!("/console/schedules/{}", schedule["scheduleHandle"].as_str().unwrap());
    let browser = TestBrowser::new(&app);
    let mut page = browser.open("/console/schedules").await;
    page.assert_sound();
    for text in ["Nightly", "every weekday at 02:30", "0 30 2 ? * MON-FRI", "Europe/Amsterdam", "Active"] {
        assert!(page.text().contains(text), "{text}: {}", page.text());
    }
    page = browser.submit(&page, &format!("{own}/pause"), &[]).await;
    assert!(page.text().contains("The schedule was paused."), "{}", page.text());
    assert!(!page.html.contains(&format!("{own}/pause")), "{}", page.html);
    page = browser.submit(&page, &format!("{own}/resume"), &[]).await;
    assert!(page.text().contains("The schedule was resumed."), "{}", page.text());
    page = browser.submit(&page, &format!("{own}/run"), &[]).await;
    assert!(page.path.starts_with("/console/jobs/") && page.path.ends_with("?done=schedule-run"), "{}", page.path);
    page.assert_sound();
    drain_work(&app).await;
    page = browser.open("/console/schedules").await;
    page.assert_sound();
    assert!(page.text().contains("Ready : Nightly"), "the last run: {}", page.text());
    page = browser.submit(&page, &format!("{own}/delete"), &[]).await;
    assert!(
        page.text().contains("The schedule was deleted.") && page.text().contains("There are no schedules yet."),
        "{}",
        page.text()
    );
}

#[sqlx::test]
async fn the_system_page_has_the_numbers_of_the_metrics(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let broken = app.upload_asset("broken.jpg", &create_broken_jpeg()).await;
    create_job(&app, json!({"assetHandleArray": [broken], "fmt": "convert", "is_modifier": "wid=20"})).await;
    let browser = TestBrowser::new(&app);
    let before = browser.open("/console/system").await;
    before.assert_sound();
    assert!(before.text().contains("No worker runs"), "{}", before.text());
    assert!(
        before.text().contains("Items that wait 1") && before.text().contains("Active jobs 1"),
        "{}",
        before.text()
    );
    assert!(before.text().contains("Nothing failed in the last 24 hours."), "{}", before.text());
    drain_work(&app).await;
    let after = browser.open("/console/system").await;
    assert!(after.text().contains("Items that wait 0") && after.text().contains("truncated 1"), "{}", after.text());
    app.advance_time("25 hours").await;
    let later = browser.open("/console/system").await;
    assert!(later.text().contains("Nothing failed in the last 24 hours."), "{}", later.text());
}

#[sqlx::test]
async fn usage_and_limits_are_those_of_the_api(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_assets = 4).await;
    app.upload_asset("a.txt", b"1234567").await;
    let page = TestBrowser::new(&app).open("/console/usage").await;
    page.assert_sound();
    assert!(page.text().contains("Assets 1 4 25 %"), "{}", page.text());
    assert!(page.text().contains("Originals 1 7 bytes"), "{}", page.text());
    let connections = TestBrowser::new(&app).open("/console/connections").await;
    connections.assert_sound();
    assert!(connections.text().contains("No store is set up for your company."), "{}", connections.text());
}

#[sqlx::test]
async fn people_read_times_in_their_zone_and_language(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::with_capabilities(&app, "one", "ann", &Capability::ALL).await;
    sqlx::query("update company_user set locale = 'nl', time_zone = 'Europe/Amsterdam' where name = 'ann'")
        .execute(&app.state.system)
        .await
        .unwrap();
    let browser = TestBrowser { language: "*", ..TestBrowser::elsewhere(&app) };
    sign_in_by_key(&browser, &ann.key).await;
    let page = browser.open("/console/keys").await;
    page.assert_sound();
    assert_eq!(page.element("h1"), "API-sleutels");
    assert!(page.text().contains("Amsterdam") && !page.text().contains("tijdzone UTC"), "{}", page.text());
}
