//! Any bytes as the header of an image: nothing panics, nothing takes long or much memory, and an image that is recognized
//! has a size.
#![no_main]

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use offprint_imaging::read_image_header;

thread_local! {
    /// One file for all inputs, in memory where /dev/shm exists.
    static FILE: RefCell<(File, PathBuf)> = RefCell::new({
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = folder.join(format!("offprint-fuzz-{}", std::process::id()));
        (File::create(&path).expect("a temporary file"), path)
    });
}

// `read_image_header` catches panics; the fuzzer's panic hook ends the process before it can.
fuzz_target!(|bytes: &[u8]| {
    FILE.with_borrow_mut(|(file, path)| {
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(bytes)).expect("a temporary file");
        if let Ok(header) = read_image_header(path) {
            assert!(header.width > 0 && header.height > 0 && header.frames > 0, "{header:?}");
            assert!(header.dpi.is_none_or(|dpi| dpi.is_finite() && dpi > 0.0), "{header:?}");
        }
    });
});
