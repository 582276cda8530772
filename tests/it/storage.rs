//! Bytes come in, get their name, are read and swept: as files, and in an object store.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::TryStreamExt;
use offprint::storage::{Digest, Error, Storage, Stretch};
use tempfile::TempDir;

use crate::house::file_of;
use crate::s3::{Mood, S3};

/// A storage of one's own, and what it is made of.
struct Place {
    folder: TempDir,
    storage: Storage,
    s3: Option<S3>,
}

impl Place {
    /// One of each kind.
    fn both() -> [Self; 2] {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let storage = Storage::open(folder.path()).unwrap();
        let (remote, s3) = remote(&other);
        [Self { folder, storage, s3: None }, Self { folder: other, storage: remote, s3: Some(s3) }]
    }

    async fn put(&self, bytes: &[u8]) -> Digest {
        put(&self.storage, bytes).await
    }

    /// Puts other bytes in the place of a blob, as a bad disk does.
    fn spoil(&self, digest: &Digest, bytes: &[u8]) {
        match &self.s3 {
            Some(s3) => s3.overwrite(&S3::object(digest), bytes),
            None => std::fs::write(file_of(&self.folder, digest), bytes).unwrap(),
        }
    }
}

fn remote(folder: &TempDir) -> (Storage, S3) {
    let s3 = S3::start();
    (s3.storage(folder.path()), s3)
}

async fn put(storage: &Storage, bytes: &[u8]) -> Digest {
    let staged = storage.stage_bytes(bytes.to_vec()).await.unwrap();
    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    digest
}

fn temporary_files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path().join("tmp")).unwrap().count()
}

async fn read(storage: &Storage, digest: &Digest, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
    let pieces: Vec<Bytes> = storage.read_range(digest, offset, len).try_collect().await?;
    Ok(pieces.concat())
}

/// Bytes that repeat nowhere within a piece.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

#[tokio::test]
async fn bytes_written_in_pieces_are_hashed_and_come_back() {
    for place in Place::both() {
        let (folder, storage) = (&place.folder, &place.storage);
        // More than one part of a large object.
        let whole = noise(9 * 1024 * 1024 + 17);
        let mut incoming = storage.receive().await.unwrap();
        for piece in whole.chunks(70_001) {
            incoming.write(piece).await.unwrap();
        }
        assert_eq!(incoming.size(), whole.len() as u64);
        let mut staged = incoming.finish().await.unwrap();
        assert_eq!(staged.digest, Digest::of(&whole));
        assert_eq!(staged.crc32, crc32fast::hash(&whole));
        assert_eq!(staged.size, whole.len() as u64);

        let digest = staged.digest;
        storage.prepare(&mut staged).await.unwrap();
        assert!(matches!(storage.size(&digest).await, Err(Error::Missing(_))), "it has no name yet");
        storage.publish(staged).await.unwrap();
        assert_eq!(storage.size(&digest).await.unwrap(), whole.len() as u64);
        assert_eq!(storage.bytes(&digest).await.unwrap(), whole);
        assert_eq!(temporary_files(folder), 0);

        let (from, len) = (300_000, 5_000_003);
        let pieces: Vec<Bytes> = storage.read_range(&digest, from, len).try_collect().await.unwrap();
        assert!(pieces.iter().all(|piece| piece.len() <= 2 << 20));
        assert_eq!(pieces.concat(), whole[from as usize..(from + len) as usize]);
        assert_eq!(read(storage, &digest, 5, 0).await.unwrap(), b"");
        if let Some(s3) = place.s3 {
            assert_eq!((s3.names(), s3.uploads()), (vec![S3::object(&digest)], 0), "the marker is gone");
        }
    }
}

#[tokio::test]
async fn the_same_bytes_are_stored_once() {
    for place in Place::both() {
        let digest = place.put(b"the same").await;
        place.put(b"the same").await;
        let found = place.storage.list(digest.0[0]).await.unwrap();
        assert_eq!(found.iter().map(|found| (found.digest, found.size)).collect::<Vec<_>>(), [(digest, 8)]);
        assert!(found[0].age < Duration::from_secs(60));
        assert_eq!(temporary_files(&place.folder), 0);
    }
}

#[tokio::test]
async fn every_blob_is_listed_once() {
    for place in Place::both() {
        let mut put = Vec::new();
        for number in 0..2000u32 {
            // So many that begin with the same byte that a store lists them on several pages.
            let bytes = number.to_le_bytes();
            if Digest::of(&bytes).0[0] == 7 {
                put.push(place.put(&bytes).await);
            }
        }
        assert!(put.len() > 3);
        let other = (0u32..).find(|number| Digest::of(&number.to_le_bytes()).0[0] == 8).unwrap();
        place.put(&other.to_le_bytes()).await;
        let mut found: Vec<_> = place.storage.list(7).await.unwrap().iter().map(|found| found.digest).collect();
        put.sort_unstable_by_key(|digest| digest.0);
        found.sort_unstable_by_key(|digest| digest.0);
        assert_eq!(found, put);
    }
}

#[tokio::test]
async fn a_scratch_file_can_become_a_blob() {
    for place in Place::both() {
        let storage = &place.storage;
        let scratch = storage.scratch().await.unwrap();
        std::fs::write(&scratch, b"rendered").unwrap();
        let staged = storage.stage(scratch).await.unwrap();
        let expected = (Digest::of(b"rendered"), crc32fast::hash(b"rendered"), 8);
        assert_eq!((staged.digest, staged.crc32, staged.size), expected);
        storage.publish(staged).await.unwrap();
        assert_eq!(storage.bytes(&Digest::of(b"rendered")).await.unwrap(), b"rendered");
        drop(storage.scratch().await.unwrap());
        assert_eq!(temporary_files(&place.folder), 0);
    }
}

#[tokio::test]
async fn what_is_not_published_leaves_nothing_behind() {
    for place in Place::both() {
        let mut incoming = place.storage.receive().await.unwrap();
        incoming.write(&noise(2_000_000)).await.unwrap();
        assert_eq!(temporary_files(&place.folder), 1);
        drop(incoming);
        drop(place.storage.stage_bytes(b"staged".to_vec()).await.unwrap());
        assert_eq!(temporary_files(&place.folder), 0);
    }
}

#[tokio::test]
async fn missing_and_cut_blobs_say_so() {
    for place in Place::both() {
        let storage = &place.storage;
        let nowhere = Digest::of(b"nowhere");
        assert!(matches!(storage.bytes(&nowhere).await, Err(Error::Missing(digest)) if digest == nowhere));
        assert!(matches!(read(storage, &nowhere, 0, 1).await, Err(Error::Missing(_))));
        assert!(matches!(storage.local(&nowhere).await.map(drop), Ok(()) | Err(Error::Missing(_))));

        let digest = place.put(b"whole").await;
        place.spoil(&digest, b"cut");
        assert!(matches!(read(storage, &digest, 0, 5).await, Err(Error::Short(_))));
        assert!(matches!(read(storage, &digest, 4, 1).await, Err(Error::Short(_))));

        // The same bytes, put again, heal it.
        place.put(b"whole").await;
        assert_eq!(storage.bytes(&digest).await.unwrap(), b"whole");
    }
}

#[tokio::test]
async fn damage_is_seen_before_the_last_byte_is_handed_out() {
    for place in Place::both() {
        let whole = noise(5_000_000);
        let (digest, crc32) = (place.put(&whole).await, crc32fast::hash(&whole));
        let (size, after) = (whole.len() as u64, place.put(b"behind it").await);
        let mut spoiled = whole.clone();
        spoiled[0] ^= 1;
        let stretch = Stretch { digest, offset: 0, len: size, crc32: Some(crc32) };
        let behind = Stretch { digest: after, offset: 0, len: 9, crc32: Some(crc32fast::hash(b"behind it")) };
        let all = || place.storage.read(vec![stretch, behind]).try_fold(0, async |sum, piece| Ok(sum + piece.len()));
        assert_eq!(all().await.unwrap(), whole.len() + 9);
        assert_eq!(std::fs::read(&*place.storage.sound(&digest, size, crc32).await.unwrap()).unwrap(), whole);
        place.spoil(&digest, &spoiled);
        let (mut sent, mut pieces) = (0, Box::pin(place.storage.read(vec![stretch, behind])));
        let error = loop {
            match pieces.try_next().await {
                Ok(piece) => sent += piece.unwrap().len(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Error::Damaged(which) if which == digest));
        assert!(sent < whole.len());
        let sound = place.storage.sound(&digest, size, crc32).await;
        // The copy of a remote blob is still what it was.
        assert_eq!(sound.is_ok(), place.s3.is_some());
    }
}

#[tokio::test]
async fn a_copy_that_went_bad_is_fetched_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, s3) = remote(&folder);
    let (digest, crc32) = (put(&storage, b"a picture").await, crc32fast::hash(b"a picture"));
    let sound = || storage.sound(&digest, 9, crc32);
    drop(sound().await.unwrap());
    assert_eq!(temporary_files(&folder), 0);
    let copy = folder.path().join("copies").join(digest.to_string());
    std::fs::write(&copy, b"a pixture").unwrap();
    assert_eq!(std::fs::read(&*sound().await.unwrap()).unwrap(), b"a picture");

    // What is kept needs no store; what is not kept, or is over the limit, does.
    s3.is(Mood::Refusing(404));
    let held = sound().await.unwrap();
    assert_eq!(storage.shrink_copies(9).await.unwrap(), 0);
    assert_eq!(storage.shrink_copies(8).await.unwrap(), 1);
    assert_eq!(std::fs::read(&*held).unwrap(), b"a picture", "who has it keeps it");
    assert!(matches!(sound().await, Err(Error::Missing(_))));
    s3.is(Mood::Well);
    s3.overwrite(&S3::object(&digest), b"a pixture");
    assert!(matches!(sound().await, Err(Error::Damaged(_))));
    assert!(!copy.exists());
}

#[tokio::test]
async fn nothing_hangs_when_the_store_does() {
    let folder = tempfile::tempdir().unwrap();
    let s3 = S3::start();
    let address = format!("s3://{}", crate::s3::BUCKET);
    let open = |patience| Storage::at(&address, &s3.environment(), folder.path(), patience).unwrap();
    let storage = open(Duration::from_millis(50));
    let (small, large) = (b"small".to_vec(), noise(9 << 20));
    for mood in [Mood::Silent, Mood::Refusing(500), Mood::Refusing(503)] {
        s3.is(mood);
        let begun = Instant::now();
        let nowhere = Digest::of(b"nowhere");
        assert!(matches!(storage.ping().await, Err(Error::Away(_))));
        assert!(matches!(storage.size(&nowhere).await, Err(Error::Away(_))));
        assert!(matches!(read(&storage, &nowhere, 0, 10).await, Err(Error::Away(_))));
        assert!(matches!(storage.remove(&nowhere).await, Err(Error::Away(_))));
        assert!(matches!(storage.list(1).await, Err(Error::Away(_))));
        assert!(matches!(storage.sweep_parts(Duration::ZERO).await, Err(Error::Away(_))));
        for bytes in [&small, &large] {
            let staged = storage.stage_bytes(bytes.clone()).await.unwrap();
            assert!(matches!(storage.publish(staged).await, Err(Error::Away(_))));
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{mood:?}");
        assert_eq!(temporary_files(&folder), 0);
    }
    // From here on it answers, as fast as this machine lets it.
    let storage = open(Duration::from_secs(20));
    s3.is(Mood::Refusing(507));
    let staged = storage.stage_bytes(small.clone()).await.unwrap();
    assert!(matches!(storage.publish(staged).await, Err(Error::Full(_))));
    s3.is(Mood::Well);
    storage.ping().await.unwrap();
    let staged = storage.stage_bytes(small).await.unwrap();
    let digest = staged.digest;
    storage.publish(staged).await.unwrap();
    s3.is(Mood::Cutting);
    assert!(matches!(storage.bytes(&digest).await, Err(Error::Away(_))));
}

#[tokio::test]
async fn parts_that_were_never_joined_are_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (storage, s3) = remote(&folder);
    let mut staged = storage.stage_bytes(noise(9 << 20)).await.unwrap();
    storage.prepare(&mut staged).await.unwrap();
    // Killed here.
    drop(staged);
    assert_eq!((s3.uploads(), s3.names().len()), (1, 1));
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(storage.sweep_parts(day).await.unwrap(), 0);
    assert_eq!(s3.uploads(), 1, "it may still go on");
    s3.later(day);
    assert_eq!(storage.sweep_parts(day).await.unwrap(), 1);
    assert_eq!((s3.uploads(), s3.names().len()), (0, 0));
}

#[tokio::test]
async fn addresses_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = |address: &str| Storage::at(address, &Vec::new(), folder.path(), Duration::from_secs(1));
    for address in ["pictures", "ftp://host/folder", "https://example.com/bucket", "s3://"] {
        let Err(Error::Address(said)) = open(address) else { panic!("{address}") };
        assert!(said.starts_with(address) && said.contains("s3://bucket/prefix"), "{said}");
    }
    let files = open(&format!("file://{}", folder.path().join("files").display())).unwrap();
    put(&files, b"a file").await;
    assert!(folder.path().join("files/blobs").is_dir());
}

#[tokio::test]
async fn removing_twice_is_harmless() {
    for place in Place::both() {
        let digest = place.put(b"short-lived").await;
        place.storage.remove(&digest).await.unwrap();
        place.storage.remove(&digest).await.unwrap();
        assert!(matches!(place.storage.bytes(&digest).await, Err(Error::Missing(_))));
        assert!(place.storage.list(digest.0[0]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn old_temporary_files_are_swept() {
    for place in Place::both() {
        let (folder, storage) = (&place.folder, &place.storage);
        std::fs::write(folder.path().join("tmp/left"), b"by a killed process").unwrap();
        assert_eq!(storage.sweep_temporary(Duration::from_secs(3600)).await.unwrap(), 0);
        assert_eq!(storage.sweep_temporary(Duration::ZERO).await.unwrap(), 1);
        assert_eq!(temporary_files(folder), 0);
        assert!(storage.free_bytes().await.unwrap() > 0);
    }
}

#[test]
fn a_full_disk_has_its_own_name() {
    for errno in [rustix::io::Errno::NOSPC, rustix::io::Errno::DQUOT] {
        assert!(matches!(Error::from(std::io::Error::from(errno)), Error::Full(_)));
    }
    assert!(matches!(Error::from(std::io::Error::from(rustix::io::Errno::ACCESS)), Error::Io(_)));
}

#[test]
fn digests_are_hexadecimal_text() {
    let digest = Digest::of(b"");
    let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    assert_eq!(serde_json::to_value(digest).unwrap(), text);
    assert!("e3b0".parse::<Digest>().is_err());
    assert!("x".repeat(64).parse::<Digest>().is_err());
}
