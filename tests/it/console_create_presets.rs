//! The console's pages of image presets, as people without scripts use them.

use offprint::db::capability::Capability;
use serde_json::json;
use sqlx::PgPool;

use crate::pages_sign_in::sign_in_by_key;
use crate::support::browser::TestBrowser;
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

const LIST: &str = "/console/presets";

#[sqlx::test]
async fn a_preset_is_created_tried_changed_and_deleted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let browser = TestBrowser::new(&app);
    let list = browser.open(LIST).await;
    list.assert_sound();
    assert!(list.text().contains("There are no image presets yet."), "{}", list.text());
    // What it would make, before it is saved.
    let fields =
        [("name", "web"), ("urlModifier", "wid=7&fmt=png"), ("description", "For the shop"), ("asset", asset.as_str())];
    let tried = browser.submit(&list, LIST, &[&fields[..], &[("action", "preview")]].concat()).await;
    tried.assert_sound();
    let result = tried.attributes("src").into_iter().find(|src| src.contains("/preview?")).unwrap();
    let image = app.get(result).await;
    assert_eq!((image.status.as_u16(), image.header("content-type")), (200, "image/png"));
    assert_eq!(app.get("/image-presets").await.expect_status(200)["items"], json!([]));
    let created = browser.submit(&list, LIST, &[&fields[..], &[("action", "save")]].concat()).await;
    created.assert_sound();
    assert!(
        created.path.starts_with("/console/presets/web?") && created.text().contains("The preset was created."),
        "{}",
        created.text()
    );
    // A name is taken once, ignoring case.
    let again = browser.submit(&list, LIST, &[("name", "WEB"), ("urlModifier", "wid=9"), ("action", "save")]).await;
    again.assert_sound();
    assert!(again.status() == 422 && again.html.contains("id=\"name-mistake\""), "{}", again.text());
    for (name, modifier, field) in [("a b", "wid=9", "name"), ("x", "widd=9", "urlModifier"), ("x", "", "urlModifier")]
    {
        let refused = browser.submit(&list, LIST, &[("name", name), ("urlModifier", modifier)]).await;
        refused.assert_sound();
        assert_eq!(refused.status(), 422, "{name} {modifier}");
        assert!(refused.html.contains(&format!("id=\"{field}-mistake\"")), "{name} {modifier}: {}", refused.text());
    }
    // Changed by two at once: the second is told.
    let path = "/console/presets/web";
    let page = browser.open(path).await;
    page.assert_sound();
    let saved = browser.submit(&page, path, &[("urlModifier", "wid=8"), ("watermark", "a"), ("tiled", "1")]).await;
    assert!(saved.text().contains("The preset was saved."), "{}", saved.text());
    let preset = app.get("/image-presets/web").await.expect_status(200);
    assert_eq!((&preset["urlModifier"], &preset["description"]), (&json!("wid=8"), &json!(null)));
    assert_eq!(preset["watermark"], json!({"asset": "a", "tiled": true}));
    let stale = browser.submit(&page, path, &[("urlModifier", "wid=3")]).await;
    stale.assert_sound();
    assert!(stale.status() == 422 && stale.text().contains("Somebody else has changed this"), "{}", stale.text());
    assert!(stale.html.contains("wid=3"), "what was typed stays: {}", stale.html);
    let shown = browser.open(LIST).await;
    assert!(shown.html.contains("/console/exports/new?macro=%24web%24"), "{}", shown.html);
    let form = browser.open("/console/exports/new?macro=%24web%24").await;
    assert!(form.html.contains("<option value=\"$web$\" selected>"), "{}", form.html);
    let page = browser.open(path).await;
    let unsure = browser.submit(&page, "/console/presets/web/delete", &[]).await;
    assert!(unsure.status() == 422 && unsure.html.contains("id=\"sure-mistake\""), "{}", unsure.text());
    let deleted = browser.submit(&page, "/console/presets/web/delete", &[("sure", "1")]).await;
    assert!(deleted.text().contains("The preset was deleted."), "{}", deleted.text());
    assert_eq!(browser.open(path).await.status(), 404);
}

#[sqlx::test]
async fn a_file_of_presets_is_imported_with_a_report(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let browser = TestBrowser::new(&app);
    let action = "/console/preset-imports";
    let file: &[u8] = b"Name\tDefinition\npdp\twid=1200&fmt=jpeg\ncached\twid=90&cache=off\ntypo\twidd=300\n";
    let page = browser.open(LIST).await;
    let send = async |button: &str| {
        let parts = [("name=\"file\"; filename=\"presets.tab\"", file), ("name=\"action\"", button.as_bytes())];
        browser.post_files(&page, action, &parts).await
    };
    let report = send("report").await;
    report.assert_sound();
    let text = report.text();
    assert!(text.contains("Nothing was saved.") && text.contains("Imported 2 With losses 1 Refused 1"), "{text}");
    assert_eq!(app.get("/image-presets").await.expect_status(200)["items"], json!([]));
    let done = send("import").await;
    done.assert_sound();
    let text = done.text();
    assert!(
        text.contains("What became of the files") && text.contains("typo Refused") && text.contains("cache"),
        "{text}"
    );
    let presets = app.get("/image-presets").await.expect_status(200);
    let names: Vec<_> = presets["items"].as_array().unwrap().iter().map(|preset| &preset["name"]).collect();
    assert_eq!(names, ["cached", "pdp"]);
    let wrong = browser.post_files(&page, action, &[("name=\"file\"; filename=\"x.tab\"", b"a,b\n1,2\n")]).await;
    wrong.assert_sound();
    assert!(wrong.status() == 422 && wrong.html.contains("id=\"import-mistake\""), "{}", wrong.text());
    let nothing = browser.post_files(&page, action, &[("name=\"file\"; filename=\"\"", b"")]).await;
    assert!(nothing.status() == 422 && nothing.html.contains("id=\"import-mistake\""), "{}", nothing.text());
}

#[sqlx::test]
async fn who_may_only_read_sees_no_buttons(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let preset = json!({"urlModifier": "wid=10"});
    ann.send(actix_web::test::TestRequest::put().uri("/image-presets/ours").set_json(preset)).await.expect_success();
    let reader = TestUser::with_capabilities(&app, "ours", "bob", &[Capability::PresetsRead]).await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &reader.key).await;
    for path in [LIST, "/console/presets/ours"] {
        let page = browser.open(path).await;
        page.assert_sound();
        assert!(page.status() == 200 && !page.html.contains("value=\"save\""), "{path}: {}", page.html);
        assert!(!page.html.contains("/delete") && !page.html.contains("preset-imports"), "{path}: {}", page.html);
    }
    let stranger = TestUser::new(&app, "theirs", "eve").await;
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &stranger.key).await;
    assert_eq!(browser.open("/console/presets/ours").await.status(), 404);
}
