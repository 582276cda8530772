//! The archive (zip): every byte range equals the slice of the whole, and independent readers can read it.

use std::io::{self, Read};
use std::ops::Range;

use bytes::Bytes;
use futures_util::TryStreamExt;
use offprint_storage::archive::{Archive, ArchiveEntry, ArchiveIndexWriter, ArchiveSegment, StagedArchive};
use offprint_storage::{Digest, Storage, StorageError};
use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zip::ZipArchive;
use zip::extra_fields::ExtraField;

use crate::support::zero_filled_archive::ZeroFilledArchive;

const GIB: u64 = 1 << 30;

fn open_storage() -> (TempDir, Storage) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path()).unwrap();
    (folder, storage)
}

/// An entry whose bytes are stored.
async fn store_entry(storage: &Storage, path: &str, bytes: Vec<u8>) -> ArchiveEntry {
    let staged = storage.stage_bytes(bytes).await.unwrap();
    let (digest, size, crc32) = (staged.digest, staged.size, staged.crc32);
    storage.publish(staged).await.unwrap();
    ArchiveEntry { path: path.to_owned(), digest, size, crc32, time: 1_709_210_096 }
}

async fn lay_out_archive(
    storage: &Storage,
    entries: impl IntoIterator<Item = ArchiveEntry>,
) -> (Archive, StagedArchive) {
    let mut layout = ArchiveIndexWriter::new(storage);
    for entry in entries {
        layout.add(&entry).await.unwrap();
    }
    let laid = layout.finish().await.unwrap();
    let index = laid.index.digest;
    // A copy is published, because publishing consumes the staged index and the tests need it afterwards.
    let copy = storage.stage_bytes(std::fs::read(laid.index.path()).unwrap()).await.unwrap();
    storage.publish(copy).await.unwrap();
    (Archive::open(storage, &index).await.unwrap(), laid)
}

async fn read_range(archive: &Archive, range: Range<u64>) -> Vec<u8> {
    let pieces: Vec<Bytes> = archive.stream(range).try_collect().await.unwrap();
    pieces.concat()
}

fn generate_entries(count: u64, size: impl Fn(u64) -> u64) -> impl Iterator<Item = ArchiveEntry> {
    (0..count).map(move |number| ArchiveEntry {
        path: format!("ordner/bild-{number:06}-\u{e4}.jpg"),
        digest: Digest::compute(&number.to_le_bytes()),
        size: size(number),
        crc32: number as u32,
        // Odd seconds, which only the extended timestamp has; and times that it cannot hold.
        time: if number % 5 == 4 { 4_000_000_001 } else { 1_709_210_097 + number as i64 },
    })
}

/// Reads the central directory with the `zip` crate and compares it with the entries: all names, and about a hundred
/// files in full.
fn assert_read_back(archive: &Archive, entries: impl Iterator<Item = ArchiveEntry>) {
    let imagined = ZeroFilledArchive { archive: archive.clone(), at: 0 };
    let mut zip = ZipArchive::new(io::BufReader::with_capacity(1 << 20, imagined)).unwrap();
    assert_eq!(zip.len() as u64, archive.entry_count());
    let step = (archive.entry_count() as usize / 100).max(1);
    for (number, entry) in entries.enumerate() {
        let last = number + 1 == zip.len();
        if number % step != 0 && !last {
            assert_eq!(zip.name_for_index(number).unwrap().unwrap(), entry.path);
            continue;
        }
        let file = zip.by_index_raw(number).unwrap();
        assert_eq!(file.name().unwrap(), entry.path);
        assert_eq!((file.size(), file.compressed_size(), file.crc32()), (entry.size, entry.size, entry.crc32));
        let timestamps = file.extra_data_fields().filter_map(|field| match field {
            ExtraField::ExtendedTimestamp(timestamp) => timestamp.mod_time(),
            _ => None,
        });
        let expected = i32::try_from(entry.time).map(|time| time as u32);
        assert_eq!(timestamps.collect::<Vec<_>>(), Vec::from_iter(expected));
        // The local header is where the central directory says, and the bytes follow it.
        let start = file.data_start().unwrap();
        drop(file);
        let (segments, _) = archive.read_segments(start..start + entry.size.max(1)).unwrap();
        if entry.size > 0 {
            let whole =
                ArchiveSegment::Blob { digest: entry.digest, offset: 0, len: entry.size, crc32: Some(entry.crc32) };
            assert_eq!(segments[0], whole);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn ranges_put_together_are_the_whole(
        sizes in proptest::collection::vec(0usize..3000, 1..8),
        chosen in proptest::collection::vec(any::<prop::sample::Index>(), 0..600),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        Runtime::new().unwrap().block_on(async {
            let (_folder, storage) = open_storage();
            let mut blobs = Vec::new();
            for (number, size) in sizes.iter().enumerate() {
                let bytes: Vec<u8> = (0..*size).map(|at| (at * 7 + number) as u8).collect();
                blobs.push((store_entry(&storage, "", bytes.clone()).await, bytes));
            }
            let (entries, contents): (Vec<ArchiveEntry>, Vec<&Vec<u8>>) = chosen.iter().enumerate().map(|(number, blob)| {
                let (entry, bytes) = blob.get(&blobs);
                (ArchiveEntry { path: format!("b\u{fc}ro/{number}.bin"), ..entry.clone() }, bytes)
            }).unzip();
            let (archive, laid) = lay_out_archive(&storage, entries.clone()).await;
            let whole = read_range(&archive, 0..u64::MAX).await;
            assert_eq!(whole.len() as u64, archive.size());
            assert_eq!((laid.size, laid.entries), (archive.size(), entries.len() as u64));

            let mut places: Vec<u64> = cuts.iter().map(|cut| cut.index(whole.len() + 1) as u64).collect();
            places.extend([0, archive.size()]);
            places.sort_unstable();
            for pair in places.windows(2) {
                let part = read_range(&archive, pair[0]..pair[1]).await;
                assert_eq!(part, whole[pair[0] as usize..pair[1] as usize]);
            }

            // Reading to the end checks the CRC.
            let mut zip = ZipArchive::new(io::Cursor::new(whole)).unwrap();
            assert_eq!(zip.len(), contents.len());
            for (number, bytes) in contents.iter().enumerate() {
                let mut file = zip.by_index(number).unwrap();
                assert_eq!(file.name().unwrap(), entries[number].path);
                let mut read = Vec::new();
                file.read_to_end(&mut read).unwrap();
                assert_eq!(&read, *bytes);
            }
        });
    }
}

#[tokio::test]
async fn the_same_files_give_the_same_tag_and_others_another() {
    let (_folder, storage) = open_storage();
    let entry = store_entry(&storage, "one.txt", b"one".to_vec()).await;
    let (_, first) = lay_out_archive(&storage, [entry.clone()]).await;
    let (_, second) = lay_out_archive(&storage, [entry.clone()]).await;
    assert_eq!(first.etag(), second.etag());
    assert!(first.etag().starts_with('"') && first.etag().ends_with('"'));
    for other in
        [ArchiveEntry { path: "two.txt".to_owned(), ..entry.clone() }, ArchiveEntry { time: entry.time + 2, ..entry }]
    {
        assert_ne!(lay_out_archive(&storage, [other]).await.1.etag(), first.etag());
    }
}

#[tokio::test]
async fn seventy_thousand_files_have_a_zip64_directory() {
    let (_folder, storage) = open_storage();
    let (archive, _) = lay_out_archive(&storage, generate_entries(70_000, |number| number % 3)).await;
    assert_eq!(archive.entry_count(), 70_000);
    assert_read_back(&archive, generate_entries(70_000, |number| number % 3));
}

#[tokio::test]
async fn sizes_and_places_beyond_four_gib_are_kept() {
    // Exactly at the zip64 boundary, one byte less, far larger, and small files after them.
    let size = |number| [u64::from(u32::MAX), u64::from(u32::MAX) - 1, 9 * GIB, 5, 0][number as usize % 5];
    let (_folder, storage) = open_storage();
    let (archive, _) = lay_out_archive(&storage, generate_entries(40, size)).await;
    assert!(archive.size() > 100 * GIB);
    assert_read_back(&archive, generate_entries(40, size));
}

#[tokio::test]
async fn the_last_count_without_zip64_and_the_first_with_it() {
    for count in [65_534, 65_535] {
        let (_folder, storage) = open_storage();
        let (archive, _) = lay_out_archive(&storage, generate_entries(count, |_| 0)).await;
        let end = read_range(&archive, archive.size() - 98..archive.size()).await;
        let has_zip64 = end.starts_with(&0x0606_4b50_u32.to_le_bytes());
        assert_eq!(has_zip64, count == 65_535);
        assert_read_back(&archive, generate_entries(count, |_| 0));
    }
}

#[tokio::test]
async fn a_blob_that_is_gone_ends_the_stream_with_an_error() {
    let (_folder, storage) = open_storage();
    let (archive, _) = lay_out_archive(&storage, generate_entries(1, |_| 10)).await;
    let read: Result<Vec<Bytes>, StorageError> = archive.stream(0..archive.size()).try_collect().await;
    assert!(matches!(read, Err(StorageError::Missing(_))));
}

#[tokio::test]
async fn what_is_no_index_is_refused() {
    let (_folder, storage) = open_storage();
    for bytes in [b"short".to_vec(), vec![7; 500]] {
        let entry = store_entry(&storage, "x", bytes).await;
        assert!(matches!(Archive::open(&storage, &entry.digest).await, Err(StorageError::Io(_))));
    }
    let mut layout = ArchiveIndexWriter::new(&storage);
    let entry = store_entry(&storage, &"x".repeat(65_536), Vec::new()).await;
    assert!(layout.add(&entry).await.is_err());
}
