//! Files made to exhaust whoever reads their headers: what each costs in memory and time.
//!
//! A binary of its own with one test, because memory is counted for the whole process.

#![allow(clippy::unwrap_used)]

mod bombs;
#[path = "../metadata/containers.rs"]
#[allow(dead_code)]
mod containers;

use std::path::Path;
use std::time::{Duration, Instant};

use offprint_imaging::{ImageHeader, RenderError, read_capture_time, read_image_header, read_profile_description};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Most memory for one header, in bytes: the sum of what is kept at once, and as much again where a buffer grows.
const MAX_PEAK_BYTES: usize = 36 << 20;

/// Far more than any of the files takes, even on a busy machine without optimisation, and far less than they took.
const MAX_TIME: Duration = Duration::from_secs(10);

fn measure<T>(name: &str, work: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    let result = work();
    let (time, peak) = (start.elapsed(), MEMORY.peak_usage().saturating_sub(before));
    println!("{name}: {} kB, {} ms", peak >> 10, time.as_millis());
    assert!(peak <= MAX_PEAK_BYTES, "{name}: {peak} bytes");
    assert!(time <= MAX_TIME, "{name}: {time:?}");
    result
}

fn read(name: &str, path: &Path) -> Result<ImageHeader, RenderError> {
    measure(&format!("{name}, time"), || read_capture_time(path));
    measure(name, || read_image_header(path))
}

#[test]
fn every_header_is_read_within_its_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb");
    for (name, build, expected) in bombs::LIST {
        std::fs::write(&path, build()).unwrap();
        let header = read(name, &path);
        let found = match &header {
            Err(failure) => bombs::Outcome::Refused(failure.code),
            Ok(header) if header.ignored_profile_bytes.is_some() => bombs::Outcome::ProfileIgnored,
            Ok(header) if header.metadata_left_out.is_some() => bombs::Outcome::MetadataLeftOut,
            Ok(_) => bombs::Outcome::Read,
        };
        assert_eq!(found, *expected, "{name}: {header:?}");
    }
    let profile = bombs::build_profile_with_many_tags();
    assert_eq!(measure("names of a profile", || read_profile_description(&profile)).as_deref(), None);
}
