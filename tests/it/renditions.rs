//! Several renditions of each picture in one job.

use std::io::{Cursor, Read};

use image::ImageFormat;
use offprint::state::Renders;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{file, finished, items, jpg, ordered, picture, shown, work};
use crate::house::House;

/// An order of the assets in three sizes and formats.
fn three(assets: &[&str]) -> Value {
    json!({"assetHandleArray": assets, "fmt": "convert", "renditions": [
        {"name": "large", "is_modifier": "wid=60&fmt=png"},
        {"name": "web", "is_modifier": "wid=40&fmt=webp", "suffix": "w40"},
        {"name": "tiny", "is_modifier": "wid=10"},
    ]})
}

async fn files(house: &House, job: &Value) -> Vec<Value> {
    let list = house.get(format!("/export-jobs/{}/files", job["jobHandle"].as_str().unwrap())).await.is(200);
    list["items"].as_array().unwrap().clone()
}

fn column<'v>(rows: &'v [Value], name: &str) -> Vec<&'v Value> {
    rows.iter().map(|row| &row[name]).collect()
}

#[sqlx::test]
async fn an_item_makes_a_file_for_each_rendition(pool: PgPool) {
    let house = House::open(pool).await;
    let (one, two) = (house.asset("a.jpg", &jpg(1)).await, house.asset("A.png", &jpg(2)).await);
    let text = house.asset("note.txt", b"text").await;
    let order = three(&[&one, &two, &text]);
    let dry = house.post("/export-jobs/validate", order.clone()).await.is(200);
    assert_eq!(column(dry["items"][0]["files"].as_array().unwrap(), "width"), [60, 40, 10]);
    let job = finished(&house, order).await;
    assert_eq!((&job["outcome"], &job["files"]), (&json!("succeededWithWarnings"), &json!(7)), "{job}");
    assert_eq!((&job["counts"]["total"], &job["effectiveModifier"]), (&json!(3), &Value::Null));
    assert_eq!((&job["renditions"][1]["suffix"], &job["renditions"][2]["suffix"]), (&json!("w40"), &json!("tiny")));
    let names =
        ["a-large.png", "a-w40.webp", "a-tiny.jpg", "A-large (2).png", "A-w40 (2).webp", "A-tiny (2).jpg", "note.txt"];
    assert_eq!(column(&files(&house, &job).await, "path"), names);
    let items = items(&house, &job).await;
    assert_eq!(column(items[0]["files"].as_array().unwrap(), "rendition"), ["large", "web", "tiny"]);
    assert_eq!((&items[0]["path"], &items[2]["path"]), (&Value::Null, &json!("note.txt")));
    assert_eq!(items[2]["files"][0]["rendition"], Value::Null);
    let bytes = house.get(format!("/export-jobs/{}/archive", job["jobHandle"].as_str().unwrap())).await.body;
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let found: Vec<String> =
        (0..zip.len() - 2).map(|index| zip.by_index(index).unwrap().name().unwrap().into_owned()).collect();
    assert_eq!(found, names);
    let mut manifest = String::new();
    zip.by_name("manifest.json").unwrap().read_to_string(&mut manifest).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(column(manifest["items"].as_array().unwrap(), "path"), names);
    house.check().await;
}

/// The file that a modifier makes alone.
async fn alone(house: &House, asset: &str, name: &str, modifier: &str) -> Vec<u8> {
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier});
    file(house, &finished(house, order).await, name).await
}

#[sqlx::test]
async fn renditions_come_of_one_decode_and_are_always_the_same(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &picture(ImageFormat::Jpeg, 900, 600, 1)).await;
    let order = json!({"assetHandleArray": [asset], "fmt": "convert", "renditions": [
        {"name": "large", "is_modifier": "wid=300"}, {"name": "tiny", "is_modifier": "wid=60"},
    ]});
    let job = finished(&house, order.clone()).await;
    let items = items(&house, &job).await;
    // By itself the smaller one would be decoded at an eighth.
    assert_eq!(
        column(items[0]["files"].as_array().unwrap(), "plan"),
        [
            "jpeg 450x300 at 1/2, resize 300x200 lanczos3, jpeg, about 2 MiB",
            "jpeg 450x300 at 1/2, resize 113x75 box, resize 60x40 lanczos3, jpeg, about 1 MiB"
        ]
    );
    let (large, tiny) = (file(&house, &job, "a-large.jpg").await, file(&house, &job, "a-tiny.jpg").await);
    assert_eq!(alone(&house, &asset, "a.jpg", "wid=300").await, large);
    assert_ne!(alone(&house, &asset, "a.jpg", "wid=60").await, tiny);
    sqlx::query("delete from rendition").execute(&house.state.system).await.unwrap();
    let again = finished(&house, order).await;
    assert_eq!(file(&house, &again, "a-tiny.jpg").await, tiny);
}

#[sqlx::test]
async fn what_has_only_one_decode_has_the_bytes_that_it_has_alone(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.png", &picture(ImageFormat::Png, 900, 600, 1)).await;
    let job = finished(&house, three(&[&asset])).await;
    let beside = file(&house, &job, "a-tiny.jpg").await;
    sqlx::query("delete from rendition").execute(&house.state.system).await.unwrap();
    assert_eq!(alone(&house, &asset, "a.jpg", "wid=10").await, beside);
}

#[sqlx::test]
async fn mistakes_of_renditions_say_which(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let told = async |order: Value| {
        let mut whole = json!({"assetHandleArray": [asset], "fmt": "convert"});
        whole.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
        let problem = house.post("/export-jobs", whole).await.is(422);
        let mistakes = problem["errors"].as_array().unwrap().clone();
        mistakes
            .iter()
            .map(|it| format!("{} {}", it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let order = json!({"is_modifier": "wid=1", "renditions": [
        {"name": "a b", "is_modifier": "wid=-1"}, {"name": "b", "macro": "$nobody$"}, {"name": "B", "is_modifier": "&"},
        {"name": "c", "suffix": "b", "is_modifier": "wid=2"}, {"name": "d", "suffix": "x/y", "is_modifier": "wid=2"}
    ]});
    let mut found = told(order).await;
    found.sort();
    found.dedup();
    assert_eq!(
        found,
        [
            "/is_modifier conflicting-parameters",
            "/renditions/0/is_modifier invalid-modifier",
            "/renditions/0/name invalid-value",
            "/renditions/1/macro unknown-macro",
            "/renditions/2/is_modifier missing-parameter",
            "/renditions/2/name invalid-value",
            "/renditions/3/suffix invalid-value",
            "/renditions/4/suffix invalid-value",
        ]
    );
    let one = json!({"name": "a", "is_modifier": "wid=1"});
    assert_eq!(told(json!({"fmt": "orig", "renditions": [one]})).await, ["/renditions conflicting-parameters"]);
    assert_eq!(told(json!({"renditions": []})).await, ["/renditions missing-parameter"]);
    assert_eq!(told(json!({"renditions": vec![one; 11]})).await, ["/renditions invalid-value"]);
}

#[sqlx::test]
async fn known_renditions_are_not_made_again(pool: PgPool) {
    let house = House::open(pool).await;
    let asset = house.asset("a.png", &picture(ImageFormat::Png, 60, 40, 1)).await;
    let single = json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=10"});
    finished(&house, single).await;
    let partly = items(&house, &finished(&house, three(&[&asset])).await).await;
    assert_eq!(column(partly[0]["files"].as_array().unwrap(), "reused"), [false, false, true]);
    assert_eq!(partly[0]["reused"], false);
    let fully = items(&house, &finished(&house, three(&[&asset])).await).await;
    assert_eq!(column(fully[0]["files"].as_array().unwrap(), "reused"), [true; 3]);
    assert_eq!(fully[0]["reused"], true);
    house.check().await;
}

#[sqlx::test]
async fn retry_makes_only_what_is_missing(pool: PgPool) {
    let mut house = House::with(pool, |settings| settings.max_output_side = 50).await;
    let asset = house.asset("a.jpg", &jpg(1)).await;
    let job = ordered(&house, three(&[&asset])).await;
    work(&house).await;
    let failed = shown(&house, &job).await;
    assert_eq!((&failed["outcome"], &failed["files"]), (&json!("failed"), &json!(2)), "{failed}");
    let before = items(&house, &failed).await;
    assert_eq!(before[0]["failure"]["code"], "output-too-large");
    assert!(before[0]["failure"]["detail"].as_str().unwrap().starts_with("large: "), "{before:?}");
    assert_eq!(column(before[0]["files"].as_array().unwrap(), "state"), ["absent", "ready", "ready"]);
    house.check().await;
    let mut settings = (*house.state.settings).clone();
    settings.max_output_side = 16_384;
    house.state.renders =
        Renders::open(&settings, house.state.profiles.clone(), env!("CARGO_BIN_EXE_offprint").into(), None).unwrap();
    house.state.settings = settings.into();
    // What is there is not looked for again.
    sqlx::query("delete from rendition").execute(&house.state.system).await.unwrap();
    house.post(format!("/export-jobs/{job}/retry"), json!({})).await.is(200);
    work(&house).await;
    let done = shown(&house, &job).await;
    assert_eq!((&done["outcome"], &done["files"]), (&json!("succeeded"), &json!(3)), "{done}");
    let rendered: i64 =
        sqlx::query_scalar("select count(*) from rendition").fetch_one(&house.state.system).await.unwrap();
    assert_eq!(rendered, 1);
    house.check().await;
}
