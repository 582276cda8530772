//! One operation on one image inside the renderer; benches/operations.py compares it with other tools.
//!
//!     cargo bench --bench operation -- SOURCE MODIFIER OUTPUT TIMES
//!
//! Prints the median time in ms and the peak memory of the process in MiB, as JSON.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod plans;

use std::path::PathBuf;
use std::time::Instant;

use offprint_imaging::{SourceFiles, render_image};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [source, modifier, output, times] = words.as_slice() else { panic!("SOURCE MODIFIER OUTPUT TIMES") };
    let (source, output) = (PathBuf::from(source), PathBuf::from(output));
    let mut taken: Vec<f64> = (0..times.parse().unwrap())
        .map(|_| {
            let started = Instant::now();
            render_image(&plans::plan_file(modifier, &source), &SourceFiles::from_source(&source), &output).unwrap();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: f64 = peak.trim_end_matches(" kB").parse().unwrap();
    println!("{{\"ms\": {:.2}, \"mib\": {:.1}}}", taken[taken.len() / 2], peak / 1024.0);
}
