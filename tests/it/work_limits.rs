//! Work that takes processor time: it is done on the compute pool, bounded by a budget, and companies take turns.

use std::sync::mpsc;

use actix_web::test::TestRequest;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use image::ImageFormat;
use offprint::db::capability::Capability;
use offprint::id::CompanyId;
use offprint_core::Digest;
use offprint_imaging::RenderError;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::images::draw_image;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

/// Adds copies of the company's only asset, each with a name of its own, until there are so many.
async fn multiply_asset(app: &TestApp, count: i32) {
    sqlx::query(
        "insert into asset (company_id, asset_id, type, name, file_name, folder, sha256, size, mime, header, entry_time)
         select company_id, gen_random_uuid(), type, name || '-' || number, number || file_name, folder, sha256, size, mime,
                header, entry_time
           from asset, generate_series(2, $1) as number",
    )
    .bind(count)
    .execute(&app.state.system)
    .await
    .unwrap();
}

/// A modifier of about so many bytes that mentions each asset's own name.
fn build_long_modifier(bytes: usize) -> String {
    let commands = (0..).map(|number| format!("op_brightness={}", number % 100)).take(bytes / 18);
    format!("{}&$x=$object$&mask=$object$", commands.collect::<Vec<_>>().join("&"))
}

#[sqlx::test]
async fn more_work_than_one_request_may_take_is_refused_with_the_remedy(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("p.png", &draw_image(ImageFormat::Png, 8, 8, 1)).await;
    multiply_asset(&app, 5000).await;
    let build_request = |modifier: String| json!({"assetFilter": {}, "fmt": "convert", "is_modifier": modifier});
    let mut with_schedule = build_request(build_long_modifier(7900));
    with_schedule["execSchedule"] = json!("0 0 12 * * ?");
    let renditions: Vec<Value> =
        (0..10).map(|number| json!({"name": format!("r{number}"), "is_modifier": build_long_modifier(1500)})).collect();
    let many_renditions = json!({"assetFilter": {}, "fmt": "convert", "renditions": renditions});
    for (path, request) in [
        ("/export-jobs/validate", build_request(build_long_modifier(7900))),
        ("/export-jobs", build_request(build_long_modifier(7900))),
        ("/export-jobs", many_renditions),
        ("/export-schedules", with_schedule),
    ] {
        let refused = app.post(path, request).await.expect_status(422);
        assert_eq!(refused["code"], "too-complex", "{path}: {refused}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("5000 images") && detail.contains("Split the request"), "{detail}");
    }
    let jobs = app.get("/export-jobs").await.expect_status(200);
    assert_eq!(jobs["items"], json!([]));
    // The same modifier without the name is resolved once for all of them.
    let shared = build_long_modifier(7000).replace("&$x=$object$&mask=$object$", "");
    app.post("/export-jobs/validate", build_request(shared)).await.expect_status(200);
}

#[sqlx::test]
async fn own_modifiers_of_assets_count_too(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("p.png", &draw_image(ImageFormat::Png, 8, 8, 1)).await;
    multiply_asset(&app, 5000).await;
    sqlx::query("update asset set url_modifier = $1")
        .bind(vec!["op_brightness=1"; 430].join("&"))
        .execute(&app.state.system)
        .await
        .unwrap();
    let request = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "fmt=png&mask=$object$"});
    let refused = app.post("/export-jobs/validate", request).await.expect_status(422);
    assert_eq!(refused["code"], "too-complex", "{refused}");
}

#[sqlx::test]
async fn macros_and_nested_requests_cannot_multiply_the_work_of_one_modifier(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let asset = app.upload_asset("p.png", &draw_image(ImageFormat::Png, 8, 8, 1)).await;
    let unknown: Vec<String> = (0..900).map(|number| format!("zz{number}=1")).collect();
    app.put("/image-presets/m", json!({"urlModifier": unknown.join("&")})).await.expect_success();
    let nested = vec!["src=is(p?$m$)"; 32].join("&");
    let check = json!({"is_modifier": nested, "assetHandle": asset});
    let refused = app.post("/modifier-check", check).await.expect_status(422);
    assert_eq!(refused["errors"][0]["code"], "too-complex", "{}", refused["errors"][0]);
    let change = json!({"urlModifier": nested});
    let refused = app.patch(format!("/assets/{asset}"), change).await.expect_status(422);
    assert_eq!(refused["errors"][0]["code"], "too-complex", "{}", refused["errors"][0]);
    let preset = json!({"urlModifier": nested});
    assert_eq!(app.put("/image-presets/n", preset).await.expect_status(422)["errors"][0]["code"], "too-complex");
    app.post("/modifier-check", json!({"is_modifier": "src=is(p?$m$)", "assetHandle": asset})).await.expect_status(200);
}

#[sqlx::test]
async fn a_company_that_fills_its_share_of_the_pool_holds_up_nobody_else(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "acme", "ann").await, TestUser::new(&app, "bravo", "eve").await);
    let image = draw_image(ImageFormat::Png, 8, 8, 1);
    let (ours, theirs) = (ann.upload_asset("a.png", &image).await, eve.upload_asset("b.png", &image).await);
    let build_request = |asset: &str| json!({"assetHandleArray": [asset], "fmt": "convert", "is_modifier": "wid=5"});
    // The work of the first company does not end.
    let (release, wait) = mpsc::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
    let mut long: Vec<_> = (0..16)
        .map(|_| {
            let wait = wait.clone();
            Box::pin(app.state.compute.run(ann.company, move || {
                let _ = wait.lock().unwrap().recv();
            }))
        })
        .collect();
    assert!(long.iter_mut().all(|work| work.now_or_never().is_none()));
    let mut waiting = Box::pin(ann.post("/export-jobs/validate", build_request(&ours)));
    let mut still_waits = async || {
        assert!((&mut waiting).now_or_never().is_none(), "it waits for the company's turn");
        app.get("/health/live").await.expect_status(200);
        eve.post("/export-jobs/validate", build_request(&theirs)).await.expect_status(200);
        let preset = TestRequest::put().uri("/image-presets/small").set_json(json!({"urlModifier": "wid=9"}));
        eve.send(preset).await.expect_success();
    };
    still_waits().await;
    still_waits().await;
    drop(release);
    // Together: those before it in the company's line have to be polled to give their slot on.
    let (answer, ended) = tokio::join!(waiting, join_all(long));
    answer.expect_status(200);
    ended.into_iter().for_each(|work| work.unwrap());
}

#[sqlx::test]
async fn requests_that_would_wait_too_long_are_refused(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "acme", "ann").await, TestUser::new(&app, "bravo", "eve").await);
    let asset = eve.upload_asset("a.txt", b"a").await;
    let compute = &app.state.compute;
    let mut admissions = Vec::new();
    let mut waiting: Vec<_> = (0..200).map(|_| Box::pin(compute.admit(ann.company))).collect();
    for waiter in &mut waiting {
        admissions.extend(waiter.now_or_never());
    }
    let refused = ann.post("/export-jobs", json!({"assetFilter": {}, "fmt": "orig"})).await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.expect_status(429)["code"], "busy");
    eve.post("/export-jobs", json!({"assetHandleArray": [asset], "fmt": "orig"})).await.expect_status(202);
    drop((admissions, waiting));
    ann.post("/export-jobs", json!({"assetFilter": {}, "fmt": "orig"})).await.expect_status(422);
}

#[sqlx::test]
async fn previews_take_turns_and_a_full_line_is_refused(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, eve) = (TestUser::new(&app, "acme", "ann").await, TestUser::new(&app, "bravo", "eve").await);
    let image = draw_image(ImageFormat::Png, 20, 20, 1);
    let (ours, theirs) = (ann.upload_asset("a.png", &image).await, eve.upload_asset("b.png", &image).await);
    let build_key = |company: CompanyId, number: usize| {
        (company, Digest::compute(&number.to_le_bytes()), Digest::compute(b"recipe"))
    };
    let mut endless: Vec<_> = (0..50)
        .map(|number| {
            let never = std::future::pending::<Result<Bytes, RenderError>>();
            Box::pin(app.state.preview_renders.render_once(build_key(ann.company, number), never))
        })
        .collect();
    for preview in &mut endless {
        let _ = preview.now_or_never();
    }
    let refused = ann.get(&format!("/assets/{ours}/preview?is_modifier=wid=9")).await;
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(refused.expect_status(429)["code"], "busy");
    eve.get(&format!("/assets/{theirs}/preview?is_modifier=wid=9")).await.expect_success();
    drop(endless);
    ann.get(&format!("/assets/{ours}/preview?is_modifier=wid=9")).await.expect_success();
}

#[sqlx::test]
async fn a_preview_as_good_as_an_export_needs_the_right_to_export(pool: PgPool) {
    use Capability::{AssetsRead, AssetsWrite, ExportsCreate, ExportsCustomModifier};
    let app = open_guarded_app(pool).await;
    let viewer =
        TestUser::with_capabilities(&app, "acme", "vic", &[AssetsRead, AssetsWrite, ExportsCustomModifier]).await;
    let exporter =
        TestUser::with_capabilities(&app, "acme", "eve", &[AssetsRead, ExportsCreate, ExportsCustomModifier]).await;
    let large = viewer.upload_asset("large.png", &draw_image(ImageFormat::Png, 1600, 800, 1)).await;
    let small = viewer.upload_asset("small.png", &draw_image(ImageFormat::Png, 60, 40, 2)).await;
    for (asset, query, allowed) in [
        (&large, "", false),
        (&large, "?is_modifier=fmt%3Dpng", false),
        (&large, "?is_modifier=wid%3D800", false),
        (&large, "?is_modifier=wid%3D512", true),
        // Parts of the original, from which it could be put together.
        (&large, "?is_modifier=crop%3D0,0,400,400", false),
        (&large, "?is_modifier=crop%3D0,0,400,400%26wid%3D200", true),
        (&large, "?is_modifier=rgn%3D0,0,100,100%26scl%3D1", false),
        (&large, "?is_modifier=src%3Dis(large%3Fcrop%3D0,0,300,300)", false),
        (&large, "?is_modifier=perspective%3D0,0,90,0,90,90,0,90", false),
        (&small, "", false),
        (&small, "?is_modifier=wid%3D60", false),
        (&small, "?is_modifier=wid%3D30", true),
        // Made larger again, but not sharper.
        (&small, "?is_modifier=src%3Dis(small%3Fwid%3D20)%26wid%3D24", true),
    ] {
        let path = format!("/assets/{asset}/preview{query}");
        let answer = viewer.get(&path).await;
        match allowed {
            true => assert_eq!(answer.status.as_u16(), 200, "{path}: {}", String::from_utf8_lossy(&answer.body)),
            false => assert_eq!(answer.expect_status(403)["code"], "value-forbidden", "{path}"),
        }
        assert_eq!(exporter.get(&path).await.status.as_u16(), 200, "{path}");
    }
}

#[sqlx::test]
async fn a_modifier_check_tells_of_assets_only_to_those_who_may_read_them(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let ann = TestUser::new(&app, "acme", "ann").await;
    let asset = ann.upload_asset("secret.png", &draw_image(ImageFormat::Png, 20, 20, 1)).await;
    let own = TestRequest::patch().uri(&format!("/assets/{asset}")).set_json(json!({"urlModifier": "wid=7"}));
    ann.send(own).await.expect_success();
    let caller = TestUser::with_capabilities(&app, "acme", "pat", &[Capability::PresetsRead]).await;
    let refused = caller.post("/modifier-check", json!({"is_modifier": "wid=5", "assetHandle": asset})).await;
    assert_eq!(refused.expect_status(403)["errors"][0]["pointer"], "/assetHandle");
    let nobody = uuid::Uuid::now_v7();
    let refused = caller.post("/modifier-check", json!({"is_modifier": "wid=5", "assetHandle": nobody})).await;
    assert_eq!(refused.expect_status(403)["code"], "value-forbidden");
    // Assets that exist, that do not, and that have modifiers of their own make no difference.
    let mut told = Vec::new();
    for name in ["secret", "absent", asset.as_str()] {
        let request = json!({"is_modifier": format!("src={name}")});
        let mut answer = caller.post("/modifier-check", request).await.expect_status(200);
        assert_eq!(answer["commands"][0]["value"], name);
        (answer["commands"][0]["value"], answer["effectiveModifier"]) = (Value::Null, Value::Null);
        told.push(answer);
    }
    assert!(told[0] == told[1] && told[0] == told[2], "{told:?}");
    ann.post("/modifier-check", json!({"is_modifier": "src=absent"})).await.expect_status(422);
}
