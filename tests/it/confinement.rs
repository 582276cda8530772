//! The confinement of render processes: what a process that was taken over cannot do, whom it serves, and what the service
//! says when the confinement is incomplete.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use image::ImageFormat;
use offprint::settings::SandboxMode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::export_jobs::{fetch_items, run_export};
use crate::support::images::{draw_image, draw_quarters, encode_image};
use crate::support::psd::PsdDocument;
use crate::support::render_fixture::RenderFixture;
use crate::support::test_app::TestApp;
use crate::support::test_user::{TestUser, open_guarded_app};

/// The width of the image whose render hits the injected fault.
const FAULT_WIDTH: u32 = 77;

/// The live render processes of this service. Its data folder is among their arguments.
fn list_render_processes(app: &TestApp) -> BTreeSet<u32> {
    let folder = app.folder.path().to_str().unwrap().as_bytes().to_owned();
    let is_ours = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.windows(folder.len()).any(|part| part == folder)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
}

/// Exports one image whose render hits the fault; the item.
async fn export_with_fault(app: &TestApp) -> Value {
    app.upload_asset("1.jpg", &draw_image(ImageFormat::Jpeg, FAULT_WIDTH, 60, 1)).await;
    let job = run_export(app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    fetch_items(app, &job).await[0].clone()
}

/// The failure of an image whose render hits the fault; checks that the process is gone.
async fn find_failure(pool: PgPool, fault: &str) -> String {
    let app = TestApp::with_fault(pool, Some(&format!("{fault}:{FAULT_WIDTH}")), |_| {}).await;
    let item = export_with_fault(&app).await;
    assert_eq!(item["failure"]["code"], "poison", "{item}");
    while !list_render_processes(&app).is_empty() {
        tokio::task::yield_now().await;
    }
    app.assert_consistent().await;
    item["failure"]["detail"].as_str().unwrap().to_owned()
}

#[sqlx::test]
async fn a_process_that_was_taken_over_can_do_nothing_but_render(pool: PgPool) {
    let app = TestApp::with_fault(pool, Some("escape:77"), |_| {}).await;
    let item = export_with_fault(&app).await;
    assert_eq!(item["state"], "succeeded", "{item}");
}

/// The lines of `/proc/PID/status` by their names.
fn read_status(pid: u32) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[sqlx::test]
async fn the_kernel_says_that_a_process_is_confined(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("1.jpg", &draw_image(ImageFormat::Jpeg, 90, 60, 1)).await;
    run_export(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    let processes = list_render_processes(&app);
    assert!(!processes.is_empty());
    for pid in processes {
        let status = read_status(pid);
        for (name, value) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Groups", ""), ("Threads", "1")] {
            assert!(name == "Groups" && !is_root() || status[name] == value, "{name}: {status:?}");
        }
        for capabilities in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status[capabilities], "0000000000000000", "{capabilities}");
        }
        for ids in ["Uid", "Gid"] {
            assert!(status[ids].split_whitespace().all(|id| id != "0"), "{ids}: {}", status[ids]);
        }
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
        for limit in ["Max cpu time", "Max file size", "Max address space", "Max core file size", "Max open files"] {
            let line = limits.lines().find(|line| line.starts_with(limit));
            assert!(line.is_none_or(|line| !line.contains("unlimited")), "{line:?}");
        }
        // Only root may look at the descriptors of a process that is not dumpable.
        if is_root() {
            let open: BTreeSet<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
                .unwrap()
                .flatten()
                .map(|entry| entry.file_name())
                .collect();
            assert_eq!(open.len(), 5, "the channel three times, no output, and the error output: {open:?}");
            let environment = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
            assert!(
                environment.split_terminator('\0').all(|variable| variable.starts_with("MALLOC_")),
                "{environment}"
            );
        }
    }
}

/// Whether the tests run as root.
fn is_root() -> bool {
    read_status(std::process::id())["Uid"].starts_with("0\t")
}

#[sqlx::test]
async fn a_process_serves_one_company(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let (ann, bob) = (TestUser::new(&app, "acme", "ann").await, TestUser::new(&app, "bravo", "bob").await);
    let mut processes = Vec::new();
    let image = draw_image(ImageFormat::Jpeg, 90, 60, 1);
    let (first, second) = (ann.upload_asset("1.jpg", &image).await, bob.upload_asset("1.jpg", &image).await);
    for (user, asset, width) in [(&ann, &first, 10), (&ann, &first, 11), (&bob, &second, 12), (&ann, &first, 13)] {
        user.get(&format!("/assets/{asset}/preview?is_modifier=wid%3D{width}")).await.expect_status(200);
        processes.push(list_render_processes(&app));
    }
    assert_eq!(processes[0].len(), 1);
    assert_eq!(processes[1], processes[0], "the same company gets the same process");
    assert_eq!(processes[2].len(), 2, "another company gets another");
    assert_eq!(processes[3], processes[2], "and the first company has its own again");
}

#[sqlx::test]
async fn the_process_that_has_waited_longest_makes_room_for_another_company(pool: PgPool) {
    let app = open_guarded_app(pool).await;
    let image = draw_image(ImageFormat::Jpeg, 90, 60, 1);
    let mut previous = BTreeSet::new();
    let mut started = Vec::new();
    // Two previews at once, so there is room for four processes.
    for number in 0..6_usize {
        let user = TestUser::new(&app, &format!("company{number}"), "ann").await;
        let asset = user.upload_asset("1.jpg", &image).await;
        user.get(&format!("/assets/{asset}/preview?is_modifier=wid%3D10")).await.expect_status(200);
        let oldest = number.checked_sub(4).map(|oldest| started[oldest]);
        let processes = loop {
            let processes = list_render_processes(&app);
            if oldest.is_none_or(|oldest| !processes.contains(&oldest)) {
                break processes;
            }
            tokio::task::yield_now().await;
        };
        started.extend(processes.difference(&previous).copied());
        assert_eq!((processes.len(), started.len()), (4.min(number + 1), number + 1));
        previous = processes;
    }
}

#[sqlx::test]
async fn a_reply_without_an_end_is_cut_and_its_process_ended(pool: PgPool) {
    let detail = find_failure(pool, "overlong").await;
    assert!(detail.contains("sent a reply of more than 1048576 bytes"), "{detail}");
}

#[sqlx::test]
async fn a_reply_that_makes_no_sense_ends_its_process(pool: PgPool) {
    let detail = find_failure(pool, "babble").await;
    assert!(detail.contains("sent a reply that makes no sense"), "{detail}");
}

#[sqlx::test]
async fn threads_without_end_are_noticed(pool: PgPool) {
    let detail = find_failure(pool, "threads").await;
    assert!(detail.contains("started more than 64 threads"), "{detail}");
}

#[sqlx::test]
async fn a_process_that_keeps_its_output_open_is_ended_before_the_file_is_used(pool: PgPool) {
    let app = TestApp::with_fault(pool, Some("hold:77"), |_| {}).await;
    let item = export_with_fault(&app).await;
    assert_eq!(item["state"], "succeeded", "{item}");
    assert_eq!(list_render_processes(&app), BTreeSet::new());
    app.assert_consistent().await;
}

#[sqlx::test]
async fn processes_that_idle_do_not_outlive_the_pool(pool: PgPool) {
    let app = TestApp::open(pool).await;
    app.upload_asset("1.jpg", &draw_image(ImageFormat::Jpeg, 90, 60, 1)).await;
    run_export(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=20"})).await;
    let processes = list_render_processes(&app);
    assert_eq!(processes.len(), 1);
    drop(app);
    while processes.iter().any(|pid| std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())) {
        tokio::task::yield_now().await;
    }
}

#[sqlx::test]
async fn an_incomplete_confinement_is_reported_and_refused_where_it_is_required(pool: PgPool) {
    let app = TestApp::with_fault(pool, Some("without-landlock:0"), |_| {}).await;
    let ready = app.get("/health/ready").await.expect_status(200);
    assert_eq!(ready["sandbox"], "degraded", "{ready}");
    assert_eq!(ready["sandboxMissing"], json!(["landlockFiles", "landlockNetwork", "landlockScopes"]), "{ready}");
    let sandbox = app.get("/info").await.expect_status(200)["sandbox"].clone();
    assert_eq!((&sandbox["seccomp"], &sandbox["landlockFiles"]), (&json!(true), &json!(false)), "{sandbox}");
    let pools = &app.state.render_pools;
    assert!(pools.check_confinement(SandboxMode::Preferred).await.is_ok());
    let refusal = pools.check_confinement(SandboxMode::Required).await.unwrap_err().to_string();
    for part in ["landlockFiles is missing", "Linux 5.13", "OFFPRINT_SANDBOX=preferred"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    // What newer kernels add is reported, and not required.
    assert!(!refusal.contains("landlockScopes"), "{refusal}");
    // Without Landlock, seccomp alone holds.
    let item = export_with_fault(&app).await;
    assert_eq!(item["state"], "succeeded", "{item}");
}

#[sqlx::test]
async fn a_complete_confinement_is_reported(pool: PgPool) {
    let app = TestApp::open(pool).await;
    let sandbox = app.get("/info").await.expect_status(200)["sandbox"].clone();
    for layer in ["addressSpace", "cpu", "parentDeath", "privileges", "seccomp"] {
        assert_eq!(sandbox[layer], true, "{sandbox}");
    }
    let is_full = sandbox.as_object().unwrap().values().all(|value| value == true);
    let ready = app.get("/health/ready").await.expect_status(200);
    assert_eq!(ready["sandbox"], if is_full { "full" } else { "degraded" }, "{ready}");
    assert_eq!(ready["sandboxMissing"].is_null(), is_full, "{ready}");
}

/// A source in each format that is read, with more than one thread where a decoder has them.
fn build_sources() -> Vec<(&'static str, Vec<u8>)> {
    let fixture = RenderFixture::new(&encode_image(draw_quarters(400, 300), ImageFormat::Png));
    let planes = vec![vec![200; 40 * 30]; 3];
    let document = PsdDocument {
        header: (3, 8, 40, 30),
        planes: &planes,
        packed: true,
        transparent: false,
        palette: &[],
        resources: &[],
    };
    let convert = |modifier: &str| fixture.render_file(modifier).unwrap().0;
    vec![
        ("a.png", encode_image(draw_quarters(400, 300), ImageFormat::Png)),
        ("b.jpg", convert("fmt=jpeg")),
        ("c.tif", convert("fmt=tif,,lzw")),
        ("d.webp", convert("fmt=webp")),
        ("e.gif", convert("fmt=gif")),
        ("f.bmp", encode_image(draw_quarters(400, 300), ImageFormat::Bmp)),
        ("g.jp2", convert("fmt=jpeg2000")),
        ("h.avif", convert("fmt=avif")),
        ("i.psd", document.encode()),
    ]
}

#[sqlx::test]
async fn every_format_is_read_and_written_with_the_allowed_system_calls(pool: PgPool) {
    let app = TestApp::with_settings(pool, |settings| settings.max_render_time = Duration::from_secs(120)).await;
    for (name, bytes) in build_sources() {
        app.upload_asset(name, &bytes).await;
    }
    for format in offprint_modifiers::list_output_formats() {
        let request = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": format!("wid=200&fmt={format}")});
        let job = run_export(&app, request).await;
        assert_eq!(job["counts"]["succeeded"], 9, "{format}: {:#?}", fetch_items(&app, &job).await);
    }
    // Without a size, a JPEG is encoded by a second thread while it is decoded.
    let job = run_export(&app, json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "fmt=jpeg"})).await;
    assert_eq!(job["counts"]["succeeded"], 9, "{:#?}", fetch_items(&app, &job).await);
}
