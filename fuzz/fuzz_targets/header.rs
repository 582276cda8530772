//! Any bytes as a picture's header: nothing panics, nothing takes long or much memory, and a picture that is found has
//! a size.
#![no_main]

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use offprint_imaging::probe;

thread_local! {
    /// One file for all, in memory where there is such a folder.
    static FILE: RefCell<(File, PathBuf)> = RefCell::new({
        let memory = PathBuf::from("/dev/shm");
        let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = folder.join(format!("offprint-fuzz-{}", std::process::id()));
        (File::create(&path).expect("a temporary file"), path)
    });
}

// `probe` catches panics; here the fuzzer's hook ends the process before it can.
fuzz_target!(|bytes: &[u8]| {
    FILE.with_borrow_mut(|(file, path)| {
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(bytes)).expect("a temporary file");
        if let Ok(header) = probe(path) {
            assert!(header.width > 0 && header.height > 0 && header.frames > 0, "{header:?}");
            assert!(header.dpi.is_none_or(|dpi| dpi.is_finite() && dpi > 0.0), "{header:?}");
        }
    });
});
