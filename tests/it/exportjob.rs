//! docs/EXPORTJOB.md, its first half: what an order may say, and what it means for pictures.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, Rgb, Rgba};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::house::House;

/// A drawn picture in this format. Different seeds give different bytes.
pub fn picture(format: ImageFormat, width: u32, height: u32, seed: u8) -> Vec<u8> {
    let rgb = image::RgbImage::from_fn(width, height, |x, y| Rgb([(x * 5) as u8, (y * 3) as u8, seed]));
    encoded(DynamicImage::ImageRgb8(rgb), format)
}

fn transparent(width: u32, height: u32) -> Vec<u8> {
    let rgba = image::RgbaImage::from_pixel(width, height, Rgba([200, 30, 30, 100]));
    encoded(DynamicImage::ImageRgba8(rgba), ImageFormat::Png)
}

fn encoded(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// A small JPEG.
pub fn jpg(seed: u8) -> Vec<u8> {
    picture(ImageFormat::Jpeg, 90, 60, seed)
}

/// Orders an export that must be taken, does all work, and gives the job.
pub async fn finished(house: &House, order: Value) -> Value {
    let job = ordered(house, order).await;
    work(house).await;
    shown(house, &job).await
}

/// Orders an export that must be taken; gives its handle.
pub async fn ordered(house: &House, order: Value) -> String {
    let job = house.post("/export-jobs", order).await.is(202);
    job["jobHandle"].as_str().unwrap().to_owned()
}

pub async fn work(house: &House) {
    offprint::worker::drain(&house.state).await.unwrap();
}

pub async fn shown(house: &House, job: &str) -> Value {
    house.get(format!("/export-jobs/{job}")).await.is(200)
}

/// The items of a job.
pub async fn items(house: &House, job: &Value) -> Vec<Value> {
    let list = house.get(format!("/export-jobs/{}/items", job["jobHandle"].as_str().unwrap())).await.is(200);
    list["items"].as_array().unwrap().clone()
}

/// A file of a job by its path.
pub async fn file(house: &House, job: &Value, path: &str) -> Vec<u8> {
    let answer = house.get(format!("/export-jobs/{}/files/{path}", job["jobHandle"].as_str().unwrap())).await;
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    answer.body
}

fn format_of(bytes: &[u8]) -> ImageFormat {
    image::guess_format(bytes).unwrap()
}

/// Orders an export that must be refused, by the call and by the dry run; gives its mistakes as `pointer code`.
/// Nothing may have been created.
async fn mistakes(house: &House, order: Value) -> Vec<String> {
    let problem = house.post("/export-jobs", order.clone()).await.is(422);
    let dry = house.post("/export-jobs/validate", order).await.is(422);
    assert_eq!(problem["errors"], dry["errors"]);
    assert_eq!(house.get("/export-jobs").await.is(200)["items"], json!([]));
    let word = |error: &Value, field: &str| error[field].as_str().unwrap().to_owned();
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|error| format!("{} {}", word(error, "pointer"), word(error, "code"))).collect()
}

/// The sentences of a refused order, for hints.
async fn sentences(house: &House, order: Value) -> String {
    let problem = house.post("/export-jobs", order).await.is(422);
    problem["errors"].to_string()
}

async fn preset(house: &House, name: &str, modifier: &str) {
    let answer = house.put(format!("/image-presets/{name}"), json!({"urlModifier": modifier})).await;
    assert!(answer.status.is_success(), "{}", String::from_utf8_lossy(&answer.body));
}

async fn set(house: &House, kind: &str, member: &str) -> String {
    let answer = house.post("/asset-sets", json!({"type": kind, "name": kind, "memberArray": [member]})).await.is(201);
    answer["assetHandle"].as_str().unwrap().to_owned()
}

const SETS: [&str; 8] = ["ImageSet", "RenderSet", "SpinSet", "MediaSet", "MbrSet", "VideoSet", "Catalog", "OfferSet"];

#[sqlx::test]
async fn the_documented_example_works_as_pasted(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("fileToExport.jpg", &jpg(1)).await;
    preset(&house, "test", "wid=40&fmt=tif,,lzw").await;
    let order = json!({
        "assetHandleArray": [asset], "fmt": "convert", "is_modifier": "&fmt=png", "macro": "$test$", "emailSetting": "All"
    });
    let job = finished(&house, order).await;
    assert_eq!(job["outcome"], "succeeded");
    assert_eq!(format_of(&file(&house, &job, "fileToExport.tiff").await), ImageFormat::Tiff);
}

#[sqlx::test]
async fn unknown_and_foreign_handles_are_told_together(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let nobody = "019a0000-0000-7000-8000-00000000dead";
    let order = json!({"assetHandleArray": [asset, nobody, "not-a-handle"], "fmt": "orig"});
    assert_eq!(
        mistakes(&house, order).await,
        ["/assetHandleArray/1 asset-not-found", "/assetHandleArray/2 asset-not-found"]
    );
}

#[sqlx::test]
async fn the_envelope_of_submit_job_is_kept_and_shown(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let envelope =
        json!({"jobName": "spring", "description": "for the shop", "locale": "nl-BE", "clientId": "192.0.2.7"});
    let mut order = json!({"assetHandleArray": [asset], "fmt": "orig"});
    order.as_object_mut().unwrap().extend(envelope.as_object().unwrap().clone());
    let job = finished(&house, order).await;
    for (name, value) in envelope.as_object().unwrap() {
        assert_eq!(&job[name], value, "{name}");
    }
    assert!(job.get("assetHandleArray").is_none(), "handles are in …/items");
}

#[sqlx::test]
async fn creating_answers_202_with_handle_and_location(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let answer = house.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    let location = answer.header("location").to_owned();
    let job = answer.is(202);
    assert!(location.ends_with(&format!("/export-jobs/{}", job["jobHandle"].as_str().unwrap())), "{location}");
    assert_eq!(job["state"], "queued");
}

#[sqlx::test]
async fn array_or_filter_and_not_both(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    assert_eq!(mistakes(&house, json!({"fmt": "orig"})).await, ["/assetHandleArray missing-parameter"]);
    let both = json!({"assetHandleArray": [asset], "assetFilter": {"folder": ""}, "fmt": "orig"});
    assert_eq!(mistakes(&house, both).await, ["/assetFilter conflicting-parameters"]);
    let nothing = json!({"assetFilter": {"folder": "nowhere"}, "fmt": "orig"});
    assert_eq!(mistakes(&house, nothing).await, ["/assetFilter nothing-to-export"]);
    let job = finished(&house, json!({"assetFilter": {"folder": ""}, "fmt": "orig"})).await;
    assert_eq!(job["counts"]["total"], 1);
}

#[sqlx::test]
async fn an_empty_array_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let found = mistakes(&house, json!({"assetHandleArray": [], "fmt": "orig"})).await;
    assert!(found.len() == 1 && found[0].starts_with("/assetHandleArray "), "{found:?}");
}

#[sqlx::test]
async fn a_handle_array_with_items_gets_a_hint(pool: PgPool) {
    let house = House::open(pool).await;
    let told = sentences(&house, json!({"assetHandleArray": {"items": ["x"]}, "fmt": "orig"})).await;
    assert!(told.contains("/assetHandleArray") && told.contains("array"), "{told}");
}

#[sqlx::test]
async fn too_many_items_are_refused(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_items = 1).await;
    let (one, two) = (house.asset("a.jpg", &jpg(1)).await, house.asset("b.jpg", &jpg(2)).await);
    assert_eq!(
        mistakes(&house, json!({"assetHandleArray": [one, two], "fmt": "orig"})).await,
        ["/assetHandleArray too-many-items"]
    );
    assert_eq!(mistakes(&house, json!({"assetFilter": {}, "fmt": "orig"})).await, ["/assetFilter too-many-items"]);
}

#[sqlx::test]
async fn fmt_is_required_and_one_of_two(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    assert_eq!(mistakes(&house, json!({"assetHandleArray": [asset]})).await, ["/fmt missing-parameter"]);
    let order = json!({"assetHandleArray": [asset], "fmt": "png"});
    assert_eq!(mistakes(&house, order.clone()).await, ["/fmt invalid-value"]);
    let told = sentences(&house, order).await;
    assert!(told.contains("orig") && told.contains("convert"), "{told}");
}

#[sqlx::test]
async fn orig_hands_out_the_uploaded_bytes(pool: PgPool) {
    let house = House::open(pool).await;
    let bytes = jpg(1);
    let asset = house.asset("a.jpg", &bytes).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(file(&house, &job, "a.jpg").await, bytes);
}

#[sqlx::test]
async fn convert_renders_what_the_modifier_says(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job =
        finished(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=30&fmt=png"})).await;
    let png = image::load_from_memory_with_format(&file(&house, &job, "a.png").await, ImageFormat::Png).unwrap();
    assert_eq!((png.width(), png.height()), (30, 20));
}

#[sqlx::test]
async fn a_leading_ampersand_is_allowed(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    for modifier in ["&fmt=png", "?fmt=png", "fmt=png"] {
        let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
        assert_eq!(finished(&house, order).await["effectiveModifier"], "fmt=png", "{modifier}");
    }
}

#[sqlx::test]
async fn the_misspelt_modifier_gets_a_hint(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let told = sentences(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "is_modifer": "fmt=png"})).await;
    assert!(told.contains("unknown-field") && told.contains("is_modifier"), "{told}");
}

#[sqlx::test]
async fn a_macro_is_an_image_preset_in_any_case(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    preset(&house, "Web", "wid=30&fmt=png").await;
    for name in ["$web$", "$WEB$", "Web"] {
        let order = json!({"assetHandleArray": [asset], "fmt": "convert", "macro": name});
        assert_eq!(finished(&house, order).await["effectiveModifier"], "wid=30&fmt=png", "{name}");
    }
}

#[sqlx::test]
async fn email_setting_defaults_to_none(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(job["emailSetting"], "None");
    let wrong = json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": "none"});
    assert_eq!(house.post("/export-jobs", wrong).await.is(422)["errors"][0]["pointer"], "/emailSetting");
}

#[sqlx::test]
async fn translated_constants_get_a_hint(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    for (said, meant) in [("Alles", "All"), ("Fout", "Error"), ("Geen", "None")] {
        let told = sentences(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "emailSetting": said})).await;
        assert!(told.contains(said) && told.contains(meant), "{told}");
    }
    let told = sentences(&house, json!({"assetHandleArray": [asset], "fmt": "converteren"})).await;
    assert!(told.contains("`convert`"), "{told}");
}

#[sqlx::test]
async fn client_id_is_kept_and_never_trusted(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "clientId": "my laptop"})).await;
    assert_eq!(job["clientId"], "my laptop");
    assert_eq!(job["warnings"][0]["code"], "client-id-not-an-address");
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig", "clientId": "2001:db8::1"})).await;
    assert_eq!(job["warnings"], json!([]));
}

#[sqlx::test]
async fn the_smallest_order_is_enough(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "orig"})).await;
    assert_eq!(job["outcome"], "succeeded");
    assert!(!job["jobName"].as_str().unwrap().is_empty());
}

#[sqlx::test]
async fn sets_of_all_eight_types_are_refused_by_name(pool: PgPool) {
    let house = House::open(pool).await;
    let mut handles = vec![house.asset("a.jpg", &jpg(1)).await];
    for kind in SETS {
        handles.push(set(&house, kind, &handles[0].clone()).await);
    }
    for order in [
        json!({"assetHandleArray": handles, "fmt": "orig"}),
        json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"}),
    ] {
        let told = sentences(&house, order.clone()).await;
        assert!(SETS.iter().all(|kind| told.contains(kind)), "{told}");
        let wanted: Vec<_> = (1..=8).map(|place| format!("/assetHandleArray/{place} unsupported-asset-type")).collect();
        assert_eq!(mistakes(&house, order).await, wanted);
    }
}

#[sqlx::test]
async fn sets_are_skipped_on_request(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let handles = [set(&house, "SpinSet", &asset).await, asset];
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "orig", "onUnsupported": "skip"})).await;
    assert_eq!(job["outcome"], "succeededWithWarnings");
    assert_eq!((&job["counts"]["skipped"], &job["counts"]["succeeded"]), (&json!(1), &json!(1)));
    let items = items(&house, &job).await;
    assert_eq!(
        (&items[0]["state"], &items[0]["warnings"][0]["code"]),
        (&json!("skipped"), &json!("skipped-unsupported"))
    );
}

#[sqlx::test]
async fn nothing_left_to_export_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order =
        json!({"assetHandleArray": [set(&house, "Catalog", &asset).await], "fmt": "orig", "onUnsupported": "skip"});
    assert_eq!(mistakes(&house, order).await, ["/assetHandleArray nothing-to-export"]);
}

#[sqlx::test]
async fn every_input_format_is_converted(pool: PgPool) {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let house = House::open(pool).await;
    let mut handles = Vec::new();
    for (format, name) in
        [(Jpeg, "a.jpg"), (Png, "b.png"), (Tiff, "c.tif"), (WebP, "d.webp"), (Gif, "e.gif"), (Bmp, "f.bmp")]
    {
        let bytes = match format {
            Gif => encoded(image::load_from_memory(&jpg(1)).unwrap().to_rgba8().into(), Gif),
            _ => picture(format, 90, 60, 1),
        };
        handles.push(house.asset(name, &bytes).await);
    }
    let job =
        finished(&house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=9&fmt=png"})).await;
    assert_eq!(job["counts"]["succeeded"], 6, "{job}");
    for name in ["a", "b", "c", "d", "e", "f"] {
        let png = image::load_from_memory(&file(&house, &job, &format!("{name}.png")).await).unwrap();
        assert_eq!((png.width(), png.height()), (9, 6), "{name}");
    }
}

#[sqlx::test]
async fn what_is_no_picture_is_handed_out_as_original(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.jpg", &jpg(1)).await, house.asset("notes.txt", b"hello").await];
    let job = finished(&house, json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png"})).await;
    assert_eq!(job["outcome"], "succeededWithWarnings");
    assert_eq!(file(&house, &job, "notes.txt").await, b"hello");
    assert_eq!(items(&house, &job).await[1]["warnings"][0]["code"], "exported-as-original");
}

#[sqlx::test]
async fn on_unconvertible_skips_or_fails(pool: PgPool) {
    let house = House::open(pool).await;
    let handles = [house.asset("a.jpg", &jpg(1)).await, house.asset("notes.txt", b"hello").await];
    for (rule, state, outcome) in [("skip", "skipped", "succeededWithWarnings"), ("fail", "failed", "partiallyFailed")]
    {
        let order =
            json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "fmt=png", "onUnconvertible": rule});
        let job = finished(&house, order).await;
        assert_eq!((&job["outcome"], &items(&house, &job).await[1]["state"]), (&json!(outcome), &json!(state)));
    }
}

#[sqlx::test]
async fn on_corrupt_warns_of_what_is_half(pool: PgPool) {
    let house = House::open(pool).await;
    let whole = jpg(1);
    let handles = [house.asset("a.jpg", &whole).await, house.asset("b.jpg", &whole[..whole.len() - 40]).await];
    let order =
        |rule: &str| json!({"assetHandleArray": handles, "fmt": "convert", "is_modifier": "wid=20", "onCorrupt": rule});
    let strict = finished(&house, order("fail")).await;
    assert_eq!((&strict["outcome"], &strict["onCorrupt"]), (&json!("partiallyFailed"), &json!("fail")));
    assert_eq!(items(&house, &strict).await[1]["failure"]["code"], "truncated");
    // Twice: the second time what was made is known, and still says what it is.
    for _ in 0..2 {
        let lenient = finished(&house, order("warn")).await;
        assert_eq!((&lenient["outcome"], &lenient["onCorrupt"]), (&json!("succeededWithWarnings"), &json!("warn")));
        let items = items(&house, &lenient).await;
        assert_eq!((&items[0]["warnings"], &items[1]["warnings"][0]["code"]), (&json!([]), &json!("corrupt-source")));
        assert_eq!(image::load_from_memory(&file(&house, &lenient, "b.jpg").await).unwrap().width(), 20);
    }
    // What was made of half a picture is not handed to one that did not ask for it.
    assert_eq!(items(&house, &finished(&house, order("fail")).await).await[1]["failure"]["code"], "truncated");
}

#[sqlx::test]
async fn the_macro_wins_wherever_it_speaks(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    preset(&house, "small", "wid=30&fmt=tif").await;
    let order =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=45&fmt=png", "macro": "$small$"});
    let job = finished(&house, order).await;
    let tiff = image::load_from_memory(&file(&house, &job, "a.tiff").await).unwrap();
    assert_eq!((tiff.width(), tiff.height()), (30, 20));
}

#[sqlx::test]
async fn what_the_macro_does_not_mention_survives(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    preset(&house, "tiff", "fmt=tif").await;
    let order =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=45&fmt=png", "macro": "$tiff$"});
    let job = finished(&house, order).await;
    assert_eq!(job["effectiveModifier"], "wid=45&fmt=png&fmt=tif");
    assert_eq!(image::load_from_memory(&file(&house, &job, "a.tiff").await).unwrap().width(), 45);
}

#[sqlx::test]
async fn preset_names_follow_the_macro_rules(pool: PgPool) {
    let house = House::open(pool).await;
    preset(&house, "web-2x_small.v1", "wid=30").await;
    for name in ["a%20b", "a$b", "%C3%BC", "a%2Fb"] {
        let answer = house.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=30"})).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.status);
    }
}

#[sqlx::test]
async fn a_preset_may_use_presets_but_not_in_a_circle(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    preset(&house, "base", "fmt=png").await;
    preset(&house, "web", "wid=30&$base$").await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "macro": "$web$"})).await;
    assert_eq!(job["effectiveModifier"], "wid=30&fmt=png");
    house.put("/image-presets/base", json!({"urlModifier": "$web$"})).await.is(422);
}

#[sqlx::test]
async fn an_unknown_macro_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order =
        json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "$one$&fmt=png", "macro": "$two$"});
    assert_eq!(mistakes(&house, order).await, ["/is_modifier unknown-macro", "/macro unknown-macro"]);
}

#[sqlx::test]
async fn bad_commands_are_refused_with_their_offsets(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=x&fmt=png&hei=-1&widd=3"});
    let errors = house.post("/export-jobs", order).await.is(422)["errors"].as_array().unwrap().clone();
    let offsets: Vec<_> = errors.iter().map(|error| error["offset"].as_u64().unwrap()).collect();
    assert_eq!(offsets, [0, 14, 21], "{errors:?}");
    assert!(errors[2]["detail"].as_str().unwrap().contains("`wid`"), "{errors:?}");
}

#[sqlx::test]
async fn orig_with_a_modifier_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    preset(&house, "web", "wid=30").await;
    let order = json!({"assetHandleArray": [asset], "fmt": "orig", "is_modifier": "wid=30", "macro": "$web$"});
    assert_eq!(mistakes(&house, order).await, ["/is_modifier conflicting-parameters", "/macro conflicting-parameters"]);
}

#[sqlx::test]
async fn convert_without_a_modifier_is_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    for modifier in [None, Some(""), Some("&"), Some(" & "), Some(".a comment")] {
        let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
        let order = if modifier.is_none() { json!({"assetHandleArray": [asset], "fmt": "convert"}) } else { order };
        assert_eq!(mistakes(&house, order).await, ["/is_modifier missing-parameter"], "{modifier:?}");
    }
}

#[sqlx::test]
async fn convert_without_a_format_gives_jpeg_and_warns_of_lost_alpha(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.png", &transparent(30, 20)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=30"});
    let dry = house.post("/export-jobs/validate", order.clone()).await.is(200);
    assert!(dry.to_string().contains("alpha-flattened"), "{dry}");
    let job = finished(&house, order).await;
    assert_eq!(job["outcome"], "succeededWithWarnings");
    assert_eq!(format_of(&file(&house, &job, "a.jpg").await), ImageFormat::Jpeg);
    assert_eq!(items(&house, &job).await[0]["warnings"][0]["code"], "alpha-flattened");
}

#[sqlx::test]
async fn without_a_size_the_picture_keeps_its_own(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &picture(ImageFormat::Jpeg, 1234, 567, 1)).await;
    let job = finished(&house, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "fmt=png"})).await;
    let png = image::load_from_memory(&file(&house, &job, "a.png").await).unwrap();
    assert_eq!((png.width(), png.height()), (1234, 567));
}

#[sqlx::test]
async fn an_output_beyond_the_limit_fails_its_item(pool: PgPool) {
    let house = House::with(pool, |settings| settings.max_output_pixels = 1000).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=900&hei=900&fmt=png"});
    let job = finished(&house, order).await;
    assert_eq!(job["outcome"], "failed");
    assert_eq!(items(&house, &job).await[0]["failure"]["code"], "output-too-large");
}
