//! The tree of folders in the console, which is made of the folders that assets are in.

use sqlx::PgPool;

use crate::support::browser::{TestBrowser, unescape};
use crate::support::test_app::TestApp;

/// The names of the folders that a page lists.
async fn list_folders(browser: &TestBrowser<'_>, query: &str) -> Vec<String> {
    let page = browser.open(&format!("/console/assets{query}")).await;
    page.assert_sound();
    let Some(list) = page.html.split("<ul class=\"folders\">").nth(1) else { return Vec::new() };
    let links = list.split("</ul>").next().unwrap().split("</a>");
    links.filter_map(|link| Some(unescape(link.rsplit_once("\">")?.1))).collect()
}

#[sqlx::test]
async fn folders_are_listed_once_whatever_stands_beside_them(pool: PgPool) {
    let app = TestApp::open(pool).await;
    // Some have a name that is sorted between another folder and what is below that.
    let folders = ["", "a", "a b/x", "a-b", "a/x/y", "a/x", "a/z", "a0", "b/c/d/e/f", "caf\u{e9}/x", "Z", "a/x-1"];
    for (number, folder) in folders.iter().enumerate() {
        for copy in 0..3 {
            app.upload_to(folder, &[(&format!("{number}-{copy}.txt"), b"text")]).await.expect_status(201);
        }
    }
    let browser = TestBrowser::new(&app);
    for (query, expected) in [
        ("", vec!["Z", "a", "a b", "a-b", "a0", "b", "caf\u{e9}"]),
        ("?folder=a", vec!["x", "x-1", "z"]),
        ("?folder=a%2Fx", vec!["y"]),
        ("?folder=a%2Fx%2Fy", vec![]),
        ("?folder=b", vec!["c"]),
        ("?folder=b%2Fc%2Fd", vec!["e"]),
        ("?folder=caf%C3%A9", vec!["x"]),
        ("?folder=c", vec![]),
    ] {
        assert_eq!(list_folders(&browser, query).await, expected, "{query}");
    }
    // A folder goes with its last asset.
    let asset = app.get("/assets?folder=Z&limit=1000").await.expect_status(200);
    for asset in asset["items"].as_array().unwrap() {
        app.delete(format!("/assets/{}", asset["assetHandle"].as_str().unwrap())).await.expect_success();
    }
    assert!(!list_folders(&browser, "").await.contains(&"Z".to_owned()));
}

#[sqlx::test]
async fn searches_below_a_folder_find_what_is_there_and_nothing_beside_it(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for folder in ["2024", "2024/01", "2024-02", "2024 x", "20245", "x"] {
        app.upload_to(folder, &[("shoe.txt", b"text")]).await.expect_status(201);
    }
    for (query, expected) in [
        ("folder=2024", vec!["2024"]),
        ("folder=2024&recursive=true", vec!["2024", "2024/01"]),
        ("folder=2024&recursive=true&name=sh", vec!["2024", "2024/01"]),
        ("folder=2024&recursive=true&name=si", vec![]),
        ("folder=&recursive=true&limit=3", vec!["2024", "2024 x", "2024-02"]),
        ("folder=x&recursive=true", vec!["x"]),
    ] {
        let list = app.get(format!("/assets?{query}")).await.expect_status(200);
        let folders: Vec<&str> =
            list["items"].as_array().unwrap().iter().map(|asset| asset["folder"].as_str().unwrap()).collect();
        assert_eq!(folders, expected, "{query}");
    }
}
