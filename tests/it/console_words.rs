//! What the API says in English is said in the reader's language in the console, before the sentence itself.

use serde_json::json;
use sqlx::PgPool;

use crate::support::browser::{OpenPage, TestBrowser};
use crate::support::export_jobs::{create_job, drain_work};
use crate::support::images::create_broken_jpeg;
use crate::support::test_app::TestApp;

/// Checks that a page says this in Dutch, and what exactly in English.
#[track_caller]
fn assert_told(page: &OpenPage, dutch: &str, english: &str) {
    page.assert_sound();
    let at = page.html.find(dutch).unwrap_or_else(|| panic!("{dutch}: {}", page.text()));
    let behind = &page.html[at + dutch.len()..];
    assert!(behind.starts_with(" <span class=\"small\" lang=\"en\">"), "{behind}");
    assert!(behind.split("</span>").next().unwrap().contains(english), "{behind}");
}

#[sqlx::test]
async fn mistakes_and_failures_are_told_in_the_readers_language(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let browser = TestBrowser { language: "nl", ..TestBrowser::new(&app) };
    let form = browser.open("/console/exports/new").await;
    let submit = async |fields: &[(&str, &str)]| {
        let fields = [fields, &[("when", "now"), ("timeZone", "UTC"), ("action", "create")]].concat();
        browser.submit(&form, "/console/exports/new", &fields).await
    };
    let page = submit(&[("source", "list"), ("list", "no-such-sku"), ("fmt", "orig")]).await;
    assert_eq!(page.status(), 422);
    assert_told(&page, "Dit bestand bestaat niet. Misschien is het verwijderd.", "no-such-sku");
    let asset = app.upload_asset("cut.jpg", &create_broken_jpeg()).await;
    let page = submit(&[("asset", &asset), ("fmt", "convert"), ("is_modifier", "wid=nothing")]).await;
    assert_told(&page, "Een opdracht in de modifier heeft een onbruikbare waarde.", "wid");
    let page = submit(&[("asset", &asset), ("fmt", "convert"), ("is_modifier", "wid=9"), ("macro", "$none$")]).await;
    assert_told(&page, "Er is geen beeldvoorinstelling met deze naam.", "none");
    // A failed item says it like its log.
    let job = create_job(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=9"})).await;
    drain_work(&app).await;
    let page = browser.open(&format!("/console/jobs/{job}")).await;
    assert_told(&page, "Het bestand houdt eerder op dan de afbeelding.", "ends");
    // In English the sentence of the API is all.
    let english = TestBrowser::new(&app);
    let form = english.open("/console/exports/new").await;
    let fields = [("source", "list"), ("list", "no-such-sku"), ("fmt", "orig"), ("when", "now"), ("action", "create")];
    let page = english.submit(&form, "/console/exports/new", &fields).await;
    page.assert_sound();
    assert!(
        page.text().contains("no-such-sku") && !page.html.contains("class=\"small\" lang=\"en\""),
        "{}",
        page.text()
    );
}
