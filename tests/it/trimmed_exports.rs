//! `x_trim` and `x_pad` in export jobs: what a marketplace asks for, by a preset.

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{download_file, fetch_items, run_export};
use crate::support::images::encode_image;
use crate::support::test_app::TestApp;

/// A dark product of 60x30 pixels on white.
fn draw_product(left: u32, top: u32) -> Vec<u8> {
    let image = RgbImage::from_fn(400, 300, |x, y| {
        let inside = (left..left + 60).contains(&x) && (top..top + 30).contains(&y);
        if inside { Rgb([20, 40, 60]) } else { Rgb([254, 255, 253]) }
    });
    encode_image(image, ImageFormat::Png)
}

/// Columns and rows with a dark pixel: first and last of each.
fn measure_product(file: &[u8]) -> [u32; 4] {
    let image = image::load_from_memory(file).unwrap().into_luma8();
    let dark: Vec<_> = image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] < 150).collect();
    let range = |axis: fn(&(u32, u32, &image::Luma<u8>)) -> u32| {
        (dark.iter().map(axis).min().unwrap(), dark.iter().map(axis).max().unwrap())
    };
    let ((left, right), (top, bottom)) = (range(|(x, ..)| *x), range(|(_, y, _)| *y));
    [left, top, right, bottom]
}

#[sqlx::test]
async fn products_fill_the_same_share_of_the_frame_and_what_has_none_is_told(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let preset = json!({"urlModifier": "wid=200&hei=200&fit=fit,1&x_trim=10&x_pad=0.85&fmt=jpeg"});
    app.put("/image-presets/market", preset).await.expect_status(201);
    let blank = encode_image(RgbImage::from_pixel(50, 40, Rgb([255; 3])), ImageFormat::Png);
    let mut handles = Vec::new();
    for (name, bytes) in [("a.png", draw_product(7, 11)), ("b.png", draw_product(340, 270)), ("blank.png", blank)] {
        handles.push(app.upload_asset(name, &bytes).await);
    }
    let request = json!({
        "assetHandleArray": handles, "fmt": "convert", "macro": "$market$",
        "nameTemplate": "{name}-{width}x{height}",
    });
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert_eq!(dry["items"][0]["files"][0]["path"], "a-200x200.jpg", "the size is known before: {dry}");
    for is_reused in [false, true] {
        let job = run_export(&app, request.clone()).await;
        assert_eq!(job["outcome"], "succeededWithWarnings", "{job}");
        let items = fetch_items(&app, &job).await;
        for name in ["a", "b"] {
            let product = measure_product(&download_file(&app, &job, &format!("{name}-200x200.jpg")).await);
            // 170 of 200 pixels wide, 85 high.
            let expected = [15, 57, 184, 142];
            let near = product.iter().zip(expected).all(|(side, expected)| side.abs_diff(expected) <= 1);
            assert!(near, "{name}: {product:?}");
        }
        let codes: Vec<Vec<&str>> = items.iter().map(|item| list_codes(&item["files"][0]["warnings"])).collect();
        assert_eq!(codes, [vec![], vec![], vec!["nothing-trimmed"]], "{items:#?}");
        assert!(items.iter().all(|item| item["files"][0]["reused"] == is_reused), "{items:#?}");
    }
    app.assert_consistent().await;
}

fn list_codes(warnings: &Value) -> Vec<&str> {
    warnings.as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect()
}

#[sqlx::test]
async fn what_contradicts_a_frame_is_refused_with_the_remedy(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (modifier, remedy) in [
        ("x_trim=10", "Add wid= and hei="),
        ("wid=100&x_pad=.85", "Add wid= and hei="),
        ("wid=9&hei=9&x_trim=10&fit=crop", "fit=fit,1"),
        ("wid=9&hei=9&x_pad=.5&fit=constrain", "fit=fit,1"),
        ("wid=9&hei=9&x_trim=10&scl=2", "Remove scl"),
        ("wid=9&hei=9&x_pad=.5&rgn=0,0,5,5", "Remove rgn"),
        ("wid=9&hei=9&x_trim=10&req=tmb", "req=tmb"),
        ("wid=9&hei=9&x_trim=10&pathEmbed=1&fmt=jpeg", "Remove pathEmbed"),
        ("wid=9&hei=9&x_pad=85", "0.85 is 85 %"),
        ("wid=9&hei=9&trim=10", "`x_trim`"),
        ("wid=9&hei=9&pad=.85", "`x_pad`"),
    ] {
        let refused = app.post("/modifier-check", json!({"is_modifier": modifier})).await.expect_status(422);
        assert_eq!(refused["errors"].as_array().unwrap().len(), 1, "{modifier}: {refused}");
        assert!(refused["errors"][0].to_string().contains(remedy), "{modifier}: {refused}");
    }
    for modifier in ["x_trim=off", "x_pad=1", "wid=9&hei=9&x_trim=0", "wid=9&hei=9&x_trim=10&dpr=on,2"] {
        app.post("/modifier-check", json!({"is_modifier": modifier})).await.expect_status(200);
    }
}
