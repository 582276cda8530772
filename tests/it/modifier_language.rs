//! The modifier language through the API: the list of commands, the check of a modifier, and docs/MODIFIERS.md.

use std::fmt::Write;
use std::path::Path;

use offprint_modifiers::{OWN_ATTRIBUTES, OwnAttribute, Support, list_commands};
use serde_json::json;
use sqlx::PgPool;

use crate::support::images::encode_image;
use crate::support::test_app::TestApp;

fn encode_blank_png(width: u32, height: u32) -> Vec<u8> {
    encode_image(image::RgbImage::new(width, height), image::ImageFormat::Png)
}

#[sqlx::test]
async fn every_documented_command_is_listed(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let answer = app.get("/modifier-commands").await.expect_status(200);
    let listed = answer["commands"].as_array().unwrap();
    assert_eq!(listed.len(), list_commands().count());
    let find = |name: &str| listed.iter().find(|command| command["name"] == name).unwrap();
    assert_eq!((&find("wid")["support"], &find("cache")["support"]), (&json!("now"), &json!("ignored")));
    assert_eq!(find("text")["support"], "notYet");
}

#[sqlx::test]
async fn a_check_says_what_a_modifier_means_or_all_that_is_wrong(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.put("/image-presets/test", json!({"urlModifier": "wid=640&fmt=tif,,lzw"})).await.expect_status(201);
    let fine = app
        .post("/modifier-check", json!({"is_modifier": "&fmt=png&cache=on", "macro": "$test$"}))
        .await
        .expect_status(200);
    assert_eq!((&fine["extension"], &fine["mime"]), (&json!(".tiff"), &json!("image/tiff")));
    assert_eq!(fine["effectiveModifier"], "fmt=png&cache=on&wid=640&fmt=tif,,lzw");
    assert_eq!((&fine["warnings"], &fine["notices"][0]["code"]), (&json!([]), &json!("ignored-command")));
    let wrong = app
        .post("/modifier-check", json!({"is_modifier": "wid=0&hei=x&qtl=3", "macro": "$nope$"}))
        .await
        .expect_status(422);
    let codes: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 4, "{wrong}");
    assert!(codes.contains(&"unknown-macro") && codes.contains(&"unknown-command"), "{codes:?}");
    let hei = wrong["errors"].as_array().unwrap().iter().find(|error| error["offset"] == 6).unwrap();
    assert_eq!((&hei["pointer"], &hei["code"]), (&json!("/is_modifier"), &json!("invalid-modifier")));
}

#[sqlx::test]
async fn every_command_is_checked_through_the_api(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let shoes = app.upload_to("shoes", &[("red.png", &encode_blank_png(9, 9))]).await.expect_status(201);
    // So that it can be named as a template.
    let shoe = format!("/assets/{}", shoes["assets"][0]["assetHandle"].as_str().unwrap());
    app.patch(shoe, json!({"urlModifier": "qlt=80"})).await.expect_status(200);
    app.upload_to("masks", &[("red.png", &encode_blank_png(9, 9))]).await.expect_status(201);
    for command in list_commands() {
        let answer = app.post("/modifier-check", json!({"is_modifier": command.accepts})).await;
        let wanted = if command.support == Support::NotYet { 422 } else { 200 };
        let response = answer.expect_status(wanted);
        if command.support == Support::Ignored {
            let remarks = [&response["notices"], &response["warnings"]];
            assert!(remarks.iter().any(|found| found[0]["code"] == "ignored-command"), "{}: {response}", command.name);
        }
        if command.refuses.is_empty() {
            assert_eq!(command.support, Support::Ignored, "{} refuses nothing", command.name);
            continue;
        }
        let refused = app.post("/modifier-check", json!({"is_modifier": command.refuses})).await.expect_status(422);
        let errors = refused["errors"].as_array().unwrap();
        let named = format!("`{}` at byte ", command.name);
        let error = errors.iter().find(|error| error["detail"].as_str().unwrap().starts_with(&named));
        let error = error.unwrap_or_else(|| panic!("{}: {refused}", command.name));
        let offset = error["offset"].as_u64().unwrap() as usize;
        assert!(command.refuses[offset..].starts_with(command.name), "{error}");
    }
}

#[sqlx::test]
async fn a_check_lists_every_command_with_its_origin_and_effect(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.put("/image-presets/test", json!({"urlModifier": "wid=64&fit=crop&qlt=75,0"})).await.expect_status(201);
    let asset = app.upload_asset("shoe.red.png", &encode_blank_png(200, 100)).await;
    let own = json!({"urlModifier": "scale=.5&$ink=ff0000", "urlPostApplyModifier": "hei=20"});
    app.patch(format!("/assets/{asset}"), own).await.expect_status(200);
    let request = json!({
        "is_modifier": "wid=1&bgc=$ink$&size=100,0&fmt=png-alpha&.note&layer=0&flip=lr", "macro": "$TEST$", "assetHandle": asset,
    });
    let report = app.post("/modifier-check", request).await.expect_status(200);
    let rows: Vec<String> = report["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
            format!(
                "{}={} {} {}@{} {} {}",
                text("name"),
                text("value"),
                text("scope"),
                text("from"),
                row["offset"],
                text("fate"),
                text("why")
            )
        })
        .collect();
    let expected = [
        "scale=.5 layer 0 urlModifier@0 ignored size overrides scale.",
        "wid=1 view is_modifier@0 replaced -",
        "bgc=ff0000 view is_modifier@6 ignored The format keeps transparency, so no background shows.",
        "size=100,0 layer 0 is_modifier@16 holds -",
        "fmt=png-alpha view is_modifier@27 holds -",
        "flip=lr layer 0 is_modifier@55 holds -",
        "wid=64 view macro test@0 holds -",
        "fit=crop view macro test@7 holds -",
        "qlt=75,0 view macro test@16 ignored The format or its compression has no quality setting.",
        "hei=20 view urlPostApplyModifier@0 holds -",
    ];
    assert_eq!(rows, expected);
    assert_eq!(report["picture"], json!({"fileName": "shoe.red.png", "width": 64, "height": 20, "failure": null}));
    let large = app
        .post("/modifier-check", json!({"is_modifier": "extend=99999,0,0,0", "assetHandle": asset}))
        .await
        .expect_status(200);
    assert_eq!(large["picture"]["failure"]["code"], "output-too-large", "{large}");
    let foreign = json!({"is_modifier": "wid=9", "assetHandle": "00000000-0000-7000-8000-00000000ffff"});
    app.post("/modifier-check", foreign).await.expect_status(404);
}

/// `docs/MODIFIERS.md`, generated from the table of commands.
fn build_modifiers_page() -> String {
    let mut page = String::from(
        "# The modifier language\n\nWritten by `UPDATE=1 script/test` from the table in `crates/modifiers/src/command/`; a test keeps it true. The \
         names and their\nmeaning are those of the Image Serving documentation; the page named last is where a command stands there.\n",
    );
    let parts = [
        (Support::Now, false, "Commands that work"),
        (Support::Now, true, "Commands that only this service has"),
        (Support::Ignored, false, "Accepted and ignored, with a notice"),
        (Support::NotYet, false, "Known, and refused with `not-supported-yet`"),
    ];
    for (support, is_own, title) in parts {
        write!(page, "\n## {title}\n\n").unwrap();
        if is_own {
            page.push_str("They are not Scene7's: Image Serving ignores them. Why they are as they are: [decision 77](decisions/0077-trim-and-pad.md).\n\n");
        }
        page.push_str("| command | value | default | what it does | page |\n|---|---|---|---|---|\n");
        for command in list_commands().filter(|command| (command.support, command.is_own()) == (support, is_own)) {
            let cell = |text: &str| text.replace('|', "\\|");
            let value = [command.syntax, command.range]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join("; ");
            let (default, help) = (cell(command.default), cell(command.help));
            writeln!(page, "| `{}` | {} | {default} | {help} | {} |", command.name, cell(&value), command.page)
                .unwrap();
        }
    }
    page.push_str(
        "\n## Attributes that only this service has\n\nThey are set by `OFFPRINT_ATTRIBUTES`, for all images.\n\n\
         | attribute | values | default | what it does |\n|---|---|---|---|\n",
    );
    for OwnAttribute { name, values, help } in &OWN_ATTRIBUTES {
        writeln!(page, "| `{name}` | {} | {} | {help} |", values.join(", "), values[0]).unwrap();
    }
    page
}

#[test]
fn the_page_of_the_language_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/MODIFIERS.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, build_modifiers_page()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == build_modifiers_page(),
        "docs/MODIFIERS.md is not what the table says; run the tests once with UPDATE=1"
    );
}
