//! Refuses a build whose JPEG codec would have no SIMD: without nasm mozjpeg leaves it out, and only a warning that cargo
//! does not show says so. Decoding would take three times as long.

use std::process::{Command, Stdio};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let nasm = || Command::new("nasm").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if matches!(target.as_str(), "x86" | "x86_64") && !nasm().is_ok_and(|status| status.success()) {
        panic!("nasm is missing. Install it (script/packages.txt); without it JPEG would be decoded without SIMD.");
    }
}
