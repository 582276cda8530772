//! The language at the front desk: what there is, what a text means, and the page that lists it.

use std::fmt::Write;
use std::path::Path;

use offprint::language::{Support, commands};
use serde_json::json;
use sqlx::PgPool;

use crate::house::House;

#[sqlx::test]
async fn every_documented_command_is_listed(pool: PgPool) {
    let house = House::open(pool).await;
    let answer = house.get("/modifier-commands").await.is(200);
    let listed = answer["commands"].as_array().unwrap();
    assert_eq!(listed.len(), commands().count());
    let find = |name: &str| listed.iter().find(|command| command["name"] == name).unwrap();
    assert_eq!((&find("wid")["support"], &find("cache")["support"]), (&json!("now"), &json!("ignored")));
    assert_eq!(find("perspective")["support"], "notYet");
}

#[sqlx::test]
async fn a_check_says_what_a_modifier_means_or_all_that_is_wrong(pool: PgPool) {
    let house = House::open(pool).await;
    house.put("/image-presets/test", json!({"urlModifier": "wid=640&fmt=tif,,lzw"})).await.is(201);
    let fine =
        house.post("/modifier-check", json!({"is_modifier": "&fmt=png&cache=on", "macro": "$test$"})).await.is(200);
    assert_eq!((&fine["extension"], &fine["mime"]), (&json!(".tiff"), &json!("image/tiff")));
    assert_eq!(fine["effectiveModifier"], "fmt=png&cache=on&wid=640&fmt=tif,,lzw");
    assert_eq!(fine["warnings"][0]["code"], "ignored-command");
    let wrong =
        house.post("/modifier-check", json!({"is_modifier": "wid=0&hei=x&widd=3", "macro": "$nope$"})).await.is(422);
    let codes: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap()).collect();
    assert_eq!(codes.len(), 4, "{wrong}");
    assert!(codes.contains(&"unknown-macro") && codes.contains(&"unknown-command"), "{codes:?}");
    let hei = wrong["errors"].as_array().unwrap().iter().find(|error| error["offset"] == 6).unwrap();
    assert_eq!((&hei["pointer"], &hei["code"]), (&json!("/is_modifier"), &json!("invalid-modifier")));
}

/// `docs/MODIFIERS.md`, as the table of commands says it.
fn page() -> String {
    let mut page = String::from(
        "# The modifier language\n\nWritten by `UPDATE=1 script/test` from the table in `src/language/command/`; a test keeps it true. The \
         names and their\nmeaning are those of the Image Serving documentation; the page named last is where a command stands there.\n",
    );
    let parts = [
        (Support::Now, "Commands that work"),
        (Support::Ignored, "Accepted and ignored, with a warning"),
        (Support::NotYet, "Known, and refused with `not-supported-yet`"),
    ];
    for (support, title) in parts {
        write!(page, "\n## {title}\n\n| command | value | default | what it does | page |\n|---|---|---|---|---|\n")
            .unwrap();
        for command in commands().filter(|command| command.support == support) {
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
    page
}

#[test]
fn the_page_of_the_language_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/MODIFIERS.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == page(), "docs/MODIFIERS.md is not what the table says; run the tests once with UPDATE=1");
}
