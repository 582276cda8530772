//! What is kept with assets and what modifiers take from it: changed one by one, in bulk, and sent with uploads.

use actix_web::test::TestRequest;
use image::{GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use offprint::db::capability::Capability;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{download_file, run_export};
use crate::support::images::encode_image;
use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};
use crate::support::test_user::{TestUser, open_guarded_app};
use crate::support::tus::{create_upload, send_piece};

fn encode_flat_png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    encode_image(RgbImage::from_pixel(width, height, Rgb(colour)), ImageFormat::Png)
}

async fn render(app: &TestApp, asset: &str, modifier: &str) -> image::DynamicImage {
    let job = run_export(app, json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": modifier})).await;
    assert_eq!(job["outcome"], "succeeded", "{modifier}: {job}");
    let items = crate::support::export_jobs::fetch_items(app, &job).await;
    image::load_from_memory(&download_file(app, &job, items[0]["path"].as_str().unwrap()).await).unwrap()
}

fn list_pointers(refused: &Value) -> Vec<&str> {
    refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect()
}

#[sqlx::test]
async fn records_are_changed_shown_and_used(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let halves = RgbImage::from_fn(40, 20, |x, _| if x < 20 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let shoe = app.upload_asset("shoe.png", &encode_image(halves, ImageFormat::Png)).await;
    let mask = GrayImage::from_fn(40, 20, |x, _| Luma([u8::from(x >= 20) * 255]));
    app.upload_asset("mask.png", &encode_image(mask, ImageFormat::Png)).await;
    let canvas = app.upload_asset("canvas.png", &encode_flat_png(60, 60, [255; 3])).await;
    let record = json!({
        "maskAsset": " mask ", "anchor": "0,0", "resolution": 200, "thumbType": "3", "thumbRes": 50, "userData": "4711",
        "crops": {"Left": "crop=0,0,20,20", "Right": "cropN=0.5,0,0.5,1"},
    });
    let changed = app.patch(format!("/assets/{shoe}"), record).await.expect_status(200);
    for (name, value) in [
        ("maskAsset", json!("mask")),
        ("anchor", json!("0,0")),
        ("resolution", json!(200.0)),
        ("thumbType", json!("texture")),
        ("thumbRes", json!(50.0)),
        ("userData", json!("4711")),
        ("crops", json!({"Left": "crop=0,0,20,20", "Right": "cropN=0.5,0,0.5,1"})),
    ] {
        assert_eq!(changed[name], value, "{name}");
    }
    // Mask and resolution of the exported asset.
    let shown = render(&app, &shoe, "res=100&fmt=png-alpha").await;
    assert_eq!((shown.width(), shown.height()), (20, 10));
    assert_eq!([2, 17].map(|x| shown.to_rgba8().get_pixel(x, 5)[3]), [0, 255]);
    // The same where it is a layer: its anchor is placed.
    let shown = render(&app, &canvas, "layer=1&src=shoe&pos=0,0&fmt=png").await.into_rgb8();
    assert_eq!([(55, 40), (55, 20), (35, 40)].map(|(x, y)| shown.get_pixel(x, y).0), [[0, 0, 255], [255; 3], [255; 3]]);
    // Named crops.
    app.put("/image-presets/p", json!({"urlModifier": "fmt=png"})).await.expect_status(201);
    let shown = render(&app, &shoe, "$p$:Right").await.into_rgb8();
    assert_eq!((shown.dimensions(), shown.get_pixel(5, 5).0), ((20, 20), [0, 0, 255]));
    let shown = render(&app, &canvas, "src=shoe:Right&fmt=png").await.into_rgb8();
    assert_eq!((shown.dimensions(), shown.get_pixel(5, 5).0), ((20, 20), [0, 0, 255]));
    let request = |modifier: &str| json!({"assetHandleArray": [canvas], "fmt": "convert", "is_modifier": modifier});
    let refused = app.post("/export-jobs", request("src=shoe:Top")).await.expect_status(422);
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("shoe has no crop named Top"), "{refused}");
    app.post("/export-jobs", request("$p$:Right")).await.expect_status(422);
    // Null removes, absent stays.
    let changed =
        app.patch(format!("/assets/{shoe}"), json!({"maskAsset": null, "crops": null})).await.expect_status(200);
    assert_eq!(
        (&changed["maskAsset"], &changed["crops"], &changed["anchor"]),
        (&Value::Null, &json!({}), &json!("0,0"))
    );
    let wrong = json!({
        "maskAsset": "http://example.org/m.png", "anchor": "1", "resolution": -1, "thumbType": "round",
        "crops": {"a b": "crop=0,0,1,1"}, "urlModifier": "wid=tall",
    });
    let refused = app.patch(format!("/assets/{shoe}"), wrong).await.expect_status(422);
    let mut pointers = list_pointers(&refused);
    pointers.sort_unstable();
    assert_eq!(pointers, ["/anchor", "/crops", "/maskAsset", "/resolution", "/thumbType", "/urlModifier"], "{refused}");
    let refused =
        app.patch(format!("/assets/{shoe}"), json!({"crops": {"Large": "wid=tall"}})).await.expect_status(422);
    assert_eq!(list_pointers(&refused), ["/crops/Large"]);
    app.assert_consistent().await;
}

#[sqlx::test]
async fn uploads_bring_their_records(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let file = |name: &str| format!("name=\"file\"; filename=\"{name}\"");
    let field = |name: &str| format!("name=\"{name}\"");
    let upload = async |parts: Vec<(String, Vec<u8>)>| -> TestResponse {
        app.send(build_multipart_request(parts.iter().map(|(head, body)| (head, body.as_slice())))).await
    };
    let red = |seed| encode_flat_png(8, 8, [255, seed, 0]);
    let record = br#"{"anchor": "1,2", "urlModifier": "wid=4", "crops": {"L": "crop=0,0,2,2"}}"#.to_vec();
    let answer = upload(vec![
        (file("a.png"), red(1)),
        (field("record"), record),
        (file("b.png"), red(2)),
        (field("record"), br#"{"userData": "x"}"#.to_vec()),
        (file("c.png"), red(3)),
    ])
    .await;
    let assets = answer.expect_status(201)["assets"].clone();
    let shown: Vec<_> = assets
        .as_array()
        .unwrap()
        .iter()
        .map(|asset| (&asset["anchor"], &asset["urlModifier"], &asset["userData"]))
        .collect();
    let null = Value::Null;
    assert_eq!(
        shown,
        [(&null, &json!(""), &null), (&json!("1,2"), &json!("wid=4"), &null), (&null, &json!(""), &json!("x"))]
    );
    for (record, pointer) in [
        ("{\"anchor\": \"here\"}", "/record/anchor"),
        ("{\"colour\": 1}", "/record/colour"),
        ("{\"folder\": \"a\"}", "/record/folder"),
        ("{\"urlModifier\": \"wid=tall\"}", "/record/urlModifier"),
        ("[", "/record"),
    ] {
        let parts = vec![(field("record"), record.as_bytes().to_vec()), (file("d.png"), red(4))];
        let refused = upload(parts).await.expect_status(422);
        assert_eq!(list_pointers(&refused), [pointer], "{refused}");
    }
    let bytes = red(5);
    let address = create_upload(&app, bytes.len(), &[("filename", "t.png"), ("record", "{\"anchor\": \"3,4\"}")]).await;
    send_piece(&app, &address, 0, &bytes).await.expect_success();
    let found = app.get("/assets?name=t").await.expect_status(200);
    assert_eq!(found["items"][0]["anchor"], "3,4", "{found}");
    let creation = crate::support::tus::build_creation(9, &[("filename", "t.png"), ("record", "{\"anchor\": \"x\"}")]);
    let refused = app.send(creation).await.expect_status(422);
    assert_eq!(list_pointers(&refused), ["Upload-Metadata/record/anchor"]);
    app.assert_consistent().await;
}

fn build_bulk(media: &str, body: impl Into<String>) -> TestRequest {
    TestRequest::patch().uri("/assets").insert_header(("content-type", media.to_owned())).set_payload(body.into())
}

#[sqlx::test]
async fn records_are_changed_in_bulk(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoe = app.upload_asset("shoe.png", &encode_flat_png(8, 8, [1; 3])).await;
    app.upload_to("a", &[("hat.png", &encode_flat_png(8, 8, [2; 3]))]).await.expect_status(201);
    app.upload_to("b", &[("hat.png", &encode_flat_png(8, 8, [3; 3]))]).await.expect_status(201);
    let set = json!({"type": "ImageSet", "name": "s", "memberArray": [shoe]});
    let set = app.post("/asset-sets", set).await.expect_status(201)["assetHandle"].as_str().unwrap().to_owned();
    let lines = [
        json!({"asset": "shoe", "anchor": "1,2", "urlModifier": "wid=4"}),
        json!({"asset": shoe, "resolution": 300, "anchor": null}),
        json!({"asset": "a/hat", "folder": "c", "userData": "x"}),
        json!({"asset": "hat"}),
        json!({"asset": "nobody", "anchor": "1,1"}),
        json!({"asset": "b/hat", "anchor": "here"}),
        json!({"asset": "b/hat", "urlModifier": "wid=tall"}),
        json!({"asset": set, "userData": "a set"}),
    ];
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect::<String>() + "\nnot json\n";
    let answer = app.send(build_bulk("application/x-ndjson", body)).await.expect_status(200);
    assert_eq!((&answer["changed"], &answer["failed"]), (&json!(4), &json!(5)), "{answer}");
    let results = answer["results"].as_array().unwrap();
    let outcomes: Vec<_> = results
        .iter()
        .map(|result| (result["line"].as_i64().unwrap(), result["errors"][0]["pointer"].as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            (1, None),
            (2, None),
            (3, None),
            (4, Some("/asset")),
            (5, Some("/asset")),
            (6, Some("/anchor")),
            (7, Some("/urlModifier")),
            (8, None),
            (10, Some("")),
        ],
        "{answer}"
    );
    let shown = app.get(format!("/assets/{shoe}")).await.expect_status(200);
    assert_eq!(
        (&shown["anchor"], &shown["urlModifier"], &shown["resolution"]),
        (&Value::Null, &json!("wid=4"), &json!(300.0))
    );
    let moved = app.get("/assets?folder=c").await.expect_status(200);
    assert_eq!(moved["items"][0]["userData"], "x", "{moved}");
    assert_eq!(app.get(format!("/assets/{set}")).await.expect_status(200)["userData"], "a set");

    let table = "\u{feff}asset;anchor;crops;userData\r\nshoe;5,6;\"{\"\"L\"\": \"\"crop=0,0,2,2\"\"}\";\r\nb/hat;;;\"two\nlines\"\r\nc/hat;;;null\r\n";
    let answer = app.send(build_bulk("text/csv; charset=utf-8", table)).await.expect_status(200);
    assert_eq!((&answer["changed"], &answer["results"][2]["line"]), (&json!(3), &json!(5)), "{answer}");
    let shown = app.get(format!("/assets/{shoe}")).await.expect_status(200);
    assert_eq!((&shown["anchor"], &shown["crops"]), (&json!("5,6"), &json!({"L": "crop=0,0,2,2"})));
    assert_eq!(app.get("/assets?folder=b").await.expect_status(200)["items"][0]["userData"], "two\nlines");
    assert_eq!(app.get("/assets?folder=c").await.expect_status(200)["items"][0]["userData"], Value::Null);

    for (media, body, status) in [
        ("application/json", "{}".to_owned(), 422),
        ("application/xml", "<records/>".to_owned(), 415),
        ("text/csv; charset=iso-8859-1", "asset\nshoe\n".to_owned(), 415),
        ("text/csv", "asset,colour\nshoe,red\n".to_owned(), 422),
        ("text/csv", "asset\n".to_owned(), 422),
        ("application/x-ndjson", "\n".to_owned(), 422),
        ("application/x-ndjson", "{\"asset\":\"shoe\"}\n".repeat(10_001), 422),
        ("application/x-ndjson", " ".repeat((16 << 20) + 1), 413),
    ] {
        app.send(build_bulk(media, body)).await.expect_status(status);
    }
    app.assert_consistent().await;
}

#[sqlx::test]
async fn a_key_without_custom_modifiers_changes_everything_else(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "ours", "ann").await;
    ann.upload_asset("shoe.png", &encode_flat_png(8, 8, [1; 3])).await;
    let eve = TestUser::new(&app, "theirs", "eve").await;
    let limited = TestUser::with_capabilities(&app, "ours", "bob", &[Capability::AssetsWrite]).await;
    let body = "{\"asset\": \"shoe\", \"anchor\": \"1,2\"}\n{\"asset\": \"shoe\", \"crops\": {\"L\": \"wid=9\"}}\n";
    let answer = limited.send(build_bulk("application/x-ndjson", body)).await.expect_status(200);
    assert_eq!(
        (&answer["changed"], &answer["results"][1]["errors"][0]["code"]),
        (&json!(1), &json!("value-forbidden"))
    );
    // Another company has no such asset.
    let answer = eve.send(build_bulk("application/x-ndjson", body)).await.expect_status(200);
    assert_eq!(answer["changed"], 0, "{answer}");
}
