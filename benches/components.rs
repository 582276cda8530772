//! Components without a database: parsing modifiers, plans, steps, codecs, and the archive's layout.
//!
//!     cargo bench --bench components [-- FILTER]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod plans;

use std::path::{Path, PathBuf};
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use offprint_imaging::{SourceFiles, read_image_header, render_image};
use offprint_storage::archive::{Archive, ArchiveEntry, ArchiveIndexWriter};
use offprint_storage::{Digest, Storage};
use tokio::runtime::Runtime;

const PRESET_MODIFIER: &str =
    "wid=800&hei=800&fit=constrain,1&qlt=90,0&op_sharpen=0&resMode=sharp2&op_usm=1.75,0.3,2,0&iccEmbed=0&fmt=jpeg";

/// Draws the sample images with the project's own command; the path of the largest.
fn draw_samples(folder: &Path) -> PathBuf {
    let binary = env!("CARGO_BIN_EXE_offprint");
    let status = Command::new(binary).args(["admin", "draw-samples"]).arg(folder).output().unwrap().status;
    assert!(status.success());
    let largest = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    largest
        .filter(|path| path.extension().is_some_and(|it| it == "jpg"))
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

fn bench_planning(bench: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let source = draw_samples(folder.path());
    bench.bench_function("modifier to recipe", |it| it.iter(|| plans::parse_recipe(PRESET_MODIFIER)));
    bench.bench_function("header of a file", |it| it.iter(|| read_image_header(&source).unwrap()));
    let (recipe, header) = (plans::parse_recipe(PRESET_MODIFIER), read_image_header(&source).unwrap());
    bench.bench_function("recipe and header to plan", |it| it.iter(|| plans::plan_image(&recipe, &header)));
}

/// Each modifier on the same image, from file to file.
fn bench_modifiers(bench: &mut Criterion, group: &str, modifiers: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (source, output) = (draw_samples(folder.path()), folder.path().join("output"));
    let mut group = bench.benchmark_group(group);
    group.sample_size(20);
    for modifier in modifiers {
        let (plan, files) = (plans::plan_file(modifier, &source), SourceFiles::from_source(&source));
        group.bench_function(*modifier, |it| it.iter(|| render_image(&plan, &files, &output).unwrap()));
    }
}

/// The cost of steps; the first modifier needs only the decoder and the encoder.
fn bench_steps(bench: &mut Criterion) {
    bench_modifiers(
        bench,
        "steps",
        &[
            "scl=1",
            "crop=0,0,600,600",
            "scl=3&resMode=bilin",
            "scl=3&resMode=bicub",
            "scl=3&resMode=sharp2",
            "scl=1&op_usm=1,2,4,0",
            "scl=1&op_blur=20",
            "rotate=90",
            "rotate=10",
            "scl=1&op_saturation=20&op_hue=40",
        ],
    );
}

fn bench_codecs(bench: &mut Criterion) {
    bench_modifiers(
        bench,
        "codecs",
        &[
            "wid=800&fmt=jpeg",
            "wid=800&fmt=pjpeg",
            "wid=800&fmt=png",
            "wid=800&fmt=png8",
            "wid=800&fmt=gif",
            "wid=800&fmt=webp",
            "wid=800&fmt=tif",
            "wid=800&fmt=tif,rgb,lzw",
            "wid=800&fmt=tif,rgb,zip",
            "wid=800&fmt=pdf",
            "wid=800&fmt=eps",
        ],
    );
}

/// Writes the layout of ten thousand entries, and finds the segments of a range in the middle.
fn bench_archive(bench: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let write_index = || async {
        let mut layout = ArchiveIndexWriter::new(&storage);
        for number in 0..10_000 {
            let (path, digest) = (format!("folder/image-{number:05}.jpg"), Digest::compute(b"an image"));
            layout.add(&ArchiveEntry { path, digest, size: 2_000_000, crc32: 7, time: 1_750_000_000 }).await.unwrap();
        }
        layout.finish().await.unwrap()
    };
    let mut group = bench.benchmark_group("archive");
    group.sample_size(10);
    group.bench_function("10,000 entries laid out", |it| it.iter(|| runtime.block_on(write_index())));
    let archive = runtime.block_on(async {
        let index = write_index().await.index;
        let digest = index.digest;
        storage.publish(index).await.unwrap();
        Archive::open(&storage, &digest).await.unwrap()
    });
    let middle = archive.size() / 2;
    group.bench_function("segments of 20 MB in the middle", |it| {
        it.iter(|| archive.read_segments(middle..middle + 20_000_000).unwrap());
    });
}

criterion_group!(benches, bench_planning, bench_steps, bench_codecs, bench_archive);
criterion_main!(benches);
