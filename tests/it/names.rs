//! Names in every spelling of Unicode: found however they are written, and apart in every archive.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{fetch_items, run_export};
use crate::support::test_app::TestApp;

/// `café` as macOS writes it: the accent is a character of its own.
const DECOMPOSED: &str = "cafe\u{301}";
const COMPOSED: &str = "caf\u{e9}";

async fn count_listed(app: &TestApp, query: &str) -> usize {
    app.get(format!("/assets?{query}")).await.expect_status(200)["items"].as_array().unwrap().len()
}

async fn count_selected(app: &TestApp, filter: Value) -> usize {
    let request = json!({"assetFilter": filter, "fmt": "orig"});
    app.post("/export-jobs/validate", request).await.expect_status(200)["items"].as_array().unwrap().len()
}

#[sqlx::test]
async fn lists_and_requests_find_a_name_however_it_is_written(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let name = format!("{DECOMPOSED}.txt");
    app.upload_to(&format!("{DECOMPOSED}/zomer"), &[(&name, b"a text")]).await.expect_status(201);
    for spelling in [DECOMPOSED, COMPOSED] {
        let encoded: String = spelling.bytes().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(count_listed(&app, &format!("folder=/{encoded}//zomer/&name={encoded}")).await, 1, "{spelling:?}");
        let filter = json!({"folder": format!("/{spelling}//zomer/"), "name": spelling});
        assert_eq!(count_selected(&app, filter).await, 1, "{spelling:?}");
    }
    let request = json!({"assetFilter": {"folder": "a/../b"}, "fmt": "orig"});
    let problem = app.post("/export-jobs/validate", request).await.expect_status(422);
    assert_eq!(problem["errors"][0]["pointer"], "/assetFilter/folder");
}

#[sqlx::test]
async fn a_change_takes_a_decomposed_name(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handle = app.upload_asset("a.txt", b"a text").await;
    let changed = app.patch(format!("/assets/{handle}"), json!({"name": DECOMPOSED})).await.expect_status(200);
    assert_eq!(changed["name"], COMPOSED);
}

#[sqlx::test]
async fn names_that_one_folder_cannot_hold_are_numbered(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let persian = "\u{645}\u{6cc}\u{200c}\u{62e}\u{648}\u{627}\u{647}\u{645}.txt";
    let names =
        ["\u{394}\u{3a1}\u{39f}\u{39c}\u{39f}\u{3a3}.txt", "\u{3b4}\u{3c1}\u{3bf}\u{3bc}\u{3bf}\u{3c2}.txt", persian];
    let mut handles = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        handles.push(app.upload_asset(name, &[number as u8; 9]).await);
    }
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "orig"})).await;
    let items = fetch_items(&app, &job).await;
    let paths: Vec<&str> = items.iter().map(|item| item["files"][0]["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [names[0], "\u{3b4}\u{3c1}\u{3bf}\u{3bc}\u{3bf}\u{3c2} (2).txt", persian]);
}
