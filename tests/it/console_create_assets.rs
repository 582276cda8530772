//! The console's pages of assets, as people without scripts use them.

use serde_json::json;
use sqlx::PgPool;

use crate::pages_sign_in::sign_in_by_key;
use crate::support::browser::TestBrowser;
use crate::support::images::draw_jpeg;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

#[sqlx::test]
async fn files_are_uploaded_listed_and_found(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let browser = TestBrowser::new(&app);
    let empty = browser.open("/console/assets").await;
    empty.assert_sound();
    assert!(empty.text().contains("There are no assets here."), "{}", empty.text());
    let (one, two) = (draw_jpeg(1), draw_jpeg(2));
    let parts = [
        ("name=\"folder\"", &b"spring/shoes"[..]),
        ("name=\"file\"; filename=\"one.jpg\"", one.as_slice()),
        ("name=\"file\"; filename=\"two <b>.jpg\"", two.as_slice()),
    ];
    let page = browser.post_files(&empty, "/console/assets", &parts).await;
    page.assert_sound();
    assert!(page.path.starts_with("/console/assets?folder=spring%2Fshoes"), "{}", page.path);
    let text = page.text();
    assert!(text.contains("2 files were uploaded.") && text.contains("one.jpg") && text.contains("two"), "{text}");
    assert!(!page.html.contains("two <b>"), "names are escaped: {}", page.html);
    let image = page.attributes("src").into_iter().find(|src| src.ends_with("/thumbnail")).unwrap();
    assert_eq!(app.get(image).await.header("content-type"), "image/webp");
    // Folders, one level after the other.
    let top = browser.open("/console/assets").await;
    assert!(top.html.contains("?folder=spring\">spring</a>") && !top.text().contains("one.jpg"), "{}", top.html);
    let below = browser.open("/console/assets?folder=spring").await;
    assert!(below.html.contains("folder=spring%2Fshoes\">shoes</a>"), "{}", below.html);
    // A search looks below its folder.
    let found = browser.open("/console/assets?folder=spring&name=one").await;
    assert!(found.text().contains("one.jpg") && !found.text().contains("two"), "{}", found.text());
    let refused = browser.post_files(&empty, "/console/assets", &[("name=\"file\"; filename=\"\"", b"")]).await;
    refused.assert_sound();
    assert!(refused.status() == 422 && refused.html.contains("id=\"file-mistake\""), "{}", refused.text());
    let refused = browser.open("/console/assets?folder=a/../b").await;
    assert!(refused.status() == 422 && refused.html.contains("id=\"search-folder-mistake\""), "{}", refused.text());
    app.assert_consistent().await;
}

#[sqlx::test]
async fn lists_have_pages(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for number in 0..55 {
        app.upload_to("many", &[(&format!("m{number:02}.txt"), b"x")]).await.expect_status(201);
    }
    let browser = TestBrowser::new(&app);
    let first = browser.open("/console/assets?folder=many").await;
    first.assert_sound();
    let next = first.attributes("href").into_iter().find(|href| href.contains("cursor=")).unwrap();
    let second = browser.open(&next).await;
    assert!(second.text().contains("m54.txt") && !second.text().contains("m49.txt"), "{}", second.text());
}

#[sqlx::test]
async fn an_asset_is_changed_replaced_and_deleted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("shoe.jpg", &draw_jpeg(1)).await;
    let change =
        json!({"metadata": {"old": "1", "kept": "2"}, "userData": "text", "crops": {"Large": "cropN=0,0,1,0.5"}});
    app.patch(format!("/assets/{asset}"), change).await.expect_status(200);
    let browser = TestBrowser::new(&app);
    let path = format!("/console/assets/{asset}");
    let page = browser.open(&path).await;
    page.assert_sound();
    assert!(page.html.contains("kept: 2\nold: 1") && page.html.contains("Large = cropN=0,0,1,0.5"), "{}", page.html);
    let fields = [
        ("name", "boot"),
        ("folder", "autumn"),
        ("metadata", "kept: 3\r\nnew: a: b"),
        ("userData", ""),
        ("anchor", "3,4"),
        ("crops", "Large = cropN=0,0,1,0.5\r\nSmall = cropN=0,0,0.5,0.5"),
        ("resolution", "150"),
    ];
    let saved = browser.submit(&page, &path, &fields).await;
    saved.assert_sound();
    assert!(saved.status() == 200 && saved.text().contains("The asset was saved."), "{}", saved.text());
    let changed = app.get(format!("/assets/{asset}")).await.expect_status(200);
    assert_eq!(
        (&changed["name"], &changed["folder"], &changed["metadata"], &changed["userData"], &changed["anchor"]),
        (&json!("boot"), &json!("autumn"), &json!({"kept": "3", "new": "a: b"}), &json!(null), &json!("3,4"))
    );
    assert_eq!((&changed["crops"]["Small"], &changed["resolution"]), (&json!("cropN=0,0,0.5,0.5"), &json!(150.0)));
    // The page that was open before is about another version.
    let stale = browser.submit(&page, &path, &[("name", "sandal")]).await;
    stale.assert_sound();
    assert!(
        stale.status() == 422 && stale.text().contains("Somebody else has changed this meanwhile."),
        "{}",
        stale.text()
    );
    // Mistakes stand at their fields, and what was typed stays.
    for (field, value, part) in [
        ("name", "a/b", "safe file name"),
        ("folder", "a/../b", ".."),
        ("metadata", "no pair", "Line 1"),
        ("resolution", "much", "not a number"),
        ("urlModifier", "widd=7", "wid"),
        ("thumbType", "round", "crop"),
    ] {
        let page = browser.open(&path).await;
        let refused = browser.submit(&page, &path, &[(field, value)]).await;
        refused.assert_sound();
        assert_eq!(refused.status(), 422, "{field}");
        assert!(refused.html.contains(&format!("id=\"{field}-mistake\"")), "{field}: {}", refused.text());
        assert!(refused.text().contains(part) && refused.html.contains(value), "{field}: {}", refused.text());
    }
    assert_eq!(app.get(format!("/assets/{asset}")).await.expect_status(200)["name"], "boot");
    // Another file.
    let page = browser.open(&path).await;
    let content = format!("{path}/content");
    let other = draw_jpeg(9);
    let replaced = browser.post_files(&page, &content, &[("name=\"file\"; filename=\"x.jpg\"", &other)]).await;
    replaced.assert_sound();
    assert!(replaced.text().contains("The file was replaced."), "{}", replaced.text());
    assert_eq!(app.get(format!("/assets/{asset}/content")).await.body, other);
    assert_eq!(app.get(format!("/assets/{asset}")).await.expect_status(200)["fileName"], "shoe.jpg");
    let nothing = browser.post_files(&page, &content, &[("name=\"file\"; filename=\"\"", b"")]).await;
    assert!(nothing.status() == 422 && nothing.html.contains("id=\"file-mistake\""), "{}", nothing.text());
    assert_eq!(app.get(format!("/assets/{asset}/content")).await.body, other);
    // Deleted only by somebody who means it.
    let (page, delete) = (browser.open(&path).await, format!("{path}/delete"));
    let unsure = browser.submit(&page, &delete, &[]).await;
    assert!(unsure.status() == 422 && unsure.html.contains("id=\"sure-mistake\""), "{}", unsure.text());
    let deleted = browser.submit(&page, &delete, &[("sure", "1")]).await;
    assert!(deleted.path.starts_with("/console/assets?folder=autumn"), "{}", deleted.path);
    assert!(deleted.text().contains("The asset was deleted."), "{}", deleted.text());
    assert_eq!(browser.open(&path).await.status(), 404);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn ticked_assets_are_moved_or_exported(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let (a, b) = (app.upload_asset("a.txt", b"a").await, app.upload_asset("b.txt", b"b").await);
    let browser = TestBrowser::new(&app);
    let page = browser.open("/console/assets").await;
    let action = "/console/assets/move";
    let refused = browser.submit(&page, action, &[("asset", &a), ("to", "x/../y")]).await;
    refused.assert_sound();
    assert!(refused.status() == 422 && refused.html.contains("id=\"move-folder-mistake\""), "{}", refused.text());
    let gone = uuid::Uuid::now_v7().to_string();
    let moved =
        browser.submit(&page, action, &[("asset", &a), ("asset", &gone), ("asset", &b), ("to", "archive")]).await;
    moved.assert_sound();
    assert!(moved.text().contains("2 were moved, 1 were not"), "{}", moved.text());
    assert_eq!(app.get(format!("/assets/{b}")).await.expect_status(200)["folder"], "archive");
    let export = browser.submit(&page, action, &[]).await;
    assert_eq!(export.status(), 200, "nothing is ticked");
    let mut fields = page.find_form(action);
    fields.extend(
        [("asset", a.as_str()), ("asset", &b), ("action", "pick")].map(|(name, value)| (name.into(), value.into())),
    );
    let form = browser.post_form("/console/exports/new", &fields).await;
    form.assert_sound();
    assert!(form.text().contains("2 assets are ticked: archive/a.txt archive/b.txt"), "{}", form.text());
}

#[sqlx::test]
async fn what_belongs_to_others_is_nowhere(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "ours", "ann").await, TestUser::new(&app, "theirs", "eve").await);
    let (ours, theirs) =
        (ann.upload_asset("ours.jpg", &draw_jpeg(1)).await, eve.upload_asset("theirs.jpg", &draw_jpeg(2)).await);
    let browser = TestBrowser::new(&app);
    sign_in_by_key(&browser, &ann.key).await;
    let own = browser.open(&format!("/console/assets/{ours}")).await;
    own.assert_sound();
    for path in [format!("/console/assets/{theirs}"), format!("/console/assets/{theirs}/thumbnail")] {
        assert_eq!(browser.open(&path).await.status(), 404, "{path}");
    }
    let list = browser.open("/console/assets").await;
    assert!(list.text().contains("ours.jpg") && !list.text().contains("theirs"), "{}", list.text());
    // The token of a page of ours, for an asset of theirs.
    let csrf = own.find_form(&format!("/console/assets/{ours}"))[0].1.clone();
    for path in ["", "/delete"].map(|end| format!("/console/assets/{theirs}{end}")) {
        let fields = [("csrf", csrf.as_str()), ("name", "mine"), ("sure", "1"), ("etag", "*")];
        let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(browser.post_form(&path, &fields).await.status(), 404, "{path}");
    }
    let moved = browser.submit(&list, "/console/assets/move", &[("asset", &theirs), ("to", "mine")]).await;
    assert!(moved.text().contains("0 were moved, 1 were not"), "{}", moved.text());
    let asset = eve.get(&format!("/assets/{theirs}")).await.expect_status(200);
    assert_eq!((&asset["name"], &asset["folder"]), (&json!("theirs"), &json!("")));
}
