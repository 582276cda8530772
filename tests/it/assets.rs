//! Uploads, the list of assets, and changes to assets.

use actix_web::test::TestRequest;
use image::codecs::gif::GifEncoder;
use image::{Frame, ImageFormat};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::images::encode_blank_image;
use crate::support::test_app::{TestApp, TestResponse, build_multipart_request};

fn encode_animation() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.encode_frames((0..2).map(|_| Frame::new(image::RgbaImage::new(4, 4)))).unwrap();
    drop(encoder);
    bytes
}

/// A JPEG with an EXIF orientation of 6 (turned by 90 degrees) and a known time of capture.
fn encode_rotated_photo() -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let mut bytes = [tag.to_le_bytes(), kind.to_le_bytes()].concat();
        bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        bytes
    };
    // The first directory is 30 bytes long; the second begins at 38 and its text at 56.
    tiff.extend([2u16.to_le_bytes().to_vec(), entry(0x0112, 3, 1, 6), entry(0x8769, 4, 1, 38), vec![0; 4]].concat());
    tiff.extend([1u16.to_le_bytes().to_vec(), entry(0x9003, 2, 20, 56), vec![0; 4]].concat());
    tiff.extend(b"2021:03:04 05:06:07\0");
    let plain = encode_blank_image(40, 30, ImageFormat::Jpeg);
    let mut jpeg = plain[..2].to_vec();
    jpeg.extend([0xff, 0xe1]);
    jpeg.extend((tiff.len() as u16 + 8).to_be_bytes());
    jpeg.extend(b"Exif\0\0");
    jpeg.extend(tiff);
    jpeg.extend(&plain[2..]);
    jpeg
}

/// Sends these parts: what follows `form-data;` in their heads, and their bytes.
async fn send_parts(app: &TestApp, parts: &[(&str, &[u8])]) -> TestResponse {
    app.send(build_multipart_request(parts.iter().copied())).await
}

fn list_names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|asset| asset["name"].as_str().unwrap()).collect()
}

async fn assert_nothing_kept(app: &TestApp) {
    assert_eq!(app.get("/assets").await.expect_status(200)["items"], json!([]));
    assert_eq!(std::fs::read_dir(app.folder.path().join("tmp")).unwrap().count(), 0);
    let blobs: i64 = sqlx::query_scalar("select count(*) from blob").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(blobs, 0);
}

#[sqlx::test]
async fn files_become_assets_in_order(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let png = encode_blank_image(3, 2, ImageFormat::Png);
    let answer = app.upload_to("/spring//shoes/", &[("b.png", &png), ("a.txt", b"hello")]).await;
    assert_eq!(answer.header("location"), "");
    let assets = answer.expect_status(201)["assets"].clone();
    assert_eq!(assets.as_array().unwrap().len(), 2);
    let first = &assets[0];
    assert_eq!(first["name"], "b");
    assert_eq!(first["fileName"], "b.png");
    assert_eq!(first["folder"], "spring/shoes");
    assert_eq!(first["type"], "Image");
    assert_eq!(first["mime"], "image/png");
    assert_eq!(first["size"], png.len());
    assert_eq!(first["sha256"], offprint_core::Digest::compute(&png).to_string());
    assert_eq!((&first["width"], &first["height"], &first["hasAlpha"]), (&json!(3), &json!(2), &json!(true)));
    assert_eq!(first["orientation"], 1);
    assert_eq!(assets[1]["type"], "Document");
    assert_eq!(assets[1]["width"], Value::Null);
    let shown = app.get(first["links"]["self"].as_str().unwrap()).await.expect_status(200);
    assert_eq!(&shown, first);

    let one = app.upload_to("", &[("c.txt", b"hello")]).await;
    let location = one.header("location").to_owned();
    assert_eq!(one.expect_status(201)["assets"][0]["links"]["self"], location.as_str());
    let blobs: i64 = sqlx::query_scalar("select count(*) from blob").fetch_one(&app.state.system).await.unwrap();
    assert_eq!(blobs, 2, "the same bytes are stored once");
}

#[sqlx::test]
async fn types_are_detected_from_bytes(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let animation = encode_animation();
    let files: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a.txt", encode_blank_image(2, 2, ImageFormat::Jpeg), "Image"),
        ("b.jpg", encode_blank_image(2, 2, ImageFormat::Tiff), "Image"),
        ("c", encode_blank_image(2, 2, ImageFormat::WebP), "Image"),
        ("d", encode_blank_image(2, 2, ImageFormat::Bmp), "Image"),
        ("e.gif", encode_blank_image(2, 2, ImageFormat::Gif), "Image"),
        ("f.jpg", animation.clone(), "AnimatedGif"),
        ("g.gif", animation[..20].to_vec(), "Image"),
        ("h", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), "Svg"),
        ("i", b"%PDF-1.4 ...".to_vec(), "Pdf"),
        ("j.jpg", b"\x7fsomething".to_vec(), "Other"),
    ];
    let sent: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes, _)| (*name, bytes.as_slice())).collect();
    let answer = app.upload_to("", &sent).await.expect_status(201);
    for (index, (name, _, kind)) in files.iter().enumerate() {
        let asset = &answer["assets"][index];
        assert_eq!(asset["type"], *kind, "{name}");
        let known = asset["width"].is_u64();
        assert_eq!(known, matches!(index, 0..=5), "{name}: {asset}");
    }
}

#[sqlx::test]
async fn photos_are_upright_and_know_their_time(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset =
        app.upload_to("", &[("photo.jpg", &encode_rotated_photo())]).await.expect_status(201)["assets"][0].clone();
    assert_eq!((&asset["width"], &asset["height"], &asset["orientation"]), (&json!(30), &json!(40), &json!(6)));
    assert_eq!(asset["lastModified"], "2021-03-04T05:06:07Z");

    let parts: &[(&str, &[u8])] = &[
        ("name=\"lastModified\"", b"2020-02-03T04:05:06+01:00"),
        ("name=\"file\"; filename=\"photo.jpg\"", &encode_rotated_photo()),
        ("name=\"lastModified\"", b""),
        ("name=\"folder\"", b"later"),
        ("name=\"file\"; filename=\"text\"", b"hello"),
    ];
    let assets = send_parts(&app, parts).await.expect_status(201)["assets"].clone();
    assert_eq!(assets[0]["lastModified"], "2020-02-03T03:05:06Z");
    assert_eq!((&assets[0]["folder"], &assets[1]["folder"]), (&json!(""), &json!("later")));
    assert_eq!(assets[1]["lastModified"], assets[1]["createdAt"]);
}

#[sqlx::test]
async fn naughty_names_become_safe(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for (disposition, safe) in [
        ("filename=\"../../etc/passwd\"", "passwd"),
        ("filename=\"C:\\\\fakepath\\\\photo.jpg\"", "photo.jpg"),
        ("filename=\"a%22b.jpg\"", "a_b.jpg"),
        ("filename=\"CON.jpg\"", "_CON.jpg"),
        ("filename=\"Ünï.jpg\"", "Ünï.jpg"),
        ("filename=\"x.jpg\"; filename*=UTF-8''%E6%97%A5%E2%80%AE.jpg", "日.jpg"),
    ] {
        let answer = send_parts(&app, &[(&format!("name=\"file\"; {disposition}"), b"bytes")]).await.expect_status(201);
        assert_eq!(answer["assets"][0]["fileName"], safe, "{disposition}");
    }
}

#[sqlx::test]
async fn bad_uploads_say_all_that_is_wrong_and_keep_nothing(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_upload = 1000).await;
    let parts: &[(&str, &[u8])] = &[
        ("name=\"file\"; filename=\"good.txt\"", b"good"),
        ("name=\"folder\"", b"a/../b"),
        ("name=\"lastModified\"", b"yesterday"),
        ("name=\"file\"; filename=\"empty.txt\"", b""),
        ("name=\"file\"; filename=\"..\"", b"x"),
        ("name=\"file\"", b"x"),
        ("name=\"fiel\"", b"x"),
    ];
    let problem = send_parts(&app, parts).await.expect_status(422);
    let errors: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| (&error["pointer"], &error["code"])).collect();
    let expected = json!([
        ["/folder", "invalid-value"],
        ["/lastModified", "invalid-value"],
        ["/file/1", "empty-file"],
        ["/file/2", "invalid-value"],
        ["/file/3", "missing-parameter"],
        ["/fiel", "unknown-field"],
    ]);
    assert_eq!(json!(errors), expected);
    assert_nothing_kept(&app).await;

    let problem = app.upload_to("", &[("a", b"good"), ("b", &[7; 1001])]).await.expect_status(413);
    assert_eq!(problem["code"], "body-too-large");
    assert!(problem["detail"].as_str().unwrap().contains("1000 bytes"));
    assert_nothing_kept(&app).await;

    assert_eq!(send_parts(&app, &[]).await.expect_status(422)["errors"][0]["code"], "missing-parameter");
    let cut = TestRequest::post().uri("/assets").insert_header(("content-type", "multipart/form-data; boundary=x"));
    let cut = cut.set_payload("--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhalf");
    assert_eq!(app.send(cut).await.expect_status(400)["code"], "invalid-parameter");
    assert_eq!(app.post("/assets", json!({})).await.expect_status(415)["code"], "unsupported-media-type");
    assert_nothing_kept(&app).await;
}

#[sqlx::test]
async fn lists_are_filtered_and_paged(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let png = encode_blank_image(2, 2, ImageFormat::Png);
    app.upload_to("", &[("top.png", &png)]).await.expect_status(201);
    app.upload_to("a", &[("one.png", b"text"), ("two.png", &png)]).await.expect_status(201);
    app.upload_to("a/b", &[("three.png", &png), ("100%_.png", &png)]).await.expect_status(201);
    app.upload_to("ab", &[("four.png", &png)]).await.expect_status(201);

    let list = async |query: &str| app.get(format!("/assets?{query}")).await.expect_status(200);
    assert_eq!(list_names(&list("").await), ["top", "one", "two", "100%_", "three", "four"]);
    assert_eq!(list_names(&list("folder=").await), ["top"]);
    assert_eq!(list_names(&list("folder=/a/").await), ["one", "two"]);
    assert_eq!(list_names(&list("folder=a&recursive=true").await), ["one", "two", "100%_", "three"]);
    assert_eq!(list_names(&list("folder=&recursive=true").await).len(), 6);
    assert_eq!(list_names(&list("type=Document").await), ["one"]);
    assert_eq!(list_names(&list("name=t").await), ["top", "two", "three"]);
    assert_eq!(list_names(&list("name=%25").await).len(), 0);
    let sha256 = offprint_core::Digest::compute(&png);
    assert_eq!(list_names(&list(&format!("sha256={sha256}&folder=a")).await), ["two"]);

    let (mut names, mut next) = (Vec::new(), "/assets?limit=4".to_owned());
    loop {
        let answer = app.get(&next).await;
        let link = answer.header("link").to_owned();
        let page = answer.expect_status(200);
        names.extend(list_names(&page).into_iter().map(str::to_owned));
        match link.strip_prefix('<').and_then(|link| link.split_once('>')) {
            Some((address, _)) => {
                assert!(address.contains(page["nextCursor"].as_str().unwrap()));
                next = address.to_owned();
            }
            None => break assert_eq!(page["nextCursor"], Value::Null),
        }
    }
    assert_eq!(names, ["top", "one", "two", "100%_", "three", "four"]);

    let cursor = list("limit=1").await["nextCursor"].as_str().unwrap().to_owned();
    for bad in [format!("cursor={cursor}&folder=a"), "cursor=nonsense".to_owned()] {
        assert_eq!(app.get(format!("/assets?{bad}")).await.expect_status(400)["code"], "invalid-cursor");
    }
    for bad in ["limit=0", "limit=1001", "limit=x", "type=Nothing", "sha256=12", "folder=a/../b", "nmae=x"] {
        assert_eq!(app.get(format!("/assets?{bad}")).await.expect_status(400)["code"], "invalid-parameter", "{bad}");
    }
}

#[sqlx::test]
async fn the_fields_of_an_asset_can_be_changed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address =
        format!("/assets/{}", app.upload_asset("photo.jpg", &encode_blank_image(2, 2, ImageFormat::Jpeg)).await);
    let change = json!({"name": "new", "fileName": "new.jpeg", "folder": "/x/y/", "urlModifier": "wid=20"});
    let changed = app.patch(&address, change).await.expect_status(200);
    assert_eq!((&changed["name"], &changed["fileName"]), (&json!("new"), &json!("new.jpeg")));
    assert_eq!((&changed["folder"], &changed["urlModifier"]), (&json!("x/y"), &json!("wid=20")));
    assert_eq!(app.patch(&address, json!({})).await.expect_status(200)["urlModifier"], "wid=20");
    assert_eq!(app.patch(&address, json!({"urlModifier": null})).await.expect_status(200)["urlModifier"], "");

    let wrong = json!({
        "name": null, "fileName": "a/b.jpg", "folder": "..", "urlModifier": "wid=x", "urlPostApplyModifier": "$nope$",
        "naem": "x"
    });
    assert_eq!(
        app.patch(&address, wrong).await.expect_status(422)["errors"].as_array().unwrap().len(),
        2,
        "null and unknown fields are reported before values are checked"
    );
    let wrong = json!({"fileName": "a/b.jpg", "folder": "..", "urlModifier": "fmt=png&wid=x", "urlPostApplyModifier": "$nope$"});
    let problem = app.patch(&address, wrong).await.expect_status(422);
    let codes: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|error| (&error["pointer"], &error["code"])).collect();
    let expected = json!([
        ["/urlModifier", "invalid-modifier"],
        ["/urlPostApplyModifier", "unknown-macro"],
        ["/fileName", "invalid-value"],
        ["/folder", "invalid-value"],
    ]);
    assert_eq!(json!(codes), expected);
    assert_eq!(problem["errors"][0]["offset"], 8);
    assert_eq!(app.get(&address).await.expect_status(200)["fileName"], "new.jpeg", "nothing was changed");
}

#[sqlx::test]
async fn deleted_assets_are_gone(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let address = format!("/assets/{}", app.upload_asset("a.txt", b"a").await);
    app.delete(&address).await.expect_status(204);
    for again in [
        app.get(&address).await,
        app.get(format!("{address}/content")).await,
        app.delete(&address).await,
        app.patch(&address, json!({})).await,
        app.get("/assets/not-a-handle").await,
        app.get("/assets/00000000-0000-7000-8000-00000000dead").await,
    ] {
        assert_eq!(again.expect_status(404)["code"], "not-found");
    }
    assert_eq!(app.get("/assets").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn another_companys_assets_are_not_there(pool: PgPool) {
    let mut app = TestApp::open(pool).await;
    let handle = app.upload_asset("a.txt", b"a").await;
    app.state.company = offprint::id::CompanyId::new();
    sqlx::query("insert into company (company_id, name) values ($1, 'other')")
        .bind(app.state.company)
        .execute(&app.state.system)
        .await
        .unwrap();
    app.get(format!("/assets/{handle}")).await.expect_status(404);
    app.delete(format!("/assets/{handle}")).await.expect_status(404);
    assert_eq!(app.get("/assets").await.expect_status(200)["items"], json!([]));
    let set = json!({"type": "ImageSet", "name": "set", "memberArray": [handle]});
    assert_eq!(app.post("/asset-sets", set).await.expect_status(422)["errors"][0]["code"], "asset-not-found");
}

#[sqlx::test]
async fn every_type_of_set_can_be_registered(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let member = app.upload_asset("a.txt", b"a").await;
    for kind in ["ImageSet", "RenderSet", "SpinSet", "MediaSet", "MbrSet", "VideoSet", "Catalog", "OfferSet"] {
        let body = json!({"type": kind, "name": kind, "folder": "sets", "memberArray": [member]});
        let answer = app.post("/asset-sets", body).await;
        let address = answer.header("location").to_owned();
        let set = answer.expect_status(201);
        assert_eq!((&set["type"], &set["name"], &set["memberArray"]), (&json!(kind), &json!(kind), &json!([member])));
        assert_eq!(
            (&set["fileName"], &set["size"], &set["links"]["content"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        app.get(format!("{address}/content")).await.expect_status(404);
        app.patch(&address, json!({"fileName": "x.jpg"})).await.expect_status(422);
        assert_eq!(app.patch(&address, json!({"name": "new"})).await.expect_status(200)["name"], "new");
    }
    assert_eq!(app.get("/assets?folder=sets").await.expect_status(200)["items"].as_array().unwrap().len(), 8);
    let wrong = json!({
        "type": "ImageSett", "name": "", "memberArray": [], "folder": 7
    });
    assert_eq!(app.post("/asset-sets", wrong).await.expect_status(422)["errors"].as_array().unwrap().len(), 4);
    let wrong = json!({"type": "Image", "name": "a", "memberArray": [member]});
    assert_eq!(app.post("/asset-sets", wrong).await.expect_status(422)["errors"][0]["pointer"], "/type");
    let unknown = "00000000-0000-7000-8000-00000000dead";
    let wrong = json!({"type": "SpinSet", "name": "a/b", "memberArray": [member, unknown]});
    let problem = app.post("/asset-sets", wrong).await.expect_status(422);
    assert_eq!(problem["errors"][0]["pointer"], "/name");
    assert_eq!(problem["errors"][1]["pointer"], "/memberArray/1");
}
