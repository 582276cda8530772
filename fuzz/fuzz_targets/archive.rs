//! Any entries: any range of the archive is the same slice of the whole, and another's zip reader finds every file
//! where it should be.
#![no_main]

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use offprint_storage::archive::{Archive, Entry, Layout, Segment};
use offprint_storage::{Digest, Storage};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use zip::ZipArchive;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    files: Vec<(&'a str, Size, u32, i64)>,
    ranges: [(Place, u16); 3],
}

/// Sizes around the places where zip changes its form.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Size {
    Small(u8),
    Usual(u32),
    Beside4GiB(i8),
    Large(u32),
}

impl Size {
    fn bytes(self) -> u64 {
        match self {
            Self::Small(size) => size.into(),
            Self::Usual(size) => size.into(),
            Self::Beside4GiB(by) => (1u64 << 32).saturating_add_signed(by.into()),
            Self::Large(size) => u64::from(size) << 12,
        }
    }
}

/// Where a range begins: at a place in a thousand, or beside where a segment does.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Place {
    Thousandth(u16),
    Beside(u8, i8),
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

fuzz_target!(|input: Input<'_>| {
    let entries: Vec<Entry> = input.files.iter().take(300).enumerate().map(entry).collect();
    let archive = RUNTIME.block_on(lay(&STORAGE.1, &entries));
    assert_eq!(archive.entries(), entries.len() as u64);

    let whole = segments(&archive, 0..archive.size());
    assert_eq!(whole.iter().map(len).sum::<u64>(), archive.size());
    for (place, length) in input.ranges {
        let start = place_in(place, &whole, archive.size());
        let end = (start + u64::from(length)).min(archive.size());
        assert_eq!(segments(&archive, start..end), cut(&whole, start..end), "{start}..{end}");
    }
    read_back(archive, &entries);
});

/// Names may not be equal; that is the business of whoever gives them.
fn entry((number, (name, size, crc32, time)): (usize, &(&str, Size, u32, i64))) -> Entry {
    let path = format!("{number}/{}", &name[..name.floor_char_boundary(60_000)]);
    let digest = Digest::of(&number.to_le_bytes());
    Entry { path, digest, size: size.bytes(), crc32: *crc32, time: *time }
}

async fn lay(storage: &Storage, entries: &[Entry]) -> Archive {
    let mut layout = Layout::new(storage).await.expect("an index");
    for entry in entries {
        layout.add(entry).await.expect("an entry");
    }
    let laid = layout.finish().await.expect("an index");
    let (index, size) = (laid.index.digest, laid.size);
    storage.publish(laid.index).await.expect("a blob");
    let archive = Archive::open(storage, &index).await.expect("an archive");
    // What is open stays readable.
    storage.remove(&index).await.expect("a blob");
    assert_eq!(archive.size(), size);
    archive
}

/// All segments of a range, neighbours joined.
fn segments(archive: &Archive, range: Range<u64>) -> Vec<Segment> {
    let mut all = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let (some, next) = archive.segments(at..range.end).expect("segments");
        assert!(next > at, "{at} of {range:?}");
        let length: u64 = some.iter().map(len).sum();
        assert_eq!(length, next - at);
        some.into_iter().for_each(|segment| join(&mut all, segment));
        at = next;
    }
    all
}

fn join(all: &mut Vec<Segment>, segment: Segment) {
    match (all.last_mut(), segment) {
        (Some(Segment::Bytes(before)), Segment::Bytes(bytes)) => *before = [&before[..], &bytes[..]].concat().into(),
        (_, segment) => all.push(segment),
    }
}

fn len(segment: &Segment) -> u64 {
    match segment {
        Segment::Bytes(bytes) => bytes.len() as u64,
        Segment::Blob { len, .. } => *len,
    }
}

fn cut(whole: &[Segment], range: Range<u64>) -> Vec<Segment> {
    let mut kept = Vec::new();
    let mut at = 0;
    for segment in whole {
        let (start, end) = (at, at + len(segment));
        at = end;
        let (from, to) = (range.start.clamp(start, end) - start, range.end.clamp(start, end) - start);
        if from < to {
            kept.push(match segment {
                Segment::Bytes(bytes) => Segment::Bytes(bytes.slice(from as usize..to as usize)),
                Segment::Blob { digest, offset, len, crc32 } => Segment::Blob {
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

fn place_in(place: Place, whole: &[Segment], size: u64) -> u64 {
    let place = match place {
        Place::Thousandth(part) => size / 1000 * u64::from(part % 1001),
        Place::Beside(number, by) => {
            let before = whole.iter().take(usize::from(number) % (whole.len() + 1));
            before.map(len).sum::<u64>().saturating_add_signed(by.into())
        }
    };
    place.min(size)
}

fn read_back(archive: Archive, entries: &[Entry]) {
    let imagined = io::BufReader::with_capacity(1 << 16, Imagined { archive, at: 0 });
    let mut zip = ZipArchive::new(imagined).expect("a zip that others can read");
    assert_eq!(zip.len(), entries.len());
    for (number, entry) in entries.iter().enumerate() {
        let file = zip.by_index_raw(number).expect("a file where the directory says");
        assert_eq!(file.name_raw(), entry.path.as_bytes());
        assert_eq!((file.size(), file.compressed_size(), file.crc32()), (entry.size, entry.size, entry.crc32));
    }
}

/// An archive whose blobs hold zeros.
struct Imagined {
    archive: Archive,
    at: u64,
}

impl Read for Imagined {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let range = self.at..(self.at + out.len() as u64).min(self.archive.size());
        let (segments, _) = self.archive.segments(range).map_err(io::Error::other)?;
        let mut read = 0;
        for segment in segments {
            let place = &mut out[read..][..len(&segment) as usize];
            read += place.len();
            match segment {
                Segment::Bytes(bytes) => place.copy_from_slice(&bytes),
                Segment::Blob { .. } => place.fill(0),
            }
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Imagined {
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
