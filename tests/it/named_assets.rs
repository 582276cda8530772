//! Assets that a modifier names: masks, `src=`, nested requests.

use image::{GenericImageView, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use offprint::worker::enforce_retention;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, download_file, drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::encode_image;
use crate::support::test_app::TestApp;

fn encode_flat_png(colour: [u8; 3]) -> Vec<u8> {
    encode_image(RgbImage::from_pixel(40, 20, Rgb(colour)), ImageFormat::Png)
}

/// A mask that is opaque in its right half.
fn encode_mask() -> Vec<u8> {
    encode_image(GrayImage::from_fn(40, 20, |x, _| Luma([u8::from(x >= 20) * 255])), ImageFormat::Png)
}

fn build_request(assets: &[&str], modifier: &str) -> Value {
    json!({"assetHandleArray": assets, "fmt": "convert", "is_modifier": modifier})
}

async fn download_image(app: &TestApp, job: &Value, path: &str) -> image::DynamicImage {
    image::load_from_memory(&download_file(app, job, path).await).unwrap()
}

#[sqlx::test]
async fn a_mask_is_pinned_when_the_job_is_made(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png([255, 0, 0])).await;
    let uploaded = app.upload_to("masks", &[("shoe.png", &encode_mask())]).await.expect_status(201);
    let mask = uploaded["assets"][0]["assetHandle"].as_str().unwrap().to_owned();
    let request = build_request(&[&shoe], "mask=default/masks/$object$&fmt=png-alpha");
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert_eq!((&dry["items"][0]["width"], &dry["items"][0]["failure"]), (&json!(40), &Value::Null));
    let job = create_job(&app, request.clone()).await;
    // Later changes to the mask do not affect the job, which pins its bytes.
    app.delete(format!("/assets/{mask}")).await.expect_status(204);
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let shown = download_image(&app, &job, "shoe.png").await;
    assert_eq!((shown.get_pixel(5, 5)[3], shown.get_pixel(35, 5)[3]), (0, 255));
    let failed = run_export(&app, request).await;
    assert_eq!(failed["outcome"], "failed");
    let failure = &fetch_items(&app, &failed).await[0]["failure"];
    assert_eq!(failure["code"], "source-missing", "{failure}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn another_image_takes_the_place_and_keeps_the_name(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.jpg", &encode_flat_png([255, 0, 0])).await;
    let blue = app.upload_asset("blue.png", &encode_flat_png([0, 0, 255])).await;
    for name in ["blue", "blue.png", &blue, "is(blue?flip=lr)"] {
        let job = run_export(&app, build_request(&[&shoe], &format!("src={name}&wid=20&fmt=png"))).await;
        let shown = download_image(&app, &job, "shoe.png").await;
        assert_eq!((shown.dimensions(), shown.to_rgb8().get_pixel(9, 9).0), ((20, 10), [0, 0, 255]), "{name}");
    }
    let preview = app.get(format!("/assets/{shoe}/preview?is_modifier=src%3Dblue%26fmt%3Dpng")).await;
    assert_eq!(image::load_from_memory(&preview.body).unwrap().to_rgb8().get_pixel(9, 9).0, [0, 0, 255]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn named_assets_bring_their_own_modifiers(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png([255, 0, 0])).await;
    let halves = RgbImage::from_fn(40, 20, |x, _| if x < 20 { Rgb([0, 0, 255]) } else { Rgb([0, 255, 0]) });
    let blue = app.upload_asset("blue.png", &encode_image(halves, ImageFormat::Png)).await;
    let own = json!({"urlModifier": "crop=0,0,20,20&wid=5", "urlPostApplyModifier": "rotate=90"});
    app.patch(format!("/assets/{blue}"), own).await.expect_status(200);
    let nested = app.upload_asset("other.png", &encode_flat_png([9, 9, 9])).await;
    app.patch(format!("/assets/{nested}"), json!({"urlModifier": "src=is(blue)"})).await.expect_status(200);
    for (modifier, size, color) in [
        // The named asset's own modifiers apply around the request, like those of the exported asset.
        ("src=blue&wid=10&fmt=png", (10, 10), [0, 0, 255]),
        ("src=blue&fmt=png", (5, 5), [0, 0, 255]),
        ("src=is(blue?wid=8)&fmt=png", (8, 8), [0, 0, 255]),
        ("src=is(blue?crop=20,0,10,20&wid=8)&fmt=png", (8, 4), [0, 255, 0]),
        // Assets that a named asset names have their own modifiers too.
        ("src=is(other)&fmt=png", (5, 5), [0, 0, 255]),
        // Of a named mask only the image is used, without its modifiers.
        ("mask=blue&fmt=png", (40, 20), [0; 3]),
    ] {
        let job = run_export(&app, build_request(&[&shoe], modifier)).await;
        let shown = download_image(&app, &job, "shoe.png").await;
        assert_eq!(shown.dimensions(), size, "{modifier}");
        if !modifier.contains("mask") {
            assert_eq!(shown.to_rgb8().get_pixel(2, 2).0, color, "{modifier}");
        }
    }
    let refused = app.post("/export-jobs", build_request(&[&shoe], "wid=9&src=other")).await.expect_status(422);
    let error = &refused["errors"][0];
    assert_eq!((&error["pointer"], &error["offset"]), (&json!("/is_modifier"), &json!(6)), "{refused}");
    assert!(error["detail"].as_str().unwrap().contains("src=is(other)"), "{error}");
    let report =
        app.post("/modifier-check", json!({"is_modifier": "src=blue", "assetHandle": shoe})).await.expect_status(200);
    assert_eq!((&report["picture"]["width"], &report["picture"]["height"]), (&json!(5), &json!(5)), "{report}");
    let preview = app.get(format!("/assets/{shoe}/preview?is_modifier=src%3Dblue%26fmt%3Dpng")).await;
    assert_eq!(image::load_from_memory(&preview.body).unwrap().dimensions(), (5, 5));
    // Asset modifiers are part of the recipe, as they were when the job was created.
    let before = create_job(&app, build_request(&[&shoe], "src=blue&fmt=png")).await;
    app.patch(format!("/assets/{blue}"), json!({"urlModifier": "wid=33"})).await.expect_status(200);
    drain_work(&app).await;
    let before = fetch_job(&app, &before).await;
    assert_eq!(download_image(&app, &before, "shoe.png").await.dimensions(), (5, 5));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn names_that_mean_nothing_or_too_much_are_refused_with_their_place(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png([255, 0, 0])).await;
    for folder in ["a", "b"] {
        app.upload_to(folder, &[("twin.png", &encode_mask())]).await.expect_status(201);
    }
    app.upload_asset("note.txt", b"text").await;
    for (modifier, offset, detail) in [
        ("wid=9&mask=nobody", 6, "There is no asset nobody."),
        ("mask=twin", 0, "2 assets are named twin."),
        ("src=is(shoe?mask=is(nobody?wid=9))", 0, "There is no asset nobody."),
        ("src=note", 0, "not an image that can be read"),
        ("src=http://example.com/a.png", 0, "never fetched from URLs"),
        ("mask=a/../b", 0, "points outside the company's assets"),
    ] {
        let refused = app.post("/export-jobs", build_request(&[&shoe], modifier)).await.expect_status(422);
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["offset"]), (&json!("/is_modifier"), &json!(offset)), "{refused}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{error}");
    }
    let report = app.post("/modifier-check", json!({"is_modifier": "mask=a/twin"})).await.expect_status(200);
    assert_eq!(report["commands"][0]["fate"], "holds");
    app.post("/modifier-check", json!({"is_modifier": "mask=c/twin"})).await.expect_status(422);
}
