//! Which assets are exported: lists of names as JSON, table and text, and the conditions of a filter.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{drain_work, fetch_items, fetch_job};
use crate::support::images::draw_jpeg;
use crate::support::test_app::{TestApp, TestResponse};
use crate::support::test_user::{TestUser, open_guarded_app};

async fn upload(app: &TestApp, folder: &str, name: &str) -> String {
    let answer = app.upload_to(folder, &[(name, &draw_jpeg(1))]).await.expect_status(201);
    answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
}

async fn post_list(app: &TestApp, path: &str, kind: &str, text: &str) -> TestResponse {
    let request = TestRequest::post().uri(path).insert_header(("content-type", kind.to_owned()));
    app.send(request.set_payload(text.to_owned())).await
}

fn list_paths(items: &[Value]) -> Vec<&str> {
    let files = items.iter().flat_map(|item| item["files"].as_array().unwrap());
    files.map(|file| file["path"].as_str().unwrap()).collect()
}

async fn list_filtered(app: &TestApp, filter: Value) -> Vec<String> {
    let request = json!({"assetFilter": filter, "fmt": "orig"});
    let dry = app.post("/export-jobs/validate", request).await.expect_status(200);
    let names = dry["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned());
    names.collect()
}

#[sqlx::test]
async fn a_table_of_names_is_exported_as_it_says(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for name in ["SKU10001_A.jpg", "SKU10001_B.jpg", "SKU10002_A.jpg"] {
        upload(&app, "products", name).await;
    }
    app.put("/image-presets/pdp", json!({"urlModifier": "wid=12&fmt=jpeg"})).await.expect_status(201);
    let table = "sku,preset,modifier,outputName\r\n\
                 SKU10001_A,pdp,,SKU10001.MAIN\r\n\
                 products/SKU10001_B.jpg,$pdp$,wid=40&hei=5,\"SKU10001,PT{01}\"\r\n\
                 \r\n\
                 SKU10002_A,,wid=7&fmt=png,\r\n";
    let dry = post_list(&app, "/export-jobs/validate", "text/csv", table).await.expect_status(200);
    let paths = ["SKU10001.MAIN.jpg", "SKU10001,PT{01}.jpg", "SKU10002_A.png"];
    assert_eq!(list_paths(dry["items"].as_array().unwrap()), paths, "{dry}");
    assert_eq!(dry["items"][1]["width"], 12, "the preset comes last, as `macro` does");
    let created =
        post_list(&app, "/export-jobs?jobName=market+place&layout=flat", "text/csv; charset=utf-8", table).await;
    let job = created.expect_status(202);
    assert_eq!((&job["jobName"], &job["fmt"]), (&json!("market place"), &json!("convert")));
    drain_work(&app).await;
    let handle = job["jobHandle"].as_str().unwrap();
    let job = fetch_job(&app, handle).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    assert_eq!(list_paths(&fetch_items(&app, &job).await), paths);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn names_that_do_not_exist_are_listed_by_line(pool: PgPool) {
    let app = TestApp::open(pool).await;
    upload(&app, "", "a.jpg").await;
    upload(&app, "x", "twice.jpg").await;
    upload(&app, "y", "twice.jpg").await;
    let text = "a\n\nnobody\ntwice\ny/twice\na\n";
    let refused = post_list(&app, "/export-jobs?fmt=orig", "text/plain", text).await.expect_status(422);
    let details: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["detail"].as_str().unwrap()).collect();
    assert_eq!(details.len(), 2, "{refused}");
    assert!(details[0].starts_with("Line 3: There is no asset nobody"), "{details:?}");
    assert!(details[1].starts_with("Line 4: 2 assets are named twice"), "{details:?}");
    assert_eq!(refused["errors"][0]["code"], "asset-not-found");
    let text = "a\nnobody\ny/twice\na\n";
    let job = post_list(&app, "/export-jobs?onMissing=skip", "text/plain", text).await.expect_status(202);
    let codes: Vec<&str> =
        job["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["skipped-missing", "duplicate-handle"], "a name that stands twice is exported once");
    assert_eq!(job["counts"]["total"], 2);
    // Mistakes of a table name their lines, too.
    let table = "name,modifier\na,wid=5\na,wid=tall\n";
    let refused = post_list(&app, "/export-jobs", "text/csv", table).await.expect_status(422);
    assert!(refused["errors"][0]["detail"].as_str().unwrap().starts_with("Line 3: `wid`"), "{refused}");
}

#[sqlx::test]
async fn a_list_with_the_same_key_is_created_once(pool: PgPool) {
    let app = TestApp::open(pool).await;
    upload(&app, "", "a.jpg").await;
    let send = async |query: &str| {
        let request = TestRequest::post().uri(&format!("/export-jobs{query}")).insert_header(("idempotency-key", "k"));
        app.send(request.insert_header(("content-type", "text/plain")).set_payload("a")).await
    };
    let first = send("?fmt=orig").await.expect_status(202);
    assert_eq!(send("?fmt=orig").await.expect_status(202)["jobHandle"], first["jobHandle"]);
    assert_eq!(send("?fmt=orig&jobName=other").await.expect_status(422)["code"], "idempotency-conflict");
    post_list(&app, "/export-jobs", "text/html", "a").await.expect_status(415);
    let refused = post_list(&app, "/export-jobs?assets=[]", "text/plain", "a").await.expect_status(422);
    assert!(refused["detail"].as_str().unwrap().contains("The list names the assets"), "{refused}");
}

#[sqlx::test]
async fn assets_are_named_in_json_with_their_root(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.modifiers.attributes = "RootId=Acme".into()).await;
    upload(&app, "shoes", "red.jpg").await;
    let request = json!({"assets": [{"name": "Acme/red", "nameTemplate": "x"}, {"name": "shoes/red"}], "fmt": "orig"});
    let dry = app.post("/export-jobs/validate", request).await.expect_status(200);
    assert_eq!(list_paths(dry["items"].as_array().unwrap()), ["x.jpg", "red.jpg"]);
    let request = json!({"assets": [{"name": "red", "assetHandle": uuid::Uuid::now_v7()}, {}], "fmt": "orig"});
    let refused = app.post("/export-jobs", request).await.expect_status(422);
    let codes: Vec<&Value> = refused["errors"].as_array().unwrap().iter().map(|error| &error["code"]).collect();
    assert!(
        codes.contains(&&json!("conflicting-parameters")) && codes.contains(&&json!("missing-parameter")),
        "{refused}"
    );
}

#[sqlx::test]
async fn filters_have_names_folders_tags_and_times(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let one = upload(&app, "spring/shoes", "one.jpg").await;
    let two = upload(&app, "autumn", "two.jpg").await;
    upload(&app, "winter", "three.jpg").await;
    for (asset, tags) in [(&one, "Sale, red"), (&two, "sale,blue")] {
        app.patch(format!("/assets/{asset}"), json!({"metadata": {"tags": tags}})).await.expect_status(200);
    }
    sqlx::query("update asset set updated_at = '2020-01-01' where name <> 'two'")
        .execute(&app.state.system)
        .await
        .unwrap();
    for (filter, expected) in [
        (json!({"folders": ["spring", "winter"], "recursive": true}), vec!["one", "three"]),
        (json!({"folders": ["spring", "winter"]}), vec!["three"]),
        (json!({"names": ["three.jpg", "one"]}), vec!["one", "three"]),
        (json!({"tags": ["SALE"]}), vec!["two", "one"]),
        (json!({"tags": ["sale", "red"]}), vec!["one"]),
        (json!({"updatedSince": "2021-01-01T00:00:00Z"}), vec!["two"]),
        (json!({"names": ["one", "two"], "updatedSince": "2021-01-01T00:00:00Z"}), vec!["two"]),
    ] {
        assert_eq!(list_filtered(&app, filter.clone()).await, expected, "{filter}");
    }
    let list = app.get("/assets?tags=sale,blue&updatedSince=2021-01-01T00:00:00Z").await.expect_status(200);
    assert_eq!((list["items"][0]["name"].as_str(), list["items"].as_array().unwrap().len()), (Some("two"), 1));
    for (filter, pointer) in [
        (json!({"folder": "a", "folders": ["b"]}), "/assetFilter/folders"),
        (json!({"folders": ["a", ".."]}), "/assetFilter/folders/1"),
        (json!({"names": ["one", "nobody"]}), "/assetFilter/names/1"),
        (json!({"tags": ["none"]}), "/assetFilter"),
        (json!({"tags": []}), "/assetFilter/tags"),
    ] {
        let refused = app.post("/export-jobs", json!({"assetFilter": filter, "fmt": "orig"})).await.expect_status(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
    let request = json!({"assetFilter": {"names": ["one", "nobody"]}, "fmt": "orig", "onMissing": "skip"});
    let job = app.post("/export-jobs", request).await.expect_status(202);
    assert_eq!((&job["counts"]["total"], &job["warnings"][0]["code"]), (&json!(1), &json!("skipped-missing")));
}

#[sqlx::test]
async fn the_number_of_renditions_is_a_setting(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_renditions = 12).await;
    let asset = upload(&app, "", "a.jpg").await;
    let request = |count: usize| {
        let renditions: Vec<Value> =
            (0..count).map(|number| json!({"name": number.to_string(), "is_modifier": "wid=3"})).collect();
        json!({"assetHandleArray": [asset], "fmt": "convert", "renditions": renditions})
    };
    app.post("/export-jobs/validate", request(12)).await.expect_status(200);
    let refused = app.post("/export-jobs/validate", request(13)).await.expect_status(422);
    assert!(refused["detail"].as_str().unwrap().contains("OFFPRINT_MAX_RENDITIONS"), "{refused}");
}

#[sqlx::test]
async fn a_key_for_presets_alone_exports_lists_with_presets(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let admin = TestUser::new(&app, "acme", "ann").await;
    admin.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let preset = json!({"urlModifier": "wid=5&fmt=jpeg"});
    admin.send(TestRequest::put().uri("/image-presets/pdp").set_json(preset)).await.expect_success();
    use offprint::db::capability::Capability::{AssetsRead, ExportsCreate};
    let limited = TestUser::with_capabilities(&app, "acme", "bob", &[AssetsRead, ExportsCreate]).await;
    for (table, status) in [("name,preset\na,pdp\n", 200), ("name,modifier\na,wid=4\n", 403)] {
        let request = TestRequest::post().uri("/export-jobs/validate").insert_header(("content-type", "text/csv"));
        limited.send(request.set_payload(table)).await.expect_status(status);
    }
}
