//! The house piece by piece, without a database: reading modifiers, plans, steps, codecs, and the archive's layout.
//!
//!     cargo bench --bench pieces [-- FILTER]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod pictures;

use std::path::{Path, PathBuf};
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use offprint::render::{Files, probe, render};
use offprint::storage::archive::{Archive, Entry, Layout};
use offprint::storage::{Digest, Storage};
use tokio::runtime::Runtime;

const PRESET: &str =
    "wid=800&hei=800&fit=constrain,1&qlt=90,0&op_sharpen=0&resMode=sharp2&op_usm=1.75,0.3,2,0&iccEmbed=0&fmt=jpeg";

/// The project's own sample pictures, drawn by its own command.
fn samples(folder: &Path) -> PathBuf {
    let binary = env!("CARGO_BIN_EXE_offprint");
    let status = Command::new(binary).args(["admin", "draw-samples"]).arg(folder).output().unwrap().status;
    assert!(status.success());
    let largest = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    largest
        .filter(|path| path.extension().is_some_and(|it| it == "jpg"))
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

fn planning(bench: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let source = samples(folder.path());
    bench.bench_function("modifier to recipe", |it| it.iter(|| pictures::recipe(PRESET)));
    bench.bench_function("header of a file", |it| it.iter(|| probe(&source).unwrap()));
    let (recipe, header) = (pictures::recipe(PRESET), probe(&source).unwrap());
    bench.bench_function("recipe and header to plan", |it| it.iter(|| pictures::plan(&recipe, &header)));
}

/// Each modifier on the same picture, from file to file.
fn pictures_of(bench: &mut Criterion, group: &str, modifiers: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let (source, output) = (samples(folder.path()), folder.path().join("output"));
    let mut group = bench.benchmark_group(group);
    group.sample_size(20);
    for modifier in modifiers {
        let (plan, files) = (pictures::plan_file(modifier, &source), Files::only(&source));
        group.bench_function(*modifier, |it| it.iter(|| render(&plan, &files, &output).unwrap()));
    }
}

/// What steps cost: the first is the decoder and the encoder alone.
fn steps(bench: &mut Criterion) {
    pictures_of(
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

fn codecs(bench: &mut Criterion) {
    pictures_of(
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

/// Ten thousand entries, and the piece of the archive that a client asks for in their middle.
fn archive(bench: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    let lay = || async {
        let mut layout = Layout::new(&storage).await.unwrap();
        for number in 0..10_000 {
            let (path, digest) = (format!("folder/picture-{number:05}.jpg"), Digest::of(b"a picture"));
            layout.add(&Entry { path, digest, size: 2_000_000, crc32: 7, time: 1_750_000_000 }).await.unwrap();
        }
        layout.finish().await.unwrap()
    };
    let mut group = bench.benchmark_group("archive");
    group.sample_size(10);
    group.bench_function("10,000 entries laid out", |it| it.iter(|| runtime.block_on(lay())));
    let archive = runtime.block_on(async {
        let index = lay().await.index;
        let digest = index.digest;
        storage.publish(index).await.unwrap();
        Archive::open(&storage, &digest).await.unwrap()
    });
    let middle = archive.size() / 2;
    group.bench_function("segments of 20 MB in the middle", |it| {
        it.iter(|| archive.segments(middle..middle + 20_000_000).unwrap());
    });
}

criterion_group!(benches, planning, steps, codecs, archive);
criterion_main!(benches);
