//! One operation on one picture inside the renderer, for benches/operations.py to hold beside other tools.
//!
//!     cargo bench --bench operation -- SOURCE MODIFIER OUTPUT TIMES
//!
//! Prints the median of the milliseconds it took, and the most memory that the process held, in MiB.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod pictures;

use std::path::PathBuf;
use std::time::Instant;

use offprint::render::{Files, render};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [source, modifier, output, times] = words.as_slice() else { panic!("SOURCE MODIFIER OUTPUT TIMES") };
    let (source, output) = (PathBuf::from(source), PathBuf::from(output));
    let mut taken: Vec<f64> = (0..times.parse().unwrap())
        .map(|_| {
            let begun = Instant::now();
            render(&pictures::plan_file(modifier, &source), &Files::only(&source), &output).unwrap();
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    taken.sort_by(f64::total_cmp);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak: f64 = peak.trim_end_matches(" kB").parse().unwrap();
    println!("{{\"ms\": {:.2}, \"mib\": {:.1}}}", taken[taken.len() / 2], peak / 1024.0);
}
