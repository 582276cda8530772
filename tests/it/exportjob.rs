//! docs/EXPORTJOB.md, first half: the fields of an export request, and what they mean for images.

use image::{ImageFormat, Rgba};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{download_file, fetch_items, run_export};
use crate::support::images::{draw_image, draw_jpeg, encode_image};
use crate::support::test_app::TestApp;

fn draw_transparent(width: u32, height: u32) -> Vec<u8> {
    let rgba = image::RgbaImage::from_pixel(width, height, Rgba([200, 30, 30, 100]));
    encode_image(rgba, ImageFormat::Png)
}

fn detect_format(bytes: &[u8]) -> ImageFormat {
    image::guess_format(bytes).unwrap()
}

/// Sends an export request that must be refused, by the call and by the dry run; its errors as `pointer code`. Nothing
/// may have been created.
async fn expect_errors(app: &TestApp, request: Value) -> Vec<String> {
    let problem = app.post("/export-jobs", request.clone()).await.expect_status(422);
    let dry = app.post("/export-jobs/validate", request).await.expect_status(422);
    assert_eq!(problem["errors"], dry["errors"]);
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]));
    let word = |error: &Value, field: &str| error[field].as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| format!("{} {}", word(error, "pointer"), word(error, "code"))).collect()
}

/// The errors of a refused request as text, to look for hints.
async fn expect_error_text(app: &TestApp, request: Value) -> String {
    let problem = app.post("/export-jobs", request).await.expect_status(422);
    problem["errors"].to_string()
}

async fn save_preset(app: &TestApp, name: &str, modifier: &str) {
    let answer = app.put(format!("/image-presets/{name}"), json!({"urlModifier": modifier})).await;
    assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
}

async fn create_asset_set(app: &TestApp, kind: &str, member: &str) -> String {
    let answer =
        app.post("/asset-sets", json!({"type": kind, "name": kind, "memberArray": [member]})).await.expect_status(201);
    answer["assetHandle"].as_str().unwrap().to_owned()
}

const SET_TYPES: [&str; 8] =
    ["ImageSet", "RenderSet", "SpinSet", "MediaSet", "MbrSet", "VideoSet", "Catalog", "OfferSet"];

#[sqlx::test]
async fn the_documented_example_works_as_pasted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("fileToExport.jpg", &draw_jpeg(1)).await;
    save_preset(&app, "test", "wid=40&fmt=tif,,lzw").await;
    let request = json!({
        "assetHandleArray": [asset], "fmt": "convert", "is_modifier": "&fmt=png", "macro": "$test$", "emailSetting": "All"
    });
    let job = run_export(&app, request).await;
    assert_eq!(job["outcome"], "succeeded");
    assert_eq!(detect_format(&download_file(&app, &job, "fileToExport.tiff").await), ImageFormat::Tiff);
}

#[sqlx::test]
async fn unknown_and_foreign_handles_are_reported_together(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let nobody = "019a0000-0000-7000-8000-00000000dead";
    let request = json!({"assetHandleArray": [asset, nobody, "not-a-handle"], "fmt": "orig"});
    assert_eq!(
        expect_errors(&app, request).await,
        ["/assetHandleArray/1 asset-not-found", "/assetHandleArray/2 asset-not-found"]
    );
}

#[sqlx::test]
async fn the_envelope_of_submit_job_is_kept_and_shown(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let envelope =
        json!({"jobName": "spring", "description": "for the shop", "locale": "nl-BE", "clientId": "192.0.2.7"});
    let mut request = json!({"assetHandleArray": [asset], "fmt": "orig"});
    request.as_object_mut().unwrap().extend(envelope.as_object().unwrap().clone());
    let job = run_export(&app, request).await;
    for (name, value) in envelope.as_object().unwrap() {
        assert_eq!(&job[name], value, "{name}");
    }
    assert!(job.get("assetHandleArray").is_none(), "handles are listed in …/items");
}

#[sqlx::test]
async fn creating_answers_202_with_handle_and_location(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let answer = app.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let location = answer.header("location").to_owned();
    let job = answer.expect_status(202);
    assert!(location.ends_with(&format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())), "{location}");
    assert_eq!(job["state"], "queued");
}

#[sqlx::test]
async fn array_or_filter_and_not_both(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    assert_eq!(expect_errors(&app, json!({"fmt": "orig"})).await, ["/assetHandleArray missing-parameter"]);
    let both = json!({"assetHandleArray": [asset], "assetFilter": {"folder": ""}, "fmt": "orig"});
    assert_eq!(expect_errors(&app, both).await, ["/assetFilter conflicting-parameters"]);
    let nothing = json!({"assetFilter": {"folder": "nowhere"}, "fmt": "orig"});
    assert_eq!(expect_errors(&app, nothing).await, ["/assetFilter nothing-to-export"]);
    let job = run_export(&app, json!({"assetFilter": {"folder": ""}, "fmt": "orig"})).await;
    assert_eq!(job["counts"]["total"], 1);
}

#[sqlx::test]
async fn an_empty_array_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let errors = expect_errors(&app, json!({"assetHandleArray": [], "fmt": "orig"})).await;
    assert!(errors.len() == 1 && errors[0].starts_with("/assetHandleArray "), "{errors:?}");
}

#[sqlx::test]
async fn a_handle_array_with_items_gets_a_hint(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let errors = expect_error_text(&app, json!({"assetHandleArray": {"items": ["x"]}, "fmt": "orig"})).await;
    assert!(errors.contains("/assetHandleArray") && errors.contains("array"), "{errors}");
}

#[sqlx::test]
async fn too_many_items_are_refused(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_items = 1).await;
    let (first, second) =
        (app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("b.jpg", &draw_jpeg(2)).await);
    assert_eq!(
        expect_errors(&app, json!({"assetHandleArray": [first, second], "fmt": "orig"})).await,
        ["/assetHandleArray too-many-items"]
    );
    assert_eq!(expect_errors(&app, json!({"assetFilter": {}, "fmt": "orig"})).await, ["/assetFilter too-many-items"]);
}

#[sqlx::test]
async fn fmt_is_required_and_one_of_two(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    assert_eq!(expect_errors(&app, json!({"assetHandleArray": [asset]})).await, ["/fmt missing-parameter"]);
    let request = json!({"assetHandleArray": [asset], "fmt": "png"});
    assert_eq!(expect_errors(&app, request.clone()).await, ["/fmt invalid-value"]);
    let errors = expect_error_text(&app, request).await;
    assert!(errors.contains("orig") && errors.contains("convert"), "{errors}");
}

#[sqlx::test]
async fn orig_hands_out_the_uploaded_bytes(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let bytes = draw_jpeg(1);
    let asset = app.upload_asset("a.jpg", &bytes).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(download_file(&app, &job, "a.jpg").await, bytes);
}

#[sqlx::test]
async fn convert_renders_what_the_modifier_says(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job =
        run_export(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=30&fmt=png"})).await;
    let png = image::load_from_memory_with_format(&download_file(&app, &job, "a.png").await, ImageFormat::Png).unwrap();
    assert_eq!((png.width(), png.height()), (30, 20));
}

#[sqlx::test]
async fn a_leading_ampersand_is_allowed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    for modifier in ["&fmt=png", "?fmt=png", "fmt=png"] {
        let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
        assert_eq!(run_export(&app, request).await["effectiveModifier"], "fmt=png", "{modifier}");
    }
}

#[sqlx::test]
async fn the_misspelt_modifier_gets_a_hint(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let errors =
        expect_error_text(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "is_modifer": "fmt=png"})).await;
    assert!(errors.contains("unknown-field") && errors.contains("is_modifier"), "{errors}");
}

#[sqlx::test]
async fn a_macro_is_an_image_preset_in_any_case(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    save_preset(&app, "Web", "wid=30&fmt=png").await;
    for name in ["$web$", "$WEB$", "Web"] {
        let request = json!({"assetHandleArray": [asset], "fmt": "convert", "macro": name});
        assert_eq!(run_export(&app, request).await["effectiveModifier"], "wid=30&fmt=png", "{name}");
    }
}

#[sqlx::test]
async fn email_setting_defaults_to_none(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(job["emailSetting"], "None");
    let wrong = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "none"});
    assert_eq!(app.post("/export-jobs", wrong).await.expect_status(422)["errors"][0]["pointer"], "/emailSetting");
}

#[sqlx::test]
async fn translated_constants_get_a_hint(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    for (translated, meant) in [("Alles", "All"), ("Fout", "Error"), ("Geen", "None")] {
        let errors =
            expect_error_text(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": translated}))
                .await;
        assert!(errors.contains(translated) && errors.contains(meant), "{errors}");
    }
    let errors = expect_error_text(&app, json!({"assetHandleArray": [asset], "fmt": "converteren"})).await;
    assert!(errors.contains("`convert`"), "{errors}");
}

#[sqlx::test]
async fn client_id_is_kept_and_never_trusted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "clientId": "my laptop"})).await;
    assert_eq!(job["clientId"], "my laptop");
    assert_eq!(job["warnings"][0]["code"], "client-id-not-an-address");
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig", "clientId": "2001:db8::1"})).await;
    assert_eq!(job["warnings"], json!([]));
}

#[sqlx::test]
async fn the_smallest_request_is_enough(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(job["outcome"], "succeeded");
    assert!(!job["jobName"].as_str().unwrap().is_empty());
}

#[sqlx::test]
async fn sets_of_all_eight_types_are_refused_by_name(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let mut handles = vec![app.upload_asset("a.jpg", &draw_jpeg(1)).await];
    for kind in SET_TYPES {
        handles.push(create_asset_set(&app, kind, &handles[0].clone()).await);
    }
    for request in [
        json!({"assetHandleArray": handles, "fmt": "orig"}),
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"}),
    ] {
        let errors = expect_error_text(&app, request.clone()).await;
        assert!(SET_TYPES.iter().all(|kind| errors.contains(kind)), "{errors}");
        let wanted: Vec<_> = (1..=8).map(|place| format!("/assetHandleArray/{place} unsupported-asset-type")).collect();
        assert_eq!(expect_errors(&app, request).await, wanted);
    }
}

#[sqlx::test]
async fn sets_are_skipped_on_request(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let handles = [create_asset_set(&app, "SpinSet", &asset).await, asset];
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "orig", "onUnsupported": "skip"})).await;
    assert_eq!(job["outcome"], "succeededWithWarnings");
    assert_eq!((&job["counts"]["skipped"], &job["counts"]["succeeded"]), (&json!(1), &json!(1)));
    let items = fetch_items(&app, &job).await;
    assert_eq!(
        (&items[0]["state"], &items[0]["warnings"][0]["code"]),
        (&json!("skipped"), &json!("skipped-unsupported"))
    );
}

#[sqlx::test]
async fn nothing_left_to_export_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [create_asset_set(&app, "Catalog", &asset).await], "fmt": "orig", "onUnsupported": "skip"});
    assert_eq!(expect_errors(&app, request).await, ["/assetHandleArray nothing-to-export"]);
}

#[sqlx::test]
async fn every_input_format_is_converted(pool: PgPool) {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let app = TestApp::open(pool).await;
    let mut handles = Vec::new();
    for (format, name) in
        [(Jpeg, "a.jpg"), (Png, "b.png"), (Tiff, "c.tif"), (WebP, "d.webp"), (Gif, "e.gif"), (Bmp, "f.bmp")]
    {
        let bytes = match format {
            Gif => encode_image(image::load_from_memory(&draw_jpeg(1)).unwrap().to_rgba8(), Gif),
            _ => draw_image(format, 90, 60, 1),
        };
        handles.push(app.upload_asset(name, &bytes).await);
    }
    let job =
        run_export(&app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=9&fmt=png"})).await;
    assert_eq!(job["counts"]["succeeded"], 6, "{job}");
    for name in ["a", "b", "c", "d", "e", "f"] {
        let png = image::load_from_memory(&download_file(&app, &job, &format!("{name}.png")).await).unwrap();
        assert_eq!((png.width(), png.height()), (9, 6), "{name}");
    }
}

#[sqlx::test]
async fn what_is_no_image_is_exported_as_original(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("notes.txt", b"hello").await];
    let job = run_export(&app, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert_eq!(job["outcome"], "succeededWithWarnings");
    assert_eq!(download_file(&app, &job, "notes.txt").await, b"hello");
    assert_eq!(fetch_items(&app, &job).await[1]["warnings"][0]["code"], "exported-as-original");
}

#[sqlx::test]
async fn on_unconvertible_skips_or_fails(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let handles = [app.upload_asset("a.jpg", &draw_jpeg(1)).await, app.upload_asset("notes.txt", b"hello").await];
    for (rule, state, outcome) in [("skip", "skipped", "succeededWithWarnings"), ("fail", "failed", "partiallyFailed")]
    {
        let request =
            json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png", "onUnconvertible": rule});
        let job = run_export(&app, request).await;
        assert_eq!((&job["outcome"], &fetch_items(&app, &job).await[1]["state"]), (&json!(outcome), &json!(state)));
    }
}

#[sqlx::test]
async fn on_corrupt_warns_of_what_is_half(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let whole = draw_jpeg(1);
    let handles =
        [app.upload_asset("a.jpg", &whole).await, app.upload_asset("b.jpg", &whole[..whole.len() - 40]).await];
    let request =
        |rule: &str| json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "onCorrupt": rule});
    let strict = run_export(&app, request("fail")).await;
    assert_eq!((&strict["outcome"], &strict["onCorrupt"]), (&json!("partiallyFailed"), &json!("fail")));
    assert_eq!(fetch_items(&app, &strict).await[1]["failure"]["code"], "truncated");
    // Twice: the second run reuses the rendition and must warn in the same way.
    for _ in 0..2 {
        let lenient = run_export(&app, request("warn")).await;
        assert_eq!((&lenient["outcome"], &lenient["onCorrupt"]), (&json!("succeededWithWarnings"), &json!("warn")));
        let items = fetch_items(&app, &lenient).await;
        assert_eq!((&items[0]["warnings"], &items[1]["warnings"][0]["code"]), (&json!([]), &json!("corrupt-source")));
        assert_eq!(image::load_from_memory(&download_file(&app, &lenient, "b.jpg").await).unwrap().width(), 20);
    }
    // A rendition of a truncated source is not reused for a request that does not accept damage.
    assert_eq!(fetch_items(&app, &run_export(&app, request("fail")).await).await[1]["failure"]["code"], "truncated");
}

#[sqlx::test]
async fn the_macro_wins_wherever_it_speaks(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    save_preset(&app, "small", "wid=30&fmt=tif").await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=45&fmt=png", "macro": "$small$"});
    let job = run_export(&app, request).await;
    let tiff = image::load_from_memory(&download_file(&app, &job, "a.tiff").await).unwrap();
    assert_eq!((tiff.width(), tiff.height()), (30, 20));
}

#[sqlx::test]
async fn what_the_macro_does_not_mention_survives(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    save_preset(&app, "tiff", "fmt=tif").await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=45&fmt=png", "macro": "$tiff$"});
    let job = run_export(&app, request).await;
    assert_eq!(job["effectiveModifier"], "wid=45&fmt=png&fmt=tif");
    assert_eq!(image::load_from_memory(&download_file(&app, &job, "a.tiff").await).unwrap().width(), 45);
}

#[sqlx::test]
async fn preset_names_follow_the_macro_rules(pool: PgPool) {
    let app = TestApp::open(pool).await;
    save_preset(&app, "web-2x_small.v1", "wid=30").await;
    for name in ["a%20b", "a$b", "%C3%BC", "a%2Fb"] {
        let answer = app.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=30"})).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.status);
    }
}

#[sqlx::test]
async fn a_preset_may_use_presets_but_not_in_a_circle(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    save_preset(&app, "base", "fmt=png").await;
    save_preset(&app, "web", "wid=30&$base$").await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$web$"})).await;
    assert_eq!(job["effectiveModifier"], "wid=30&fmt=png");
    app.put("/image-presets/base", json!({"urlModifier": "$web$"})).await.expect_status(422);
}

#[sqlx::test]
async fn an_unknown_macro_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "$one$&fmt=png", "macro": "$two$"});
    assert_eq!(expect_errors(&app, request).await, ["/is_modifier unknown-macro", "/macro unknown-macro"]);
}

#[sqlx::test]
async fn bad_commands_are_refused_with_their_offsets(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=x&fmt=png&hei=-1&qltt=3"});
    let errors = app.post("/export-jobs", request).await.expect_status(422)["errors"].as_array().unwrap().clone();
    let offsets: Vec<_> = errors.iter().map(|error| error["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, [0, 14, 21], "{errors:?}");
    assert!(errors[2]["detail"].as_str().unwrap().contains("`qlt`"), "{errors:?}");
}

#[sqlx::test]
async fn orig_with_a_modifier_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    save_preset(&app, "web", "wid=30").await;
    let request = json!({"assetHandleArray": [asset], "fmt": "orig", "is_modifier": "wid=30", "macro": "$web$"});
    assert_eq!(
        expect_errors(&app, request).await,
        ["/is_modifier conflicting-parameters", "/macro conflicting-parameters"]
    );
}

#[sqlx::test]
async fn convert_without_a_modifier_is_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    for modifier in [None, Some(""), Some("&"), Some(" & "), Some(".a comment")] {
        let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
        let request = if modifier.is_none() { json!({"assetHandleArray": [asset], "fmt": "convert"}) } else { request };
        assert_eq!(expect_errors(&app, request).await, ["/is_modifier missing-parameter"], "{modifier:?}");
    }
}

#[sqlx::test]
async fn convert_without_a_format_gives_jpeg_and_warns_of_lost_alpha(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.png", &draw_transparent(30, 20)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=30"});
    let dry = app.post("/export-jobs/validate", request.clone()).await.expect_status(200);
    assert!(dry.to_string().contains("alpha-flattened"), "{dry}");
    let job = run_export(&app, request).await;
    assert_eq!(job["outcome"], "succeededWithWarnings");
    assert_eq!(detect_format(&download_file(&app, &job, "a.jpg").await), ImageFormat::Jpeg);
    assert_eq!(fetch_items(&app, &job).await[0]["warnings"][0]["code"], "alpha-flattened");
}

#[sqlx::test]
async fn without_a_size_the_image_keeps_its_own(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("a.jpg", &draw_image(ImageFormat::Jpeg, 1234, 567, 1)).await;
    let job = run_export(&app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let png = image::load_from_memory(&download_file(&app, &job, "a.png").await).unwrap();
    assert_eq!((png.width(), png.height()), (1234, 567));
}

#[sqlx::test]
async fn an_output_beyond_the_limit_fails_its_item(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_output_pixels = 1000).await;
    let asset = app.upload_asset("a.jpg", &draw_jpeg(1)).await;
    let request = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=900&hei=900&fmt=png"});
    let job = run_export(&app, request).await;
    assert_eq!(job["outcome"], "failed");
    assert_eq!(fetch_items(&app, &job).await[0]["failure"]["code"], "output-too-large");
}
