//! Export requests that have modifiers and parameters for single assets.

use image::{ImageFormat, Rgb, RgbImage};
use offprint::db::capability::Capability;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{download_file, fetch_items, run_export};
use crate::support::images::encode_image;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

fn encode_flat_png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    encode_image(RgbImage::from_pixel(width, height, Rgb(colour)), ImageFormat::Png)
}

async fn download_image(app: &TestApp, job: &Value, path: &str) -> RgbImage {
    image::load_from_memory(&download_file(app, job, path).await).unwrap().into_rgb8()
}

#[sqlx::test]
async fn one_job_makes_a_different_picture_of_each_asset(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(20, 20, [255, 0, 0])).await;
    let hat = app.upload_asset("hat.png", &encode_flat_png(30, 20, [255, 255, 0])).await;
    app.upload_asset("sale.png", &encode_flat_png(10, 10, [0, 0, 255])).await;
    app.upload_asset("new.png", &encode_flat_png(10, 10, [0, 255, 0])).await;
    let card = app.upload_asset("card.png", &encode_flat_png(9, 9, [9; 3])).await;
    let text = "size=60,30&color=ffffff&$badge=sale&layer=1&src=$object$&pos=-15,0&layer=2&src=$badge$&pos=20,0";
    app.patch(format!("/assets/{card}"), json!({"urlModifier": text})).await.expect_status(200);
    let request = json!({
        "fmt": "convert", "is_modifier": "template=card&fmt=png", "assetHandleArray": [hat],
        "assets": [
            {"assetHandle": shoe, "parameters": {"badge": "new"}},
            {"assetHandle": shoe},
            {"assetHandle": shoe, "is_modifier": "wid=30", "parameters": {"Badge": "new"}},
        ],
    });
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    let paths: Vec<&Value> = dry["items"].as_array().unwrap().iter().map(|item| &item["path"]).collect();
    assert_eq!(paths, ["hat.png", "shoe.png", "shoe (2).png", "shoe (3).png"]);
    let job = run_export(&app, request).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    for (path, width, badge, object) in [
        ("hat.png", 60, [0, 0, 255], [255, 255, 0]),
        ("shoe.png", 60, [0, 255, 0], [255, 0, 0]),
        ("shoe%20(2).png", 60, [0, 0, 255], [255, 0, 0]),
        ("shoe%20(3).png", 30, [0, 255, 0], [255, 0, 0]),
    ] {
        let shown = download_image(&app, &job, path).await;
        assert_eq!(shown.width(), width, "{path}");
        assert_eq!(shown.get_pixel(50 * width / 60, shown.height() / 2).0, badge, "{path}");
        assert_eq!(shown.get_pixel(15 * width / 60, shown.height() / 2).0, object, "{path}");
    }
    let items = fetch_items(&app, &job).await;
    assert_eq!((&items[0]["is_modifier"], &items[0]["parameters"]), (&Value::Null, &Value::Null));
    assert_eq!((&items[3]["is_modifier"], &items[3]["parameters"]), (&json!("wid=30"), &json!({"Badge": "new"})));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn texts_of_assets_follow_the_modifier_and_precede_the_macro(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(40, 20, [255, 0, 0])).await;
    let preset = json!({"urlModifier": "hei=5&$w=8"});
    app.put("/image-presets/low", preset).await.expect_status(201);
    let size = async |request: Value| {
        let job = run_export(&app, request).await;
        assert_eq!(job["outcome"], "succeeded", "{job}");
        let items = fetch_items(&app, &job).await;
        items.iter().map(|item| (item["width"].as_i64().unwrap(), item["height"].as_i64().unwrap())).collect::<Vec<_>>()
    };
    let own = json!([{"assetHandle": shoe, "is_modifier": "wid=20&hei=20&fit=stretch"}]);
    let request = json!({"fmt": "convert", "is_modifier": "wid=10&fmt=png", "macro": "$low$", "assets": own});
    assert_eq!(size(request).await, [(20, 5)]);
    // Parameters win over all other definitions; a segment ends with its text.
    let own = json!([{"assetHandle": shoe, "is_modifier": "wid=$w$", "parameters": {"w": "12"}}]);
    let request =
        json!({"fmt": "convert", "is_modifier": "layer=1&bgColor=00ff00&fmt=png", "macro": "$low$", "assets": own});
    assert_eq!(size(request).await, [(12, 5)]);
    // Its own modifier is enough, and renditions each get it.
    let own = json!([{"assetHandle": shoe, "is_modifier": "wid=7&fmt=png"}]);
    assert_eq!(size(json!({"fmt": "convert", "assets": own})).await, [(7, 4)]);
    let renditions = json!([{"name": "a", "is_modifier": "hei=3"}, {"name": "b", "is_modifier": "rotate=90"}]);
    let job = run_export(&app, json!({"fmt": "convert", "assets": own, "renditions": renditions})).await;
    let files = fetch_items(&app, &job).await[0]["files"].clone();
    let sizes: Vec<_> = files.as_array().unwrap().iter().map(|file| (&file["width"], &file["height"])).collect();
    assert_eq!(sizes, [(&json!(7), &json!(3)), (&json!(7), &json!(14))], "{files}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn wrong_texts_of_assets_are_told_with_their_place(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(40, 20, [255, 0, 0])).await;
    let nobody = "00000000-0000-7000-8000-00000000ffff";
    let refuse = async |request: Value| {
        let refused = app.post("/export-jobs", request).await.expect_status(422);
        let errors = refused["errors"].as_array().unwrap().clone();
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let assets = json!([
        {"assetHandle": shoe, "is_modifier": "wid=9"},
        {"assetHandle": shoe, "is_modifier": "hei=tall"},
        {"assetHandle": shoe, "parameters": {"src": "1", "object": "hat"}},
        {"assetHandle": shoe, "parameters": {"a b": "1"}},
        {"assetHandle": nobody},
        {"assetHandle": shoe, "is_modifier": "layer=1&src=$x$", "parameters": {"x": "nobody"}},
    ]);
    let mut pointers = refuse(json!({"fmt": "convert", "is_modifier": "fmt=png", "assets": assets})).await;
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/assets/1/is_modifier",
            "/assets/2/parameters/object",
            "/assets/3/parameters/a b",
            "/assets/4/assetHandle",
            "/assets/5/is_modifier",
        ]
    );
    let missing = json!([{"assetHandle": shoe, "is_modifier": "layer=1&src=$x$", "parameters": {"x": "nobody"}}]);
    assert_eq!(refuse(json!({"fmt": "convert", "assets": missing})).await, ["/assets/0/is_modifier"]);
    let own = json!([{"assetHandle": shoe, "is_modifier": "wid=9", "parameters": {"a": "1"}}]);
    assert_eq!(refuse(json!({"fmt": "orig", "assets": own})).await, ["/assets/0/is_modifier", "/assets/0/parameters"]);
    assert_eq!(refuse(json!({"fmt": "convert", "assets": own, "assetFilter": {}})).await, ["/assetFilter"]);
    assert_eq!(refuse(json!({"fmt": "convert", "assets": [{"assetHandle": shoe}]})).await, ["/is_modifier"]);
    assert_eq!(refuse(json!({"fmt": "convert", "is_modifier": "wid=9", "assets": []})).await, ["/assets"]);
    let typed = json!([{"assetHandle": shoe, "parameters": {"a": 1}}]);
    assert_eq!(
        refuse(json!({"fmt": "convert", "is_modifier": "wid=9", "assets": typed})).await,
        ["/assets/0/parameters/a"]
    );
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_key_for_presets_may_send_parameters_but_no_modifiers(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let shoe = ann.upload_asset("shoe.png", &encode_flat_png(40, 20, [255, 0, 0])).await;
    let preset = json!({"urlModifier": "wid=$w$&fmt=png&$w=5"});
    let saved = actix_web::test::TestRequest::put().uri("/image-presets/wide").set_json(preset);
    ann.send(saved).await.expect_success();
    let limited = TestUser::with_capabilities(&app, "ours", "bob", &[Capability::ExportsCreate]).await;
    let request =
        |asset: Value| json!({"fmt": "convert", "macro": "$wide$", "onUnconvertible": "fail", "assets": [asset]});
    let sent = json!({"assetHandle": shoe, "parameters": {"w": "7"}});
    limited.post("/export-jobs", request(sent)).await.expect_status(202);
    let refused = json!({"assetHandle": shoe, "is_modifier": "wid=7"});
    let refused = limited.post("/export-jobs", request(refused)).await.expect_status(403);
    assert_eq!(refused["errors"][0]["pointer"], "/assets/0/is_modifier", "{refused}");
}
