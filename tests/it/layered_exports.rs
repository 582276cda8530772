//! Pictures of several assets in jobs, previews and dry runs: layers, templates, watermarks, root IDs.

use image::{ImageFormat, Rgb, RgbImage};
use offprint::db::capability::Capability;
use offprint::db::company;
use offprint::worker::enforce_retention;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{create_job, download_file, drain_work, fetch_items, fetch_job, run_export};
use crate::support::images::{draw_noise, encode_image};
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

fn encode_flat_png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    encode_image(RgbImage::from_pixel(width, height, Rgb(colour)), ImageFormat::Png)
}

fn build_request(assets: &[&str], modifier: &str) -> Value {
    json!({"assetHandleArray": assets, "fmt": "convert", "is_modifier": modifier})
}

async fn download_image(app: &TestApp, job: &Value, path: &str) -> RgbImage {
    image::load_from_memory(&download_file(app, job, path).await).unwrap().into_rgb8()
}

async fn preview_image(app: &TestApp, asset: &str, modifier: &str) -> RgbImage {
    let modifier = modifier.replace('&', "%26").replace('=', "%3D");
    let answer = app.get(format!("/assets/{asset}/preview?is_modifier={modifier}")).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    image::load_from_memory(&answer.body).unwrap().into_rgb8()
}

/// The one error of a refused request, and its pointer.
fn read_error(refused: &Value) -> (String, String) {
    assert_eq!(refused["errors"].as_array().map(Vec::len), Some(1), "{refused}");
    let text = |name: &str| refused["errors"][0][name].as_str().unwrap().to_owned();
    (text("pointer"), text("detail"))
}

#[sqlx::test]
async fn layers_are_pinned_when_the_job_is_made(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(40, 20, RED)).await;
    let badge = app.upload_asset("badge.png", &encode_flat_png(10, 10, BLUE)).await;
    let spot = app.upload_asset("spot.png", &encode_flat_png(4, 4, GREEN)).await;
    let modifier = "layer=1&src=badge&pos=10,0&layer=2&src=is(spot?size=6,6)&pos=-10,0&fmt=png";
    let dry = app.post("/export-jobs/validate", build_request(&[&shoe], modifier)).await.expect_status(200);
    assert_eq!((&dry["items"][0]["width"], &dry["items"][0]["failure"]), (&json!(40), &Value::Null), "{dry}");
    let report = json!({"is_modifier": modifier, "assetHandle": shoe});
    let report = app.post("/modifier-check", report).await.expect_status(200);
    assert_eq!(report["picture"]["width"], 40, "{report}");
    let preview = preview_image(&app, &shoe, modifier).await;
    let job = create_job(&app, build_request(&[&shoe], modifier)).await;
    for asset in [&badge, &spot] {
        app.delete(format!("/assets/{asset}")).await.expect_status(204);
    }
    app.advance_time("2 hours").await;
    enforce_retention(&app.state).await.unwrap();
    drain_work(&app).await;
    let job = fetch_job(&app, &job).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let shown = download_image(&app, &job, "shoe.png").await;
    let pixels = [(30, 10, BLUE), (10, 10, GREEN), (20, 10, RED), (30, 2, RED), (12, 12, GREEN)];
    for (x, y, colour) in pixels {
        assert_eq!(shown.get_pixel(x, y).0, colour, "{x},{y}");
    }
    assert_eq!(preview.as_raw(), shown.as_raw());
    // Once the assets are gone, the same request is refused, with its place.
    let refused = app.post("/export-jobs", build_request(&[&shoe], modifier)).await.expect_status(422);
    let error = &refused["errors"][0];
    assert_eq!((&error["pointer"], &error["offset"]), (&json!("/is_modifier"), &json!(8)), "{refused}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_changed_layer_is_another_rendition(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(40, 20, RED)).await;
    let badge = app.upload_asset("badge.png", &encode_flat_png(10, 10, BLUE)).await;
    let request = build_request(&[&shoe], "layer=1&src=badge&fmt=png");
    let first = run_export(&app, request.clone()).await;
    let again = run_export(&app, request.clone()).await;
    assert_eq!(fetch_items(&app, &again).await[0]["reused"], true);
    let replaced = actix_web::test::TestRequest::put().uri(&format!("/assets/{badge}/content"));
    let replaced = replaced.insert_header(("content-type", "application/octet-stream"));
    app.send(replaced.set_payload(encode_flat_png(10, 10, GREEN))).await.expect_success();
    let changed = run_export(&app, request).await;
    assert_eq!(fetch_items(&app, &changed).await[0]["reused"], false);
    assert_eq!(download_image(&app, &first, "shoe.png").await.get_pixel(20, 10).0, BLUE);
    assert_eq!(download_image(&app, &changed, "shoe.png").await.get_pixel(20, 10).0, GREEN);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn templates_are_filled_or_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(20, 20, RED)).await;
    app.upload_asset("sale.png", &encode_flat_png(10, 10, BLUE)).await;
    app.upload_asset("new.png", &encode_flat_png(10, 10, GREEN)).await;
    // A template need not be an image.
    let card = app.upload_asset("card.txt", b"a template").await;
    let text = "size=60,30&color=ffffff&$badge=sale&layer=1&src=$object$&pos=-20,0&layer=2&src=$badge$&pos=20,0";
    app.patch(format!("/assets/{card}"), json!({"urlModifier": text})).await.expect_status(200);
    for (modifier, badge) in [
        ("template=card&fmt=png", BLUE),
        ("template=card&$badge=new&fmt=png", GREEN),
        ("src=is(shoe?template=card&$badge=new)&fmt=png", GREEN),
    ] {
        let shown = download_image(&app, &run_export(&app, build_request(&[&shoe], modifier)).await, "shoe.png").await;
        assert_eq!(shown.dimensions(), (60, 30), "{modifier}");
        let pixels = [(10, 15), (30, 15), (50, 15)].map(|(x, y)| shown.get_pixel(x, y).0);
        assert_eq!(pixels, [RED, [255; 3], badge], "{modifier}");
    }
    let shown = app.get(format!("/assets/{card}/template")).await.expect_status(200);
    assert_eq!(shown["variables"], json!([{"name": "badge", "default": "sale"}]), "{shown}");
    assert_eq!(shown["usesObject"], true);
    app.get(format!("/assets/{shoe}/template")).await.expect_status(422);
    for (modifier, expected) in [
        ("template=nobody", "There is no asset nobody."),
        ("template=sale", "sale is no template"),
        ("src=is(shoe?template=sale)", "sale is no template"),
    ] {
        let refused = app.post("/export-jobs", build_request(&[&shoe], modifier)).await.expect_status(422);
        let (pointer, detail) = read_error(&refused);
        assert!(detail.contains(expected), "{modifier}: {pointer} {detail}");
        app.get(format!("/assets/{shoe}/preview?is_modifier={}", modifier.replace('&', "%26").replace('=', "%3D")))
            .await
            .expect_status(422);
    }
    // A name that is missing whichever asset `$object$` is refuses the request; one that depends on the asset fails the item.
    let refused =
        app.post("/export-jobs", build_request(&[&shoe], "template=card&$badge=missing")).await.expect_status(422);
    let (pointer, detail) = read_error(&refused);
    assert_eq!(pointer, "/is_modifier");
    assert!(detail.contains("There is no asset missing."), "{detail}");
    let assets = json!([
        {"assetHandle": shoe, "parameters": {"badge": "sale"}},
        {"assetHandle": shoe, "parameters": {"badge": "missing"}}
    ]);
    let request = json!({"assets": assets, "fmt": "convert", "is_modifier": "template=card"});
    let refused = app.post("/export-jobs", request).await.expect_status(422);
    let (pointer, detail) = read_error(&refused);
    assert_eq!(pointer, "/assets/1");
    assert!(detail.contains("There is no asset missing."), "{detail}");
    let job = app.post("/export-jobs", build_request(&[&shoe], "layer=1&src=$object$_back")).await.expect_status(202);
    let failure = fetch_items(&app, &job).await[0]["failure"]["detail"].clone();
    assert!(failure.as_str().unwrap().contains("There is no asset shoe_back."), "{failure}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn root_ids_mean_the_company(pool: PgPool) {
    let app = TestApp::open(pool.clone()).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(40, 20, RED)).await;
    app.upload_to("marks", &[("badge.png", &encode_flat_png(10, 10, BLUE))]).await.expect_status(201);
    let modifier = "layer=1&src=/Acme/marks/badge&fmt=png";
    let refused = app.post("/export-jobs", build_request(&[&shoe], modifier)).await.expect_status(422);
    let (_, detail) = read_error(&refused);
    assert!(detail.contains("`Acme` is the root ID") && detail.contains("set-root-ids"), "{detail}");
    company::update_root_ids(&app.state.system, app.state.company, &["Other".into(), "Acme".into()]).await.unwrap();
    for modifier in [modifier, "layer=1&src=Acme/badge&fmt=png", "layer=1&src=is(Other/badge?opac=100)&fmt=png"] {
        let shown = download_image(&app, &run_export(&app, build_request(&[&shoe], modifier)).await, "shoe.png").await;
        assert_eq!(shown.get_pixel(20, 10).0, BLUE, "{modifier}");
    }
    app.post("/export-jobs", build_request(&[&shoe], "layer=1&src=acme/badge")).await.expect_status(422);
    // An asset with the whole name comes before.
    app.upload_to("Acme", &[("badge.png", &encode_flat_png(10, 10, GREEN))]).await.expect_status(201);
    let job = run_export(&app, build_request(&[&shoe], "layer=1&src=Acme/badge&fmt=png")).await;
    assert_eq!(download_image(&app, &job, "shoe.png").await.get_pixel(20, 10).0, GREEN);
    // The command of the operator.
    let run = |arguments: &[&str]| {
        crate::support::service_process::run_offprint(
            &pool,
            &app.folder,
            &[&["admin", "set-root-ids"][..], arguments].concat(),
        )
    };
    for (arguments, expected) in
        [(&["Acme", "Beta"][..], json!(["Acme", "Beta"])), (&[], json!(["Acme", "Beta"])), (&["--clear"], json!([]))]
    {
        let output = run(arguments);
        let printed: Value = serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{}", output.stderr));
        assert_eq!(printed["rootIds"], expected);
    }
    assert_ne!(run(&["Acme/shoe"]).code, Some(0));
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_picture_of_too_many_assets_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(8, 8, RED)).await;
    let files: Vec<(String, Vec<u8>)> =
        (0..65).map(|number| (format!("b{number}.png"), encode_flat_png(2, 2, [number as u8, 0, 9]))).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    app.upload_to("", &files).await.expect_status(201);
    let layers =
        |count: usize| (1..=count).map(|number| format!("layer={number}&src=b{}&", number - 1)).collect::<String>();
    let job = run_export(&app, build_request(&[&shoe], &(layers(64) + "fmt=png"))).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let refused = app.post("/export-jobs", build_request(&[&shoe], &layers(65))).await.expect_status(422);
    let (_, detail) = read_error(&refused);
    assert!(detail.contains("65 other assets; at most 64"), "{detail}");
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_preview_shows_no_layer_as_sharp_as_an_export(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    let viewer =
        TestUser::with_capabilities(&app, "ours", "vic", &[Capability::AssetsRead, Capability::ExportsCustomModifier])
            .await;
    let tiny = ann.upload_asset("tiny.png", &encode_flat_png(4, 4, RED)).await;
    ann.upload_asset("secret.png", &encode_image(draw_noise(64, 64), ImageFormat::Png)).await;
    let status = async |modifier: &str| {
        let modifier = modifier.replace('&', "%26").replace('=', "%3D").replace('?', "%3F");
        viewer.get(&format!("/assets/{tiny}/preview?is_modifier={modifier}")).await.status
    };
    for allowed in ["wid=2", "wid=2&layer=1&src=secret", "size=40,40&layer=0&src=secret&wid=20"] {
        assert_eq!(status(allowed).await, 200, "{allowed}");
    }
    for refused in [
        "wid=2&layer=1&src=secret&scale=2",
        "src=is(?size=64,64&color=ffffff&layer=1&src=secret)&wid=64",
        "src=secret&wid=32&mask=tiny",
    ] {
        assert_eq!(status(refused).await, 403, "{refused}");
    }
}

#[sqlx::test]
async fn presets_bring_their_watermark(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(40, 20, RED)).await;
    let logo = app.upload_asset("logo.png", &encode_flat_png(4, 4, BLUE)).await;
    app.patch(format!("/assets/{logo}"), json!({"urlModifier": "align=1,1"})).await.expect_status(200);
    let save = async |name: &str, watermark: Value| {
        let preset = json!({"urlModifier": "wid=40&fmt=png", "watermark": watermark});
        app.put(format!("/image-presets/{name}"), preset).await
    };
    let saved = save("marked", json!({"asset": "logo"})).await.expect_status(201);
    assert_eq!(saved["watermark"], json!({"asset": "logo", "tiled": false}));
    save("tiles", json!({"asset": "logo", "tiled": true})).await.expect_status(201);
    save("plain", Value::Null).await.expect_status(201);
    for (preset, pixels) in
        [("$marked$", [RED, RED, BLUE]), ("$tiles$", [BLUE, BLUE, BLUE]), ("$plain$", [RED, RED, RED])]
    {
        let job = run_export(&app, json!({"assetHandleArray": [shoe], "fmt": "convert", "macro": preset})).await;
        let shown = download_image(&app, &job, "shoe.png").await;
        assert_eq!([(1, 1), (20, 10), (38, 18)].map(|(x, y)| shown.get_pixel(x, y).0), pixels, "{preset}");
    }
    // The preset that is called last decides; what others call inside a nested request is not meant for the picture.
    for (modifier, marked) in
        [("$plain$&$marked$", true), ("$marked$&$plain$", true), ("src=is(shoe?$marked$)&fmt=png", false)]
    {
        let shown = download_image(&app, &run_export(&app, build_request(&[&shoe], modifier)).await, "shoe.png").await;
        assert_eq!(shown.get_pixel(38, 18).0 == BLUE, marked, "{modifier}");
    }
    let refused = save("wrong", json!({"asset": "http://example.org/logo.png"})).await.expect_status(422);
    assert_eq!(read_error(&refused).0, "/watermark/asset");
    app.delete(format!("/assets/{logo}")).await.expect_status(204);
    let request = json!({"assetHandleArray": [shoe], "fmt": "convert", "macro": "$marked$"});
    let (_, detail) = read_error(&app.post("/export-jobs", request).await.expect_status(422));
    assert!(detail.contains("There is no asset logo.") && detail.contains("watermark"), "{detail}");
    app.assert_consistent().await;
}
