//! Any entries: any range of an archive is the same slice of the whole, and a zip reader that is not ours finds every file
//! where the directory says.
#![no_main]

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use offprint_storage::archive::{Archive, ArchiveEntry, ArchiveIndexWriter, ArchiveSegment};
use offprint_storage::{Digest, Storage};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use zip::ZipArchive;

#[derive(Arbitrary, Debug)]
struct ArchiveInput<'a> {
    files: Vec<(&'a str, Size, u32, i64)>,
    ranges: [(RangeStart, u16); 3],
}

/// Sizes on both sides of the limit where zip64 begins.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Size {
    Small(u8),
    Usual(u32),
    Near4GiB(i8),
    Large(u32),
}

impl Size {
    fn bytes(self) -> u64 {
        match self {
            Self::Small(size) => size.into(),
            Self::Usual(size) => size.into(),
            Self::Near4GiB(by) => (1u64 << 32).saturating_add_signed(by.into()),
            Self::Large(size) => u64::from(size) << 12,
        }
    }
}

/// Where a range begins: at a thousandth of the archive, or some bytes before or after the start of a segment.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum RangeStart {
    Thousandth(u16),
    NearSegment(u8, i8),
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime without threads of its own"));

static STORAGE: LazyLock<(TempDir, Storage)> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let folder = folder.expect("a temporary folder");
    let storage = Storage::open(folder.path()).expect("a storage");
    (folder, storage)
});

fuzz_target!(|input: ArchiveInput<'_>| {
    let entries: Vec<ArchiveEntry> = input.files.iter().take(300).enumerate().map(build_entry).collect();
    let archive = RUNTIME.block_on(lay_out_archive(&STORAGE.1, &entries));
    assert_eq!(archive.entry_count(), entries.len() as u64);

    let whole = collect_segments(&archive, 0..archive.size());
    assert_eq!(whole.iter().map(measure_segment).sum::<u64>(), archive.size());
    for (range_start, length) in input.ranges {
        let start = resolve_range_start(range_start, &whole, archive.size());
        let end = (start + u64::from(length)).min(archive.size());
        assert_eq!(collect_segments(&archive, start..end), slice_segments(&whole, start..end), "{start}..{end}");
    }
    assert_read_back(archive, &entries);
});

/// An archive's names must differ; jobs see to that elsewhere.
fn build_entry((number, (name, size, crc32, time)): (usize, &(&str, Size, u32, i64))) -> ArchiveEntry {
    let path = format!("{number}/{}", &name[..name.floor_char_boundary(60_000)]);
    let digest = Digest::compute(&number.to_le_bytes());
    ArchiveEntry { path, digest, size: size.bytes(), crc32: *crc32, time: *time }
}

async fn lay_out_archive(storage: &Storage, entries: &[ArchiveEntry]) -> Archive {
    let mut index = ArchiveIndexWriter::new(storage);
    for entry in entries {
        index.add(entry).await.expect("an entry");
    }
    let staged = index.finish().await.expect("an index");
    let (index, size) = (staged.index.digest, staged.size);
    storage.publish(staged.index).await.expect("a blob");
    let archive = Archive::open(storage, &index).await.expect("an archive");
    // An open archive stays readable.
    storage.remove(&index).await.expect("a blob");
    assert_eq!(archive.size(), size);
    archive
}

/// All segments of a range; adjacent bytes are joined.
fn collect_segments(archive: &Archive, range: Range<u64>) -> Vec<ArchiveSegment> {
    let mut all = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (some, next) = archive.read_segments(at..range.end).expect("segments");
        assert!(next > at, "{at} of {range:?}");
        let length: u64 = some.iter().map(measure_segment).sum();
        assert_eq!(length, next - at);
        some.into_iter().for_each(|segment| push_segment(&mut all, segment));
        at = next;
    }
    all
}

fn push_segment(all: &mut Vec<ArchiveSegment>, segment: ArchiveSegment) {
    match (all.last_mut(), segment) {
        (Some(ArchiveSegment::Bytes(before)), ArchiveSegment::Bytes(bytes)) => {
            *before = [&before[..], &bytes[..]].concat().into()
        }
        (_, segment) => all.push(segment),
    }
}

fn measure_segment(segment: &ArchiveSegment) -> u64 {
    match segment {
        ArchiveSegment::Bytes(bytes) => bytes.len() as u64,
        ArchiveSegment::Blob { len, .. } => *len,
    }
}

fn slice_segments(whole: &[ArchiveSegment], range: Range<u64>) -> Vec<ArchiveSegment> {
    let mut kept = Vec::new();
    let mut at = 0;
    for segment in whole {
        let (start, end) = (at, at + measure_segment(segment));
        at = end;
        let (from, to) = (range.start.clamp(start, end) - start, range.end.clamp(start, end) - start);
        if from < to {
            kept.push(match segment {
                ArchiveSegment::Bytes(bytes) => ArchiveSegment::Bytes(bytes.slice(from as usize..to as usize)),
                ArchiveSegment::Blob { digest, offset, len, crc32 } => ArchiveSegment::Blob {
                    digest: *digest,
                    offset: offset + from,
                    len: to - from,
                    crc32: crc32.filter(|_| to - from == *len),
                },
            });
        }
    }
    kept
}

fn resolve_range_start(start: RangeStart, whole: &[ArchiveSegment], size: u64) -> u64 {
    let at = match start {
        RangeStart::Thousandth(part) => size / 1000 * u64::from(part % 1001),
        RangeStart::NearSegment(number, by) => {
            let before = whole.iter().take(usize::from(number) % (whole.len() + 1));
            before.map(measure_segment).sum::<u64>().saturating_add_signed(by.into())
        }
    };
    at.min(size)
}

fn assert_read_back(archive: Archive, entries: &[ArchiveEntry]) {
    let reader = io::BufReader::with_capacity(1 << 16, ZeroFilledArchive { archive, at: 0 });
    let mut zip = ZipArchive::new(reader).expect("a readable zip");
    assert_eq!(zip.len(), entries.len());
    for (number, entry) in entries.iter().enumerate() {
        let file = zip.by_index_raw(number).expect("a file where the directory says");
        assert_eq!(file.name_raw(), entry.path.as_bytes());
        assert_eq!((file.size(), file.compressed_size(), file.crc32()), (entry.size, entry.size, entry.crc32));
    }
}

/// An archive whose blobs hold zeros.
struct ZeroFilledArchive {
    archive: Archive,
    at: u64,
}

impl Read for ZeroFilledArchive {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let range = self.at..(self.at + out.len() as u64).min(self.archive.size());
        let (segments, _) = self.archive.read_segments(range).map_err(io::Error::other)?;
        let mut read = 0;
        for segment in segments {
            let target = &mut out[read..][..measure_segment(&segment) as usize];
            read += target.len();
            match segment {
                ArchiveSegment::Bytes(bytes) => target.copy_from_slice(&bytes),
                ArchiveSegment::Blob { .. } => target.fill(0),
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for ZeroFilledArchive {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.archive.size().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
