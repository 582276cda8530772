//! `POST /image-presets/import`: what a company has in Scene7, from its files.

use actix_web::test::TestRequest;
use offprint::db::capability::Capability::{AssetsWrite, PresetsRead, PresetsWrite};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::images::draw_jpeg;
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app};

/// A macro file with what can be taken, what loses something and what cannot be taken.
const MACROS: &str = "Name\tDefinition\n\
    pdp\twid=1200&hei=1200&fit=constrain,1&fmt=jpeg&qlt=85,1\n\
    web\t$pdp$&fmt=webp&qlt=80\n\
    cached\twid=90&fmt=jpeg&cache=off\n\
    typo\twidd=300&fmt=jpeg\n\
    noop\t\n";

const AEM: &str = r#"{"jcr:primaryType": "sling:Folder",
    "zoom": {"jcr:primaryType": "cq:Page", "jcr:content": {"jcr:title": "zoom", "wid": "2400", "fmt": "jpeg", "qlt": 90}},
    "badge": {"jcr:content": {"$zoom$": "", "layer": "1", "src": "sale", "pos": "20,-20"}}}"#;

async fn import(app: &TestApp, query: &str, kind: &str, body: impl Into<Vec<u8>>) -> TestResponse {
    let request = TestRequest::post().uri(&format!("/image-presets/import{query}"));
    app.send(request.insert_header(("content-type", kind.to_owned())).set_payload(body.into())).await
}

fn summarize(report: &Value) -> (i64, i64, i64) {
    let number = |name: &str| report[name].as_i64().unwrap();
    (number("imported"), number("withLosses"), number("refused"))
}

#[sqlx::test]
async fn a_macro_file_is_imported_and_says_what_is_lost(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.put("/image-presets/PDP", json!({"urlModifier": "wid=1"})).await.expect_status(201);
    let dry = import(&app, "?dryRun=true", "text/tab-separated-values", MACROS).await.expect_status(200);
    assert_eq!((summarize(&dry), &dry["dryRun"]), ((3, 1, 2), &json!(true)), "{dry:#}");
    assert_eq!(app.get("/image-presets/pdp").await.expect_status(200)["urlModifier"], "wid=1");
    let report = import(&app, "", "text/plain", MACROS).await.expect_status(200);
    assert_eq!((&report["presets"], summarize(&report)), (&dry["presets"], (3, 1, 2)), "the dry run says the same");
    assert_eq!(
        (&report["presets"][2]["loses"][0]["code"], &report["presets"][2]["line"]),
        (&json!("ignored-command"), &json!(4))
    );
    assert!(report["presets"][3]["mistakes"][0]["detail"].as_str().unwrap().contains("wid"), "{report}");
    assert_eq!(app.get("/image-presets/web").await.expect_status(200)["urlModifier"], "$pdp$&fmt=webp&qlt=80");
    app.get("/image-presets/typo").await.expect_status(404);
}

#[sqlx::test]
async fn several_files_and_aem_are_read_for_what_they_are(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("sale.jpg", &draw_jpeg(1)).await;
    // As AEM answers it, in its own order.
    let report = import(&app, "", "application/json", AEM).await.expect_status(200);
    assert_eq!(summarize(&report), (2, 0, 0), "{report:#}");
    assert_eq!(
        app.get("/image-presets/badge").await.expect_status(200)["urlModifier"],
        "$zoom$&layer=1&src=sale&pos=20,-20"
    );
    let files = json!({"files": [
        {"name": "presets.tab", "content": MACROS},
        {"name": "default.ini", "content": "JpegQuality=40\nBkgColor=ff0000\n"},
    ], "dryRun": true});
    let report = app.post("/image-presets/import", files).await.expect_status(200);
    let losses = report["presets"][0]["loses"].to_string();
    assert!(
        losses.contains("BkgColor=ff0000") && !losses.contains("JpegQuality"),
        "only what matters is named: {losses}"
    );
    for (kind, body, part) in [
        ("text/plain", "Name\tText\na\tb\n", "no column Definition"),
        ("text/plain", "", "neither macros nor records"),
        ("application/json", "{\"a\": 1}", "no presets"),
        ("application/json", "{\"files\": []}", "at least 1"),
        ("application/json", "{\"files\": [{\"name\": \"x\"}]}", "`content` is missing"),
    ] {
        let refused = import(&app, "", kind, body).await.expect_status(422);
        assert!(refused["detail"].as_str().unwrap().contains(part), "{kind} {body}: {refused}");
    }
    import(&app, "", "image/png", "x").await.expect_status(415);
    import(&app, "?dry=true", "text/plain", MACROS).await.expect_status(400);
    // Latin-1, as old tools write it.
    let report = import(&app, "?dryRun=true", "text/plain", b"# Pr\xe9s\nName\tDefinition\na\twid=1\n".to_vec())
        .await
        .expect_status(200);
    assert_eq!(summarize(&report), (1, 0, 0));
}

#[sqlx::test]
async fn records_of_a_catalog_become_templates(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let card = app.upload_asset("card.jpg", &draw_jpeg(1)).await;
    app.upload_asset("sale.jpg", &draw_jpeg(2)).await;
    let catalog = "Id\tPath\tModifier\tPostModifier\tAnchor\n\
        card\tx/card.tif\tsize=60,30&color=ffffff&$badge=sale&layer=1&src=$badge$\twid=50\t1,1\n\
        nobody\t\twid=5\t\t\n\
        sale\t\twid=tall\t\t\n";
    let dry = import(&app, "?dryRun=true", "text/plain", catalog).await.expect_status(200);
    assert_eq!(summarize(&dry), (1, 1, 2), "{dry:#}");
    assert_eq!(app.get(format!("/assets/{card}")).await.expect_status(200)["urlModifier"], "");
    let report = import(&app, "", "text/plain", catalog).await.expect_status(200);
    let templates = &report["templates"];
    assert_eq!((&templates[0]["assetHandle"], &templates[0]["mistakes"]), (&json!(card), &json!([])));
    assert!(templates[0]["loses"][0]["detail"].as_str().unwrap().contains("anchor"), "{templates}");
    assert_eq!(templates[1]["mistakes"][0]["code"], "asset-not-found");
    assert_eq!(templates[2]["mistakes"][0]["code"], "invalid-modifier");
    let asset = app.get(format!("/assets/{card}")).await.expect_status(200);
    assert_eq!(asset["urlPostApplyModifier"], "wid=50");
    let template = app.get(format!("/assets/{card}/template")).await.expect_status(200);
    assert!(template.to_string().contains("badge"), "{template}");
}

#[sqlx::test]
async fn limits_and_rights_hold(pool: PgPool) {
    let app = TestApp::with_settings(pool.clone(), |settings| settings.max_presets = 2).await;
    app.put("/image-presets/other", json!({"urlModifier": "wid=1"})).await.expect_status(201);
    let refused = import(&app, "", "text/plain", "Name\tDefinition\na\twid=1\nb\twid=2\n").await.expect_status(422);
    assert_eq!(refused["code"], "too-many-presets");
    app.get("/image-presets/a").await.expect_status(404);
    import(&app, "", "text/plain", "Name\tDefinition\na\twid=1\nother\twid=2\n").await.expect_status(200);
    let guarded = open_guarded_app(pool).await;
    let send = async |user: &TestUser<'_>, text: &str| {
        let request = TestRequest::post().uri("/image-presets/import").insert_header(("content-type", "text/plain"));
        user.send(request.set_payload(text.to_owned())).await.status
    };
    let presets = TestUser::with_capabilities(&guarded, "acme", "ann", &[PresetsRead, PresetsWrite]).await;
    assert_eq!(send(&presets, "Name\tDefinition\na\twid=1\n").await, 200);
    assert_eq!(send(&presets, "Id\tModifier\na\twid=1\n").await, 403);
    let both = TestUser::with_capabilities(&guarded, "acme", "bob", &[PresetsRead, PresetsWrite, AssetsWrite]).await;
    assert_eq!(send(&both, "Id\tModifier\na\twid=1\n").await, 200);
    let other = TestUser::with_capabilities(&guarded, "other", "eve", &[PresetsRead, PresetsWrite]).await;
    assert_eq!(other.get("/image-presets/a").await.status, 404, "presets are the company's");
}
