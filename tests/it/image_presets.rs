//! Image presets: saving, listing, validation.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};

use crate::support::test_app::TestApp;

#[sqlx::test]
async fn a_preset_is_saved_shown_and_deleted(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let body = json!({"urlModifier": "wid=640&fmt=tif,,lzw", "description": "For print"});
    let answer = app.put("/image-presets/test", body.clone()).await;
    assert_eq!(answer.header("location"), "/image-presets/test");
    let preset = answer.expect_status(201);
    assert_eq!((&preset["name"], &preset["urlModifier"]), (&json!("test"), &body["urlModifier"]));
    let again = app.put("/image-presets/TEST", json!({"urlModifier": "wid=320"})).await.expect_status(200);
    assert_eq!((&again["name"], &again["urlModifier"]), (&json!("test"), &json!("wid=320")));
    assert_eq!(again["description"], Value::Null);
    assert_eq!(app.get("/image-presets/Test").await.expect_status(200), again);
    app.delete("/image-presets/tesT").await.expect_status(204);
    assert_eq!(app.get("/image-presets/test").await.expect_status(404)["code"], "not-found");
    app.delete("/image-presets/test").await.expect_status(404);
}

#[sqlx::test]
async fn presets_are_listed_in_pages(pool: PgPool) {
    let app = TestApp::open(pool).await;
    for name in ["b", "A", "c.1", "_x"] {
        app.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=1"})).await.expect_status(201);
    }
    let (mut names, mut query) = (Vec::new(), "limit=1".to_owned());
    loop {
        let page = app.get(format!("/image-presets?{query}")).await.expect_status(200);
        names
            .extend(page["items"].as_array().unwrap().iter().map(|preset| preset["name"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(cursor) => query = format!("limit=1&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names.len(), 4);
    let at = |name: &str| names.iter().position(|names| names == name).unwrap();
    assert!(at("A") < at("b") && at("b") < at("c.1"), "sorting ignores case: {names:?}");
}

#[sqlx::test]
async fn bad_presets_are_refused(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let long = "x".repeat(65);
    for name in ["a%20b", "a$b", "%C3%A4", long.as_str()] {
        let problem =
            app.put(format!("/image-presets/{name}"), json!({"urlModifier": "wid=1"})).await.expect_status(422);
        assert_eq!(problem["errors"][0]["pointer"], "name", "{name}");
    }
    for (modifier, code, offset) in [
        ("hei=5&wid=x", "invalid-modifier", json!(6)),
        ("wdi=5", "unknown-command", json!(0)),
        ("wid=5&$other$", "unknown-macro", json!(6)),
        ("$test$", "unknown-macro", Value::Null),
        (" & ", "invalid-value", Value::Null),
    ] {
        let problem = app.put("/image-presets/test", json!({"urlModifier": modifier})).await.expect_status(422);
        assert_eq!(problem["errors"][0]["code"], code, "{modifier}");
        assert_eq!(problem["errors"][0]["offset"], offset, "{modifier}");
        assert_eq!(problem["errors"][0]["pointer"], "/urlModifier");
    }
    assert_eq!(
        app.put("/image-presets/test", json!({})).await.expect_status(422)["errors"][0]["code"],
        "missing-parameter"
    );
    assert_eq!(app.get("/image-presets").await.expect_status(200)["items"], json!([]));
}

#[sqlx::test]
async fn presets_call_each_other_but_not_in_a_circle(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.put("/image-presets/small", json!({"urlModifier": "wid=100"})).await.expect_status(201);
    app.put("/image-presets/web", json!({"urlModifier": "$small$&fmt=jpeg"})).await.expect_status(201);
    let problem = app.put("/image-presets/Small", json!({"urlModifier": "$web$"})).await.expect_status(422);
    assert_eq!(problem["errors"][0]["code"], "unknown-macro");
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("calls itself"));
}

#[sqlx::test]
async fn macro_files_are_imported_and_say_what_is_lost(pool: PgPool) {
    let app = TestApp::open(pool.clone()).await;
    app.put("/image-presets/thumb", json!({"urlModifier": "wid=1"})).await.expect_status(201);
    let (macros, attributes) = (app.folder.path().join("presets.mac"), app.folder.path().join("default.ini"));
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
    assert_eq!(dry.status.code(), Some(3), "{dry:?}");
    assert_eq!(app.get("/image-presets/thumb").await.expect_status(200)["urlModifier"], "wid=1");
    let done = import(&[]).await.unwrap();
    let lines: Vec<Value> =
        done.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3, "{done:?}");
    assert_eq!((&lines[0]["preset"], lines[0]["loses"].as_array().unwrap().len()), (&json!("thumb"), 2));
    assert_eq!((&lines[2]["line"], &lines[2]["mistakes"][0]["code"]), (&json!(4), &json!("invalid-modifier")));
    assert_eq!(app.get("/image-presets/thumb").await.expect_status(200)["urlModifier"], "wid=90&cache=off");
    assert_eq!(app.get("/image-presets/big").await.expect_status(200)["urlModifier"], "$thumb$&wid=900");
    app.get("/image-presets/bad").await.expect_status(404);
}
