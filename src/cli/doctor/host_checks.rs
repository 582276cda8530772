//! The data folder and its disk.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::report::DoctorReport;
use crate::app::readiness::MIN_FREE_BYTES;
use crate::cli::data_dir::is_open_to_others;
use crate::settings::Settings;

/// Below this it is time to do something.
const LOW_FREE_BYTES: u64 = 1 << 30;

/// The data folder: there, writable, closed to others, with space.
pub(super) fn check_data_dir(settings: &Settings, report: &mut DoctorReport) {
    let data_dir = &settings.database.data_dir;
    match fs::metadata(data_dir) {
        Ok(metadata) if metadata.is_dir() => {
            check_access(data_dir, &metadata, report);
            check_disk(data_dir, report);
        }
        Ok(_) => report.fail(
            "data folder",
            format!("{} is not a folder", data_dir.display()),
            "Set OFFPRINT_DATA_DIR to a folder, or to a path where one can be created",
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => report.warn(
            "data folder",
            format!("{} does not exist yet", data_dir.display()),
            "Nothing to do if this is a new installation: `serve` creates it. Otherwise correct OFFPRINT_DATA_DIR",
        ),
        Err(error) => report.fail(
            "data folder",
            format!("{} cannot be read: {error}", data_dir.display()),
            "Let the user of the service enter it and the folders above it",
        ),
    }
}

fn check_access(data_dir: &Path, metadata: &fs::Metadata, report: &mut DoctorReport) {
    if let Err(error) = tempfile::tempfile_in(data_dir) {
        return report.fail(
            "data folder",
            format!("{} cannot be written: {error}", data_dir.display()),
            "Give it to the user of the service (chown), or mount it writable",
        );
    }
    let me = rustix::process::geteuid().as_raw();
    let open: Vec<String> = fs::read_dir(data_dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.metadata().is_ok_and(|found| found.is_dir() && is_open_to_others(found.mode())))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    if metadata.uid() != me && me != 0 {
        report.warn(
            "data folder",
            format!("{} belongs to user {}, and this is user {me}", data_dir.display(), metadata.uid()),
            "Run doctor as the user of the service",
        );
    } else if is_open_to_others(metadata.permissions().mode()) && !open.is_empty() {
        report.warn(
            "data folder",
            format!("Other users can read {} in {}", open.join(", "), data_dir.display()),
            "Restart the service, which closes its folders, or chmod go= on them",
        );
    } else {
        report.pass("data folder", format!("{} is writable, and only its user can read it", data_dir.display()));
    }
}

fn check_disk(data_dir: &Path, report: &mut DoctorReport) {
    let remedy = "Free space, use a larger disk, or lower OFFPRINT_MAX_CACHE";
    match rustix::fs::statvfs(data_dir) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} MiB are free in {}", free >> 20, data_dir.display());
            match free {
                ..MIN_FREE_BYTES => report.fail("disk", detail, remedy),
                MIN_FREE_BYTES..LOW_FREE_BYTES => report.warn("disk", detail, remedy),
                _ => report.pass("disk", detail),
            }
        }
        Err(error) => report.fail("disk", format!("The free space is unknown: {error}"), remedy),
    }
}
