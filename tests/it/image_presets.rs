//! Image presets: saved, listed, refused.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};

use crate::house::House;

#[sqlx::test]
async fn a_preset_is_saved_shown_and_deleted(pool: PgPool) {
    let house = House::open(pool).await;
    let wish = json!({"urlModifier": "wid=640&fmt=tif,,lzw", "description": "For print"});
    let answer = house.put("/image-presets/test", wish.clone()).await;
    assert_eq!(answer.header("location"), "/image-presets/test");
    let preset = answer.is(201);
    assert_eq!((&preset["name"], &preset["urlModifier"]), (&json!("test"), &wish["urlModifier"]));
    let again = house.put("/image-presets/TEST", json!({"urlModifier": "wid=320"})).await.is(200);
    assert_eq!((&again["name"], &again["urlModifier"]), (&json!("test"), &json!("wid=320")));
    assert_eq!(again["description"], Value::Null);
    assert_eq!(house.get("/image-presets/Test").await.is(200), again);
    house.delete("/image-presets/tesT").await.is(204);
    assert_eq!(house.get("/image-presets/test").await.is(404)["code"], "not-found");
    house.delete("/image-presets/test").await.is(404);
}

#[sqlx::test]
async fn presets_are_listed_in_pages(pool: PgPool) {
    let house = House::open(pool).await;
    for name in ["b", "A", "c.1", "_x"] {
        house.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=1"})).await.is(201);
    }
    let (mut seen, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let page = house.get(format!("/image-presets?{query}")).await.is(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|preset| preset["name"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 4);
    let at = |name: &str| seen.iter().position(|seen| seen == name).unwrap();
    assert!(at("A") < at("b") && at("b") < at("c.1"), "case does not count: {seen:?}");
}

#[sqlx::test]
async fn bad_presets_are_refused(pool: PgPool) {
    let house = House::open(pool).await;
    let long = "x".repeat(65);
    for name in ["a%20b", "a$b", "%C3%A4", long.as_str()] {
        let problem = house.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=1"})).await.is(422);
        assert_eq!(problem["errors"][0]["pointer"], "name", "{name}");
    }
    for (modifier, code, offset) in [
        ("hei=5&wid=x", "invalid-modifier", json!(6)),
        ("wdi=5", "unknown-command", json!(0)),
        ("wid=5&$other$", "unknown-macro", json!(6)),
        ("$test$", "unknown-macro", Value::Null),
        (" & ", "invalid-value", Value::Null),
    ] {
        let problem = house.put("/image-presets/test", json!({"urlModifier": modifier})).await.is(422);
        assert_eq!(problem["errors"][0]["code"], code, "{modifier}");
        assert_eq!(problem["errors"][0]["offset"], offset, "{modifier}");
        assert_eq!(problem["errors"][0]["pointer"], "/urlModifier");
    }
    assert_eq!(house.put("/image-presets/test", json!({})).await.is(422)["errors"][0]["code"], "missing-parameter");
    assert_eq!(house.get("/image-presets").await.is(200)["items"], json!([]));
}

#[sqlx::test]
async fn presets_call_each_other_but_not_in_a_circle(pool: PgPool) {
    let house = House::open(pool).await;
    house.put("/image-presets/small", json!({"urlModifier": "wid=100"})).await.is(201);
    house.put("/image-presets/web", json!({"urlModifier": "$small$&fmt=jpeg"})).await.is(201);
    let problem = house.put("/image-presets/Small", json!({"urlModifier": "$web$"})).await.is(422);
    assert_eq!(problem["errors"][0]["code"], "unknown-macro");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("circle"));
}

#[sqlx::test]
async fn macro_files_are_imported_and_say_what_is_lost(pool: PgPool) {
    let house = House::open(pool.clone()).await;
    house.put("/image-presets/thumb", json!({"urlModifier": "wid=1"})).await.is(201);
    let (macros, attributes) = (house.folder.path().join("presets.mac"), house.folder.path().join("default.ini"));
    std::fs::write(&macros, "Name\tDefinition\nthumb\twid=90&cache=off\nbig\t$thumb$&wid=900\nbad\twid=0\n").unwrap();
    std::fs::write(&attributes, "JpegQuality=95,1\n").unwrap();
    let url = pool.connect_options().to_url_lossy().to_string();
    let import = |more: &'static [&'static str]| {
        let (url, macros, attributes) = (url.clone(), macros.clone(), attributes.clone());
        tokio::task::spawn_blocking(move || {
            std::process::Command::new(env!("CARGO_BIN_EXE_offprint"))
                .args(["admin", "import-presets"])
                .args([macros, attributes])
                .args(more)
                .env("DATABASE_URL", url)
                .output()
                .unwrap()
        })
    };
    let dry = import(&["--dry-run"]).await.unwrap();
    assert_eq!(dry.status.code(), Some(2), "{dry:?}");
    assert_eq!(house.get("/image-presets/thumb").await.is(200)["urlModifier"], "wid=1");
    let done = import(&[]).await.unwrap();
    let lines: Vec<Value> =
        done.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3, "{done:?}");
    assert_eq!((&lines[0]["preset"], lines[0]["loses"].as_array().unwrap().len()), (&json!("thumb"), 2));
    assert_eq!((&lines[2]["line"], &lines[2]["mistakes"][0]["code"]), (&json!(4), &json!("invalid-modifier")));
    assert_eq!(house.get("/image-presets/thumb").await.is(200)["urlModifier"], "wid=90&cache=off");
    assert_eq!(house.get("/image-presets/big").await.is(200)["urlModifier"], "$thumb$&wid=900");
    house.get("/image-presets/bad").await.is(404);
}
