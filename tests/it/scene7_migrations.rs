//! Migrations from Scene7: from a log of old addresses to export jobs and a redirect map. The data is drawn here.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use actix_web::test::TestRequest;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{drain_work, fetch_items, fetch_job};
use crate::support::images::draw_jpeg;
use crate::support::test_app::{TestApp, TestResponse};

const PRESETS: &str = "Name\tDefinition\n\
    pdp\twid=12&hei=12&fit=constrain,1&fmt=jpeg&qlt=85,1\n\
    thumb\twid=5&fmt=jpeg&qlt=75,0\n\
    web\t$pdp$&fmt=png\n\
    broken\twidd=300\n";

/// An access log of a shop: images with queries as shops write them, and what else is in a log.
fn draw_log(assets: usize, requests: usize) -> String {
    let queries = [
        "?$pdp$",
        "?%24pdp%24",
        "?$pdp$&ts=17",
        "?$thumb$",
        "?$web$",
        "?$pdp$&wid=7",
        "?$pdp$&amp;wid=7",
        "?wid=9&fmt=png",
        "?$gone$",
        "?req=props,json",
        "",
    ];
    let mut log = String::new();
    for number in 0..requests {
        // More requests for the first assets, as in every shop.
        let asset = (number * number / 7) % assets + 1;
        let query = queries[number % queries.len()];
        let status = if number % 50 == 49 { 404 } else { 200 };
        log += &format!(
            "203.0.113.{} - - [01/Oct/2026:00:00:00 +0000] \"GET /is/image/Acme/SKU{asset:03}_A{query} HTTP/1.1\" {status} 9 \
             \"https://shop.example/\" \"Mozilla/5.0\"\n",
            number % 250
        );
    }
    log + "203.0.113.1 - - [01/Oct/2026:00:00:00 +0000] \"GET /index.html HTTP/1.1\" 200 9 \"-\" \"-\"\n\
           203.0.113.1 - - [01/Oct/2026:00:00:00 +0000] \"GET /is/image/Acme/nobody?$pdp$ HTTP/1.1\" 200 9 \"-\" \"-\"\n\
           203.0.113.1 - - [01/Oct/2026:00:00:00 +0000] \"GET /is/content/Acme/manual.pdf HTTP/1.1\" 200 9 \"-\" \"-\"\n"
}

async fn open_shop(pool: PgPool, assets: usize, max_items: usize) -> TestApp {
    let change = |settings: &mut offprint::settings::Settings| {
        settings.modifiers.attributes = "RootId=Acme".into();
        settings.max_items = max_items;
    };
    let app = TestApp::with_settings(pool, change).await;
    let image = draw_jpeg(1);
    let names: Vec<String> = (1..=assets).map(|number| format!("SKU{number:03}_A.jpg")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), image.as_slice())).collect();
    app.upload_to("products", &files).await.expect_status(201);
    app
}

async fn send(app: &TestApp, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> TestResponse {
    let request = TestRequest::post().uri(path).insert_header(("content-type", kind.to_owned()));
    app.send(request.set_payload(body.into())).await
}

async fn import_presets(app: &TestApp) {
    send(app, "/image-presets/import", "text/plain", PRESETS).await.expect_status(200);
}

/// The findings as pairs of code and number of requests.
fn list_findings(report: &Value, name: &str) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for finding in report[name].as_array().unwrap() {
        *found.entry(finding["reason"]["code"].as_str().unwrap().to_owned()).or_default() +=
            finding["requests"].as_u64().unwrap();
    }
    found
}

#[sqlx::test]
async fn a_log_becomes_jobs_and_a_redirect_map(pool: PgPool) {
    const ASSETS: usize = 30;
    const REQUESTS: usize = 600;
    let app = open_shop(pool, ASSETS, 1000).await;
    import_presets(&app).await;
    let log = draw_log(ASSETS, REQUESTS);
    let dry = send(&app, "/migrations/scene7", "text/plain", log.clone()).await.expect_status(200);
    assert_eq!((&dry["dryRun"], &dry["migrationHandle"], &dry["jobHandles"]), (&json!(true), &Value::Null, &json!([])));
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]), "a dry run creates nothing");
    assert_eq!(dry["lines"], REQUESTS + 3);
    let unknown = list_findings(&dry, "notUnderstood");
    assert_eq!(unknown.get("asset-not-found"), Some(&1), "{dry:#}");
    let gone = log.lines().filter(|line| line.contains("$gone$") && line.contains("\" 200 ")).count() as u64;
    assert_eq!(unknown.get("unknown-macro"), Some(&gone));
    assert_eq!(unknown.get("not-found"), Some(&(REQUESTS as u64 / 50)), "what failed there is not made");
    let ignored = log.lines().filter(|line| line.contains("req=props") && line.contains("\" 200 ")).count() as u64 + 1;
    assert_eq!(unknown.get("ignored-command"), Some(&ignored));
    assert!(dry["remarks"].to_string().contains("&amp;"), "{dry:#}");
    // Three spellings of `$pdp$`, two of `$pdp$&wid=7`.
    assert_eq!(dry["modifiers"], 6, "{:#}", dry["topModifiers"]);
    assert!(dry["files"].as_u64() < dry["addresses"].as_u64());
    let made = send(&app, "/migrations/scene7?dryRun=false&jobName=shop", "text/plain", log.clone()).await;
    let location = made.header("location").to_owned();
    let made = made.expect_status(200);
    for name in ["files", "modifiers", "assets", "redirects", "notUnderstood", "topModifiers"] {
        assert_eq!(made[name], dry[name], "{name}");
    }
    assert_eq!(app.get(&location).await.expect_status(200), made);
    drain_work(&app).await;
    let job = fetch_job(&app, made["jobHandles"][0].as_str().unwrap()).await;
    assert_eq!(
        (&job["outcome"], &job["jobName"], &job["counts"]["total"]),
        (&json!("succeeded"), &json!("shop"), &made["files"]),
        "{job:#}"
    );
    check_redirects(&app, &location, &log, &job).await;
    app.assert_consistent().await;
    app.delete(&location).await.expect_status(204);
    app.get(&location).await.expect_status(404);
}

/// Each address that was understood has one new path, and there is a file there.
async fn check_redirects(app: &TestApp, location: &str, log: &str, job: &Value) {
    let handle = job["jobHandle"].as_str().unwrap();
    let files = app.get(format!("/export-jobs/{handle}/files?limit=1000")).await.expect_status(200);
    let paths: BTreeSet<String> =
        files["items"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
    let csv = app.get(format!("{location}/redirects")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let csv = String::from_utf8(csv.body).unwrap();
    let rows: Vec<Vec<&str>> =
        csv.lines().skip(1).map(|line| line.split(',').map(|cell| cell.trim_matches('"')).collect()).collect();
    let targets: BTreeSet<String> = rows.iter().map(|row| row[1].trim_start_matches('/').to_owned()).collect();
    assert_eq!(targets, paths, "every file is asked for");
    let find = |old: &str| rows.iter().find(|row| row[0] == old).map(|row| row[1]);
    let asset = log.lines().find(|line| line.contains("%24pdp%24") && line.contains("\" 200 ")).unwrap();
    let name = asset.split("/Acme/").nth(1).unwrap().split('?').next().unwrap();
    assert_eq!(find(&format!("/is/image/Acme/{name}?%24pdp%24")), Some(format!("/products/{name}/pdp.jpg").as_str()));
    assert!(rows.iter().all(|row| !row[0].contains("$gone$") && !row[0].contains("nobody")));
    let nginx = app.get(format!("{location}/redirects?format=nginx&base=/new")).await;
    let nginx = String::from_utf8(nginx.body).unwrap();
    assert_eq!(nginx.matches("\" \"/new/products/").count(), rows.len(), "{nginx}");
    for format in ["cloudflare", "netlify"] {
        let script = app.get(format!("{location}/redirects?format={format}")).await;
        assert_eq!(String::from_utf8(script.body).unwrap().matches("\"/products/").count(), rows.len());
    }
    app.get(format!("{location}/redirects?format=apache")).await.expect_status(400);
    app.get(format!("{location}/redirects?base=x")).await.expect_status(400);
}

#[sqlx::test]
async fn a_large_migration_is_several_jobs_without_equal_paths(pool: PgPool) {
    let app = open_shop(pool, 7, 4).await;
    let list: String =
        (1..=7).flat_map(|asset| [3, 4].map(|width| format!("/is/image/SKU{asset:03}_A?wid={width}\n"))).collect();
    let key = ("idempotency-key", "once");
    let post = async |query: &str| {
        let request = TestRequest::post()
            .uri(&format!("/migrations/scene7{query}"))
            .insert_header(("content-type", "text/plain"));
        app.send(request.insert_header(key).set_payload(list.clone())).await
    };
    let refused = post("?dryRun=false&nameTemplate={rendition}").await.expect_status(422);
    assert_eq!(refused["errors"][0]["pointer"], "/nameTemplate", "{refused}");
    assert_eq!(app.get("/export-jobs").await.expect_status(200)["items"], json!([]), "nothing was created");
    let made = post("?dryRun=false").await.expect_status(200);
    assert_eq!(made["jobHandles"].as_array().unwrap().len(), 4, "{made}");
    assert_eq!(post("?dryRun=false").await.expect_status(200)["migrationHandle"], made["migrationHandle"], "once");
    drain_work(&app).await;
    let mut paths = BTreeSet::new();
    for handle in made["jobHandles"].as_array().unwrap() {
        let job = fetch_job(&app, handle.as_str().unwrap()).await;
        assert!(job["jobName"].as_str().unwrap().ends_with("of 4)"), "{job}");
        for item in fetch_items(&app, &job).await {
            assert!(paths.insert(item["files"][0]["path"].as_str().unwrap().to_owned()), "{item}");
        }
    }
    assert_eq!(paths.len(), 14);
    let one_asset: String = (1..=5).map(|width| format!("/is/image/SKU001_A?wid={width}\n")).collect();
    let refused = send(&app, "/migrations/scene7?dryRun=false", "text/plain", one_asset).await.expect_status(422);
    assert!(refused["detail"].as_str().unwrap().contains("OFFPRINT_MAX_ITEMS"), "{refused}");
}

#[sqlx::test]
async fn lists_come_in_many_clothes(pool: PgPool) {
    let app = open_shop(pool, 2, 100).await;
    let sitemap = "<?xml version=\"1.0\"?><urlset><url><loc>https://shop/p</loc><image:image>\
                   <image:loc>https://s7/is/image/Acme/SKU001_A?wid=3&amp;hei=3</image:loc></image:image></url></urlset>";
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"  12 https://s7.example/is/image/Acme/SKU001_A?wid=3&hei=3\n").unwrap();
    let gzip = gzip.finish().unwrap();
    for (kind, body, requests) in [
        ("application/xml", sitemap.as_bytes().to_vec(), 1),
        ("application/gzip", gzip.clone(), 12),
        ("text/plain", gzip, 12),
    ] {
        let report = send(&app, "/migrations/scene7", kind, body).await.expect_status(200);
        assert_eq!((&report["files"], &report["requests"]), (&json!(1), &json!(requests)), "{kind}: {report:#}");
        assert_eq!(report["topModifiers"][0]["label"], "wid3-hei3");
    }
    for (query, body, part) in [
        ("", "nothing", "no address with `/is/image/`"),
        ("?renditions=[]", "/is/image/SKU001_A", "has no place in a migration"),
        ("?nameTemplate={nme}", "/is/image/SKU001_A", "no placeholder `nme`"),
        ("?dryRun=false", "/is/image/nobody?wid=3", "No file can be made"),
        ("?colour=red", "/is/image/SKU001_A", "Unknown field `colour`"),
    ] {
        let refused = send(&app, &format!("/migrations/scene7{query}"), "text/plain", body).await.expect_status(422);
        assert!(refused["detail"].as_str().unwrap().contains(part), "{query}: {refused}");
    }
    send(&app, "/migrations/scene7?dryRun=maybe", "text/plain", "/is/image/SKU001_A").await.expect_status(400);
    send(&app, "/migrations/scene7", "application/json", "{}").await.expect_status(415);
    let crop =
        send(&app, "/migrations/scene7", "text/plain", "/is/image/SKU001_A:Large?wid=3").await.expect_status(200);
    assert_eq!(list_findings(&crop, "notUnderstood"), BTreeMap::from([("asset-not-found".to_owned(), 1)]));
    // A macro follows the modifier of every address.
    app.put("/image-presets/png", json!({"urlModifier": "fmt=png"})).await.expect_status(201);
    let made = send(&app, "/migrations/scene7?dryRun=false&macro=$png$", "text/plain", "/is/image/SKU002_A?wid=3")
        .await
        .expect_status(200);
    drain_work(&app).await;
    let job = fetch_job(&app, made["jobHandles"][0].as_str().unwrap()).await;
    assert_eq!(fetch_items(&app, &job).await[0]["files"][0]["path"], "products/SKU002_A/wid3.png");
}

/// The commands of the guide: method, address and body, as `curl` would send them.
fn read_guide_commands() -> Vec<(String, Option<String>)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LEAVE-SCENE7.md")).unwrap();
    let commands = text.split("<!-- run -->\n").skip(1).map(|part| part.lines().next().unwrap().trim().to_owned());
    let read = |command: String| {
        let address = command.split('"').nth(1).unwrap().to_owned();
        let file = command.split("--data-binary @").nth(1).map(str::to_owned);
        assert!(
            command.starts_with("curl -s ") && (file.is_none() || command.contains("-H 'content-type: text/plain'")),
            "{command}"
        );
        (address, file)
    };
    commands.map(read).collect()
}

#[sqlx::test]
async fn the_guide_goes_from_a_log_to_a_redirect_map(pool: PgPool) {
    let app = open_shop(pool, 12, 1000).await;
    let log = draw_log(12, 300);
    let commands = read_guide_commands();
    assert_eq!(commands.len(), 5, "{commands:?}");
    let (mut redirects, mut maps) = (String::new(), 0);
    for (address, file) in commands {
        let address = address.replace("$API", "").replace("$REDIRECTS", &redirects);
        let answer = match file.as_deref() {
            Some("presets.tab") => send(&app, &address, "text/plain", PRESETS).await.expect_status(200),
            Some("access.log") => send(&app, &address, "text/plain", log.clone()).await.expect_status(200),
            Some(other) => panic!("{other}"),
            None => {
                let map = app.get(&address).await;
                let text = String::from_utf8(map.body).unwrap();
                assert!(text.contains("https://images.example.com/products/SKU001_A/pdp.jpg"), "{text}");
                maps += 1;
                continue;
            }
        };
        if let Some(link) = answer["links"]["redirects"].as_str() {
            redirects = link.to_owned();
            drain_work(&app).await;
        }
    }
    assert_eq!(maps, 1);
}

#[sqlx::test]
async fn an_address_of_a_crop_is_its_part_of_the_asset(pool: PgPool) {
    let app = open_shop(pool, 2, 100).await;
    let assets = app.get("/assets?folder=products").await.expect_status(200);
    let shoe = assets["items"][0]["assetHandle"].as_str().unwrap().to_owned();
    app.patch(format!("/assets/{shoe}"), json!({"crops": {"Left": "cropN=0,0,0.5,1"}})).await.expect_status(200);
    let log = "/is/image/Acme/SKU001_A:Left?wid=4\n/is/image/Acme/SKU001_A?cropN=0,0,0.5,1&wid=4\n/is/image/Acme/SKU001_A?wid=4\n\
               /is/image/Acme/SKU002_A:Left?wid=4\n";
    let made = send(&app, "/migrations/scene7?dryRun=false", "text/plain", log).await.expect_status(200);
    assert_eq!((&made["files"], &made["redirects"]), (&json!(2), &json!(3)), "{made:#}");
    assert_eq!(list_findings(&made, "notUnderstood"), BTreeMap::from([("asset-not-found".to_owned(), 1)]));
    drain_work(&app).await;
    let job = fetch_job(&app, made["jobHandles"][0].as_str().unwrap()).await;
    assert_eq!(job["outcome"], "succeeded", "{job}");
    let map = app.get(format!("{}?format=csv", made["links"]["redirects"].as_str().unwrap())).await;
    let map = String::from_utf8(map.body).unwrap();
    let path = |address: &str| {
        let line = map.lines().find(|line| line.contains(address)).unwrap_or_else(|| panic!("{address}: {map}"));
        line.rsplit(',').nth(1).unwrap().to_owned()
    };
    assert_eq!(path("SKU001_A:Left?wid=4"), path("cropN=0,0,0.5,1&wid=4"));
    assert_ne!(path("SKU001_A:Left?wid=4"), path("/is/image/Acme/SKU001_A?wid=4"));
}

#[sqlx::test]
async fn migrations_are_listed(pool: PgPool) {
    let app = open_shop(pool, 2, 100).await;
    let mut created = Vec::new();
    for width in [3, 4, 5] {
        let log = format!("/is/image/SKU001_A?wid={width}\n/is/image/SKU002_A?wid={width}\n");
        send(&app, "/migrations/scene7", "text/plain", log.clone()).await.expect_status(200);
        let made = send(&app, "/migrations/scene7?dryRun=false", "text/plain", log).await.expect_status(200);
        created.insert(0, made);
    }
    let first = app.get("/migrations?limit=2").await.expect_status(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = app.get(format!("/migrations?limit=2&cursor={cursor}")).await.expect_status(200);
    let listed: Vec<&Value> =
        [&first, &second].into_iter().flat_map(|page| page["items"].as_array().unwrap()).collect();
    assert_eq!(listed.len(), 3, "dry runs are not kept");
    for (listed, made) in listed.iter().zip(&created) {
        for field in ["migrationHandle", "addresses", "files", "redirects", "jobHandles", "links"] {
            assert_eq!(listed[field], made[field], "{field}");
        }
    }
    drain_work(&app).await;
}
