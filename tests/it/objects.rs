//! Other assets that a modifier names.

use image::{GenericImageView, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use offprint::worker::retain;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::exportjob::{file, finished, items, ordered, shown, work};
use crate::house::House;
use crate::render::file_of;

fn plain(colour: [u8; 3]) -> Vec<u8> {
    file_of(RgbImage::from_pixel(40, 20, Rgb(colour)), ImageFormat::Png)
}

/// Opaque on the right.
fn mask() -> Vec<u8> {
    file_of(GrayImage::from_fn(40, 20, |x, _| Luma([u8::from(x >= 20) * 255])), ImageFormat::Png)
}

fn order(assets: &[&str], modifier: &str) -> Value {
    json!({"assetHandleArray": assets, "fmt": "convert", "is_modifier": modifier})
}

async fn picture(house: &House, job: &Value, path: &str) -> image::DynamicImage {
    image::load_from_memory(&file(house, job, path).await).unwrap()
}

#[sqlx::test]
async fn a_mask_is_pinned_when_the_job_is_made(pool: PgPool) {
    let house = House::open(pool).await;
    let shoe = house.asset("shoe.png", &plain([255, 0, 0])).await;
    let made = house.upload_to("masks", &[("shoe.png", &mask())]).await.is(201);
    let mask = made["assets"][0]["assetHandle"].as_str().unwrap().to_owned();
    let order = order(&[&shoe], "mask=default/masks/$object$&fmt=png-alpha");
    let dry = house.post("/export-jobs/validate", order.clone()).await.is(200);
    assert_eq!((&dry["items"][0]["width"], &dry["items"][0]["failure"]), (&json!(40), &Value::Null));
    let job = ordered(&house, order.clone()).await;
    // What happens to the mask from now on is no matter of this job's, and its bytes stay for it.
    house.delete(format!("/assets/{mask}")).await.is(204);
    house.later("2 hours").await;
    retain(&house.state).await.unwrap();
    work(&house).await;
    let job = shown(&house, &job).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let shown = picture(&house, &job, "shoe.png").await;
    assert_eq!((shown.get_pixel(5, 5)[3], shown.get_pixel(35, 5)[3]), (0, 255));
    let failed = finished(&house, order).await;
    assert_eq!(failed["outcome"], "failed");
    let failure = &items(&house, &failed).await[0]["failure"];
    assert_eq!(failure["code"], "source-missing", "{failure}");
    house.check().await;
}

#[sqlx::test]
async fn another_picture_takes_the_place_and_keeps_the_name(pool: PgPool) {
    let house = House::open(pool).await;
    let shoe = house.asset("shoe.jpg", &plain([255, 0, 0])).await;
    let other = house.asset("blue.png", &plain([0, 0, 255])).await;
    for name in ["blue", "blue.png", &other, "is(blue?flip=lr)"] {
        let job = finished(&house, order(&[&shoe], &format!("src={name}&wid=20&fmt=png"))).await;
        let shown = picture(&house, &job, "shoe.png").await;
        assert_eq!((shown.dimensions(), shown.to_rgb8().get_pixel(9, 9).0), ((20, 10), [0, 0, 255]), "{name}");
    }
    let preview = house.get(format!("/assets/{shoe}/preview?is_modifier=src%3Dblue%26fmt%3Dpng")).await;
    assert_eq!(image::load_from_memory(&preview.body).unwrap().to_rgb8().get_pixel(9, 9).0, [0, 0, 255]);
    house.check().await;
}

#[sqlx::test]
async fn named_assets_bring_their_own_modifiers(pool: PgPool) {
    let house = House::open(pool).await;
    let shoe = house.asset("shoe.png", &plain([255, 0, 0])).await;
    let halves = RgbImage::from_fn(40, 20, |x, _| if x < 20 { Rgb([0, 0, 255]) } else { Rgb([0, 255, 0]) });
    let blue = house.asset("blue.png", &file_of(halves, ImageFormat::Png)).await;
    let own = json!({"urlModifier": "crop=0,0,20,20&wid=5", "urlPostApplyModifier": "rotate=90"});
    house.patch(format!("/assets/{blue}"), own).await.is(200);
    let other = house.asset("other.png", &plain([9, 9, 9])).await;
    house.patch(format!("/assets/{other}"), json!({"urlModifier": "src=is(blue)"})).await.is(200);
    for (modifier, size, color) in [
        // Around the order, as those of the picture itself stand.
        ("src=blue&wid=10&fmt=png", (10, 10), [0, 0, 255]),
        ("src=blue&fmt=png", (5, 5), [0, 0, 255]),
        ("src=is(blue?wid=8)&fmt=png", (8, 8), [0, 0, 255]),
        ("src=is(blue?crop=20,0,10,20&wid=8)&fmt=png", (8, 4), [0, 255, 0]),
        // What a named asset names brings along its own.
        ("src=is(other)&fmt=png", (5, 5), [0, 0, 255]),
        // A mask that is named is its picture alone.
        ("mask=blue&fmt=png", (40, 20), [0; 3]),
    ] {
        let job = finished(&house, order(&[&shoe], modifier)).await;
        let shown = picture(&house, &job, "shoe.png").await;
        assert_eq!(shown.dimensions(), size, "{modifier}");
        if !modifier.contains("mask") {
            assert_eq!(shown.to_rgb8().get_pixel(2, 2).0, color, "{modifier}");
        }
    }
    let refused = house.post("/export-jobs", order(&[&shoe], "wid=9&src=other")).await.is(422);
    let error = &refused["errors"][0];
    assert_eq!((&error["pointer"], &error["offset"]), (&json!("/is_modifier"), &json!(6)), "{refused}");
    assert!(error["detail"].as_str().unwrap().contains("src=is(other)"), "{error}");
    let told = house.post("/modifier-check", json!({"is_modifier": "src=blue", "assetHandle": shoe})).await.is(200);
    assert_eq!((&told["picture"]["width"], &told["picture"]["height"]), (&json!(5), &json!(5)), "{told}");
    let preview = house.get(format!("/assets/{shoe}/preview?is_modifier=src%3Dblue%26fmt%3Dpng")).await;
    assert_eq!(image::load_from_memory(&preview.body).unwrap().dimensions(), (5, 5));
    // The own modifiers are part of the recipe, as they were when the job was made.
    let before = ordered(&house, order(&[&shoe], "src=blue&fmt=png")).await;
    house.patch(format!("/assets/{blue}"), json!({"urlModifier": "wid=33"})).await.is(200);
    work(&house).await;
    let before = shown(&house, &before).await;
    assert_eq!(picture(&house, &before, "shoe.png").await.dimensions(), (5, 5));
    house.check().await;
}

#[sqlx::test]
async fn names_that_mean_nothing_or_too_much_are_refused_with_their_place(pool: PgPool) {
    let house = House::open(pool).await;
    let shoe = house.asset("shoe.png", &plain([255, 0, 0])).await;
    for folder in ["a", "b"] {
        house.upload_to(folder, &[("twin.png", &mask())]).await.is(201);
    }
    house.asset("note.txt", b"text").await;
    for (modifier, offset, detail) in [
        ("wid=9&mask=nobody", 6, "There is no asset nobody."),
        ("mask=twin", 0, "2 assets are called twin."),
        ("src=is(shoe?mask=is(nobody?wid=9))", 0, "There is no asset nobody."),
        ("src=note", 0, "no picture that can be read"),
        ("src=http://example.com/a.png", 0, "never fetched from addresses"),
        ("mask=a/../b", 0, "leads out of the company's assets"),
    ] {
        let refused = house.post("/export-jobs", order(&[&shoe], modifier)).await.is(422);
        let error = &refused["errors"][0];
        assert_eq!((&error["pointer"], &error["offset"]), (&json!("/is_modifier"), &json!(offset)), "{refused}");
        assert!(error["detail"].as_str().unwrap().contains(detail), "{error}");
    }
    let told = house.post("/modifier-check", json!({"is_modifier": "mask=a/twin"})).await.is(200);
    assert_eq!(told["commands"][0]["fate"], "holds");
    house.post("/modifier-check", json!({"is_modifier": "mask=c/twin"})).await.is(422);
}
