//! What the service writes to disk is for its own user only, whatever the umask of whoever started it.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;

use crate::support::images::draw_image;
use crate::support::service_process::{
    ServiceProcess, build_database_url, format_path, run_offprint, run_offprint_with,
};

/// Files and folders below a folder that others may use in any way.
fn find_open_files(folder: &Path) -> Vec<(PathBuf, u32)> {
    let (mut open, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // Temporary files come and go while we look.
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let mode = metadata.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                open.push((path.clone(), mode));
            }
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    open
}

#[sqlx::test]
async fn files_and_folders_of_the_service_are_closed_to_others(pool: PgPool) {
    let folder = TempDir::new().unwrap();
    // A folder of an earlier version, which everybody could read.
    fs::DirBuilder::new().mode(0o755).create(folder.path().join("mail")).unwrap();
    fs::set_permissions(folder.path().join("mail"), PermissionsExt::from_mode(0o755)).unwrap();
    let settings = [("OFFPRINT_MAIL_TO", "ann@example.org")];
    let service = ServiceProcess::start(&build_database_url(&pool), &folder, &settings).unwrap();
    service.upload_asset("photo.jpg".into(), draw_image(image::ImageFormat::Jpeg, 90, 70, 1)).await;
    let request = json!({"assetFilter": {}, "fmt": "convert", "is_modifier": "wid=30&fmt=png", "emailSetting": "All"});
    let job = service.create_job(request).await;
    let done = service.wait_for_progress(&job, 2).await;
    assert_eq!(done["outcome"], "succeeded", "{done}");
    let mails = || fs::read_dir(folder.path().join("mail")).unwrap().count();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while mails() == 0 {
        assert!(std::time::Instant::now() < deadline, "no mail was written");
        service.get("/health/live").await;
    }
    assert_eq!(find_open_files(folder.path()), []);
    // Downloads are not affected.
    let archive = service.client.get(format!("{}/export-jobs/{job}/archive", service.url)).send().await.unwrap();
    let zip = zip::ZipArchive::new(std::io::Cursor::new(archive.bytes().await.unwrap())).unwrap();
    assert!(zip.file_names().any(|name| name.unwrap() == "photo.png"));
    assert_eq!(service.stop(), Some(0));
    let seeded = run_offprint(&pool, &folder, &["admin", "seed"]);
    assert_eq!(seeded.code, Some(0), "{}", seeded.stderr);
    assert_eq!(find_open_files(folder.path()), []);
}

#[test]
fn files_for_people_get_the_rights_that_people_chose() {
    let folder = TempDir::new().unwrap();
    let samples = folder.path().join("samples");
    let drawn = run_offprint_with(&[], &["admin", "draw-samples", &format_path(&samples)]);
    assert_eq!(drawn.code, Some(0), "{}", drawn.stderr);
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    rustix::process::umask(umask);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&samples), 0o777 & !umask.bits());
    let first = fs::read_dir(&samples).unwrap().next().unwrap().unwrap().path();
    assert_eq!(mode(&first), 0o666 & !umask.bits());
}
